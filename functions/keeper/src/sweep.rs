//! The journal sweep: the stream keeps a change for 24 hours, so a fan-out that stood still for longer
//! leaves changes without an event. The sweep compares the records by the time of their change with the
//! journal, and sends each change without an event down the same road as the stream does.

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::event::Draft;
use afferent_domain::id::UserId;
use afferent_domain::record::change_buckets;
use afferent_store::StoreError;
use afferent_store::changes::Change;
use afferent_store::events::Failure;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::Keeper;

/// How far back a sweep looks: a day, and two hours for a run that comes late.
const HOURS: u32 = 26;

/// Changes younger than this are the stream's.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// A sweep stops here, below the function's timeout of 55 s; the newest hours come first.
const LONGEST: Duration = Duration::from_secs(40);

/// How many reads are under way at once.
const AT_ONCE: usize = 16;

const HOUR: Duration = Duration::from_secs(60 * 60);

#[derive(Default)]
struct Found {
    compared: usize,
    missing: usize,
    unfit: usize,
}

impl Keeper {
    /// Compares and mends.
    pub(crate) async fn sweep(&self) -> Result<Value, lambda_runtime::Error> {
        let begin = self.clock.now();
        let (mut found, mut complete) = (Found::default(), true);
        'sweep: for back in 0..=HOURS {
            for bucket in change_buckets(begin - HOUR * back) {
                let mut start = None;
                loop {
                    if self.clock.now().since(begin) > LONGEST {
                        complete = false;
                        break 'sweep;
                    }
                    let (changes, next) = self.changes.page(&bucket, start).await?;
                    self.mend(changes, begin, &mut found).await?;
                    start = next;
                    if start.is_none() {
                        break;
                    }
                }
            }
        }
        let Found { compared, missing, unfit } = found;
        if missing > 0 || !complete {
            tracing::warn!(compared, missing, unfit, complete, "the journal was compared with the records");
        } else {
            tracing::info!(compared, missing, unfit, complete, "the journal was compared with the records");
        }
        Ok(json!({"compared": compared, "missing": missing, "unfit": unfit, "complete": complete}))
    }

    async fn mend(&self, changes: Vec<Change>, now: Timestamp, found: &mut Found) -> Result<(), lambda_runtime::Error> {
        let old: Vec<Change> = changes.into_iter().filter(|change| change.changed + FRESH <= now).collect();
        found.compared += old.len();
        let mut drafts = Vec::new();
        for changes in old.chunks(AT_ONCE) {
            let missing = try_join_all(changes.iter().map(|change| self.missing(change, now))).await?;
            drafts.extend(missing.into_iter().flatten());
        }
        let mut users = BTreeMap::<UserId, Vec<Draft>>::new();
        for draft in drafts {
            match draft {
                Ok(draft) => {
                    found.missing += 1;
                    users.entry(draft.user.clone()).or_default().push(draft);
                }
                Err(failure) => {
                    found.unfit += 1;
                    self.outbox.note(&failure).await?;
                }
            }
        }
        if users.is_empty() {
            return Ok(());
        }
        let audience = self.outbox.audience(users.keys().cloned()).await?;
        for (user, mut drafts) in users {
            drafts.sort_by_key(|draft| draft.time);
            let deliveries = self.outbox.commit(&user, drafts, &audience).await?;
            self.outbox.announce(&deliveries).await?;
        }
        Ok(())
    }

    /// The draft of a change that has no event; `None` if it has one, or the record is gone.
    async fn missing(&self, change: &Change, now: Timestamp) -> Result<Option<Result<Draft, Failure>>, StoreError> {
        let Change { user, record, rev, .. } = change;
        if self.outbox.events().covers(user, record, *rev).await? {
            return Ok(None);
        }
        let Some(json) = self.changes.json(user, record).await? else { return Ok(None) };
        Ok(Some(Draft::of_record(&json).map_err(|unfit| Failure {
            change: format!("{user}/{record}/{rev}"),
            user: Some(user.as_str().to_owned()),
            record: Some(record.as_str().to_owned()),
            reason: unfit.to_string(),
            at: now,
        })))
    }
}
