//! Connecting people: the address of Withings' consent page, and what comes back from it.
//!
//! The customer asks for an address with a key; the person's browser brings back a code and the state, and the state
//! is the only authority that it has. It is used up before anything else is done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::Depth;
use afferent_domain::connection::{Scope, Scopes, State};
use afferent_domain::id::{ConnectionId, PullId, UserId};
use afferent_domain::secret::{App, Secret};
use afferent_function::{Env, Rim, StartError};
use afferent_gate::{CallError, Connector, Consent, Gate, Place};
use afferent_secrets::{Seals, SecretsError, application};
use afferent_store::StoreError;
use afferent_store::budget::Budget;
use afferent_store::connections::{AccountKey, Connection, Connections};
use afferent_store::records::Records;
use afferent_store::states::{Ask, LIFE, Visit};
use afferent_withings::{Class, Client, auth};
use tokio::sync::OnceCell;

/// How long a visit may take to bring the pair: well below the code's own 30 s and the function's 15 s, which have to
/// hold a cold start and the storing too.
const VISIT: Duration = Duration::from_secs(10);

/// How long the exchange of the code itself may take.
const EXCHANGE: Duration = Duration::from_secs(8);

/// How long what follows from connecting may take while the person waits; the account's care does the rest.
const FOLLOW_UP: Duration = Duration::from_secs(3);

/// What is read from the environment for connecting.
#[derive(Debug)]
pub struct Config {
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `WITHINGS_SECRET_ARN`: the application's client id and secret.
    pub withings_secret_arn: String,
    /// `SEAL_TOKENS_SECRET_ARN`: the keys that tokens are sealed under.
    pub seal_tokens_secret_arn: String,
    /// `WITHINGS_REGION`, `WITHINGS_API_URL`, `WITHINGS_LIMIT`.
    pub place: Place,
    /// `WITHINGS_ACCOUNT_URL`: where people consent; the region's own page unless it is set.
    pub account_url: String,
    /// `REDIRECT_URL`: the redirect address as it is registered with Withings; unless it is set, `/v1/oauth/callback`
    /// at the address under which the function was called.
    pub redirect_url: Option<String>,
    /// `BACKFILL_DAYS`: how much of the past a first connection brings: days, or `everything`; 90 unless it is set.
    pub depth: Depth,
    /// `SHARED_ACCOUNTS`: whether one Withings account may be connected for two users: `allow`, unless it is set, or
    /// `refuse`.
    pub shared_accounts: SharedAccounts,
}

/// Whether one Withings account may be connected for two users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedAccounts {
    /// Both are connected, and share the chain of tokens.
    #[default]
    Allow,
    /// The second one is refused while the first one lives.
    Refuse,
}

impl std::str::FromStr for SharedAccounts {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "allow" => Ok(Self::Allow),
            "refuse" => Ok(Self::Refuse),
            _ => Err(()),
        }
    }
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, StartError> {
        let place = Place::from_env(env)?;
        Ok(Self {
            connections_table: env.required("CONNECTIONS_TABLE")?,
            withings_secret_arn: env.required("WITHINGS_SECRET_ARN")?,
            seal_tokens_secret_arn: env.required("SEAL_TOKENS_SECRET_ARN")?,
            account_url: env.optional("WITHINGS_ACCOUNT_URL").unwrap_or_else(|| place.region.account_url().to_owned()),
            place,
            redirect_url: env.optional("REDIRECT_URL"),
            depth: env.parsed("BACKFILL_DAYS", Depth::default(), "a number of days, or everything")?,
            shared_accounts: env.parsed("SHARED_ACCOUNTS", SharedAccounts::default(), "allow or refuse")?,
        })
    }
}

/// Why somebody is not connected. The names are part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The state is too old or unknown, or the code died on its way.
    #[error("This link is no longer valid. Ask for a new one.")]
    TokenExpired,
    /// The state was used before.
    #[error("This link was used before. Ask for a new one.")]
    TokenConsumed,
    /// The person said no.
    #[error("You did not allow the connection. Nothing was shared.")]
    Denied,
    /// The Withings account is connected for somebody else already.
    #[error("This Withings account is connected already.")]
    DuplicateConnection,
    /// The person left out a permission without which there is no connection.
    #[error("A permission that is needed was not given. Ask for a new link and leave all permissions on.")]
    RequiredScopesMissing,
    /// Withings, or we, could not.
    #[error("Withings could not be reached, or did not answer as expected. Ask for a new link.")]
    ProviderError,
}

