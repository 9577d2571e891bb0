//! The front door for operators and apps: connecting people, getting data out, looking after endpoints.
//!
//! | module | is |
//! |---|---|
//! | `routes` | the routes, one file per noun; the OpenAPI document is derived from them |
//! | `door` | who may come in |
//! | `extract`, `problem` | what a request says, and what is wrong with it |
//! | `consent`, `page` | a person's way to Withings and back, and what the person sees of us |
//! | `state`, `config` | what the routes work with |
//!
//! A key comes as `Authorization: Bearer afk_…`. Errors are problem details (RFC 9457).

mod config;
mod consent;
mod door;
mod extract;
mod openapi;
mod page;
mod problem;
mod reference;
mod routes;
mod state;
mod wish;

use std::sync::Arc;

use afferent_domain::Clock;
use afferent_function::{Edge, Env, Rim, StartError};
use afferent_metrics::{Metric, count, observe_ms};
use afferent_store::records::escaped_len;
use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use lambda_http::{Body, Request, Response};
use tower_service::Service as _;

pub use config::Config;
pub use consent::{Config as ConsentConfig, Refusal, SharedAccounts};

use problem::Problem;
use state::App;

/// The longest body of an answer: Lambda takes 6,291,556 bytes, in which the body is a JSON string and the rest is for the headers.
const ANSWER_LIMIT: usize = 6_291_556 - 64 * 1024;

/// The function.
pub struct Api {
    router: Router,
    edge: Edge,
    clock: Arc<dyn Clock>,
}

impl Api {
    /// Builds the function; calls nothing.
    ///
    /// # Errors
    /// A variable is missing.
    pub async fn start(env: &Env, rim: &Rim) -> Result<Self, StartError> {
        let router = routes::all(Arc::new(App::new(env, rim)?));
        Ok(Self { router, edge: rim.edge("api", env), clock: Arc::clone(&rim.clock) })
    }

    /// Answers one request.
    ///
    /// # Errors
    /// None that a request could cause.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, lambda_http::Error> {
        self.edge.invocation(self.counted(request)).await
    }

    async fn counted(&self, request: Request) -> Result<Response<Body>, lambda_http::Error> {
        let began = self.clock.now();
        let answer = self.answer(request).await;
        let status = answer.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, Response::status);
        count(Metric::ApiRequests, 1);
        count(Metric::ApiFailures, usize::from(status.is_server_error()));
        count(Metric::ApiRefusals, usize::from(status.is_client_error()));
        observe_ms(Metric::ApiDuration, self.clock.now().since(began));
        answer
    }

    async fn answer(&self, request: Request) -> Result<Response<Body>, lambda_http::Error> {
        let request = request.map(|body| match body {
            Body::Text(text) => axum::body::Body::from(text),
            Body::Binary(bytes) => axum::body::Body::from(bytes),
            _ => axum::body::Body::empty(),
        });
        let Ok(response) = self.router.clone().call(request).await;
        let answer = whole(response).await?;
        let bytes = match answer.body() {
            Body::Text(text) => escaped_len(text),
            // As base64.
            Body::Binary(bytes) => bytes.len().div_ceil(3) * 4,
            _ => 0,
        };
        if bytes <= ANSWER_LIMIT {
            return Ok(answer);
        }
        tracing::error!(bytes, "an answer is longer than it may be");
        whole(Problem::Unwritable.into_response()).await
    }
}

/// The answer with all of its body, which lies in memory.
async fn whole(response: Response<axum::body::Body>) -> Result<Response<Body>, lambda_http::Error> {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await?;
    let body = match String::from_utf8(bytes.into()) {
        Ok(text) if text.is_empty() => Body::Empty,
        Ok(text) => Body::Text(text),
        Err(error) => Body::Binary(error.into_bytes()),
    };
    Ok(Response::from_parts(parts, body))
}

/// The OpenAPI 3.1 document of the API, as JSON.
#[must_use]
pub fn document() -> String {
    routes::document().to_pretty_json().unwrap_or_default()
}

/// The same for people, as Markdown.
#[must_use]
pub fn reference() -> String {
    reference::markdown(&serde_json::to_value(routes::document()).unwrap_or_default())
}
