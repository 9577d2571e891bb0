//! The rim: [`Http`] over reqwest.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::address::{Forbidden, Host, Reach, Target};
use bytes::{Bytes, BytesMut};
use http::{Request, Uri};
use reqwest::dns::Resolve;

use crate::laps::{self, Laps};
use crate::names::{Guard, Judging, Names, SystemNames, Trusting};
use crate::stopwatch::{Mark, Stopwatch};
use crate::{Answer, CHECK_DEADLINE, Call, Checking, Http, HttpError, Sending};

/// How long a connection that is not used is kept. Short: while a function is frozen its connections die unseen, and a try on
/// a dead one would be counted to its receiver.
const LONGEST_IDLE: Duration = Duration::from_secs(5);

/// How many of them to one host: as many as are at work for one endpoint at once.
const IDLE_PER_HOST: usize = 5;

/// The longest that one connection may take to stand. Longer than any call waits: it ends connections that outlive
/// the call that began them, which the client goes on with when another one becomes free first.
const LONGEST_CONNECT: Duration = Duration::from_secs(60);

/// A pooled HTTP/1.1 client with the Mozilla roots compiled in (parsing a machine's own root store would
/// take most of a client's start; see `docs/decisions/0001-few-roots.md`).
#[derive(Clone)]
pub struct Client {
    /// For https; for everything if there is no guard.
    tls: reqwest::Client,
    /// For plain http into networks that the operator allows.
    plain: Option<reqwest::Client>,
    guard: Option<Arc<Guard>>,
}

impl Client {
    /// A client for servers that we name ourselves. Nothing is resolved or connected yet.
    ///
    /// # Errors
    /// [`HttpError::Tls`] if the TLS library refuses its own defaults.
    pub fn new() -> Result<Self, HttpError> {
        Ok(Self { tls: build(roots()?, Trusting)?, plain: None, guard: None })
    }

    /// A client for servers that customers name: it reaches what `reach` allows and nothing else. Nothing is
    /// resolved or connected yet.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn guarded(reach: Reach) -> Result<Self, HttpError> {
        Self::asking(reach, Arc::new(SystemNames))
    }

    /// As [`Self::guarded`], with names that somebody else knows.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn asking(reach: Reach, names: Arc<dyn Names>) -> Result<Self, HttpError> {
        let (guard, roots) = (Arc::new(Guard { reach, names }), roots()?);
        let plain = match guard.reach.allows_plain() {
            true => Some(build(roots.clone(), Judging { guard: Arc::clone(&guard), tls: false })?),
            false => None,
        };
        let tls = build(roots, Judging { guard: Arc::clone(&guard), tls: true })?;
        Ok(Self { tls, plain, guard: Some(guard) })
    }

    /// The client that a request is for, and the request as that client reads it.
    fn prepare(&self, request: Request<Bytes>) -> Result<(&reqwest::Client, reqwest::Request), HttpError> {
        let Some(guard) = &self.guard else { return Ok((&self.tls, readable(request)?)) };
        let (target, request) = judge(guard, request)?;
        let client = if target.tls { Some(&self.tls) } else { self.plain.as_ref() };
        client.map(|client| (client, request)).ok_or(HttpError::Refused(Forbidden::Plain))
    }

    async fn exchange(&self, request: Request<Bytes>, body_limit: usize) -> Result<Answer, HttpError> {
        let (client, request) = self.prepare(request)?;
        laps::mark(Mark::Begun);
        // Interim answers (`100 Continue`) are skipped below, without a limit that could be set here. A receiver that
        // sends nothing else, as fast as one machine can, costs up to 0.5 s of this thread at a time, measured
        // unoptimised (the library reads until the runtime's own budget of reads is used up), and the deadline ends it.
        let mut response = client.execute(request).await.map_err(|error| HttpError::of(&error))?;
        laps::mark(Mark::Answered);
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        let mut truncated = false;
        while let Some(chunk) = response.chunk().await.map_err(|error| HttpError::of(&error))? {
            let room = body_limit - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                truncated = true;
                break;
            }
        }
        Ok(Answer { status, headers, body: body.freeze(), truncated })
    }

    async fn find(&self, url: &Uri) -> Result<Vec<IpAddr>, HttpError> {
        match &self.guard {
            Some(guard) => {
                let request = Request::get(url).body(Bytes::new()).map_err(|_| HttpError::Request)?;
                guard.find(&judge(guard, request)?.0).await
            }
            None => SystemNames.find(url.host().ok_or(HttpError::Request)?).await.map_err(|_| HttpError::Resolve),
        }
    }
}

impl Http for Client {
    fn send(&self, call: Call) -> Sending<'_> {
        Box::pin(async move {
            let Call { request, deadline, body_limit, stopwatch } = call;
            let exchange = laps::timed(stopwatch.clone(), self.exchange(request, body_limit));
            let answer = tokio::time::timeout(deadline, exchange).await.unwrap_or(Err(HttpError::Timeout));
            stopwatch.as_deref().inspect(|stopwatch: &&Stopwatch| stopwatch.mark(Mark::Ended));
            answer
        })
    }

    fn check<'a>(&'a self, url: &'a Uri) -> Checking<'a> {
        Box::pin(async move {
            let found = tokio::time::timeout(CHECK_DEADLINE, self.find(url)).await;
            found.unwrap_or(Err(HttpError::Timeout)).map(drop)
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("reach", &self.guard.as_ref().map(|guard| &guard.reach)).finish()
    }
}

/// Whom a request calls, if the rule allows it as far as it can be seen before the look-up.
fn judge(guard: &Guard, request: Request<Bytes>) -> Result<(Target, reqwest::Request), HttpError> {
    let target = guard.reach.url(&request.uri().to_string()).map_err(HttpError::Refused)?;
    let request = readable(request).ok().filter(|request| same(&target, request));
    request.map(|request| (target, request)).ok_or(HttpError::Refused(Forbidden::Ambiguous))
}

fn readable(request: Request<Bytes>) -> Result<reqwest::Request, HttpError> {
    reqwest::Request::try_from(request).map_err(|_| HttpError::Request)
}

/// Whether the client below would call exactly whom the rule judged.
fn same(target: &Target, request: &reqwest::Request) -> bool {
    let url = request.url();
    let host = match (&target.host, url.host_str()) {
        (Host::Name(name), Some(host)) => name == host,
        (Host::Address(IpAddr::V4(address)), Some(host)) => host.parse() == Ok(*address),
        (Host::Address(IpAddr::V6(address)), Some(host)) => {
            host.trim_start_matches('[').trim_end_matches(']').parse() == Ok(*address)
        }
        (_, None) => false,
    };
    let scheme = if target.tls { "https" } else { "http" };
    host && url.scheme() == scheme && url.port_or_known_default() == Some(target.port)
}

fn roots() -> Result<rustls::ClientConfig, HttpError> {
    let roots = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| HttpError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn build(tls: rustls::ClientConfig, names: impl Resolve + 'static) -> Result<reqwest::Client, HttpError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(names))
        .connector_layer(Laps)
        .connect_timeout(LONGEST_CONNECT)
        .pool_idle_timeout(LONGEST_IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .http1_only()
        .build()
        .map_err(|_| HttpError::Tls)
}
