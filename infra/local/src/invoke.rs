//! Invoking a function: the one seam between what wakes functions and how they run.

use afferent_domain::Timestamp;
use bytes::Bytes;
use futures_util::future::BoxFuture;

/// How an invocation ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// As many invocations as may run at once are running.
    #[error("the function is throttled")]
    Throttled,
    /// The function answered with an error; the text is its type.
    #[error("the function failed: {0}")]
    Failed(String),
    /// The function did not answer before its timeout and was ended.
    #[error("the function timed out")]
    TimedOut,
    /// The function's process ended before it answered.
    #[error("the function's process ended")]
    Crashed,
    /// There is no function of that name.
    #[error("there is no such function")]
    Unknown,
}

/// Runs functions: as processes under a runtime API, or in this process.
pub trait Invoke: Send + Sync {
    /// Invokes the function of that name with a JSON payload, and waits for its JSON answer.
    fn invoke(&self, function: &str, payload: Bytes) -> BoxFuture<'static, Result<Bytes, InvokeError>>;
}

/// The trace that Lambda gives the invocation of that number: X-Ray's ids, whether it is recorded, and the lineage by which loops
/// are found (AWS X-Ray developer guide, "Tracing header"; of the lineage's form AWS says nothing).
pub(crate) fn trace_header(now: Timestamp, number: u64, sampled: bool) -> String {
    let (began, sampled, span) = (now.as_secs(), u8::from(sampled), number + 1);
    format!("Root=1-{began:08x}-{number:024x};Parent={span:016x};Sampled={sampled};Lineage=1:a87bd80c:{}", number % 16)
}
