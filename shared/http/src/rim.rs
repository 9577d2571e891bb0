//! The rim: [`Http`] over reqwest.

use std::error::Error as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Request;

use crate::{Answer, Call, Http, HttpError, Sending};

/// A pooled HTTP/1.1 client with the Mozilla roots compiled in (parsing a machine's own root store would
/// take most of a client's start; see `docs/decisions/0001-few-roots.md`).
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
}

impl Client {
    /// Builds the client. Nothing is resolved or connected yet.
    ///
    /// # Errors
    /// [`HttpError::Tls`] if the TLS library refuses its own defaults.
    pub fn new() -> Result<Self, HttpError> {
        let roots = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| HttpError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let inner = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .http1_only()
            .build()
            .map_err(|_| HttpError::Tls)?;
        Ok(Self { inner })
    }

    async fn exchange(&self, request: Request<Bytes>, body_limit: usize) -> Result<Answer, HttpError> {
        let request = reqwest::Request::try_from(request).map_err(|_| HttpError::Request)?;
        let mut response = self.inner.execute(request).await.map_err(|error| fault(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = BytesMut::new();
        let mut truncated = false;
        while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
            let room = body_limit - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                truncated = true;
                break;
            }
        }
        Ok(Answer { status, headers, body: body.freeze(), truncated })
    }
}

impl Http for Client {
    fn send(&self, call: Call) -> Sending<'_> {
        Box::pin(async move {
            tokio::time::timeout(call.deadline, self.exchange(call.request, call.body_limit))
                .await
                .unwrap_or(Err(HttpError::Timeout))
        })
    }
}

/// Which phase failed, from the chain of causes.
fn fault(error: &reqwest::Error) -> HttpError {
    let mut cause = error.source();
    let mut tls = false;
    while let Some(inner) = cause {
        tls |= inner.is::<rustls::Error>();
        cause = inner.source();
    }
    match () {
        () if tls => HttpError::Tls,
        () if error.is_timeout() => HttpError::Timeout,
        () if error.is_connect() && names_resolution(error) => HttpError::Resolve,
        () if error.is_connect() => HttpError::Connect,
        () if error.is_builder() => HttpError::Request,
        () => HttpError::Broken,
    }
}

/// hyper-util hands a failed look-up on as an opaque `ConnectError("dns error")`; its debug form is the
/// only place that tells it from a refused connection.
fn names_resolution(error: &reqwest::Error) -> bool {
    format!("{error:?}").contains("dns error")
}
