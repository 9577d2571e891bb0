//! One call: exactly one HTTP request.

use std::sync::Arc;
use std::time::Duration;

use afferent_http::{Call, Http, HttpError};
use bytes::Bytes;

use crate::envelope::{Body, Error, body};
use crate::request::{Auth, Request};
use afferent_domain::secret::Secret;

/// The longest body that is read, in bytes. A year of measures is below 2 MB; a whole ECG below 100 KB.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Calls Withings.
#[derive(Clone)]
pub struct Client {
    http: Arc<dyn Http>,
    base_url: String,
}

impl Client {
    /// A client for one region, as `https://wbsapi.withings.net`.
    #[must_use]
    pub fn new(http: Arc<dyn Http>, base_url: &str) -> Self {
        Self { http, base_url: base_url.trim_end_matches('/').to_owned() }
    }

    /// Sends one request and opens its answer. Never sends twice, whatever comes back.
    ///
    /// # Errors
    /// [`Error`]; a request that needs an access token and has none fails with [`HttpError::Request`]
    /// before anything is sent.
    pub async fn call(
        &self,
        request: &Request,
        access_token: Option<&Secret>,
        deadline: Duration,
    ) -> Result<Body, Error> {
        let mut builder = http::Request::post(format!("{}{}", self.base_url, request.path()))
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(http::header::ACCEPT, "application/json");
        if request.auth() == Auth::Bearer {
            let token = access_token.ok_or(HttpError::Request)?;
            let mut value =
                http::HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| HttpError::Request)?;
            value.set_sensitive(true);
            builder = builder.header(http::header::AUTHORIZATION, value);
        }
        let request = builder.body(Bytes::from(request.form())).map_err(|_| HttpError::Request)?;
        body(&self.http.send(Call { request, deadline, body_limit: BODY_LIMIT, stopwatch: None }).await?)
    }
}

#[cfg(test)]
mod tests;
