//! The endpoints of one batch: each is read and unsealed once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use afferent_domain::Timestamp;
use afferent_domain::endpoint::{Endpoint, Health, Standing};
use afferent_domain::id::EndpointId;
use afferent_domain::signature::SigningSecret;
use afferent_secrets::{Sealed, Sealer};
use afferent_store::StoreError;
use afferent_store::endpoints::Endpoints;
use tokio::sync::OnceCell;

/// An endpoint that may be sent to, and what signs for it, if it could be unsealed.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) endpoint: Endpoint,
    secrets: Result<Vec<SigningSecret>, Unsealed>,
    health: Mutex<Health>,
}

impl Receiver {
    /// What signs for it. Asked for after everything that ends a delivery without a request: an endpoint
    /// whose secret stays shut must not keep its deliveries waiting for ever.
    pub(crate) fn secrets(&self) -> Result<&[SigningSecret], Unsealed> {
        self.secrets.as_deref().map_err(Clone::clone)
    }

    /// The health to write after a success at `now`, if it is worth a write. Of a batch only one is.
    pub(crate) fn better(&self, now: Timestamp) -> Option<Health> {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let better = health.after_success(now)?;
        *health = better;
        Some(better)
    }
}

/// A secret of an endpoint that no key opens: the operator's trouble, not the endpoint's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret of {endpoint} cannot be unsealed")]
pub(crate) struct Unsealed {
    endpoint: EndpointId,
}

/// An endpoint that may be sent to, or why a delivery to it is cancelled.
type Answer = Result<Arc<Receiver>, String>;

/// The endpoints of one batch.
#[derive(Default)]
pub(crate) struct Receivers {
    read: Mutex<HashMap<EndpointId, Arc<OnceCell<Answer>>>>,
}

impl Receivers {
    /// Reads an endpoint, the first time that the batch asks for it.
    pub(crate) async fn get(
        &self,
        endpoints: &Endpoints,
        sealer: &Sealer,
        id: &EndpointId,
        now: Timestamp,
    ) -> Result<Answer, crate::Trouble> {
        let cell = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(read.entry(id.clone()).or_default())
        };
        cell.get_or_try_init(|| open(endpoints, sealer, id, now)).await.cloned()
    }
}

async fn open(
    endpoints: &Endpoints,
    sealer: &Sealer,
    id: &EndpointId,
    now: Timestamp,
) -> Result<Answer, crate::Trouble> {
    let whole: Result<_, StoreError> = endpoints.whole(id).await;
    let Some(whole) = whole? else {
        return Ok(Err("the endpoint was deleted".to_owned()));
    };
    if let Standing::Disabled { reason, .. } = &whole.endpoint.standing {
        return Ok(Err(format!("the endpoint is disabled: {reason}")));
    }
    let valid: Vec<_> = whole.secrets.into_iter().filter(|secret| secret.signs(now)).collect();
    if valid.is_empty() {
        return Ok(Err("the endpoint has no valid signing secret".to_owned()));
    }
    let secrets = valid.into_iter().map(|secret| {
        let text = sealer.open(id.as_str(), &Sealed(secret.sealed)).ok()?;
        SigningSecret::parse(text.reveal()).ok()
    });
    let secrets = secrets.collect::<Option<_>>().ok_or_else(|| Unsealed { endpoint: id.clone() });
    Ok(Ok(Arc::new(Receiver { endpoint: whole.endpoint, secrets, health: Mutex::new(whole.health) })))
}
