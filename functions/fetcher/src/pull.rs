//! A pull: the lease of a marked service is taken, the service is read, what was satisfied is struck out.
//!
//! A service with `lastupdate` is read from its cursor first; then each window that a notification named and
//! that showed nothing new is read whole. A service without it is read by those windows.

mod ending;
mod reading;

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::id::PullId;
use afferent_domain::mark::{Entry, completed_by};
use afferent_domain::notification::Quarantine;
use afferent_domain::service::Service;
use afferent_gate::{CALL, CallError};
use afferent_metrics::{Metric, count, observe_ms};
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_store::marks::{Ending, Lease, Mark, Pulled, Release};
use afferent_store::notifications::Awaited;
use afferent_withings::Class;
use futures_util::future::join_all;

use crate::Fetcher;
use crate::agenda::{Agenda, Planned};
use crate::read::{Reading, Task};
use ending::proof;

/// How long a pull's lease outlives the time its invocation may work. A mark is due when its lease ends.
pub const LEASE: Duration = Duration::from_secs(30);

/// Withings refuses the same call again within 10 s.
const SAME_ARGUMENTS: Duration = Duration::from_secs(11);

/// How long a pull in the lanes below on demand waits for its turn: it holds the lease that a notification wants.
const LOW_LANE: Duration = Duration::from_secs(20);

impl Fetcher {
    /// Pulls what is on the agenda. What fails stays marked.
    pub async fn pull_all(&self, agenda: &Agenda, until: Timestamp) {
        let pulls = agenda.take_pulls().into_iter().map(|((_, service), planned)| async move {
            let connection = &planned.connection.id;
            if let Err(error) = self.pull_planned(&planned, service, agenda, until).await {
                tracing::error!(%connection, service = service.name(), %error, "a pull was cut short; its mark stays due");
                self.cut_short(agenda, connection, service).await;
            }
        });
        join_all(pulls).await;
    }

    /// Does the duties that are on the agenda. What fails is due again.
    pub async fn do_all(&self, agenda: &Agenda, until: Timestamp) {
        let duties = agenda.take_duties();
        let duties = duties.iter().map(|duty| async move {
            if let Err(error) = self.duty(duty, until).await {
                tracing::error!(item = duty.item, %error, "a duty was cut short; it stays due");
            }
        });
        join_all(duties).await;
    }

    /// Pulls until the service is clean or the time is up, and then the details of what was new. Does nothing
    /// if another pull holds the lease (it will see the newest mark before it ends), if nothing is marked, or
    /// while the service is left alone after a failure.
    ///
    /// # Errors
    /// A table is out of reach. The mark is due when the lease ends.
    pub async fn pull(&self, connection: &Connection, service: Service, until: Timestamp) -> Result<(), StoreError> {
        let planned = Planned { connection: connection.clone(), leased: None };
        self.pull_planned(&planned, service, &Agenda::default(), until).await
    }

    async fn pull_planned(
        &self,
        planned: &Planned,
        service: Service,
        agenda: &Agenda,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        if self.pull_one(planned, service, agenda, until).await?
            && let Some(details) = service.details()
        {
            let planned = Planned { leased: None, ..planned.clone() };
            self.pull_one(&planned, details, agenda, until).await?;
        }
        Ok(())
    }

    /// Pulls one service; whether something was new or changed.
    async fn pull_one(
        &self,
        planned: &Planned,
        service: Service,
        agenda: &Agenda,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let connection = &planned.connection;
        let lease_until = until + LEASE;
        let (pull, mut mark) = if let Some(leased) = &planned.leased {
            leased.clone()
        } else {
            let pull = PullId::draw(self.clock.now(), &*self.dice);
            match self.connections.lease(&connection.id, service, &pull, self.clock.now(), lease_until).await? {
                Lease::Taken(mark) => (pull, mark),
                Lease::Held | Lease::Clean => return Ok(false),
            }
        };
        let mut written = false;
        loop {
            let began = self.clock.now();
            let lane = lane_of(&mark.entries);
            let task = Task {
                connection,
                service,
                lane,
                run: None,
                details: true,
                compare: true,
                pull: &pull,
                // Who nobody waits for does not keep the lease from a notification for long.
                until: if lane > Lane::OnDemand { until.min(began + CALL + LOW_LANE) } else { until },
            };
            let (reading, failure) = self.read_traced(task, &mark).await;
            written |= reading.written > 0;
            let pulled = Some(Pulled::new(began, pull.clone(), failure.as_ref().map(class)));
            if let Some(CallError::Reauthorise) = &failure {
                log(task, &mark, &reading, failure.as_ref(), 0, self.clock.now().since(began));
                self.store_all(agenda, &mark.entries).await?;
                // Strikes out the marks of the account's connections, this one among them, unless the person has
                // connected again: then it is to be read at once.
                self.link_died(&connection.account).await?;
                let lane = lane_of(&mark.entries);
                let at_once = Ending { due: Some(self.clock.now()), lane, pulled, ..Ending::default() };
                let release =
                    self.connections.release(&connection.id, service, &pull, &mark, &at_once, lease_until).await?;
                if release == Release::Lost {
                    // Perhaps struck out by another pull, which did not find them in their table.
                    self.lost(agenda, &mark.entries).await;
                }
                return Ok(written);
            }
            if let Some(CallError::Withings(error)) = &failure
                && error.class() == Class::Scope
            {
                log(task, &mark, &reading, failure.as_ref(), 0, self.clock.now().since(began));
                self.store_all(agenda, &mark.entries).await?;
                self.refused(connection, service, &pull, &mark, pulled, lease_until).await?;
                return Ok(written);
            }
            let proof = proof(service, &reading, failure.as_ref());
            let ending = Ending { pulled, ..self.ending(service, &mark, (&reading, &proof), failure.as_ref()) };
            let awaited = Awaited { connection: connection.id.clone(), service };
            let mut oldest: Option<Timestamp> = None;
            for entry in &ending.satisfied {
                if let Some(notification) = entry.notification() {
                    // In a second turn what the first one read is not of an earlier pull.
                    let read = completed_by(entry, &proof).and_then(|read| read.pull.as_ref());
                    let earlier = read.filter(|earlier| **earlier != pull);
                    let ended = self.settle(agenda, notification, &awaited, earlier.unwrap_or(&pull)).await?;
                    count(Metric::NotificationsSatisfiedEarlier, usize::from(ended && earlier.is_some()));
                    oldest = Some(oldest.map_or(entry.received, |oldest| oldest.min(entry.received)));
                }
            }
            if let Some(oldest) = oldest {
                observe_ms(Metric::PullAge, self.clock.now().since(oldest));
            }
            let mut left = mark.entries.clone();
            left.retain(|entry| !ending.satisfied.contains(entry));
            self.store_all(agenda, &left).await?;
            self.verified(connection, service, &ending.satisfied).await?;
            let (satisfied, took) = (ending.satisfied.len(), self.clock.now().since(began));
            log(task, &mark, &reading, failure.as_ref(), satisfied, took);
            match self.connections.release(&connection.id, service, &pull, &mark, &ending, lease_until).await? {
                // What came meanwhile may be read at once, and in a higher lane.
                Release::Newer(newer) if ending.due.is_none() || lane_of(&newer.entries) < lane => mark = newer,
                Release::Newer(newer) => {
                    self.put_down(connection, service, &pull, newer, &ending, lease_until).await?;
                    return Ok(written);
                }
                Release::Done => return Ok(written),
                Release::Lost => {
                    self.lost(agenda, &mark.entries).await;
                    return Ok(written);
                }
            }
        }
    }

