//! The runtime API of one process (Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes").

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};

use crate::invoke::InvokeError;

/// Lambda: an answer holds at most 6 MB; a little is left for what base 64 and JSON add.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Where an answer is awaited.
type Answering = oneshot::Sender<Result<Bytes, InvokeError>>;

/// One event on its way to a process.
pub(super) struct Job {
    pub request_id: String,
    pub function_arn: String,
    pub trace_id: String,
    /// Epoch milliseconds.
    pub deadline_ms: i64,
    pub payload: Bytes,
    pub answer: Answering,
}

/// What the process and those who invoke it meet at.
pub(super) struct Desk {
    jobs: AsyncMutex<mpsc::Receiver<Job>>,
    current: Mutex<Option<(String, Answering)>>,
    /// Whether the process has asked for its first event.
    ready: watch::Sender<bool>,
}

impl Desk {
    pub(super) fn new(jobs: mpsc::Receiver<Job>, ready: watch::Sender<bool>) -> Arc<Self> {
        Arc::new(Self { jobs: AsyncMutex::new(jobs), current: Mutex::default(), ready })
    }

    fn answer(&self, request_id: &str, answer: Result<Bytes, InvokeError>) -> StatusCode {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match current.take_if(|(current, _)| current == request_id) {
            None => StatusCode::BAD_REQUEST,
            Some((_, waiting)) => {
                // Nobody waits any more if the invocation timed out meanwhile.
                let _ = waiting.send(answer);
                StatusCode::ACCEPTED
            }
        }
    }
}

pub(super) fn router(desk: Arc<Desk>) -> Router {
    let invocation = "/2018-06-01/runtime/invocation";
    Router::new()
        .route(&format!("{invocation}/next"), get(next))
        .route(&format!("{invocation}/{{id}}/response"), post(response))
        .route(&format!("{invocation}/{{id}}/error"), post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(desk)
}

async fn next(State(desk): State<Arc<Desk>>) -> Response<Body> {
    desk.ready.send_replace(true);
    let job = desk.jobs.lock().await.recv().await;
    let Some(job) = job else { return plain(StatusCode::GONE) };
    *desk.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((job.request_id.clone(), job.answer));
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", job.request_id)
        .header("lambda-runtime-deadline-ms", job.deadline_ms)
        .header("lambda-runtime-invoked-function-arn", job.function_arn)
        .header("lambda-runtime-trace-id", job.trace_id)
        .body(Body::from(job.payload))
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

async fn response(State(desk): State<Arc<Desk>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    desk.answer(&id, Ok(body))
}

async fn error(State(desk): State<Arc<Desk>>, Path(id): Path<String>, headers: HeaderMap) -> StatusCode {
    desk.answer(&id, Err(InvokeError::Failed(kind(&headers))))
}

async fn init_error(headers: HeaderMap) -> StatusCode {
    tracing::error!(error = kind(&headers), "a function could not start");
    StatusCode::ACCEPTED
}

/// The error's type. Its message may hold anything, so it is left to the function's own log.
fn kind(headers: &HeaderMap) -> String {
    let header = headers.get("lambda-runtime-function-error-type").and_then(|kind| kind.to_str().ok());
    header.unwrap_or("Unhandled").to_owned()
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
