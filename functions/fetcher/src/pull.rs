//! A pull: the lease of a marked service is taken, the service is read, what was satisfied is struck out.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::PullId;
use afferent_domain::mark::{Entry, satisfied};
use afferent_domain::service::Service;
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_store::marks::{Ending, Lease, Mark, Release};
use afferent_store::notifications::Awaited;
use afferent_withings::Class;

use crate::Fetcher;
use crate::gate::CallError;
use crate::read::{Reading, Task};

/// How long a pull's lease outlives the time its invocation may work. A mark is due when its lease ends.
pub const LEASE: Duration = Duration::from_secs(30);

/// Withings refuses the same call again within 10 s.
const SAME_ARGUMENTS: Duration = Duration::from_secs(11);

/// When a pull that Withings could not answer is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// When a pull is tried again that will fail until something changes: a scope, a plan, our own request.
const STOPPED: Duration = Duration::from_secs(3600);

impl Fetcher {
    /// Pulls until the service is clean or the time is up. Does nothing if another pull holds the lease (it
    /// will see the newest mark before it ends) or if nothing is marked.
    ///
    /// # Errors
    /// A table is out of reach. The mark is due when the lease ends.
    pub async fn pull(&self, connection: &Connection, service: Service, until: Timestamp) -> Result<(), StoreError> {
        let pull = PullId::draw(self.clock.now(), &*self.dice);
        let lease_until = until + LEASE;
        let lease = self.connections.lease(&connection.id, service, &pull, self.clock.now(), lease_until).await?;
        let Lease::Taken(mut mark) = lease else { return Ok(()) };
        loop {
            let began = self.clock.now();
            let reading = self.read(Task { connection, service, until }, &mark).await;
            let ending = self.ending(service, &mark, &reading);
            let awaited = Awaited { connection: connection.id.clone(), service };
            for entry in &ending.satisfied {
                self.notifications.satisfy(&entry.notification, &awaited, &pull).await?;
            }
            log(connection, service, &pull, &reading, &ending, self.clock.now().since(began));
            match self.connections.release(&connection.id, service, &pull, &mark, &ending, lease_until).await? {
                Release::Newer(newer) if ending.due.is_none() => mark = newer,
                Release::Newer(newer) => {
                    let ending = Ending { due: ending.due, ..Ending::default() };
                    self.connections.release(&connection.id, service, &pull, &newer, &ending, lease_until).await?;
                    return Ok(());
                }
                Release::Done | Release::Lost => return Ok(()),
            }
        }
    }

    /// What the reading proves, and when the rest is due.
    fn ending(&self, service: Service, mark: &Mark, reading: &Reading) -> Ending {
        let mut evidence = reading.evidence.clone();
        if reading.failure.is_some() && !service.uses_lastupdate() {
            // A window is read in pieces, and a change in one of them says nothing of those that were not read.
            evidence.iter_mut().for_each(|piece| piece.changed.clear());
        }
        let (satisfied, left): (Vec<Entry>, Vec<Entry>) =
            mark.entries.iter().cloned().partition(|entry| satisfied(entry, &evidence));
        let due = match &reading.failure {
            Some(failure) => Some(self.clock.now() + back_off(failure, self.clock.now())),
            // Everything was read and an entry is left: only time can be what it lacks.
            None => left.iter().map(Entry::settled).max().map(|settled| settled.max(self.clock.now() + SAME_ARGUMENTS)),
        };
        let cursor = reading.cursor.filter(|_| service.uses_lastupdate());
        Ending { satisfied, due: if left.is_empty() { None } else { due }, cursor }
    }
}

/// How long to leave a service alone after a failure.
fn back_off(failure: &CallError, now: Timestamp) -> Duration {
    match failure {
        CallError::Spent(free) => free.since(now),
        CallError::Refreshing | CallError::Store(_) => SAME_ARGUMENTS,
        CallError::Reauthorise => STOPPED,
        CallError::Withings(error) => match error.class() {
            Class::TooManyRequests { wait } => wait,
            Class::SameArguments { .. } => SAME_ARGUMENTS,
            Class::Unauthorized | Class::Success | Class::Retry | Class::Unknown => RETRY,
            Class::Scope | Class::Invalid | Class::InvalidCode | Class::InvalidRefreshToken => STOPPED,
        },
    }
}

/// One line a pull, for the operator.
fn log(connection: &Connection, service: Service, pull: &PullId, reading: &Reading, ending: &Ending, took: Duration) {
    let (connection, service, took_ms) = (&connection.id, service.name(), took.as_millis());
    let (pages, facts, changed, problems) = (reading.pages, reading.facts, reading.changed(), reading.problems);
    let satisfied = ending.satisfied.len();
    match &reading.failure {
        None => {
            tracing::info!(%connection, service, %pull, pages, facts, changed, problems, satisfied, took_ms, "pulled")
        }
        Some(error) => {
            tracing::warn!(%connection, service, %pull, pages, facts, changed, problems, satisfied, took_ms, %error, "a pull was not completed");
        }
    }
}
