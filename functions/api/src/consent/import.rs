//! Importing connections: people who consented elsewhere, by the token pairs that were issued there.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::connection::Scopes;
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::secret::Secret;
use afferent_gate::{ConnectError, Consent, History, Imported};
use afferent_store::StoreError;

use super::Consents;
use crate::problem::Problem;

/// The longest life of an access token that is believed (Withings: 3 h). One that is believed for too long meets a 401,
/// and is refreshed then.
const LONGEST_LIFE: Duration = Duration::from_secs(3 * 3600);

/// A connection that was brought.
#[derive(Debug)]
pub(crate) struct Brought {
    pub(crate) reference: String,
    pub(crate) userid: u64,
    pub(crate) region: Option<String>,
    pub(crate) access_token: Option<Secret>,
    pub(crate) refresh_token: Secret,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) scopes: Scopes,
    pub(crate) tz: Option<String>,
    pub(crate) history: Option<History>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Whether it was there, and lives, already.
    pub(crate) already: bool,
    pub(crate) user: UserId,
    pub(crate) connection: ConnectionId,
}

/// Why one is not imported; the others are not held up by it.
#[derive(Debug)]
pub(crate) enum NotImported {
    /// It is of another of Withings' clouds than this stack.
    Region(&'static str),
    /// The account is connected for another user, and the policy is to refuse that.
    Duplicate,
    /// The user has as many connections as one may have.
    TooMany,
    /// The person is being erased.
    Erasing,
    /// A table or a key is out of reach; the same again is right.
    Unavailable,
}

impl Consents {
    /// Imports one. The pair is sealed and stored, and nothing is called: whether it lives shows when it is first
    /// refreshed.
    pub(crate) async fn import(
        &self,
        brought: Brought,
        until: Timestamp,
    ) -> Result<Result<Outcome, NotImported>, Problem> {
        let region = self.config.place.region.name();
        if brought.region.is_some_and(|asked| asked != region) {
            return Ok(Err(NotImported::Region(region)));
        }
        if self.rim.clock.now() >= until {
            return Ok(Err(NotImported::Unavailable));
        }
        let ready = self.ready().await?;
        // Without one, or when it is not known how long it lives, the first call refreshes.
        let expires_in = match (&brought.access_token, brought.expires_in) {
            (Some(_), Some(life)) => life.min(LONGEST_LIFE),
            _ => Duration::ZERO,
        };
        let consent = Consent {
            account: self.account(ready.gate.app(), brought.userid.to_string()),
            reference: brought.reference,
            access_token: brought.access_token.unwrap_or_else(|| Secret::new("")),
            refresh_token: brought.refresh_token,
            expires_in,
            scopes: brought.scopes,
            tz: brought.tz,
            alone: self.alone(),
        };
        let failed = |error: ConnectError| {
            match error {
                ConnectError::Store(StoreError::Erasing) => return Ok(Err(NotImported::Erasing)),
                ConnectError::Taken => return Ok(Err(NotImported::Duplicate)),
                ConnectError::TooMany => return Ok(Err(NotImported::TooMany)),
                _ => {}
            }
            tracing::error!(%error, "a connection could not be imported");
            Ok(Err(NotImported::Unavailable))
        };
        // Also if the connection still lives: it will not for long.
        if let Err(error) = self.unless_erasing(&consent.reference).await {
            return failed(error.into());
        }
        let (already, connection) = match self.connector.import(&ready.seals, &consent, brought.history).await {
            Ok(Imported::Connected(connection)) => (false, connection),
            Ok(Imported::Already(connection)) => (true, connection),
            Err(error) => return failed(error),
        };
        Ok(Ok(Outcome { already, user: connection.user, connection: connection.id }))
    }
}
