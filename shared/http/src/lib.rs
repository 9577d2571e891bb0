//! The port to other people's HTTP servers: Withings, and the endpoints of customers.
//!
//! Everything that leaves the account by HTTP goes through [`Http`], so that a simulation can put a network
//! of its own there. Every call is bounded: one deadline over resolving, connecting, TLS, headers and body,
//! and a limit on how much of the body is read. Redirects are never followed and proxies of the
//! environment are never used.
//!
//! Withings is called by [`Client::new`]. Whatever a customer may name is called by [`Client::guarded`] alone: it
//! keeps to a [`Reach`](afferent_domain::address::Reach) and dials only addresses that were judged.

mod client;
mod error;
mod laps;
mod late;
mod names;
mod stopwatch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};

pub use client::Client;
pub use error::{Fault, HttpError};
pub use late::Late;
pub use names::{Finding, Names, SystemNames};
pub use stopwatch::{Mark, Phases, Stopwatch};

/// The time that [`Http::check`] has for its look-up.
pub const CHECK_DEADLINE: Duration = Duration::from_secs(10);

/// One request, and its bounds.
#[derive(Debug)]
pub struct Call {
    /// What to send. The URI is absolute.
    pub request: Request<Bytes>,
    /// The time from the first step to the last byte read.
    pub deadline: Duration,
    /// How much of the body is read, in bytes; the rest is dropped unread.
    pub body_limit: usize,
    /// Takes down how long each phase lasted; for this call alone.
    pub stopwatch: Option<Arc<Stopwatch>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code; any number that parses is passed on.
    pub status: StatusCode,
    /// The response headers.
    pub headers: HeaderMap,
    /// The body, up to the call's limit, as it came: nothing is unpacked.
    pub body: Bytes,
    /// Whether the body was longer than the limit.
    pub truncated: bool,
}

/// What [`Http::send`] returns: boxed, so that the port can be a trait object.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Answer, HttpError>> + Send + 'a>>;

/// What [`Http::check`] returns.
pub type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), HttpError>> + Send + 'a>>;

/// The port itself. An implementation MUST keep to the call's deadline and limit, MUST NOT follow a
/// redirect, and MUST NOT send a request twice.
pub trait Http: Send + Sync {
    /// Sends one request and reads its answer.
    fn send(&self, call: Call) -> Sending<'_>;

    /// Whether a request to `url` would be sent now, by the same rule and the same look-up as [`Self::send`];
    /// nothing is sent and nothing connected. MUST return within [`CHECK_DEADLINE`].
    ///
    /// # Errors
    /// [`HttpError::Refused`] by the rule, [`HttpError::Resolve`] or [`HttpError::Timeout`] if the name stands for
    /// nothing, [`HttpError::Request`] from a port that knows no rule.
    fn check<'a>(&'a self, url: &'a Uri) -> Checking<'a> {
        let _ = url;
        Box::pin(async { Err(HttpError::Request) })
    }
}
