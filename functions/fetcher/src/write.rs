//! From facts to revisions: what is stored is compared with what Withings says now, and only a difference is
//! written.

use std::collections::HashMap;

use afferent_domain::Timestamp;
use afferent_domain::id::{RecordId, UserId};
use afferent_domain::record::{Change, Fact, Record, SyncKind, revise};
use afferent_store::StoreError;
use afferent_store::records::Written;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::Fetcher;

/// How many writes are under way at once.
const WRITES: usize = 8;

/// How often a record is compared again because somebody else wrote it meanwhile.
const ROUNDS: usize = 5;

impl Fetcher {
    /// Brings the records to `facts`; tells the instants of those that were new or changed. Of facts about
    /// the same record the last counts.
    ///
    /// # Errors
    /// The table is out of reach. What is stored by then stays: doing it again writes the rest.
    pub(crate) async fn store(&self, facts: Vec<Fact>, synckind: SyncKind) -> Result<Vec<Timestamp>, StoreError> {
        let mut by_user: HashMap<UserId, HashMap<RecordId, Fact>> = HashMap::new();
        for fact in facts {
            by_user.entry(fact.user.clone()).or_default().insert(fact.record.clone(), fact);
        }
        let mut changed = Vec::new();
        for (user, mut facts) in by_user {
            let mut ids: Vec<RecordId> = facts.keys().cloned().collect();
            // Begun in the order of their time, so that a journal reads roughly like a diary.
            ids.sort_by_key(|id| (facts.get(id).map(|fact| fact.effective_ms), id.clone()));
            let mut stored = self.records.get_many(&user, &ids).await?;
            let writes = ids.into_iter().filter_map(|id| Some((stored.remove(&id), facts.remove(&id)?)));
            let writes: Vec<Option<Timestamp>> = stream::iter(writes)
                .map(|(stored, fact)| self.store_one(stored, fact, synckind))
                .buffered(WRITES)
                .try_collect()
                .await?;
            changed.extend(writes.into_iter().flatten());
        }
        Ok(changed)
    }

    async fn store_one(
        &self,
        mut stored: Option<Record>,
        fact: Fact,
        synckind: SyncKind,
    ) -> Result<Option<Timestamp>, StoreError> {
        let at = Timestamp::from_millis(fact.effective_ms);
        for _ in 0..ROUNDS {
            match revise(stored.as_ref(), fact.clone(), self.clock.now(), synckind) {
                Change::Unchanged => return Ok(None),
                Change::Write(record) => match self.records.put(&record).await? {
                    Written::Stored => return Ok(Some(at)),
                    Written::Overtaken => stored = self.records.get(&fact.user, &fact.record).await?,
                },
            }
        }
        Err(StoreError::Conflict { operation: "PutItem" })
    }
}