impl Refusal {
    /// Its name in addresses and problems.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::TokenConsumed => "token_consumed",
            Self::Denied => "denied",
            Self::DuplicateConnection => "duplicate_connection",
            Self::RequiredScopesMissing => "required_scopes_missing",
            Self::ProviderError => "provider_error",
        }
    }
}

/// What came of a visit.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<Connected, Refusal>,
    /// The customer's name for the person, and where the person goes; unknown if the state is.
    pub(crate) ask: Option<Ask>,
}

#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) user: UserId,
    pub(crate) connection: ConnectionId,
}

/// What a browser brings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visitor {
    pub(crate) state: Option<Secret>,
    pub(crate) code: Option<Secret>,
    pub(crate) error: Option<String>,
}

/// The address of a consent page, and until when it is good.
#[derive(Debug)]
pub(crate) struct Invitation {
    pub(crate) url: String,
    pub(crate) expires: Timestamp,
}

/// What a customer asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) reference: String,
    pub(crate) scopes: BTreeSet<Scope>,
    pub(crate) required: BTreeSet<Scope>,
    pub(crate) return_url: Option<String>,
    pub(crate) demo: bool,
}

/// What connecting needs beyond the tables. Read when it is first needed: most starts of the function are for
/// something else.
struct Ready {
    gate: Gate,
    seals: Seals,
}

/// Connects people.
pub(crate) struct Consents {
    config: Config,
    connector: Connector,
    rim: Rim,
    app: OnceCell<App>,
    ready: OnceCell<Ready>,
    client: afferent_store::Client,
}

/// Why there is no invitation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InviteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

impl Consents {
    pub(crate) fn new(config: Config, records: Records, client: afferent_store::Client, rim: &Rim) -> Self {
        let connections = Connections::new(client.clone(), config.connections_table.clone());
        let connector = Connector {
            connections,
            records,
            depth: config.depth,
            clock: Arc::clone(&rim.clock),
            dice: Arc::clone(&rim.dice),
        };
        Self { config, connector, rim: rim.clone(), app: OnceCell::new(), ready: OnceCell::new(), client }
    }

    /// The address of the consent page for a person. `called_at` is where the function was called.
    pub(crate) async fn invite(&self, wish: &Wish, called_at: &str) -> Result<Invitation, InviteError> {
        let app = self.app().await?;
        let now = self.rim.clock.now();
        let ours = || format!("{called_at}/v1/oauth/callback");
        let names = |scopes: &BTreeSet<Scope>| Scopes::new(scopes.iter().map(|scope| scope.name()));
        let ask = Ask {
            reference: wish.reference.clone(),
            scopes: names(&wish.scopes),
            required: names(&wish.required),
            redirect_uri: self.config.redirect_url.clone().unwrap_or_else(ours),
            return_url: wish.return_url.clone(),
        };
        let state = self.connector.connections.open_state(&ask, now, &*self.rim.dice).await?;
        let scopes: Vec<&str> = wish.scopes.iter().map(|scope| scope.name()).collect();
        let account_url = &self.config.account_url;
        let url = auth::authorize_url(account_url, &app.client_id, &scopes, &ask.redirect_uri, &state, wish.demo);
        Ok(Invitation { url, expires: now + LIFE })
    }

    /// Takes what a browser brings to its end.
    ///
    /// # Errors
    /// The table is out of reach, and nothing is known.
    pub(crate) async fn visit(&self, visitor: Visitor) -> Result<Outcome, StoreError> {
        let now = self.rim.clock.now();
        let Some(state) = &visitor.state else {
            return Ok(Outcome { result: Err(Refusal::TokenExpired), ask: None });
        };
        let name = PullId::draw(now, &*self.rim.dice);
        let ask = match self.connector.connections.use_state(state, name.as_str(), now).await? {
            Visit::First(ask) => ask,
            Visit::Used(ask) => return Ok(Outcome { result: Err(Refusal::TokenConsumed), ask: Some(ask) }),
            Visit::Expired(ask) => return Ok(Outcome { result: Err(Refusal::TokenExpired), ask: Some(ask) }),
            Visit::Unknown => return Ok(Outcome { result: Err(Refusal::TokenExpired), ask: None }),
        };
        let result = self.connect(&ask, &visitor, now).await;
        if let Err(refusal) = &result {
            tracing::warn!(result = refusal.name(), "a person was not connected");
        }
        Ok(Outcome { result, ask: Some(ask) })
    }