    /// Gives the lease back although entries have come since: they are due when the others are.
    async fn put_down(
        &self,
        connection: &Connection,
        service: Service,
        pull: &PullId,
        mut mark: Mark,
        ending: &Ending,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        loop {
            let (progress, lane) = (mark.progress.clone(), lane_of(&mark.entries));
            let ending = Ending { satisfied: Vec::new(), cursor: None, progress, lane, ..ending.clone() };
            match self.connections.release(&connection.id, service, pull, &mark, &ending, until).await? {
                Release::Newer(newer) => mark = newer,
                Release::Done | Release::Lost => return Ok(()),
            }
        }
    }

    /// Withings does not answer for this service: the scope or the plan does not allow it. What waited for it is put
    /// away until the person connects again.
    async fn refused(
        &self,
        connection: &Connection,
        service: Service,
        pull: &PullId,
        mark: &Mark,
        pulled: Option<Pulled>,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        for notification in mark.entries.iter().filter_map(Entry::notification) {
            let userid = &connection.account.userid;
            self.notifications.quarantine(notification, Quarantine::Refused, userid).await?;
        }
        let ending = Ending { satisfied: mark.entries.clone(), pulled, ..Ending::default() };
        match self.connections.release(&connection.id, service, pull, mark, &ending, until).await? {
            // Those that came since are refused by the next pull.
            Release::Newer(newer) => {
                let due = Ending { due: Some(self.clock.now()), lane: lane_of(&newer.entries), ..Ending::default() };
                self.put_down(connection, service, pull, newer, &due, until).await
            }
            Release::Done | Release::Lost => Ok(()),
        }
    }
}

/// The highest lane that these are read in.
fn lane_of(entries: &[Entry]) -> Lane {
    entries.iter().map(|entry| entry.cause.lane()).min().unwrap_or(Lane::Live)
}

/// What went wrong, in a word.
const fn class(error: &CallError) -> &'static str {
    match error {
        CallError::Spent(_) => "budget_spent",
        CallError::Withings(error) => error.class().name(),
        CallError::Reauthorise => "reauthorise",
        CallError::Refreshing => "refreshing",
        CallError::Sealed => "sealed",
        CallError::Store(_) => "table",
    }
}

/// One line a pull, for the operator; and its metrics.
fn log(task: Task<'_>, mark: &Mark, reading: &Reading, failure: Option<&CallError>, satisfied: usize, took: Duration) {
    let (connection, service, pull, lane) = (&task.connection.id, task.service.name(), task.pull, task.lane.name());
    let Reading { calls, facts, written, problems, .. } = reading;
    let (took_ms, trace) = (took.as_millis(), mark.trace.map(|trace| trace.id()));
    count(Metric::Pulls, 1);
    count(Metric::PullsFailed, usize::from(failure.is_some()));
    observe_ms(Metric::PullDuration, took);
    if task.lane == Lane::Reconcile {
        count(Metric::SweepGaps, *written);
    }
    match failure {
        None => {
            tracing::info!(%connection, service, %pull, lane, calls, facts, written, problems, satisfied, took_ms, trace, "pulled");
        }
        Some(error) => {
            tracing::warn!(%connection, service, %pull, lane, calls, facts, written, problems, satisfied, took_ms, trace, %error, "a pull was not completed");
        }
    }
}
