//! The envelope of every answer: HTTP 200 and `{"status", "body"[, "error"]}`.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

/// What a service answers: the body of a success, or a refusal.
pub(crate) type Answer = Result<Value, Refusal>;

/// An application status that is not 0. The HTTP status is 200 all the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: i64,
    pub(crate) error: String,
    pub(crate) body: Value,
}

impl Refusal {
    pub(crate) fn new(status: i64, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), body: json!({}) }
    }

    /// 401 with the recorded text.
    pub(crate) fn invalid_token() -> Self {
        Self::new(401, "XRequestID: Not provided invalid_token: The access token provided is invalid")
    }

    /// 403 as one client reports it; the official table does not list it.
    pub(crate) fn insufficient_scope() -> Self {
        Self::new(403, "Insufficient_scope")
    }

    /// 503 is an application status here: a parameter is wrong. With `refresh_token` it means that the link is dead.
    pub(crate) fn invalid(parameter: &str) -> Self {
        Self::new(503, format!("Invalid Params: invalid {parameter}"))
    }

    pub(crate) fn too_many_requests(wait_seconds: u64) -> Self {
        Self { status: 601, error: "Too Many Requests".to_owned(), body: json!({ "wait_seconds": wait_seconds }) }
    }

    /// The twin of 601 that is no quota.
    pub(crate) fn same_arguments(wait_seconds: u64) -> Self {
        let error = "Same arguments in less than 10 seconds".to_owned();
        Self { status: 601, error, body: json!({ "wait_seconds": wait_seconds }) }
    }

    pub(crate) fn not_implemented() -> Self {
        Self::new(2554, "Not implemented")
    }

    /// 286, 293, 294, 304, 305 and 343 of the notify service.
    pub(crate) fn notify(status: i64) -> Self {
        Self::new(status, "Invalid Params")
    }
}

/// The application status of an answer.
pub(crate) fn status(answer: &Answer) -> i64 {
    answer.as_ref().map_or_else(|refusal| refusal.status, |_| 0)
}

/// Writes the envelope.
pub(crate) fn envelope(answer: Answer) -> Response<Bytes> {
    let value = match answer {
        Ok(body) => json!({ "status": 0, "body": body }),
        Err(refusal) => json!({ "status": refusal.status, "body": refusal.body, "error": refusal.error }),
    };
    respond(StatusCode::OK, "application/json", value.to_string())
}

/// Any other answer.
pub(crate) fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