    async fn connect(&self, ask: &Ask, visitor: &Visitor, began: Timestamp) -> Result<Connected, Refusal> {
        match (&visitor.code, visitor.error.as_deref()) {
            (_, Some("access_denied")) => return Err(Refusal::Denied),
            (None, _) | (_, Some(_)) => return Err(Refusal::ProviderError),
            (Some(_), None) => {}
        }
        let Some(code) = &visitor.code else { return Err(Refusal::ProviderError) };
        let ready = self.ready().await.map_err(|error| {
            tracing::error!(%error, "a person could not be connected: the secrets cannot be had");
            Refusal::ProviderError
        })?;
        let exchanged = ready.gate.exchange(code, &ask.redirect_uri, EXCHANGE, began + VISIT).await;
        for (lane, used) in ready.gate.take_usage().lanes() {
            let wait_ms = u64::try_from(used.wait.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(
                lane = lane.name(),
                calls = used.calls,
                refused = used.refused,
                wait_ms,
                "the budget was used"
            );
        }
        let token = exchanged.map_err(|error| {
            tracing::error!(%error, "the code of a person was not exchanged");
            match error {
                // It also says this when the redirect address is not the registered one.
                CallError::Withings(error) if error.class() == Class::InvalidCode => Refusal::TokenExpired,
                _ => Refusal::ProviderError,
            }
        })?;
        let consent = Consent {
            reference: ask.reference.clone(),
            account: AccountKey {
                application: ready.gate.app().client_id.clone(),
                region: self.config.place.region.name().to_owned(),
                userid: token.userid.to_string(),
            },
            expires_in: token.life(),
            scopes: Scopes::new(token.scope),
            access_token: token.access_token,
            refresh_token: token.refresh_token,
            tz: None,
        };
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "a person consented and could not be connected");
            Refusal::ProviderError
        };
        let lacks = !ask.required.names().all(|scope| consent.scopes.is_unknown() || has(&consent.scopes, scope));
        let refused = self.config.shared_accounts == SharedAccounts::Refuse
            && self.is_taken(&consent).await.map_err(|error| failed(&error))?;
        if lacks || refused {
            self.connector.keep_pair(&ready.seals, &consent).await.map_err(|error| failed(&error))?;
            return Err(if lacks { Refusal::RequiredScopesMissing } else { Refusal::DuplicateConnection });
        }
        let connected = self.connector.connect_within(FOLLOW_UP, &ready.seals, &consent).await;
        let Connection { user, id, .. } = connected.map_err(|error| failed(&error))?;
        Ok(Connected { user, connection: id })
    }

    /// Whether the account is connected for another user.
    async fn is_taken(&self, consent: &Consent) -> Result<bool, StoreError> {
        let user = UserId::derive(&[&consent.reference]);
        let others = self.connector.connections.of_account(&consent.account).await?;
        Ok(others.iter().any(|other| other.user != user && other.state == State::Connected))
    }

    async fn app(&self) -> Result<&App, SecretsError> {
        self.app.get_or_try_init(|| application(&self.rim.aws, &self.config.withings_secret_arn)).await
    }

    async fn ready(&self) -> Result<&Ready, SecretsError> {
        self.ready
            .get_or_try_init(|| async {
                let arn = &self.config.seal_tokens_secret_arn;
                let (app, seals) = tokio::try_join!(self.app(), Seals::read(&self.rim.aws, arn, self.rim.clock.now()))?;
                let budget = Budget::new(
                    self.client.clone(),
                    self.config.connections_table.clone(),
                    &app.client_id,
                    self.config.place.limit,
                    Arc::clone(&self.rim.clock),
                    Arc::clone(&self.rim.dice),
                );
                let withings = Client::new(Arc::clone(&self.rim.http), &self.config.place.api_url);
                let connections = self.connector.connections.clone();
                let gate = Gate::new(withings, app.clone(), seals.clone(), budget, connections, &self.rim);
                Ok(Ready { gate, seals })
            })
            .await
    }
}

fn has(scopes: &Scopes, name: &str) -> bool {
    scopes.names().any(|scope| scope == name)
}
