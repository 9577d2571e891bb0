//! Names, and the one look-up that judges what they stand for.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use afferent_domain::address::{Host, Reach, Target};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::HttpError;
use crate::laps;
use crate::stopwatch::Mark;

/// What [`Names::find`] returns.
pub type Finding = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who knows what names stand for: the system, or a test.
pub trait Names: Send + Sync {
    /// All addresses of a name.
    ///
    /// # Errors
    /// The name stands for nothing, or nobody could be asked.
    fn find(&self, name: &str) -> Finding;
}

/// The system's own resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn find(&self, name: &str) -> Finding {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// The rule, and who is asked.
pub(crate) struct Guard {
    pub(crate) reach: Reach,
    pub(crate) names: Arc<dyn Names>,
}

impl Guard {
    /// Looks a target up and judges all that was found.
    pub(crate) async fn find(&self, target: &Target) -> Result<Vec<IpAddr>, HttpError> {
        let found = match &target.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.names.find(name).await.map_err(|_| HttpError::Resolve)?,
        };
        self.reach.dial(target, &found).map_err(HttpError::Refused)?;
        Ok(found)
    }
}

/// The resolver of one client. It hands on exactly the addresses that were judged, so these and no others are dialled,
/// whatever the name stands for a moment later. What it may not find out from the name is whether TLS follows: so a
/// client has one of these for https and one for plain http, each with connections of its own.
pub(crate) struct Judging {
    pub(crate) guard: Arc<Guard>,
    pub(crate) tls: bool,
}

impl Resolve for Judging {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.guard);
        // The port was judged with the URL.
        let target = Target { host: Host::Name(name.as_str().to_owned()), port: 0, tls: self.tls };
        Box::pin(async move {
            laps::mark(Mark::Resolving);
            let found = guard.find(&target).await?;
            laps::mark(Mark::Resolved);
            Ok(sockets(found))
        })
    }
}

/// The resolver of a client without a rule: the system's, and every failure is ours to name.
pub(crate) struct Trusting;

impl Resolve for Trusting {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            laps::mark(Mark::Resolving);
            let found = SystemNames.find(name.as_str()).await.map_err(|_| HttpError::Resolve)?;
            laps::mark(Mark::Resolved);
            Ok(sockets(found))
        })
    }
}

/// Port 0 stands for that of the URL.
fn sockets(found: Vec<IpAddr>) -> Addrs {
    Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)))
}
