//! What a completely read window lacks: stored records that its answer should have contained.
//!
//! They are put in doubt, not retracted: [`crate::doubt`] reads a second time. The rule is in
//! [`afferent_domain::retraction`].

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::duty::Duty;
use afferent_domain::id::{RecordId, RetractionId};
use afferent_domain::record::{Record, Status};
use afferent_domain::retraction::{Control, Lack, second_read};
use afferent_store::StoreError;
use afferent_store::duties::{DutyKey, Owner};
use afferent_store::item::{n, ss};

use crate::Fetcher;
use crate::plan::Plan;
use crate::read::Task;
use crate::write::CLOCKS_APART;

/// The most records of one doubt; what is beyond is found by the next sweep. (30 bytes each, in an item.)
const MOST: usize = 2_000;

/// The most stored records that are held against one answer.
const MOST_KNOWN: usize = 50_000;

/// What was compared.
pub(crate) struct Compared {
    /// The records that should have come.
    pub(crate) missing: Vec<Record>,
    /// In measurements.
    pub(crate) lack: Lack,
}

impl Fetcher {
    /// Holds the stored records against what was found since `began`, and leaves a doubt about what is missing.
    pub(crate) async fn compare(
        &self,
        task: Task<'_>,
        plan: &Plan,
        found: &BTreeSet<RecordId>,
        began: Timestamp,
    ) -> Result<(), StoreError> {
        let compared = self.compared(task, plan, found, began).await?;
        if compared.missing.is_empty() {
            return Ok(());
        }
        let ids: BTreeSet<String> =
            compared.missing.iter().take(MOST).map(|record| record.record.as_str().to_owned()).collect();
        let parts: Vec<&str> = ids.iter().map(String::as_str).collect();
        let id = RetractionId::derive(&parts).as_str().to_owned();
        let duty = Duty::Doubt { service: task.service, id };
        let key = DutyKey { owner: Owner::Connection(task.connection.id.clone()), duty };
        // Which control there is, the second read finds out.
        let due = second_read(began, Control::Passed);
        let known = i64::try_from(compared.lack.known).unwrap_or(i64::MAX);
        let attributes =
            vec![("records", ss(ids.into_iter().collect())), ("known", n(known)), ("first_ms", n(began.as_millis()))];
        if self.connections.add_duty(&key, due, attributes).await? {
            let (connection, service) = (&task.connection.id, task.service.name());
            let missing = compared.lack.missing;
            tracing::info!(%connection, service, missing, known, "stored facts did not come and are in doubt");
        }
        Ok(())
    }

    /// The same without the doubt.
    pub(crate) async fn compared(
        &self,
        task: Task<'_>,
        plan: &Plan,
        found: &BTreeSet<RecordId>,
        began: Timestamp,
    ) -> Result<Compared, StoreError> {
        let nothing = Compared { missing: Vec::new(), lack: Lack { missing: 0, known: 0 } };
        let Some(range) = plan.judge.range_ms() else { return Ok(nothing) };
        let user = &task.connection.user;
        let mut known = self.records.of_service(user, task.service, range, false, MOST_KNOWN).await?;
        known.retain(|known| !known.retracted);
        let instants = |ids: &mut dyn Iterator<Item = i64>| ids.collect::<BTreeSet<_>>().len();
        let all = instants(&mut known.iter().map(|known| known.effective_ms));
        let absent = known.into_iter().map(|known| known.record).filter(|record| !found.contains(record));
        let absent: Vec<RecordId> = absent.collect();
        // The index may be behind; the table is not.
        let mut missing: Vec<Record> = self.records.get_many(user, &absent).await?.into_values().collect();
        missing.retain(|record| {
            record.status != Status::EnteredInError
                && record.connection == task.connection.id
                && Timestamp::from_millis(record.changed_ms) + CLOCKS_APART < began
                && plan.judge.holds(record)
        });
        missing.sort_by(|one, other| (one.effective_ms, &one.record).cmp(&(other.effective_ms, &other.record)));
        let lack = Lack { missing: instants(&mut missing.iter().map(|record| record.effective_ms)), known: all };
        Ok(Compared { missing, lack })
    }
}
