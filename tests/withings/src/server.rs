//! The simulator behind a real socket.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::Simulator;

/// More than any call to Withings or any sample of a person holds, in bytes.
const BODY_LIMIT: usize = 64 << 20;

/// Serves the simulator: the API and `/control` on one origin.
pub fn router(simulator: Arc<Simulator>) -> Router {
    Router::new().fallback(answer).with_state(simulator)
}

async fn answer(State(simulator): State<Arc<Simulator>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match axum::body::to_bytes(body, BODY_LIMIT).await {
        Ok(body) => simulator.handle(http::Request::from_parts(parts, body)).await.map(Body::from),
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    }
}
