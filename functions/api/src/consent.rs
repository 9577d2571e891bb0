//! Connecting people: the way to Withings' consent page, and what comes back from it.
//!
//! The customer asks for an address or a hosted link with a key; the person's browser brings back a code and the state,
//! and the state is the only authority that it has. It is used up before anything else is done, and with it the link
//! that it was opened for.

mod browser;
mod config;
mod devices;
mod import;
mod link;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::connection::{Scope, Scopes};
use afferent_domain::id::{ConnectionId, PullId, UserId};
use afferent_domain::link::Language;
use afferent_domain::secret::{App, Secret};
use afferent_function::Rim;
use afferent_gate::{CALL, CallError, ConnectError, Connector, Consent, Gate};
use afferent_metrics::{Metric, count};
use afferent_secrets::{Seals, SecretsError, application};
use afferent_store::StoreError;
use afferent_store::budget::Budget;
use afferent_store::connections::{AccountKey, Connection, Connections};
use afferent_store::links::Link;
use afferent_store::records::Records;
use afferent_store::states::{Ask, LIFE, Visit};
use afferent_withings::{Class, Client, auth};
use axum::http::HeaderMap;
use axum::http::header::HOST;
use tokio::sync::OnceCell;

use crate::problem::Problem;
use crate::wish::named;

pub use afferent_domain::link::Refusal;
pub(crate) use browser::Browser;
pub use config::{Config, SharedAccounts};
pub(crate) use devices::Activation;
pub(crate) use import::{Brought, NotImported};
pub(crate) use link::{Look, Onward};

/// How long a visit may take to bring the pair: well below the code's own 30 s and the function's 15 s, which have to
/// hold a cold start and the storing too.
const VISIT: Duration = Duration::from_secs(9);

/// How long the exchange of the code itself may take.
const EXCHANGE: Duration = Duration::from_secs(7);

/// Where Withings sends people back to.
const CALLBACK: &str = "/v1/oauth/callback";

/// When a visit ends, whatever it is at: a person who is told that it failed can try again, and one whose answer the
/// function's 15 s cut off is told nothing.
const END: Duration = Duration::from_secs(13);

/// How long what follows from connecting may take while the person waits; the account's care does the rest.
const FOLLOW_UP: Duration = Duration::from_secs(3);

/// What came of a visit.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<Connected, Refusal>,
    /// Unknown if the state is.
    pub(crate) whom: Option<Whom>,
}

impl Outcome {
    pub(crate) fn refused(refusal: Refusal, whom: Option<Whom>) -> Self {
        Self { result: Err(refusal), whom }
    }
}

/// Whom the outcome is told to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whom {
    /// The customer's name for the person; absent where whoever asks need not be the person.
    pub(crate) reference: Option<String>,
    /// Where the person goes.
    pub(crate) return_url: Option<String>,
    /// What the customer says that the person reads; the browser's unless it is set.
    pub(crate) language: Option<Language>,
}

impl From<Ask> for Whom {
    fn from(ask: Ask) -> Self {
        Self { reference: Some(ask.reference), return_url: ask.return_url, language: ask.language }
    }
}

impl From<Link> for Whom {
    fn from(link: Link) -> Self {
        Self { reference: Some(link.reference), return_url: link.return_url, language: link.language }
    }
}

