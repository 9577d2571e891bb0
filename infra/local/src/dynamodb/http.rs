//! DynamoDB and its streams behind one HTTP port, for any AWS client.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::DynamoDb;

/// AWS: a request holds at most 16 MB.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

impl DynamoDb {
    /// The HTTP service. Signatures are not checked.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", post(answer).get(|| async { "healthy: dynamodb.local" }))
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(self.clone())
    }
}

async fn answer(State(dynamodb): State<DynamoDb>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default().to_owned();
    // SQLite waits for the disk, which must not hold up the other tasks of this thread.
    let answered = tokio::task::spawn_blocking(move || dynamodb.handle(&target, &body)).await;
    let Ok(answer) = answered else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], answer.body).into_response()
}
