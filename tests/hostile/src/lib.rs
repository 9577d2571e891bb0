//! Receivers that misbehave, on real sockets of this machine: what delivery must survive without harm to anyone else.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! for kind in hostile::Kind::ALL {
//!     let hostile = hostile::Hostile::start(kind).await?;
//!     println!("{kind:?} at {}", hostile.url);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! All of them are at 127.0.0.1, at a port that was free; what calls them must be allowed to.

mod behaviour;
mod kind;
mod tls;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};

pub use kind::Kind;

/// What the redirect to the inside points at.
pub const INSIDE: &str = "http://169.254.169.254/latest/meta-data/";

/// How much the gzip bomb is when it is unpacked, in bytes.
pub const UNPACKED: u64 = behaviour::MEMBERS * behaviour::MEMBER;

/// A receiver that misbehaves until it is dropped.
#[derive(Debug)]
pub struct Hostile {
    /// Where it is.
    pub url: String,
    kind: Kind,
    tally: Arc<Tally>,
    _running: Running,
}

/// What keeps it there.
#[derive(Debug)]
enum Running {
    /// Nothing: there is no such host.
    Nowhere,
    /// A port that is taken, so that nobody else gets it, and at which nobody listens.
    Taken(#[expect(dead_code, reason = "it is held for as long as the receiver lives")] TcpSocket),
    /// A server.
    Serving(JoinHandle<()>),
}

/// What a receiver saw and did.
#[derive(Debug, Default)]
struct Tally {
    connections: AtomicU64,
    written: AtomicU64,
    heads: Mutex<Vec<String>>,
}

impl Hostile {
    /// Starts one.
    ///
    /// # Errors
    /// No port can be taken on 127.0.0.1.
    pub async fn start(kind: Kind) -> io::Result<Self> {
        let tally = Arc::new(Tally::default());
        let local = ([127, 0, 0, 1], 0).into();
        let (host, running) = match kind {
            Kind::Unresolvable => ("nobody.invalid".to_owned(), Running::Nowhere),
            Kind::Refused => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(local)?;
                (socket.local_addr()?.to_string(), Running::Taken(socket))
            }
            _ => {
                let listener = TcpListener::bind(local).await?;
                let host = listener.local_addr()?.to_string();
                let serving = tokio::spawn(serve(listener, kind, Arc::clone(&tally), url(kind, &host)));
                (host, Running::Serving(serving))
            }
        };
        Ok(Self { url: url(kind, &host), kind, tally, _running: running })
    }

    /// How it misbehaves.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How many connections it accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.tally.connections.load(Ordering::Relaxed)
    }

    /// How many bytes of its answers the system took from it. What it wrote and nobody read is among them: a
    /// connection on one machine holds some megabytes.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.tally.written.load(Ordering::Relaxed)
    }

    /// The first lines and headers of the requests that it read. They are all kept.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.tally.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Serving(serving) = self {
            serving.abort();
        }
    }
}

fn url(kind: Kind, host: &str) -> String {
    let scheme = if kind.is_https() { "https" } else { "http" };
    format!("{scheme}://{host}/webhooks")
}

/// Accepts for ever. Connections end with the server.
async fn serve(listener: TcpListener, kind: Kind, tally: Arc<Tally>, url: String) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tally.connections.fetch_add(1, Ordering::Relaxed);
        let (tally, url, unread) = (Arc::clone(&tally), url.clone(), BytesMut::new());
        let connection = behaviour::Connection { stream, tally, url, unread };
        connections.spawn(async move {
            // Whoever is treated like this hangs up: that is no error of the receiver's.
            let _ = connection.misbehave(kind).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
