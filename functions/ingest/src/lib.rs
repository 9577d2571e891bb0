//! The front door for Withings: checks the secret in the path, enqueues the body whole, answers 200.
//!
//! | request | answer |
//! |---|---|
//! | any, wrong path or secret | 404 |
//! | `HEAD`, `GET` (Withings probes the URL when a subscription is made) | 200, without touching AWS |
//! | `POST` of more than 16 KiB | 413 |
//! | `POST`, the queue is out of reach | 503 within 2 s, so that Withings tries again |
//! | `POST` | 200, once the queue has the body |
//! | any other method | 200, ignored |
//!
//! Nothing else ever answers 400 or more: Withings counts that as a failure, and twenty days of failures
//! cancel the subscription. Nothing is parsed here; what cannot be understood is the fetcher's to keep.

mod secret;

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::id::NotificationId;
use afferent_domain::{Clock, Dice};
use afferent_function::{Edge, Env, Rim, StartError, trace};
use afferent_metrics::{Metric, count, property};
use afferent_queue::{Notification, Payload, Pull, Queue, Sending};
use base64::Engine as _;
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};

use secret::Secrets;

/// The longest body that is taken, in bytes. A notification has about a hundred.
pub const BODY_LIMIT: usize = 16 * 1024;

/// How long the queue may take, retries included. Withings waits 2 s for an answer ("Keep user data up to
/// date"), and the answer has a way to go.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The path that the secret follows.
const PATH: &str = "/withings/";

/// What `ingest` reads from its environment.
#[derive(Debug)]
pub struct Config {
    /// `PULLS_QUEUE_URL`: the queue that the fetcher reads.
    pub pulls_queue_url: String,
    /// `CALLBACK_SECRET_SHA256`: SHA-256 of the secret in the callback URL, 64 lower-case hex digits. Two,
    /// separated by a comma, while the secret is rotated. The secret itself is not here.
    pub secrets: Secrets,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, StartError> {
        Ok(Self {
            pulls_queue_url: env.required("PULLS_QUEUE_URL")?,
            secrets: Secrets::from_hex(&env.required("CALLBACK_SECRET_SHA256")?)?,
        })
    }
}

/// The function.
pub struct Ingest {
    secrets: Secrets,
    pulls: Queue,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    edge: Edge,
}

impl Ingest {
    /// Builds the function; calls nothing.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub async fn start(env: &Env, rim: &Rim) -> Result<Self, StartError> {
        let config = Config::from_env(env)?;
        Ok(Self {
            secrets: config.secrets,
            pulls: Queue::new(&rim.aws.clone().within(QUEUE_TIMEOUT), config.pulls_queue_url),
            clock: rim.clock.clone(),
            dice: rim.dice.clone(),
            edge: rim.edge("ingest", env),
        })
    }

    /// Answers one request.
    ///
    /// # Errors
    /// None that a request could cause.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, lambda_http::Error> {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = self.edge.invocation(self.answer(request)).await;
        Ok(response)
    }

    async fn answer(&self, request: Request) -> StatusCode {
        if !request.uri().path().strip_prefix(PATH).is_some_and(|secret| self.secrets.accept(secret)) {
            count(Metric::NotificationsRefused, 1);
            return StatusCode::NOT_FOUND;
        }
        if request.method() != Method::POST {
            return StatusCode::OK;
        }
        if request.body().len() > BODY_LIMIT {
            count(Metric::NotificationsRefused, 1);
            return StatusCode::PAYLOAD_TOO_LARGE;
        }
        let id = NotificationId::draw(self.clock.now(), &*self.dice);
        let payload = payload(request.into_body());
        let message = Pull::Notification(Notification { id: id.clone(), received_ms: self.clock.now(), payload });
        // Its trace begins here, and is carried as far as to the webhooks.
        let trace = trace::own();
        trace::tell("notification", &id);
        match self.pulls.send(Sending { body: message.to_body(), trace, ..Sending::default() }).await {
            Ok(()) => {
                if let Some(trace) = trace {
                    property("trace", trace.id());
                }
                count(Metric::NotificationsReceived, 1);
                property("notification", &id);
                StatusCode::OK
            }
            Err(error) => {
                count(Metric::IngestFailed, 1);
                tracing::error!(notification = %id, %error, "could not enqueue a notification");
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

fn payload(body: Body) -> Payload {
    let bytes = match body {
        Body::Text(text) => return Payload::Text(text),
        Body::Binary(bytes) => bytes,
        _ => Vec::new(),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Payload::Text(text),
        Err(error) => Payload::Base64(base64::prelude::BASE64_STANDARD.encode(error.as_bytes())),
    }
}
