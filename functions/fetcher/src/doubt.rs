//! The second read: facts that a completely read window did not contain are looked for again, beside another
//! known fact (the control), and retracted if they are really gone.
//!
//! The rule, and why a single read proves nothing: [`afferent_domain::retraction`].

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::id::{ConnectionId, RecordId, RetractionId};
use afferent_domain::notification::Window;
use afferent_domain::record::{Record, Status, retract};
use afferent_domain::retraction::{self, Control, Lack, Large, Told, Verdict, verdict};
use afferent_domain::service::Service;
use afferent_gate::CallError;
use afferent_metrics::{Metric, count};
use afferent_normalise::recording;
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_store::duties::End;
use afferent_store::records::Written;

use crate::Fetcher;
use crate::duty::Work;
use crate::read::{Reading, Task};
use crate::write::Details;

/// How many of the nearest known records on either side are looked through to find a control.
const NEIGHBOURS: usize = 300;

/// How many controls are tried on either side, each a day further off: the nearest ones may have been deleted
/// too.
const CONTROLS: usize = 4;

/// The services that are asked whether the person still shares.
const ELSEWHERE: [Service; 5] =
    [Service::Getmeas, Service::Getactivity, Service::SleepGetsummary, Service::Getworkouts, Service::HeartList];

/// How many of the newest records of such a service are looked for.
const NEWEST: usize = 20;

const DAY_MS: i64 = 24 * 3600 * 1000;

impl Fetcher {
    /// Reads again what is in doubt, and decides.
    pub(crate) async fn doubt(
        &self,
        id: &ConnectionId,
        service: Service,
        doubt: &RetractionId,
        work: &Work<'_>,
    ) -> Result<End, CallError> {
        let Some(connection) = self.living(id).await? else { return Ok(End::Done) };
        let reading = work.reading();
        let first = Timestamp::from_millis(reading.number("first_ms")?);
        let known: usize = reading.number("known")?;
        let approved = reading.maybe_number("approved_ms").is_some_and(|_: i64| true);
        let held = reading.maybe_number("held_ms").is_some_and(|_: i64| true);
        let ids: Vec<RecordId> = reading.set("records").into_iter().map(RecordId::from).collect();

        let mut doubted = self.doubted(&connection, &ids).await?;
        let task = Task {
            connection: &connection,
            service,
            lane: Lane::Reconcile,
            run: None,
            details: true,
            compare: false,
            pull: work.holder,
            until: work.until,
        };
        let mut read = Reading::default();
        if let Some(window) = around(&doubted) {
            self.read_window(task, window, None, &mut read).await?;
            doubted.retain(|record| !read.found.contains(&record.record));
        }
        let control = match around(&doubted) {
            // A row that could not be understood may be the one that is missed.
            Some(_) if read.problems > 0 => Control::Failed,
            Some(_) => self.control(task, &ids, &doubted, &mut read).await?,
            None => Control::Passed,
        };
        let instants: BTreeSet<i64> = doubted.iter().map(|record| record.effective_ms).collect();
        let lack = Lack { missing: instants.len(), known };
        let now = self.clock.now();
        let verdict = verdict(first, control, lack, self.retraction_hold, approved, now);
        tracing::info!(
            connection = %id, service = service.name(), missing = lack.missing, known, control = control.name(),
            ?verdict, "facts in doubt were looked for again"
        );
        let (user, connection) = (&connection.user, &connection.id);
        let large = Large { user, connection, service, id: doubt, first, lack };
        match verdict {
            Verdict::Wait(due) => Ok(End::Again { due, set: Vec::new() }),
            Verdict::Hold(due) => {
                count(Metric::RetractionsHeld, usize::from(!held));
                self.tell_retraction(large, Told::Held).await?;
                Ok(End::Again { due, set: vec![("held_ms", afferent_store::item::n(now.as_millis()))] })
            }
            Verdict::Drop => {
                if held {
                    self.tell_retraction(large, Told::Withdrawn).await?;
                }
                Ok(End::Done)
            }
            Verdict::Retract => {
                for record in &doubted {
                    self.retract(task, record).await?;
                }
                if held {
                    self.tell_retraction(large, Told::Applied).await?;
                }
                Ok(End::Done)
            }
        }
    }

    /// Those of the records that still stand.
    async fn doubted(&self, connection: &Connection, ids: &[RecordId]) -> Result<Vec<Record>, StoreError> {
        let mut records: Vec<Record> = self.records.get_many(&connection.user, ids).await?.into_values().collect();
        records.retain(|record| record.status != Status::EnteredInError && record.connection == connection.id);
        records.sort_by(|one, other| (one.effective_ms, &one.record).cmp(&(other.effective_ms, &other.record)));
        Ok(records)
    }

