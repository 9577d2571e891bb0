//! The port to other people's HTTP servers: Withings, and the endpoints of customers.
//!
//! Everything that leaves the account by HTTP goes through [`Http`], so that a simulation can put a network
//! of its own there. Every call is bounded: one deadline over resolving, connecting, TLS, headers and body,
//! and a limit on how much of the body is read. Redirects are never followed and proxies of the
//! environment are never used.

mod rim;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};

pub use rim::Client;

/// One request, and its bounds.
#[derive(Debug)]
pub struct Call {
    /// What to send. The URI is absolute.
    pub request: Request<Bytes>,
    /// The time from the first step to the last byte read.
    pub deadline: Duration,
    /// How much of the body is read, in bytes; the rest is dropped unread.
    pub body_limit: usize,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code; any number that parses is passed on.
    pub status: StatusCode,
    /// The response headers.
    pub headers: HeaderMap,
    /// The body, up to the call's limit.
    pub body: Bytes,
    /// Whether the body was longer than the limit.
    pub truncated: bool,
}

/// Why nothing came back. The phase tells whose fault it is; no variant carries an address or a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The host's name could not be resolved.
    #[error("the name of the host could not be resolved")]
    Resolve,
    /// The connection was refused, reset or could not be set up.
    #[error("the connection could not be set up")]
    Connect,
    /// The TLS handshake failed or the certificate is not trusted.
    #[error("the TLS handshake failed")]
    Tls,
    /// The deadline passed.
    #[error("no complete answer came before the deadline")]
    Timeout,
    /// The connection broke, or what came was no HTTP.
    #[error("the connection broke before the answer was complete")]
    Broken,
    /// The request itself could not be sent as it is.
    #[error("the request is not one that can be sent")]
    Request,
}

/// What [`Http::send`] returns: boxed, so that the port can be a trait object.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Answer, HttpError>> + Send + 'a>>;

/// The port itself. An implementation MUST keep to the call's deadline and limit, MUST NOT follow a
/// redirect, and MUST NOT send a request twice.
pub trait Http: Send + Sync {
    /// Sends one request and reads its answer.
    fn send(&self, call: Call) -> Sending<'_>;
}
