//! The endpoints of one batch: each is read and unsealed once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use afferent_domain::endpoint::{Endpoint, Headers, Standing};
use afferent_domain::health::{Breaker, Health, Stop};
use afferent_domain::id::EndpointId;
use afferent_domain::signature::SigningSecret;
use afferent_domain::{Clock, Timestamp};
use afferent_secrets::{Sealed, Seals as Keys};
use afferent_store::endpoints::{Endpoints, SealedSecret, Whole};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::Trouble;

/// How many deliveries to one endpoint an invocation makes at once: a slow one leaves room for the others.
const AT_ONCE: usize = 5;

/// How long a message waits for its turn among them.
const PATIENCE: Duration = Duration::from_secs(4);

/// An endpoint that may be sent to, and what goes with every try, if it could be unsealed.
pub(crate) struct Receiver {
    pub(crate) endpoint: Endpoint,
    seals: Result<Seals, Unsealed>,
    permits: Semaphore,
    /// As this batch knows it: read once, and kept up with what the batch itself finds out.
    known: Mutex<Known>,
}

/// What was sealed.
#[derive(Debug)]
pub(crate) struct Seals {
    /// What signs: every secret that is valid.
    pub(crate) secrets: Vec<SigningSecret>,
    /// The headers of its owner's own.
    pub(crate) headers: Headers,
}

#[derive(Clone, Copy)]
struct Known {
    health: Health,
    line: Timestamp,
}

impl Receiver {
    /// What goes with every try. Asked for after everything that ends a delivery without a request: an endpoint
    /// whose secret stays shut must not keep its deliveries waiting for ever.
    pub(crate) fn seals(&self) -> Result<&Seals, Unsealed> {
        self.seals.as_ref().map_err(Clone::clone)
    }

    /// One of the permits to be at work for it, if one comes free soon.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        timeout(PATIENCE, self.permits.acquire()).await.ok()?.ok()
    }

    pub(crate) fn health(&self) -> Health {
        self.known().health
    }

    pub(crate) fn set_health(&self, health: Health) {
        self.known().health = health;
    }

    pub(crate) fn set_breaker(&self, breaker: Breaker) {
        self.known().health.breaker = breaker;
    }

    pub(crate) fn set_stop(&self, stop: Stop) {
        self.known().health.stop = Some(stop);
    }

    /// Where the line of its rate was last seen.
    pub(crate) fn line(&self) -> Timestamp {
        self.known().line
    }

    pub(crate) fn set_line(&self, line: Timestamp) {
        self.known().line = line;
    }

    /// Whether a success at `now` is worth a write. Of a batch only one is.
    pub(crate) fn betters(&self, now: Timestamp) -> bool {
        let mut known = self.known();
        let health = known.health;
        if !health.is_better_by_success(now) {
            return false;
        }
        let breaker = if health.is_open() { Breaker::Draining { since: now } } else { health.breaker };
        known.health = Health { last_success: Some(now), breaker, stop: health.stop, ..Health::default() };
        true
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A secret or the headers of an endpoint that no key opens: the operator's trouble, not the endpoint's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret or the headers of {endpoint} cannot be unsealed")]
pub(crate) struct Unsealed {
    endpoint: EndpointId,
}

/// An endpoint that may be sent to, or why a delivery to it is cancelled.
pub(crate) type Answer = Result<Arc<Receiver>, String>;

/// The endpoints of one batch.
#[derive(Default)]
pub(crate) struct Receivers {
    read: Mutex<HashMap<EndpointId, Arc<OnceCell<Answer>>>>,
}

impl Receivers {
    /// Reads an endpoint, the first time that the batch asks for it.
    pub(crate) async fn get(&self, opener: &Opener, id: &EndpointId) -> Result<Answer, Trouble> {
        let cell = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(read.entry(id.clone()).or_default())
        };
        cell.get_or_try_init(|| opener.open(id)).await.cloned()
    }
}

/// Reads and unseals endpoints.
pub(crate) struct Opener {
    pub(crate) endpoints: Endpoints,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Opener {
    async fn open(&self, id: &EndpointId) -> Result<Answer, Trouble> {
        let Some(whole) = self.endpoints.whole(id).await? else {
            return Ok(Err("the endpoint was deleted".to_owned()));
        };
        let Whole { endpoint, secrets, headers, health, line } = whole;
        if let Standing::Disabled { cause, .. } = &endpoint.standing {
            return Ok(Err(format!("the endpoint is disabled: {}", cause.words())));
        }
        if let Some(stop) = health.stop {
            return Ok(Err(stopped(stop)));
        }
        let now = self.clock.now();
        let valid: Vec<SealedSecret> = secrets.into_iter().filter(|secret| secret.signs(now)).collect();
        if valid.is_empty() {
            return Ok(Err("the endpoint has no valid signing secret".to_owned()));
        }
        let seals = self.unseal(id, valid, headers, now).await.ok_or_else(|| Unsealed { endpoint: id.clone() });
        let (permits, known) = (Semaphore::new(AT_ONCE), Mutex::new(Known { health, line }));
        Ok(Ok(Arc::new(Receiver { endpoint, seals, permits, known })))
    }

    async fn unseal(
        &self,
        id: &EndpointId,
        sealed: Vec<SealedSecret>,
        headers: Option<String>,
        now: Timestamp,
    ) -> Option<Seals> {
        let open = async |sealed: String| self.keys.open(id.as_str(), &Sealed(sealed), now).await;
        let mut secrets = Vec::with_capacity(sealed.len());
        for secret in sealed {
            secrets.push(SigningSecret::parse(open(secret.sealed).await.ok()?.reveal()).ok()?);
        }
        let headers = match headers {
            Some(sealed) => Headers::from_json(open(sealed).await.ok()?.reveal())?,
            None => Headers::default(),
        };
        Some(Seals { secrets, headers })
    }
}

/// The reason of a delivery that is not made because its endpoint wants no more.
pub(crate) fn stopped(stop: Stop) -> String {
    format!("the endpoint wants no more: {}", stop.cause.words())
}
