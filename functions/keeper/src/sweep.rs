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
use futures_util::future::join_all;
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
    /// Compares and mends. Trouble with one bucket, user or record stops no other.
    pub(crate) async fn sweep(&self) -> Result<Value, lambda_runtime::Error> {
        let begin = self.clock.now();
        let (mut found, mut complete, mut outcome) = (Found::default(), true, Ok(()));
        'sweep: for back in 0..=HOURS {
            for bucket in change_buckets(begin - HOUR * back) {
                let mut start = None;
                loop {
                    if self.clock.now().since(begin) > LONGEST {
                        complete = false;
                        break 'sweep;
                    }
                    let (changes, next) = match self.changes.page(&bucket, start).await {
                        Ok(page) => page,
                        Err(error) => {
                            tracing::error!(%error, bucket, "the changes of a bucket could not all be read");
                            outcome = outcome.and(Err(error.into()));
                            break;
                        }
                    };
                    outcome = outcome.and(self.mend(changes, begin, &mut found).await);
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
        outcome.map(|()| json!({"compared": compared, "missing": missing, "unfit": unfit, "complete": complete}))
    }

    async fn mend(&self, changes: Vec<Change>, now: Timestamp, found: &mut Found) -> Result<(), lambda_runtime::Error> {
        let old: Vec<Change> = changes.into_iter().filter(|change| change.changed + FRESH <= now).collect();
        found.compared += old.len();
        let (mut users, mut outcome) = (BTreeMap::<UserId, Vec<Draft>>::new(), Ok(()));
        for changes in old.chunks(AT_ONCE) {
            for draft in join_all(changes.iter().map(|change| self.missing(change, now))).await {
                match draft {
                    Ok(None) => {}
                    Ok(Some(Ok(draft))) => {
                        found.missing += 1;
                        users.entry(draft.user.clone()).or_default().push(draft);
                    }
                    Ok(Some(Err(failure))) => {
                        found.unfit += 1;
                        outcome = outcome.and(self.outbox.note(&failure).await.map_err(Into::into));
                    }
                    Err(error) => outcome = outcome.and(Err(error.into())),
                }
            }
        }
        if users.is_empty() {
            return outcome;
        }
        let audience = self.outbox.audience(users.keys().cloned()).await?;
        for (user, mut drafts) in users {
            drafts.sort_by_key(|draft| draft.time);
            let deliveries = match self.outbox.commit(&user, drafts, &audience).await {
                Ok(deliveries) => deliveries,
                Err(error) => {
                    tracing::error!(%error, %user, "changes could not be put into a journal");
                    // An item that cannot be read stays so, however often the sweep comes.
                    if !matches!(error, StoreError::Item { .. }) {
                        outcome = outcome.and(Err(error.into()));
                    }
                    continue;
                }
            };
            outcome = outcome.and(self.outbox.announce(&deliveries).await.map_err(Into::into));
        }
        outcome
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
