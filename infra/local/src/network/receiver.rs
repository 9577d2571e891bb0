//! A receiver of webhooks that behaves as a script says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use afferent_http::HttpError;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};

use super::{Flow, Host};

/// What a receiver does with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Answers this status.
    Status(u16),
    /// Answers this status with these headers, such as `retry-after`, and this body.
    Full(u16, Vec<(&'static str, String)>, Bytes),
    /// Answers this status with the request's own headers, one on each line, and its body: as servers do that print what
    /// they could not handle.
    Echo(u16),
    /// Does something after a while.
    After(Duration, Box<Reply>),
    /// Breaks the connection, after it has seen the request.
    Reset,
    /// Never answers.
    Hang,
    /// Refuses the connection.
    Refused,
    /// Fails the TLS handshake.
    Tls,
    /// Is not to be found: its name stands for nothing.
    Unresolved,
    /// Answers 200 at once, and its body comes byte by byte, each after so long, without end.
    Trickle(Duration),
    /// Answers 200 with a body of so many bytes.
    Huge(u64),
}

impl Reply {
    /// Whether a request comes in before this happens.
    fn sees_the_request(&self) -> bool {
        match self {
            Self::Refused | Self::Tls | Self::Unresolved => false,
            Self::After(_, then) => then.sees_the_request(),
            _ => true,
        }
    }
}

/// A request, and what was done with it.
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
    sent: Vec<Seen>,
}

impl Receiver {
    /// A receiver that answers 200 to everything.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner { script: VecDeque::new(), otherwise: Reply::Status(200), sent: Vec::new() };
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

    /// Every request that came in so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().sent.iter().filter(|sent| sent.reply.sees_the_request()).cloned().collect()
    }

    /// Every request that was meant for it so far, also those that a failed connection kept away.
    #[must_use]
    pub fn sent(&self) -> Vec<Seen> {
        self.lock().sent.clone()
    }

    /// Forgets them all.
    pub fn clear(&self) {
        self.lock().sent.clear();
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
            inner.sent.push(Seen { at: self.clock.now(), request: request.clone(), reply: reply.clone() });
            reply
        };
        Box::pin(act(reply, request))
    }
}

async fn act(mut reply: Reply, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    loop {
        match reply {
            Reply::Status(status) => return full(status, Vec::new(), Bytes::new()),
            Reply::Full(status, headers, body) => return full(status, headers, body),
            Reply::Echo(status) => return full(status, Vec::new(), echo(&request)),
            Reply::After(wait, then) => {
                tokio::time::sleep(wait).await;
                reply = *then;
            }
            Reply::Reset => return Err(HttpError::Broken),
            Reply::Hang => std::future::pending::<()>().await,
            Reply::Refused => return Err(HttpError::Connect),
            Reply::Tls => return Err(HttpError::Tls),
            Reply::Unresolved => return Err(HttpError::Resolve),
            Reply::Trickle(pause) => return flowing(Flow { length: u64::MAX, part: 1, pause }),
            Reply::Huge(length) => return flowing(Flow { length, part: length, pause: Duration::ZERO }),
        }
    }
}

fn echo(request: &Request<Bytes>) -> Bytes {
    let mut text = Vec::new();
    for (name, value) in request.headers() {
        text.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    }
    text.extend_from_slice(request.body());
    text.into()
}

fn flowing(flow: Flow) -> Result<Response<Bytes>, HttpError> {
    let mut response = full(200, Vec::new(), Bytes::new())?;
    response.extensions_mut().insert(flow);
    Ok(response)
}

fn full(status: u16, headers: Vec<(&'static str, String)>, body: Bytes) -> Result<Response<Bytes>, HttpError> {
    let status = StatusCode::from_u16(status).map_err(|_| HttpError::Broken)?;
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(body).map_err(|_| HttpError::Broken)
}