    /// Whether the service still answers with something else that is known: in what was read already, else
    /// before it, else after it. What is near may be in doubt as well, so some are tried.
    async fn control(
        &self,
        task: Task<'_>,
        ids: &[RecordId],
        doubted: &[Record],
        read: &mut Reading,
    ) -> Result<Control, CallError> {
        let (Some(first), Some(last)) = (doubted.first(), doubted.last()) else { return Ok(Control::Passed) };
        let user = &task.connection.user;
        let sides = [(i64::MIN / 2, first.effective_ms, true), (last.effective_ms, i64::MAX / 2, false)];
        let mut asked = false;
        for (from, to, newest_first) in sides {
            let near = self.records.of_service(user, task.service, (from, to), newest_first, NEIGHBOURS).await?;
            let other: Vec<RecordId> = near
                .into_iter()
                .filter(|known| !known.retracted && !ids.contains(&known.record))
                .map(|known| known.record)
                .collect();
            let others = self.doubted(task.connection, &other).await?;
            if others.iter().any(|record| read.found.contains(&record.record)) {
                return Ok(Control::Passed);
            }
            let mut others = others;
            if newest_first {
                others.reverse();
            }
            let (mut tried, mut last) = (0, None);
            for control in others {
                let far = |last: i64| control.effective_ms.abs_diff(last) >= DAY_MS.unsigned_abs();
                if tried == CONTROLS || !last.is_none_or(far) {
                    continue;
                }
                let Some(window) = around(std::slice::from_ref(&control)) else { continue };
                (tried, last, asked) = (tried + 1, Some(control.effective_ms), true);
                self.read_window(task, window, None, read).await?;
                if read.found.contains(&control.record) {
                    return Ok(Control::Passed);
                }
            }
        }
        // Of this service nothing else came. If another one answers with what is known, the person still shares, and
        // all of this service may really be gone: there is just no control.
        Ok(if asked && !self.shares_elsewhere(task, read).await? { Control::Failed } else { Control::None })
    }

    /// Whether another service answers with something that is known.
    async fn shares_elsewhere(&self, task: Task<'_>, read: &mut Reading) -> Result<bool, CallError> {
        let user = &task.connection.user;
        for service in ELSEWHERE.into_iter().filter(|service| *service != task.service) {
            let all = (i64::MIN / 2, i64::MAX / 2);
            let newest = self.records.of_service(user, service, all, true, NEWEST).await?;
            let ids: Vec<RecordId> =
                newest.into_iter().filter(|known| !known.retracted).map(|known| known.record).collect();
            let known = self.doubted(task.connection, &ids).await?;
            let Some(window) = known.last().and_then(|last| around(std::slice::from_ref(last))) else { continue };
            self.read_window(Task { service, ..task }, window, None, read).await?;
            if known.iter().any(|record| read.found.contains(&record.record)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Retracts a record, and has what belongs to it looked at. Another revision that was stored meanwhile wins.
    async fn retract(&self, task: Task<'_>, record: &Record) -> Result<(), StoreError> {
        if let Some((service, recording)) = recording(record) {
            let signal = (record.effective_ms, record.effective_ms);
            let known = self.records.of_service(&record.user, service, signal, false, usize::from(u16::MAX)).await?;
            let ids: Vec<RecordId> = known.into_iter().map(|known| known.record).collect();
            for part in self.doubted(task.connection, &ids).await? {
                if part.signal.as_ref().is_some_and(|signal| signal.signalid == recording.signalid) {
                    self.records.put(&retract(&part, self.clock.now())).await?;
                }
            }
        } else if let (Some(service), Some(window)) = (task.service.details(), around(std::slice::from_ref(record))) {
            let Task { connection, pull, lane, .. } = task;
            self.mark_details(Details { connection, service, pull, lane, since: Timestamp::default() }, vec![window])
                .await?;
        }
        match self.records.put(&retract(record, self.clock.now())).await? {
            Written::Stored => {}
            Written::Overtaken => tracing::info!(record = %record.record, "a record in doubt was stored anew"),
        }
        Ok(())
    }

    /// Tells what became of a retraction that is held.
    async fn tell_retraction(&self, large: Large<'_>, told: Told) -> Result<(), StoreError> {
        self.store_own(vec![retraction::fact(&large, told)]).await
    }
}

/// The window that holds the records, in epoch seconds. `None` for none.
fn around(records: &[Record]) -> Option<Window> {
    let spans = || records.iter().filter_map(|record| record.effective.span_secs());
    Some(Window::new(spans().map(|(start, _)| start).min()?, spans().map(|(_, end)| end).max()?))
}
