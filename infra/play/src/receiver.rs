//! A customer's endpoint on loopback: verifies the signature of every webhook, remembers what came, and can be told to
//! fail.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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
    /// What was answered.
    pub status: u16,
    /// The names of its record's attributes, without values.
    pub attributes: Vec<String>,
}

/// How an endpoint answers what verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// 204.
    Takes,
    /// This status to so many requests, then 204.
    Fails {
        /// The status.
        status: u16,
        /// How often.
        times: u32,
    },
    /// This status, always.
    Refuses(u16),
}

/// Where the receiver asks for the secrets of endpoints that somebody else registered at its address.
pub trait Keyring: Send + Sync {
    /// The signing secrets of all endpoints at `url`; none if they cannot be had.
    fn secrets<'a>(&'a self, url: &'a str) -> Pin<Box<dyn Future<Output = Vec<SigningSecret>> + Send + 'a>>;
}

/// The endpoint. Answers as its manner is to what verifies, 401 to what does not.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    url: String,
    secrets: Mutex<Vec<SigningSecret>>,
    keyring: OnceLock<Arc<dyn Keyring>>,
    manner: Mutex<Manner>,
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
        let shared = Arc::new(Shared {
            clock,
            url: format!("http://{address}/webhooks"),
            secrets: Mutex::default(),
            keyring: OnceLock::new(),
            manner: Mutex::new(Manner::Takes),
            received: Mutex::default(),
        });
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
        self.shared.url.clone()
    }

    /// Tells it the secret that the registration gave.
    pub fn trust(&self, secret: SigningSecret) {
        lock(&self.shared.secrets).push(secret);
    }

    /// Tells it where to ask for the secret when a webhook is not signed with one that it knows.
    pub fn ask(&self, keyring: Arc<dyn Keyring>) {
        let _ = self.shared.keyring.set(keyring);
    }

    /// How it answers from now on.
    pub fn behave(&self, manner: Manner) {
        *lock(&self.shared.manner) = manner;
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
    let is_signed = |secret: &SigningSecret| verifies(secret, &id, at, &body, header("webhook-signature"), now);
    let mut verified = lock(&shared.secrets).iter().any(is_signed);
    if let (Some(keyring), false) = (shared.keyring.get(), verified) {
        let secrets = keyring.secrets(&shared.url).await;
        verified = secrets.iter().any(is_signed);
        lock(&shared.secrets).extend(secrets.into_iter().filter(is_signed));
    }
    let status = if verified { next(&mut lock(&shared.manner)) } else { StatusCode::UNAUTHORIZED.as_u16() };
    let Seen { event_type, attributes } = read(&body);
    lock(&shared.received).push(Received { at: now, id, event_type, verified, status, attributes });
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn next(manner: &mut Manner) -> u16 {
    match manner {
        Manner::Takes | Manner::Fails { times: 0, .. } => StatusCode::NO_CONTENT.as_u16(),
        Manner::Fails { status, times } => {
            *times -= 1;
            *status
        }
        Manner::Refuses(status) => *status,
    }
}

/// What is remembered of a body.
#[derive(Default)]
struct Seen {
    event_type: String,
    attributes: Vec<String>,
}

fn read(body: &[u8]) -> Seen {
    #[derive(serde::Deserialize)]
    struct Event {
        r#type: String,
        data: Data,
    }
    #[derive(serde::Deserialize)]
    struct Data {
        #[serde(default)]
        record: BTreeMap<String, serde::de::IgnoredAny>,
    }
    let read = serde_json::from_slice::<Event>(body);
    read.map(|event| Seen { event_type: event.r#type, attributes: event.data.record.into_keys().collect() })
        .unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