impl Whom {
    /// For whoever has a link that is over: it lies in mails, and the customer's name for a person may say who that is.
    fn unnamed(link: Link) -> Self {
        Self { reference: None, ..link.into() }
    }
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
    pub(crate) language: Option<Language>,
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

/// Where the function was called. A function URL is reached under its own name alone, so the name can be believed; on
/// one machine there is no TLS.
pub(crate) fn called_at(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let scheme = if matches!(name, "localhost" | "127.0.0.1") { "http" } else { "https" };
    format!("{scheme}://{host}")
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

    /// Who asks people for their data, as the page calls it.
    pub(crate) fn app_name(&self) -> Option<&str> {
        self.config.app_name.as_deref()
    }

    /// Withings' host for people.
    pub(crate) fn account_url(&self) -> &str {
        &self.config.account_url
    }

    /// The address of the consent page for a person. `called_at` is where the function was called.
    pub(crate) async fn invite(&self, wish: &Wish, called_at: &str) -> Result<Invitation, Problem> {
        let ask = Ask {
            reference: wish.reference.clone(),
            scopes: named(&wish.scopes),
            required: named(&wish.required),
            redirect_uri: self.redirect_uri(called_at),
            return_url: wish.return_url.clone(),
            link: None,
            browser: None,
            language: wish.language,
        };
        let dies = self.rim.clock.now() + LIFE;
        self.send_to_consent(&ask, wish.demo, dies).await
    }

    /// Whoever is being erased is sent nowhere: they could not be connected.
    async fn unless_erasing(&self, reference: &str) -> Result<(), StoreError> {
        let erasing = self.connector.connections.erasing(&UserId::derive(&[reference])).await?;
        erasing.map_or(Ok(()), |_| Err(StoreError::Erasing))
    }

    /// Where people reach the function: the page of a link has to be at the host to which Withings sends them back, because
    /// its cookie goes to that host alone.
    fn public_url(&self, called_at: &str) -> String {
        let own = self.config.redirect_url.as_deref().and_then(|url| url.strip_suffix(CALLBACK));
        own.unwrap_or(called_at).to_owned()
    }

    fn redirect_uri(&self, called_at: &str) -> String {
        self.config.redirect_url.clone().unwrap_or_else(|| format!("{called_at}{CALLBACK}"))
    }

    /// Opens a state that lives until `dies`, and gives the address that brings it back.
    async fn send_to_consent(&self, ask: &Ask, demo: bool, dies: Timestamp) -> Result<Invitation, Problem> {
        self.unless_erasing(&ask.reference).await?;
        let app = self.app().await?;
        let state = self.connector.connections.open_state(ask, dies, &*self.rim.dice).await?;
        let asked = Scope::ALL.into_iter().filter(|scope| has(&ask.scopes, scope.name()));
        let scopes: Vec<&str> = asked.map(Scope::name).collect();
        let account_url = &self.config.account_url;
        let url = auth::authorize_url(account_url, &app.client_id, &scopes, &ask.redirect_uri, &state, demo);
        Ok(Invitation { url, expires: dies })
    }

    /// Takes what a browser brings to its end.
    ///
    /// # Errors
    /// The table is out of reach, and it is not known whose state it is.
    pub(crate) async fn visit(&self, visitor: Visitor, browser: &Browser) -> Result<Outcome, StoreError> {
        let now = self.rim.clock.now();
        let Some(state) = &visitor.state else { return Ok(Outcome::refused(Refusal::TokenExpired, None)) };
        let name = PullId::draw(now, &*self.rim.dice);
        let connections = &self.connector.connections;
        let ask = match connections.use_state(state, name.as_str(), &browser.marks(), now).await? {
            Visit::First(ask) => ask,
            Visit::Used(ask) => return Ok(Outcome::refused(Refusal::TokenConsumed, Some(ask.into()))),
            Visit::Expired(ask) => return Ok(Outcome::refused(Refusal::TokenExpired, Some(ask.into()))),
            Visit::Elsewhere(ask) => {
                tracing::warn!(result = Refusal::OtherBrowser.name(), "a person came back in another browser");
                let whom = Whom { reference: None, ..ask.into() };
                return Ok(Outcome::refused(Refusal::OtherBrowser, Some(whom)));
            }
            Visit::Unknown => return Ok(Outcome::refused(Refusal::TokenExpired, None)),
        };
        // A link is used up by the first visit that it leads to, although each Continue opened a state of its own.
        if let Some(link) = &ask.link {
            match connections.end_link(link, name.as_str(), now).await {
                Ok(true) => {}
                Ok(false) => return Ok(Outcome::refused(Refusal::TokenConsumed, Some(ask.into()))),
                Err(error) => {
                    tracing::error!(%error, "a link could not be ended, and nobody was connected");
                    return Ok(Outcome::refused(Refusal::ProviderError, Some(ask.into())));
                }
            }
        }
        let left = (now + END).since(self.rim.clock.now());
        let result = tokio::time::timeout(left, self.connect(&ask, &visitor, now)).await.unwrap_or_else(|_| {
            tracing::error!("a person consented, and connecting them took too long");
            Err(Refusal::ProviderError)
        });
        if let Err(refusal) = &result {
            // Whoever declines has chosen to.
            count(Metric::ConsentsFailed, usize::from(!matches!(refusal, Refusal::Denied)));
            tracing::warn!(result = refusal.name(), "a person was not connected");
        }
        Ok(Outcome { result, whom: Some(ask.into()) })
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
            account: self.account(ready.gate.app(), token.userid.to_string()),
            expires_in: token.life(),
            scopes: Scopes::new(token.scope),
            access_token: token.access_token,
            refresh_token: token.refresh_token,
            tz: None,
            alone: self.alone(),
        };
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "a person consented and could not be connected");
            Refusal::ProviderError
        };
        // An answer that names no scope grants none: only of an imported pair it is not known.
        let lacks = !ask.required.names().all(|scope| has(&consent.scopes, scope));
        if lacks {
            self.let_go(ready, &consent).await.map_err(|error| failed(&error))?;
            return Err(Refusal::RequiredScopesMissing);
        }
        match self.connector.connect_within(FOLLOW_UP, &ready.seals, &consent).await {
            Ok(Connection { user, id, .. }) => Ok(Connected { user, connection: id }),
            Err(error @ (ConnectError::Taken | ConnectError::Store(StoreError::Erasing))) => {
                self.let_go(ready, &consent).await.map_err(|error| failed(&error))?;
                Err(if matches!(error, ConnectError::Taken) { Refusal::DuplicateConnection } else { failed(&error) })
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// What becomes of the pair of somebody who is not connected: it is kept if the account lives for others, and the
    /// consent is taken back at Withings if it does not. That is tried once: what was asked for of the person was
    /// refused either way, and the pair is stored nowhere.
    async fn let_go(&self, ready: &Ready, consent: &Consent) -> Result<(), ConnectError> {
        if self.connector.keep_pair(&ready.seals, consent).await? {
            return Ok(());
        }
        let until = self.rim.clock.now() + CALL + FOLLOW_UP;
        let (gate, userid) = (&ready.gate, &consent.account.userid);
        let revoked = async {
            let nonce = gate.nonce(Lane::OnDemand, until).await?;
            gate.signed(Lane::OnDemand, &auth::revoke(gate.app(), &nonce, userid), until).await
        };
        match tokio::time::timeout(FOLLOW_UP, revoked).await {
            Ok(Ok(_)) => tracing::info!("the consent of somebody who was not connected was taken back"),
            Ok(Err(error)) => tracing::warn!(%error, "the consent of somebody who was not connected stays at Withings"),
            Err(_) => tracing::warn!("the consent of somebody who was not connected perhaps stays at Withings"),
        }
        Ok(())
    }

    /// Whether an account may be one user's alone.
    pub(crate) fn alone(&self) -> bool {
        self.config.shared_accounts == SharedAccounts::Refuse
    }

    pub(crate) fn account(&self, app: &App, userid: String) -> AccountKey {
        let region = self.config.place.region.name().to_owned();
        AccountKey { application: app.client_id.clone(), region, userid }
    }

    pub(crate) async fn app(&self) -> Result<&App, SecretsError> {
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
