//! Devices that were set up without an account (Withings' notifications of category 53), and the people they belong to.

use std::time::Duration;

use afferent_domain::budget::Lane;
use afferent_domain::connection::State;
use afferent_domain::exact::Json;
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::secret::Secret;
use afferent_gate::{CALL, CallError, ConnectError, Consent};
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_withings::{Class, Request, user};

use super::visit::EXCHANGE;
use super::{Connected, Consents, FOLLOW_UP, Scopes};
use crate::problem::{Kind, Problem};

/// How long a request about a device may take, of the function's 15 s.
const PATIENCE: Duration = Duration::from_secs(12);

/// How long it may wait for its turn in the budget.
const TURN: Duration = Duration::from_secs(3);

/// An account that is to be made for somebody who has none.
#[derive(Debug)]
pub(crate) struct Activation {
    pub(crate) email: String,
    pub(crate) short_name: String,
    pub(crate) gender: i64,
    /// Epoch seconds.
    pub(crate) birthdate: i64,
    pub(crate) language: String,
    pub(crate) timezone: String,
    /// JSON texts.
    pub(crate) units: String,
    pub(crate) measures: String,
}

/// Why a device is not linked, beyond what a table says.
#[derive(Debug)]
pub(crate) enum DeviceError {
    /// What Withings, or the way to it, said.
    Call(CallError),
    /// It took too long.
    Late,
    /// The account was made, and its code was not exchanged or not stored.
    HalfDone,
}

impl From<CallError> for DeviceError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<DeviceError> for Problem {
    fn from(error: DeviceError) -> Self {
        let provider = |detail: &str| Self::Provider { kind: Kind::ProviderError, detail: detail.to_owned() };
        let error = match error {
            DeviceError::Call(CallError::Store(error)) => return error.into(),
            DeviceError::Call(error) => error,
            DeviceError::Late => {
                return provider("Withings did not answer in time; look whether it is done, then ask again");
            }
            DeviceError::HalfDone => {
                return provider("Withings made the account, but it was not connected: send the person a link");
            }
        };
        tracing::warn!(%error, "a request about a device was not done");
        let reauthorise =
            || Self::conflict(Kind::Reauthorise, "the connection's tokens are dead: the person must connect again");
        let class = match &error {
            CallError::Reauthorise => return reauthorise(),
            CallError::Spent(_) => return Self::Limited { what: " to Withings are waiting", seconds: 60 },
            CallError::Refreshing => return Self::Unavailable("the connection's tokens are being refreshed"),
            CallError::Sealed => return Self::Unavailable("a sealing key is out of reach"),
            CallError::Withings(error) => error.class(),
            CallError::Store(_) => return Self::Unavailable("a table is out of reach"),
        };
        match class {
            Class::Unauthorized | Class::InvalidRefreshToken | Class::InvalidCode => reauthorise(),
            Class::Scope => {
                Self::conflict(Kind::NotAllowed, "the person's consent, or the application's plan, does not allow this")
            }
            Class::Invalid => {
                let detail = "Withings does not take this: the device is not known to it, not this application's, or linked \
                              already; or the application's contract does not have it";
                Self::conflict(Kind::DeviceRefused, detail)
            }
            Class::TooManyRequests { wait } | Class::SameArguments { wait } => {
                Self::Limited { what: " to Withings", seconds: wait.as_secs().max(1) }
            }
            Class::Success | Class::Retry | Class::Unknown => {
                provider("Withings could not be reached, or did not answer as expected; ask again")
            }
        }
    }
}

impl Consents {
    /// The living connection that is meant: the one that is named, or the only one.
    pub(crate) async fn living(&self, user: &UserId, named: Option<&ConnectionId>) -> Result<Connection, Problem> {
        let connections = &self.connector.connections;
        if connections.user(user).await?.is_none() {
            return Err(Problem::NotFound("user"));
        }
        let mut all = connections.of_user(user).await?;
        if let Some(named) = named {
            all.retain(|connection| connection.id == *named);
            if all.is_empty() {
                return Err(Problem::NotFound("connection"));
            }
        }
        all.retain(|connection| connection.state == State::Connected);
        match all.len() {
            0 => Err(Problem::conflict(
                Kind::NotConnected,
                "the user has no connection that lives: send the person a link",
            )),
            1 => Ok(all.remove(0)),
            _ => Err(Problem::field("connection", "there: the user has several, and one of them is meant")),
        }
    }

