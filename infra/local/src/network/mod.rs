//! The network of a simulation: no sockets, only names, what they stand for, and who answers under them.

mod aws;
mod collector;
mod flow;
mod receiver;
mod withings;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use afferent_domain::Dice;
use afferent_domain::address::{self, Reach, Target};
use afferent_http::{Answer, Call, Checking, Http, HttpError, Mark, Sending, Stopwatch};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use tokio::time::Instant;

pub use aws::InProcess;
pub use collector::{Collector, Told};
pub use flow::Flow;
pub use receiver::{Receiver, Reply, Seen};
pub use withings::{WITHINGS_HOST, WithingsHost};

/// What a name stands for while nobody says otherwise: some public address.
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));

/// Who answers under a name.
pub trait Host: Send + Sync {
    /// Answers one request, or fails as a connection would. A response with a [`Flow`] among its extensions has a
    /// body that comes as that says.
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>>;
}

/// The network itself. A name that nobody has taken cannot be resolved. It keeps to a rule as the real client for
/// endpoints does: public addresses by https, if nobody says otherwise.
pub struct Network {
    hosts: RwLock<BTreeMap<String, Arc<dyn Host>>>,
    addresses: RwLock<BTreeMap<String, Vec<IpAddr>>>,
    reach: RwLock<Reach>,
    latency_ms: RwLock<(u64, u64)>,
    dice: Arc<dyn Dice>,
}

impl Network {
    /// A network without latency.
    #[must_use]
    pub fn new(dice: Arc<dyn Dice>) -> Arc<Self> {
        Arc::new(Self {
            hosts: RwLock::default(),
            addresses: RwLock::default(),
            reach: RwLock::default(),
            latency_ms: RwLock::default(),
            dice,
        })
    }

    /// From now on `host` answers under `name`, or under an address written as in a URL.
    pub fn put(&self, name: &str, host: Arc<dyn Host>) {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), host);
    }

    /// From now on nobody answers under `name`.
    pub fn remove(&self, name: &str) {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// From now on `name` stands for these addresses; for none, if there are none.
    pub fn set_addresses(&self, name: &str, addresses: &[IpAddr]) {
        self.addresses.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), addresses.to_vec());
    }

    /// From now on this may be reached.
    pub fn set_reach(&self, reach: Reach) {
        *self.reach.write().unwrap_or_else(PoisonError::into_inner) = reach;
    }

    /// Every way, there and back, takes between `low` and `high` milliseconds, as the dice decides.
    pub fn set_latency(&self, low: u64, high: u64) {
        *self.latency_ms.write().unwrap_or_else(PoisonError::into_inner) = (low, high);
    }

    async fn travel(&self) {
        let (low, high) = *self.latency_ms.read().unwrap_or_else(PoisonError::into_inner);
        if high > 0 {
            tokio::time::sleep(Duration::from_millis(self.dice.between(low, high))).await;
        }
    }

    /// Whom a URL calls, by the rule.
    fn judge(&self, url: &Uri) -> Result<Target, HttpError> {
        let reach = self.reach.read().unwrap_or_else(PoisonError::into_inner);
        reach.url(&url.to_string()).map_err(HttpError::Refused)
    }

    /// Looks a target up and judges what it stands for. `None`: there is such a host, and nobody answers there.
    fn find(&self, target: &Target) -> Result<Option<Arc<dyn Host>>, HttpError> {
        let name = target.host.to_string();
        let host = self.hosts.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        let set = self.addresses.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        let found = match (&target.host, set, &host) {
            (address::Host::Address(address), ..) => vec![*address],
            (address::Host::Name(_), Some(set), _) => set,
            (address::Host::Name(_), None, Some(_)) => vec![PUBLIC],
            (address::Host::Name(_), None, None) => Vec::new(),
        };
        if found.is_empty() {
            return Err(HttpError::Resolve);
        }
        let reach = self.reach.read().unwrap_or_else(PoisonError::into_inner);
        reach.dial(target, &found).map_err(HttpError::Refused)?;
        Ok(host)
    }

    async fn deliver(&self, request: Request<Bytes>, limit: usize, stopwatch: &Stopwatch) -> Result<Answer, HttpError> {
        let target = self.judge(request.uri())?;
        let named = matches!(target.host, address::Host::Name(_));
        let begun = Instant::now();
        stopwatch.mark_at(Mark::Begun, begun);
        connecting(stopwatch, begun, named);
        let host = self.find(&target)?;
        resolved(stopwatch, begun, named);
        let host = host.ok_or(HttpError::Connect)?;
        stopwatch.mark(Mark::Connected);
        self.travel().await;
        let answered = host.answer(request).await;
        // Whether a connection stood is the host's to say, and only now does it.
        match answered {
            Err(HttpError::Resolve | HttpError::Refused(_)) => connecting(stopwatch, begun, named),
            Err(HttpError::Connect | HttpError::Unreachable | HttpError::Tls) => {
                connecting(stopwatch, begun, named);
                resolved(stopwatch, begun, named);
            }
            _ => {}
        }
        self.travel().await;
        let (parts, body) = answered?.into_parts();
        stopwatch.mark(Mark::Answered);
        let (body, truncated) = match parts.extensions.get::<Flow>() {
            Some(flow) => flow.read(limit).await,
            None => (body.slice(..body.len().min(limit)), body.len() > limit),
        };
        Ok(Answer { status: parts.status, headers: parts.headers, body, truncated })
    }
}

fn connecting(stopwatch: &Stopwatch, at: Instant, named: bool) {
    stopwatch.mark_at(Mark::Connecting, at);
    if named {
        stopwatch.mark_at(Mark::Resolving, at);
    }
}

fn resolved(stopwatch: &Stopwatch, at: Instant, named: bool) {
    if named {
        stopwatch.mark_at(Mark::Resolved, at);
    }
}

impl Http for Network {
    fn send(&self, call: Call) -> Sending<'_> {
        Box::pin(async move {
            let stopwatch = call.stopwatch.unwrap_or_default();
            let delivering = self.deliver(call.request, call.body_limit, &stopwatch);
            let answered = tokio::time::timeout(call.deadline, delivering).await;
            stopwatch.mark(Mark::Ended);
            answered.unwrap_or(Err(HttpError::Timeout))
        })
    }

    fn check<'a>(&'a self, url: &'a Uri) -> Checking<'a> {
        Box::pin(async move { self.find(&self.judge(url)?).map(drop) })
    }
}
