//! The service over HTTP.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use crate::sqs::Sqs;

/// Longest request body: a batch is 1 MiB of text, which JSON can escape to six times as much.
const MAX_REQUEST: usize = 8 * 1024 * 1024;

/// Serves `sqs` on every path, as AWS does: the operation is in the header `X-Amz-Target`. Queue URLs begin
/// with the `Host` that the caller used. A `GET` answers 200 as soon as the service listens.
pub fn router(sqs: Arc<Sqs>) -> Router {
    let methods = post(serve).get(|| async { "local-sqs\n" });
    Router::new().fallback(methods).layer(DefaultBodyLimit::max(MAX_REQUEST)).with_state(sqs)
}

async fn serve(State(sqs): State<Arc<Sqs>>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let base_url = format!("http://{}", text(header::HOST));
    let target = text(HeaderName::from_static("x-amz-target"));
    let trace = headers.get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok());
    let answer = sqs.handle_traced(target, &body, &base_url, trace).await;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body).into_response();
    for (name, value) in answer.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}
