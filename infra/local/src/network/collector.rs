//! A collector of OpenTelemetry, which keeps what it is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use afferent_http::HttpError;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use serde_json::Value;

use super::Host;
use crate::traces::logs;

/// A request to the collector.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its path.
    pub path: String,
    /// Its body: a document of OTLP in its JSON form.
    pub document: Value,
}

/// The collector. Clones share what it was told.
#[derive(Clone)]
pub struct Collector {
    status: StatusCode,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Collector {
    /// One that answers everything with this status.
    #[must_use]
    pub fn answering(status: StatusCode) -> Self {
        Self { status, told: Arc::default() }
    }

    /// Every request so far.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        self.lock().clone()
    }

    /// Every span: its name, and the span itself.
    #[must_use]
    pub fn spans(&self) -> Vec<(String, Value)> {
        let parts = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
        let documents = self.told().into_iter().map(|told| told.document);
        let resources = documents.flat_map(|document| parts(&document, "resourceSpans"));
        let scopes = resources.flat_map(|resource| parts(&resource, "scopeSpans"));
        let spans = scopes.flat_map(|scope| parts(&scope, "spans"));
        spans.map(|span| (span["name"].as_str().unwrap_or_default().to_owned(), span)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Collector {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        logs::told(request.body());
        let document = serde_json::from_slice(request.body()).unwrap_or_default();
        self.lock().push(Told { path: request.uri().path().to_owned(), document });
        let mut response = Response::new(Bytes::from_static(b"{}"));
        *response.status_mut() = self.status;
        Box::pin(std::future::ready(Ok(response)))
    }
}
