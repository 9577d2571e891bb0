//! A pull: the lease of a marked service is taken, the service is read, what was satisfied is struck out.
//!
//! A service with `lastupdate` is read from its cursor first; then each window that a notification named and
//! that showed nothing new is read whole. A service without it is read by those windows.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::id::PullId;
use afferent_domain::mark::{Entry, satisfied};
use afferent_domain::notification::{Quarantine, Window};
use afferent_domain::pause::pause;
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
use crate::earlier::Kept;
use crate::plan::{Plan, merged};
use crate::read::{Asked, Progress, Reading, Task};

/// How long a pull's lease outlives the time its invocation may work. A mark is due when its lease ends.
pub const LEASE: Duration = Duration::from_secs(30);

/// Withings refuses the same call again within 10 s.
const SAME_ARGUMENTS: Duration = Duration::from_secs(11);

/// How long a pull in the lanes below on demand waits for its turn: it holds the lease that a notification wants.
const LOW_LANE: Duration = Duration::from_secs(20);

/// How far back of the newest `modified` the next `lastupdate` goes: rows are modified while a pull runs,
/// and a row that is read again unchanged writes nothing.
const OVERLAP: Duration = Duration::from_secs(15 * 60);

/// What a service without `lastupdate` is read for when no window was named.
const LOOKBACK_SECS: i64 = 24 * 3600;