    /// Links a device to the person's Withings account.
    pub(crate) async fn link_device(&self, connection: &Connection, mac: &str) -> Result<(), Problem> {
        self.about_device(connection, &user::link(&[mac])).await
    }

    /// Takes a device out of it.
    pub(crate) async fn unlink_device(&self, connection: &Connection, mac: &str) -> Result<(), Problem> {
        self.about_device(connection, &user::unlink(mac)).await
    }

    async fn about_device(&self, connection: &Connection, request: &Request) -> Result<(), Problem> {
        let gate = &self.ready().await?.gate;
        let until = self.rim.clock.now() + CALL + TURN;
        let call = gate.call(&connection.account, Lane::OnDemand, request, until);
        let answered = tokio::time::timeout(PATIENCE, call).await.map_err(|_| DeviceError::Late)?;
        answered.map_err(DeviceError::Call)?;
        Ok(())
    }

    /// Makes a Withings account with the device in it for somebody who has none, and connects it.
    pub(crate) async fn activate(
        &self,
        reference: &str,
        mac: &str,
        activation: &Activation,
        called_at: &str,
    ) -> Result<Connected, Problem> {
        let made = self.activated(reference, mac, activation, called_at);
        tokio::time::timeout(PATIENCE, made).await.map_err(|_| DeviceError::Late)?
    }

    async fn activated(
        &self,
        reference: &str,
        mac: &str,
        activation: &Activation,
        called_at: &str,
    ) -> Result<Connected, Problem> {
        // Before anything is made: who is being erased must not get an account, and a consent that the erasure does not know.
        self.unless_erasing(reference).await?;
        // Nor may one be made that there is no room for.
        if self.connector.is_full(&UserId::derive(&[reference])).await? {
            return Err(Problem::too_many_connections());
        }
        let ready = self.ready().await?;
        let until = self.rim.clock.now() + CALL + TURN;
        let nonce = ready.gate.nonce(Lane::OnDemand, until).await.map_err(DeviceError::Call)?;
        let request = user::activate(
            ready.gate.app(),
            &nonce,
            &user::Activation {
                email: &activation.email,
                short_name: &activation.short_name,
                gender: activation.gender,
                birthdate: activation.birthdate,
                preflang: &activation.language,
                unit_pref: &activation.units,
                timezone: &activation.timezone,
                external_id: reference,
                measures: &activation.measures,
                macs: &[mac],
            },
        );
        let answer = ready.gate.signed(Lane::OnDemand, &request, until).await.map_err(DeviceError::Call)?;
        let half = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "an account was made for a person, and is not connected");
            DeviceError::HalfDone
        };
        let code = code_of(answer.json()).ok_or_else(|| half(&"the answer has no code"))?;
        let exchanged = ready.gate.exchange(&code, &self.redirect_uri(called_at), EXCHANGE, until).await;
        let token = exchanged.map_err(|error| half(&error))?;
        let consent = Consent {
            reference: reference.to_owned(),
            account: self.account(ready.gate.app(), token.userid.to_string()),
            expires_in: token.life(),
            scopes: Scopes::new(token.scope),
            access_token: token.access_token,
            refresh_token: token.refresh_token,
            tz: Some(activation.timezone.clone()),
            alone: self.alone(),
        };
        let refused = match self.connector.connect_within(FOLLOW_UP, &ready.seals, &consent).await {
            Ok(Connection { user, id, .. }) => return Ok(Connected { user, connection: id }),
            Err(error) => error,
        };
        if matches!(refused, ConnectError::Taken | ConnectError::TooMany | ConnectError::Store(StoreError::Erasing)) {
            self.let_go(ready, &consent).await.map_err(|error| half(&error))?;
        }
        match refused {
            ConnectError::Store(error @ StoreError::Erasing) => Err(error.into()),
            error => Err(half(&error).into()),
        }
    }
}

/// The code of an activation: Withings' specification has it in `user`, older texts beside it.
fn code_of(body: &Json) -> Option<Secret> {
    let text = |json: &Json| match json.get("code") {
        Some(Json::Text(code)) => Some(Secret::new(code)),
        _ => None,
    };
    body.get("user").and_then(text).or_else(|| text(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_in_the_user_or_beside_it() {
        for body in [r#"{"user":{"code":"c"}}"#, r#"{"code":"c"}"#] {
            assert_eq!(code_of(&Json::parse(body.as_bytes()).unwrap()), Some(Secret::new("c")), "{body}");
        }
        assert_eq!(code_of(&Json::parse(br#"{"user":{"code":1}}"#).unwrap()), None);
    }
}
