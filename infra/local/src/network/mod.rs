//! The network of a simulation: no sockets, only names and who answers under them.

mod aws;
mod receiver;
mod withings;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use afferent_domain::Dice;
use afferent_http::{Answer, Call, Http, HttpError, Sending};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};

pub use aws::InProcess;
pub use receiver::{Receiver, Reply, Seen};
pub use withings::{WITHINGS_HOST, WithingsHost};

/// Who answers under a name.
pub trait Host: Send + Sync {
    /// Answers one request, or breaks the connection.
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>>;
}

/// The network itself. A name that nobody has taken cannot be resolved.
pub struct Network {
    hosts: RwLock<BTreeMap<String, Arc<dyn Host>>>,
    latency_ms: RwLock<(u64, u64)>,
    dice: Arc<dyn Dice>,
}

impl Network {
    /// A network without latency.
    #[must_use]
    pub fn new(dice: Arc<dyn Dice>) -> Arc<Self> {
        Arc::new(Self { hosts: RwLock::default(), latency_ms: RwLock::default(), dice })
    }

    /// From now on `host` answers under `name`.
    pub fn put(&self, name: &str, host: Arc<dyn Host>) {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), host);
    }

    /// From now on nobody answers under `name`.
    pub fn remove(&self, name: &str) {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Every way, there and back, takes between `low` and `high` milliseconds, as the dice decides.
    pub fn set_latency(&self, low: u64, high: u64) {
        *self.latency_ms.write().unwrap_or_else(PoisonError::into_inner) = (low, high);
    }

    async fn travel(&self) {
        let (low, high) = *self.latency_ms.read().unwrap_or_else(PoisonError::into_inner);
        if high > 0 {
            tokio::time::sleep(Duration::from_millis(self.dice.between(low, high))).await;
        }
    }

    async fn deliver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let name = request.uri().host().ok_or(HttpError::Request)?.to_owned();
        let host = self.hosts.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        let host = host.ok_or(HttpError::Resolve)?;
        self.travel().await;
        let answer = host.answer(request).await;
        self.travel().await;
        answer
    }
}

impl Http for Network {
    fn send(&self, call: Call) -> Sending<'_> {
        Box::pin(async move {
            let answered = tokio::time::timeout(call.deadline, self.deliver(call.request)).await;
            let (parts, body) = answered.map_err(|_| HttpError::Timeout)??.into_parts();
            let truncated = body.len() > call.body_limit;
            let body = body.slice(..body.len().min(call.body_limit));
            Ok(Answer { status: parts.status, headers: parts.headers, body, truncated })
        })
    }
}
