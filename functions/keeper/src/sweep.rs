//! The journal sweep: the stream keeps a change for 24 hours, so a fan-out that stood still for longer
//! leaves changes without an event. The sweep compares the records by the time of their change with the
//! journal, and sends each change without an event down the same road as the stream does.
//!
//! The daily task begins a pass and goes on with it, and so does every minute until it is through; where it is stands in
//! the journal `_sweep`. A pass begins where the last one that came through ended, two hours earlier for stamps that come
//! late; so days on which the keeper stood still are made up for. A day that finds a pass under way begins none. Where the
//! first pass is to begin is noted by the first minute of all, so that days which fail do not move it.

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::event::{Draft, Unfit};
use afferent_domain::id::UserId;
use afferent_domain::record::change_buckets;
use afferent_metrics::{Metric, count};
use afferent_store::StoreError;
use afferent_store::changes::Change;
use afferent_store::events::{Failure, Pass, Sweeping};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::Keeper;

/// How far back of the first minute the first pass looks: changes may be older than the keeper, such as those of a table
/// that was imported, and those that came before a fan-out was there.
const FIRST: Duration = Duration::from_secs(50 * 3600);

/// How much of the pass before is compared again: a change is stamped before it is written.
const OVERLAP: Duration = Duration::from_secs(2 * 3600);

/// Changes younger than this are the stream's.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// How many reads are under way at once.
const AT_ONCE: usize = 16;

const HOUR: Duration = Duration::from_secs(3600);

impl Keeper {
    /// Begins a pass unless one is under way, and goes on with it until `until`.
    pub(crate) async fn begin_sweep(&self, until: Timestamp) -> Result<Value, lambda_runtime::Error> {
        let mut at = self.outbox.events().sweeping().await?;
        if at.pass.is_some() {
            tracing::warn!("the sweep of yesterday is still under way");
        } else {
            let to = self.clock.now() - FRESH;
            let through = if at.through == Timestamp::default() { self.origin() } else { at.through };
            // What is older has no event that could still be asked for.
            let oldest = to - self.outbox.events().kept();
            let pass = Pass { to, hour: (through - OVERLAP).max(oldest), ..Pass::default() };
            match self.outbox.events().keep_sweeping(&at, through, Some(pass)).await? {
                Some(kept) => at = kept,
                None => return Ok(Value::Null),
            }
        }
        self.sweep(at, until).await
    }

    /// Goes on with the pass that is under way, if one is.
    pub(crate) async fn continue_sweep(&self, until: Timestamp) -> Result<Value, lambda_runtime::Error> {
        let at = self.outbox.events().sweeping().await?;
        if at.through == Timestamp::default() {
            self.outbox.events().keep_sweeping(&at, self.origin(), at.pass.clone()).await?;
            return Ok(Value::Null);
        }
        self.sweep(at, until).await
    }

    /// Where sweeping begins if nothing says where it is.
    fn origin(&self) -> Timestamp {
        self.clock.now() - FRESH - FIRST + OVERLAP
    }

    /// Compares and mends, page by page. Trouble with one bucket, user or record stops no other.
    async fn sweep(&self, mut at: Sweeping, until: Timestamp) -> Result<Value, lambda_runtime::Error> {
        let mut outcome = Ok(());
        while let Some(mut pass) = at.pass.clone() {
            if self.clock.now() >= until {
                break;
            }
            if let Err(error) = self.step(&mut pass).await {
                pass.flawed = true;
                outcome = outcome.and(Err(error));
            }
            let through = is_through(&pass);
            if through {
                tell(&pass);
            }
            let (end, next) = match (through, pass.flawed) {
                (true, false) => (pass.to, None),
                (true, true) => (at.through, None),
                (false, _) => (at.through, Some(pass.clone())),
            };
            match self.outbox.events().keep_sweeping(&at, end, next).await? {
                None => break,
                Some(_) if through => return outcome.map(|()| shown(&pass, true)),
                Some(kept) => at = kept,
            }
        }
        outcome.map(|()| at.pass.map_or(Value::Null, |pass| shown(&pass, false)))
    }

    /// Compares one page, and moves on: also past one that cannot be read.
    async fn step(&self, pass: &mut Pass) -> Result<(), lambda_runtime::Error> {
        let buckets = change_buckets(pass.hour);
        let Some(bucket) = buckets.get(pass.bucket as usize) else {
            (pass.hour, pass.bucket) = (pass.hour + HOUR, 0);
            return Ok(());
        };
        let page = self.changes.page(bucket, pass.start.take()).await;
        let (changes, next, unread) = match page {
            Ok((changes, next)) => (changes, next, Ok(())),
            Err(error) => {
                tracing::error!(%error, bucket, "the changes of a bucket could not all be read");
                (Vec::new(), None, Err(error.into()))
            }
        };
        pass.start = next;
        if pass.start.is_none() {
            pass.bucket += 1;
            if pass.bucket as usize == buckets.len() {
                (pass.hour, pass.bucket) = (pass.hour + HOUR, 0);
            }
        }
        unread.and(self.mend(changes, pass).await)
    }

    async fn mend(&self, changes: Vec<Change>, pass: &mut Pass) -> Result<(), lambda_runtime::Error> {
        let now = self.clock.now();
        let old: Vec<Change> = changes.into_iter().filter(|change| change.changed <= pass.to).collect();
        pass.compared += old.len() as u64;
        let (mut users, mut outcome) = (BTreeMap::<UserId, Vec<Draft>>::new(), Ok(()));
        for changes in old.chunks(AT_ONCE) {
            for draft in join_all(changes.iter().map(|change| self.missing(change, now))).await {
                match draft {
                    Ok(None) => {}
                    Ok(Some(Ok(draft))) => {
                        pass.missing += 1;
                        count(Metric::JournalGaps, 1);
                        users.entry(draft.user.clone()).or_default().push(draft);
                    }
                    Ok(Some(Err(failure))) => {
                        pass.unfit += 1;
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
        Ok(Some(match Draft::of_record(&json) {
            Ok(draft) => Ok(draft),
            // The pass is flawed, and the next one begins where it began: by then functions may run that understand it.
            Err(Unfit::Later(version)) => return Err(StoreError::Later { table: "records", version }),
            Err(never) => Err(Failure {
                change: format!("{user}/{record}/{rev}"),
                user: Some(user.as_str().to_owned()),
                record: Some(record.as_str().to_owned()),
                reason: never.to_string(),
                at: now,
            }),
        }))
    }
}

/// Whether nothing is left: the next hour begins after the end.
fn is_through(pass: &Pass) -> bool {
    let hours = |at: Timestamp| at.as_secs().div_euclid(3600);
    hours(pass.hour) > hours(pass.to)
}

fn tell(pass: &Pass) {
    let Pass { compared, missing, unfit, flawed, .. } = *pass;
    if missing > 0 || flawed {
        tracing::warn!(compared, missing, unfit, flawed, "the journal was compared with the records");
    } else {
        tracing::info!(compared, missing, unfit, flawed, "the journal was compared with the records");
    }
}

fn shown(pass: &Pass, complete: bool) -> Value {
    let Pass { compared, missing, unfit, .. } = pass;
    json!({"compared": compared, "missing": missing, "unfit": unfit, "complete": complete})
}