/// Whether a window was asked for just now: Withings refuses the same arguments within 10 s, so the second
/// look asks for a little more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Again,
}

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
            let (reading, failure) = self.read(task, &mark).await;
            written |= reading.written > 0;
            let pulled = Some(Pulled::new(began, pull.clone(), failure.as_ref().map(class)));
            if let Some(CallError::Reauthorise) = &failure {
                log(task, &reading, failure.as_ref(), 0, self.clock.now().since(began));
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
                log(task, &reading, failure.as_ref(), 0, self.clock.now().since(began));
                self.store_all(agenda, &mark.entries).await?;
                self.refused(connection, service, &pull, &mark, pulled, lease_until).await?;
                return Ok(written);
            }
            let ending = Ending { pulled, ..self.ending(service, &mark, &reading, failure.as_ref()) };
            let awaited = Awaited { connection: connection.id.clone(), service };
            let mut oldest: Option<Timestamp> = None;
            for entry in &ending.satisfied {
                if let Some(notification) = entry.notification() {
                    let ended = self.settle(agenda, notification, &awaited, &pull).await?;
                    count(Metric::NotificationsSatisfiedEarlier, usize::from(ended && reading.calls == 0));
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
            log(task, &reading, failure.as_ref(), ending.satisfied.len(), self.clock.now().since(began));
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

    /// Reads the service for the mark's entries. What was stored before a failure stays stored; the evidence is of
    /// the reads that were completed.
    async fn read(&self, task: Task<'_>, mark: &Mark) -> (Reading, Option<CallError>) {
        let kept: Kept = mark.progress.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let evidence = kept.evidence(self.clock.now());
        let mut reading = Reading { cursor: mark.cursor, evidence, ..Reading::default() };
        if unsatisfied(&mark.entries, &reading).is_empty() {
            return (reading, None);
        }
        let failure = self.read_all(task, mark, kept.read, &mut reading).await.err();
        (reading, failure)
    }

    async fn read_all(
        &self,
        task: Task<'_>,
        mark: &Mark,
        mut resume: Option<Progress>,
        reading: &mut Reading,
    ) -> Result<(), CallError> {
        let Task { connection, service, .. } = task;
        if service.is_whole() {
            // There are no arguments to vary, so the one look comes late enough.
            let settled = mark.entries.iter().map(Entry::settled).max().unwrap_or_default();
            tokio::time::sleep(settled.since(self.clock.now())).await;
            let everything = Window { start: 0, end: i64::MAX };
            return self
                .read_plans(task, everything, Asked::ByEntries { named: true, since: settled }, None, reading)
                .await;
        }
        let since = since(connection, mark, self.clock.now());
        if service.uses_lastupdate() {
            let left = unsatisfied(&mark.entries, reading);
            let pulled =
                |entry: &Entry| reading.evidence.iter().any(|read| read.since_last && read.began >= entry.settled());
            // What is left may lack nothing but its window.
            if !left.iter().all(pulled) {
                // A read that was put down is gone on with, from where it was made; what came since is read after it.
                let resumed = resume.take_if(|progress| progress.since().is_some());
                let from = resumed.as_ref().and_then(Progress::since).unwrap_or(since);
                self.read_plan(task, &Plan::since(from), resumed, reading).await?;
            }
        } else {
            if service.longest_window_s().is_some() {
                // Hours do not vary: one look, and that late enough.
                let settled = mark.entries.iter().map(Entry::settled).max().unwrap_or_default();
                tokio::time::sleep(settled.since(self.clock.now())).await;
            }
            self.read_windows(task, &mark.entries, Look::First, resume.take(), reading).await?;
        }
        let left = unsatisfied(&mark.entries, reading);
        let Some(settled) = left.iter().map(Entry::settled).max() else { return Ok(()) };
        // Nothing new where something was announced: give it time to settle, and look at the whole of it.
        tokio::time::sleep(settled.since(self.clock.now())).await;
        if service.uses_lastupdate() && left.iter().any(|entry| entry.window.is_none()) {
            let plan = Plan::since(since - Duration::from_secs(1));
            self.read_plan(task, &plan, None, reading).await?;
        }
        let named = unsatisfied(&left, reading);
        self.read_windows(task, &named, Look::Again, resume, reading).await
    }

    /// Reads the windows of the entries whole: merged, and those left out that were read whole since.
    async fn read_windows(
        &self,
        task: Task<'_>,
        entries: &[Entry],
        look: Look,
        mut resume: Option<Progress>,
        reading: &mut Reading,
    ) -> Result<(), CallError> {
        let left = unsatisfied(entries, reading);
        if left.is_empty() {
            return Ok(());
        }
        let now = self.clock.now().as_secs();
        let recent = Window::new(now - LOOKBACK_SECS, now);
        let more = if look == Look::Again { 1 } else { 0 };
        // Whether Withings has said that something is there, or we have seen it ourselves.
        let named = left.iter().any(|entry| entry.notification().is_some());
        let windows = left.iter().map(|entry| entry.window.unwrap_or(recent).padded(more));
        let since = left.iter().map(Entry::settled).max().unwrap_or(self.clock.now());
        for window in merged(windows.collect()) {
            self.read_plans(task, window, Asked::ByEntries { named, since }, resume.take(), reading).await?;
        }
        Ok(())
    }

    /// What the reading proves, and when the rest is due.
    fn ending(&self, service: Service, mark: &Mark, reading: &Reading, failure: Option<&CallError>) -> Ending {
        let mut evidence = reading.evidence.clone();
        if reading.later {
            // It will be there some time; nothing is satisfied by its absence.
            evidence.clear();
        } else if failure.is_some() && !service.uses_lastupdate() {
            // A window is read in pieces, and a change in one of them says nothing of those that were not read.
            evidence.iter_mut().for_each(|piece| piece.changed.clear());
        }
        let (satisfied, left): (Vec<Entry>, Vec<Entry>) =
            mark.entries.iter().cloned().partition(|entry| satisfied(entry, &evidence));
        let cursor = reading.cursor.filter(|_| service.uses_lastupdate());
        let now = self.clock.now();
        let progress = serde_json::to_string(&Kept::of(reading, now)).ok();
        if left.is_empty() {
            return Ending { satisfied, cursor, progress, ..Ending::default() };
        }
        let failed = mark.failures.saturating_add(1);
        let (due, failures) = match failure {
            Some(failure) => self.back_off(failure, mark.failures),
            None if reading.later => (now + pause(failed, &*self.dice), failed),
            // Everything was read and an entry is left: only time can be what it lacks.
            None => {
                let settled = left.iter().map(Entry::settled).max().unwrap_or(now);
                (settled.max(now + SAME_ARGUMENTS), 0)
            }
        };
        let lane = lane_of(&left);
        Ending { satisfied, due: Some(due), lane, cursor, progress, failures, pulled: None }
    }

    /// When a pull that failed is tried again, and how many failures count until then.
    fn back_off(&self, failure: &CallError, failures: u32) -> (Timestamp, u32) {
        let now = self.clock.now();
        let failed = failures.saturating_add(1);
        match failure {
            CallError::Spent(free) => ((*free).max(now), failures),
            CallError::Refreshing => (now + SAME_ARGUMENTS, failures),
            CallError::Withings(error) => match error.class() {
                Class::TooManyRequests { wait } => (now + wait, failures),
                Class::SameArguments { .. } => (now + SAME_ARGUMENTS, failures),
                _ => (now + pause(failed, &*self.dice), failed),
            },
            _ => (now + pause(failed, &*self.dice), failed),
        }
    }
}

/// The highest lane that these are read in.
fn lane_of(entries: &[Entry]) -> Lane {
    entries.iter().map(|entry| entry.cause.lane()).min().unwrap_or(Lane::Live)
}

fn unsatisfied(entries: &[Entry], reading: &Reading) -> Vec<Entry> {
    entries.iter().filter(|entry| !satisfied(entry, &reading.evidence)).cloned().collect()
}

/// From where `lastupdate` reads: the cursor less the overlap, or, before the first pull, the connection. And up to ten
/// minutes more, by the clock: two pulls within 10 s ask with other arguments, so that none has to wait.
fn since(connection: &Connection, mark: &Mark, now: Timestamp) -> Timestamp {
    let more = u64::try_from(now.as_millis() / 100 % 600).unwrap_or(0);
    mark.cursor.map_or(connection.connected, Timestamp::from_secs) - OVERLAP - Duration::from_secs(more)
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
fn log(task: Task<'_>, reading: &Reading, failure: Option<&CallError>, satisfied: usize, took: Duration) {
    let (connection, service, pull, lane) = (&task.connection.id, task.service.name(), task.pull, task.lane.name());
    let Reading { calls, facts, written, problems, .. } = reading;
    let took_ms = took.as_millis();
    count(Metric::Pulls, 1);
    count(Metric::PullsFailed, usize::from(failure.is_some()));
    observe_ms(Metric::PullDuration, took);
    if task.lane == Lane::Reconcile {
        count(Metric::SweepGaps, *written);
    }
    match failure {
        None => {
            tracing::info!(%connection, service, %pull, lane, calls, facts, written, problems, satisfied, took_ms, "pulled");
        }
        Some(error) => {
            tracing::warn!(%connection, service, %pull, lane, calls, facts, written, problems, satisfied, took_ms, %error, "a pull was not completed");
        }
    }
}
