//! A receiver of webhooks that behaves as a script says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use afferent_http::HttpError;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};

use super::Host;

/// What a receiver does with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Answers this status.
    Status(u16),
    /// Answers this status with these headers, such as `retry-after`, and this body.
    Full(u16, Vec<(&'static str, String)>, Bytes),
    /// Does something after a while.
    After(Duration, Box<Reply>),
    /// Breaks the connection, after it has seen the request.
    Reset,
    /// Never answers.
    Hang,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Method, address, headers and body.
    pub request: Request<Bytes>,
    /// What was done with it.
    pub reply: Reply,
}

/// The receiver. Clones share its script and what it saw.
#[derive(Clone)]
pub struct Receiver {
    clock: Arc<dyn Clock>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    script: VecDeque<Reply>,
    otherwise: Reply,
    seen: Vec<Seen>,
}

impl Receiver {
    /// A receiver that answers 200 to everything.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner { script: VecDeque::new(), otherwise: Reply::Status(200), seen: Vec::new() };
        Self { clock, inner: Arc::new(Mutex::new(inner)) }
    }

    /// The next requests meet these replies, one each; then the usual one.
    pub fn next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.lock().script.extend(replies);
    }

    /// The usual reply from now on.
    pub fn always(&self, reply: Reply) {
        self.lock().otherwise = reply;
    }

    /// Every request so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// Forgets what it saw.
    pub fn clear(&self) {
        self.lock().seen.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Receiver {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let reply = {
            let mut inner = self.lock();
            let reply = inner.script.pop_front().unwrap_or_else(|| inner.otherwise.clone());
            inner.seen.push(Seen { at: self.clock.now(), request, reply: reply.clone() });
            reply
        };
        Box::pin(act(reply))
    }
}

async fn act(mut reply: Reply) -> Result<Response<Bytes>, HttpError> {
    loop {
        match reply {
            Reply::Status(status) => return full(status, Vec::new(), Bytes::new()),
            Reply::Full(status, headers, body) => return full(status, headers, body),
            Reply::After(wait, then) => {
                tokio::time::sleep(wait).await;
                reply = *then;
            }
            Reply::Reset => return Err(HttpError::Broken),
            Reply::Hang => std::future::pending::<()>().await,
        }
    }
}

fn full(status: u16, headers: Vec<(&'static str, String)>, body: Bytes) -> Result<Response<Bytes>, HttpError> {
    let status = StatusCode::from_u16(status).map_err(|_| HttpError::Broken)?;
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(body).map_err(|_| HttpError::Broken)
}
