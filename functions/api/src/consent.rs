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
mod visit;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::connection::{Scope, Scopes};
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::link::Language;
use afferent_domain::secret::{App, Secret};
use afferent_function::Rim;
use afferent_gate::{Connector, Gate};
use afferent_secrets::{Seals, SecretsError, application};
use afferent_store::StoreError;
use afferent_store::budget::Budget;
use afferent_store::connections::{AccountKey, Connections};
use afferent_store::links::Link;
use afferent_store::records::Records;
use afferent_store::states::{Ask, LIFE};
use afferent_withings::{Client, auth};
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
pub(crate) use visit::Arrival;

/// How long a visit may take to bring the pair: well below the code's own 30 s and the function's 15 s, which have to
/// hold a cold start and the storing too.
const VISIT: Duration = Duration::from_secs(9);

/// Where Withings sends people back to.
const CALLBACK: &str = "/v1/oauth/callback";

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

    /// The same for whoever has a state that is another browser's.
    fn nobody(ask: Ask) -> Self {
        Self { reference: None, ..ask.into() }
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
