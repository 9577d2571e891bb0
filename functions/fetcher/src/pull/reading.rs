//! What a pull reads, so that every entry of its mark is satisfied.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::mark::{Entry, satisfied};
use afferent_domain::notification::Window;
use afferent_function::trace::{self, Kind, Span};
use afferent_gate::CallError;
use afferent_store::connections::Connection;
use afferent_store::marks::Mark;

use crate::Fetcher;
use crate::earlier::Kept;
use crate::plan::{Plan, merged};
use crate::read::{Asked, Progress, Reading, Task};

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
    /// The same as [`Self::read`], as a part of the trace of the newest notification that has one: what it stores carries it on.
    pub(super) async fn read_traced(&self, task: Task<'_>, mark: &Mark) -> (Reading, Option<CallError>) {
        let reading = async {
            trace::tell("pull", task.pull);
            trace::tell("connection", &task.connection.id);
            trace::tell("service", task.service.name());
            trace::tell("lane", task.lane.name());
            let (reading, failure) = self.read(task, mark).await;
            trace::tell("written", reading.written);
            if failure.is_some() {
                trace::failed();
            }
            (reading, failure)
        };
        trace::carrying(mark.trace, Span::new(Kind::Internal, "pull").around(reading)).await
    }

    /// Reads the service for the mark's entries. What was stored before a failure stays stored; the evidence is of
    /// the reads that were completed.
    async fn read(&self, task: Task<'_>, mark: &Mark) -> (Reading, Option<CallError>) {
        let kept: Kept = mark.progress.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let evidence = kept.evidence(mark.pulled_by.as_ref(), self.clock.now());
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
