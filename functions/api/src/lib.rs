//! The front door for operators and apps: health, and lists behind a key.
//!
//! | request | scope | answer |
//! |---|---|---|
//! | `GET /v1/health` | none | the function runs |
//! | `GET /v1/endpoints` | `read` | who gets events |
//! | `GET /v1/notifications?day=2026-11-21` | `read` | how many of that UTC day stand where |
//! | `GET /v1/users/{user}/records?kind=&limit=&cursor=` | `read` | records, of one kind the newest first |
//! | `GET /v1/users/{user}/events?after=&limit=` | `read` | the journal after a sequence number |
//! | `POST /v1/connections/authorize` | `write` | where to send a person who is to be connected |
//! | `GET /v1/oauth/callback?code=&state=` | none | Withings sends the person here; the state is the authority |
//!
//! `{user}` is a user's id, or `_app` for what has no person; another name is not found. A key comes as
//! `Authorization: Bearer afk_…`. Errors are problem details (RFC 9457).

mod answer;
mod consent;
mod page;
mod route;
mod wish;

use std::sync::Arc;

use afferent_domain::Clock;
use afferent_domain::secret::Secret;
use afferent_function::{Env, Rim, StartError};
use afferent_store::endpoints::Endpoints;
use afferent_store::events::Events;
use afferent_store::keys::{Key, Keys};
use afferent_store::notifications::Notifications;
use afferent_store::records::Records;
use lambda_http::http::Method;
use lambda_http::http::header::{ACCEPT, AUTHORIZATION, HOST};
use lambda_http::{Body, Request, Response};

use answer::Problem;
use consent::{Consents, Visitor};
use route::Route;

pub use consent::{Config as ConsentConfig, Refusal, SharedAccounts};

/// What `api` reads from its environment.
#[derive(Debug)]
pub struct Config {
    /// `RECORDS_TABLE`.
    pub records_table: String,
    /// `EVENTS_TABLE`.
    pub events_table: String,
    /// `ENDPOINTS_TABLE`.
    pub endpoints_table: String,
    /// `NOTIFICATIONS_TABLE`.
    pub notifications_table: String,
    /// `KEYS_TABLE`.
    pub keys_table: String,
    /// What connecting people needs.
    pub consent: ConsentConfig,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing.
    pub fn from_env(env: &Env) -> Result<Self, StartError> {
        Ok(Self {
            records_table: env.required("RECORDS_TABLE")?,
            events_table: env.required("EVENTS_TABLE")?,
            endpoints_table: env.required("ENDPOINTS_TABLE")?,
            notifications_table: env.required("NOTIFICATIONS_TABLE")?,
            keys_table: env.required("KEYS_TABLE")?,
            consent: ConsentConfig::from_env(env)?,
        })
    }
}

/// The function.
pub struct Api {
    records: Records,
    events: Events,
    endpoints: Endpoints,
    notifications: Notifications,
    keys: Keys,
    consents: Consents,
    clock: Arc<dyn Clock>,
}

impl Api {
    /// Builds the function; calls nothing.
    ///
    /// # Errors
    /// A variable is missing.
    pub async fn start(env: &Env, rim: &Rim) -> Result<Self, StartError> {
        let config = Config::from_env(env)?;
        let client = afferent_store::client(&rim.aws);
        let records = Records::new(client.clone(), config.records_table);
        Ok(Self {
            consents: Consents::new(config.consent, records.clone(), client.clone(), rim),
            records,
            events: Events::new(client.clone(), config.events_table),
            endpoints: Endpoints::new(client.clone(), config.endpoints_table),
            notifications: Notifications::new(client.clone(), config.notifications_table),
            keys: Keys::new(client, config.keys_table),
            clock: rim.clock.clone(),
        })
    }

    /// Answers one request.
    ///
    /// # Errors
    /// None that a request could cause.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, lambda_http::Error> {
        let answer = self.answer(&request).await;
        Ok(answer.unwrap_or_else(|problem| {
            match &problem {
                Problem::Store(error) => tracing::error!(%error, "a request could not be answered"),
                Problem::Secrets(error) => tracing::error!(%error, "a request could not be answered"),
                Problem::Unwritable(error) => tracing::error!(at = error.column(), "an answer could not be written"),
                _ => {}
            }
            problem.response()
        }))
    }

    async fn answer(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let query = request.uri().query().unwrap_or_default();
        match request.uri().path() {
            "/v1/oauth/callback" => return self.callback(request, query).await,
            "/v1/connections/authorize" => return self.invite(request).await,
            _ => {}
        }
        let route = Route::of(request.uri().path(), query, self.clock.now())?;
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return Err(Problem::Method("GET"));
        }
        if !matches!(route, Route::Health) {
            self.authorise(request, "read").await?;
        }
        self.list(route).await
    }

    async fn invite(&self, request: &Request) -> Result<Response<Body>, Problem> {
        if request.method() != Method::POST {
            return Err(Problem::Method("POST"));
        }
        let key = self.authorise(request, "write").await?;
        let wish = wish::read(request.body(), &key.return_urls)?;
        let invitation = self.consents.invite(&wish, &called_at(request)).await?;
        Ok(answer::invitation(&invitation))
    }

    /// What Withings' redirect brings, in whatever order and with whatever else.
    async fn callback(&self, request: &Request, query: &str) -> Result<Response<Body>, Problem> {
        if request.method() == Method::HEAD {
            // Withings' dashboard looks whether somebody is there. That must use nothing up.
            return Ok(Response::new(Body::Empty));
        }
        if request.method() != Method::GET {
            return Err(Problem::Method("GET"));
        }
        let mut visitor = Visitor::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "state" => visitor.state = Some(Secret::new(value)),
                "code" => visitor.code = Some(Secret::new(value)),
                "error" => visitor.error = Some(value.into_owned()),
                _ => {}
            }
        }
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let as_json = accept.contains("json") && !accept.contains("html");
        Ok(page::outcome(&self.consents.visit(visitor).await?, as_json))
    }

    async fn authorise(&self, request: &Request, scope: &str) -> Result<Key, Problem> {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let text = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Problem::Key)?;
        let key = self.keys.get(text.trim()).await?.ok_or(Problem::Key)?;
        if key.scopes.iter().any(|held| held == scope) { Ok(key) } else { Err(Problem::Scope) }
    }
}

/// Where the function was called. A function URL is reached under its own name alone, so the name can be believed; on
/// one machine there is no TLS.
fn called_at(request: &Request) -> String {
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let scheme = if matches!(name, "localhost" | "127.0.0.1") { "http" } else { "https" };
    format!("{scheme}://{host}")
}
