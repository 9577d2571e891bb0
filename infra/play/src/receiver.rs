//! A customer's endpoint on loopback: verifies the signature of every webhook, and remembers what came.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use afferent_domain::signature::{SigningSecret, verifies};
use afferent_domain::{Clock, Timestamp};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// One webhook as it came in. No body: it holds health values.
#[derive(Clone, Debug)]
pub struct Received {
    /// When its last byte was read.
    pub at: Timestamp,
    /// `webhook-id`.
    pub id: String,
    /// The event's type.
    pub event_type: String,
    /// Whether the signature is right.
    pub verified: bool,
}

/// The endpoint. Answers 204 to what verifies, 401 to what does not.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    secret: Mutex<Option<SigningSecret>>,
    received: Mutex<Vec<Received>>,
}

impl Receiver {
    /// Listens on loopback; port 0 takes any that is free.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(port: u16, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { clock, secret: Mutex::default(), received: Mutex::default() });
        let router = Router::new().route("/webhooks", post(receive)).with_state(shared.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the receiver ended");
            }
        });
        Ok(Self { address, shared, _server: server })
    }

    /// The URL to register.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/webhooks", self.address)
    }

    /// Tells it the secret that the registration gave.
    pub fn trust(&self, secret: SigningSecret) {
        *lock(&self.shared.secret) = Some(secret);
    }

    /// What came so far, in its order; every try counts.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let now = shared.clock.now();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = header("webhook-id").to_owned();
    let at = header("webhook-timestamp").parse().map_or_else(|_| Timestamp::default(), Timestamp::from_secs);
    let verified = lock(&shared.secret)
        .as_ref()
        .is_some_and(|secret| verifies(secret, &id, at, &body, header("webhook-signature"), now));
    lock(&shared.received).push(Received { at: now, id, event_type: event_type(&body), verified });
    if verified { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED }
}

fn event_type(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Typed {
        r#type: String,
    }
    serde_json::from_slice::<Typed>(body).map(|typed| typed.r#type).unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
