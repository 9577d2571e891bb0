//! Backfill: one slice of a run is read, counted, and the run's public record told.
//!
//! In this order, so that whoever dies in between is found again and nothing counts twice: what was read is stored;
//! the slice counts, in one transaction with its own mark of having counted; the record is told; the slice goes. A
//! slice that is taken again and counts already only tells and goes.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::{Slice, State, place};
use afferent_domain::budget::Lane;
use afferent_domain::connection::State as Link;
use afferent_domain::id::{ConnectionId, RunId};
use afferent_domain::pause::pause;
use afferent_domain::service::Service;
use afferent_gate::CallError;
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_store::duties::End;
use afferent_store::item::{n, s};
use afferent_store::runs::{Run, Tally, read_slice};
use afferent_withings::Class;

use crate::Fetcher;
use crate::duty::Work;
use crate::read::{Progress, Reading, Task};

/// How long a slice waits for the person to connect again.
const UNLINKED: Duration = Duration::from_secs(3600);

/// How long a slice of series waits for the summaries of its run.
const SUMMARIES: Duration = Duration::from_secs(5 * 60);

/// How often a slice may fail in a row: with growing pauses more than a week.
const MOST_FAILURES: u32 = 18;

/// A budget that is free again within this time is free for the next wake.
const SOON: Duration = Duration::from_secs(60);

/// What a read that was cut short means for who asked for it.
pub(crate) enum Short {
    /// Time was up, or somebody else was in the way: it goes on at once, or then.
    Later(Option<Timestamp>),
    /// It failed and is tried again after a pause.
    Failed,
    /// It fails until something changes; why.
    Refused(&'static str),
}

/// What an error means for a duty that reads windows.
pub(crate) fn short(error: &CallError, now: Timestamp) -> Short {
    match error {
        CallError::Spent(free) => Short::Later((free.since(now) > SOON).then_some(*free)),
        CallError::Refreshing => Short::Later(None),
        CallError::Withings(error) => match error.class() {
            Class::TooManyRequests { wait } => Short::Later(Some(now + wait)),
            Class::SameArguments { .. } => Short::Later(None),
            class @ (Class::Scope | Class::Invalid | Class::InvalidCode) => Short::Refused(class.name()),
            _ => Short::Failed,
        },
        _ => Short::Failed,
    }
}

impl Fetcher {
    /// Reads a slice.
    pub(crate) async fn slice(
        &self,
        id: &ConnectionId,
        run: &str,
        number: u32,
        work: &Work<'_>,
    ) -> Result<End, CallError> {
        let now = self.clock.now();
        let Some(run) = self.connections.run(id, &RunId::from(run)).await? else { return Ok(End::Done) };
        if work.item.contains_key("counted") || run.state != State::Running {
            self.close_run(&run).await?;
            return Ok(End::Done);
        }
        let connection = match self.connections.get(id).await? {
            Some(connection) if matches!(connection.state, Link::Connected) => connection,
            Some(connection) if matches!(connection.state, Link::Reauthorise) => {
                return Ok(End::Again { due: now + UNLINKED, set: Vec::new() });
            }
            _ => {
                self.connections.end_run(id, &run.id, State::Failed, now).await?;
                self.close_run(&run).await?;
                return Ok(End::Done);
            }
        };
        let run = self.connections.plant_more(&run).await?.unwrap_or(run);
        if number == 0 {
            self.tell_run(&run).await?;
        }
        if number >= run.counts.summaries && run.counts.summaries_done < run.counts.summaries {
            return Ok(End::Again { due: now + SUMMARIES, set: Vec::new() });
        }
        self.read_slice(&connection, &run, read_slice(number, work.item)?, work).await
    }

    async fn read_slice(
        &self,
        connection: &Connection,
        run: &Run,
        slice: Slice,
        work: &Work<'_>,
    ) -> Result<End, CallError> {
        let kept = work.reading();
        let before = |name: &str| kept.maybe_number::<u64>(name).unwrap_or(0);
        let task = Task {
            connection,
            service: slice.service,
            lane: Lane::Backfill,
            run: Some(run.id.as_str()),
            // Series have slices of their own; a recording is read where its row is found.
            details: run.ask.details && slice.service.details().is_some_and(Service::is_signal),
            compare: false,
            pull: work.holder,
            until: work.until,
        };
        let resume = kept.maybe_text("progress").and_then(Progress::from_text);
        let mut reading = Reading::default();
        let granted = connection.scopes.allow(slice.service);
        let read = match granted {
            true => self.read_window(task, slice.window, resume, &mut reading).await,
            false => Ok(()),
        };
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let tally = Tally {
            calls: before("calls") + count(reading.calls),
            facts: before("facts") + count(reading.facts),
            changed: before("changed") + count(reading.written),
        };
        let now = self.clock.now();
        let own_place = place(run.created, slice.number);
        let again = |due: Timestamp, failures: u32| {
            let progress = reading.progress.as_ref().and_then(Progress::to_text).unwrap_or_default();
            let numbers = [("calls", tally.calls), ("facts", tally.facts), ("changed", tally.changed)];
            let mut set = vec![("progress", s(progress)), ("failures", n(failures))];
            set.extend(numbers.map(|(name, number)| (name, n(number))));
            End::Again { due, set }
        };
        let problem = match read {
            Ok(()) => (!granted).then_some(Class::Scope.name()),
            Err(CallError::Reauthorise) => return Err(CallError::Reauthorise),
            Err(error) => match short(&error, now) {
                Short::Later(due) => {
                    tracing::info!(connection = %connection.id, run = %run.id, number = slice.number, %error, "a slice goes on later");
                    return Ok(again(due.unwrap_or(own_place), work.failures()));
                }
                Short::Refused(why) => Some(why),
                Short::Failed if work.failures() >= MOST_FAILURES => Some("unanswered"),
                Short::Failed => {
                    let failures = work.failures().saturating_add(1);
                    tracing::warn!(connection = %connection.id, run = %run.id, number = slice.number, %error, failures, "a slice was not read");
                    return Ok(again(now + pause(failures, &*self.dice), failures));
                }
            },
        };
        let problem = problem.map(|why| format!("{} {why}", slice.service));
        self.connections.count_slice(run, slice.number, work.holder, tally, problem.as_deref()).await?;
        let now = self.connections.run(&run.connection, &run.id).await?;
        if now.is_some_and(|now| now.counts.done >= now.counts.slices || now.told(run)) {
            self.close_run(run).await?;
        }
        Ok(End::Done)
    }

    /// Ends a run whose last slice counts, and tells its record.
    async fn close_run(&self, run: &Run) -> Result<(), StoreError> {
        let Some(run) = self.connections.run(&run.connection, &run.id).await? else { return Ok(()) };
        if run.state == State::Running && run.counts.done >= run.counts.slices {
            let end = State::ended(run.counts.slices, run.counts.failed);
            self.connections.end_run(&run.connection, &run.id, end, self.clock.now()).await?;
            tracing::info!(connection = %run.connection, run = %run.id, state = end.name(), "a backfill run is over");
        }
        self.tell_run(&run).await
    }

    async fn tell_run(&self, run: &Run) -> Result<(), StoreError> {
        self.records.tell_run(&self.connections, run, &*self.clock).await
    }
}
