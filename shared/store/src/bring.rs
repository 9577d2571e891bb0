//! Bringing one record to a fact: for what is written one by one.

use afferent_domain::Timestamp;
use afferent_domain::record::{Change, Fact, Record, SyncKind, revise};

use crate::StoreError;
use crate::records::{Records, Written};

/// How often a record is compared again because somebody else wrote it meanwhile.
const ROUNDS: usize = 5;

impl Records {
    /// Brings the record to the fact; the revision that was written, or `None` if there was nothing to change.
    ///
    /// # Errors
    /// DynamoDB fails, or others keep writing the record.
    pub async fn bring(&self, fact: Fact, now: Timestamp, synckind: SyncKind) -> Result<Option<Record>, StoreError> {
        for _ in 0..ROUNDS {
            let stored = self.get(&fact.user, &fact.record).await?;
            match revise(stored.as_ref(), fact.clone(), now, synckind) {
                Change::Unchanged => return Ok(None),
                Change::Write(record) => {
                    if self.put(&record).await? == Written::Stored {
                        return Ok(Some(*record));
                    }
                }
            }
        }
        Err(StoreError::Conflict { operation: "PutItem" })
    }
}
