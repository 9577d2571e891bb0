//! Recover: what ended without being delivered goes out again.
//!
//! A job is about what ended from its beginning on, and what ended then was made up to the life of a delivery before. The
//! list is by when deliveries were made, and shows no more of an end than which it is. So whatever the list leaves open is
//! read.
//!
//! The list is an index, and a moment behind: what was made last before the job's end may not be in it when it is gone
//! through. So the end of it is looked at once more, when the index has had time. What began anew since the job did is
//! left alone then: it was sent.

use std::time::Duration;

use afferent_domain::delivery::{End, FOR_GOOD, Key, State, life};
use afferent_domain::endpoint::Endpoint;
use afferent_domain::job::Job;
use afferent_store::StoreError;
use afferent_store::deliveries::{Again, Listed};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{AT_ONCE, After, Next, Pace, Slice, cursor, progress};
use crate::Keeper;

/// How far an index may be behind, and clocks differ: far more than either does. So much of the list is looked at again,
/// so long after the job's end.
const SETTLED: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<After>,
    /// It looks once more.
    #[serde(default)]
    once_more: bool,
}

impl Keeper {
    pub(super) async fn recover(
        &self,
        job: &Job,
        endpoint: &Endpoint,
        pace: &mut Pace,
    ) -> Result<Slice, lambda_runtime::Error> {
        let deliveries = self.outbox.deliveries();
        if job.since_ms >= job.until_ms {
            return Ok(Slice { progress: job.progress.clone(), next: Next::Done });
        }
        let mut at: Cursor = cursor(job);
        if at.once_more && self.clock.now() < job.until_ms + SETTLED {
            return Ok(Slice { progress: job.progress.clone(), next: Next::Later });
        }
        let after = at.after.take().map(Into::into);
        let room = if job.preview { super::SLICE } else { pace.room() };
        let from = job.since_ms - life(&endpoint.policy);
        let from = if at.once_more { from.max(job.until_ms - SETTLED) } else { from };
        let (listed, place) = deliveries.made_between(&job.endpoint, from, job.until_ms, after.as_ref(), room).await?;
        let missed = self.missed(job, &listed, at.once_more).await?;
        let mut matched = missed.len();
        if !job.preview {
            let mut begun = Vec::new();
            for keys in missed.chunks(AT_ONCE) {
                let now = self.clock.now();
                let again = try_join_all(keys.iter().map(|key| deliveries.again(key, now))).await?;
                let anew = keys.iter().zip(again).filter(|(_, again)| *again == Again::Yes);
                begun.extend(anew.map(|(key, _)| (*key).clone()));
            }
            self.send_paced(&begun, pace).await?;
            matched = begun.len();
        }
        // What it looks at once more was counted, but for what it had not seen.
        let looked_at = if at.once_more { matched } else { listed.len() };
        let settled = job.preview || job.until_ms + SETTLED <= job.created_ms;
        let next = if place.is_none() && (at.once_more || settled) { Next::Done } else { Next::Slice };
        at.once_more |= place.is_none();
        at.after = place.map(After::from);
        Ok(Slice { progress: progress(job, looked_at, matched, Some(&at)), next })
    }

    /// What of the list the job is about.
    async fn missed<'a>(&self, job: &Job, listed: &'a [Listed], once_more: bool) -> Result<Vec<&'a Key>, StoreError> {
        let undelivered: Vec<&Listed> = listed.iter().filter(|one| is_undelivered(one)).collect();
        let mut missed = Vec::new();
        for some in undelivered.chunks(AT_ONCE) {
            let are = try_join_all(some.iter().map(|one| self.is_missed(one, job, once_more))).await?;
            missed.extend(some.iter().zip(are).filter(|(_, is)| *is).map(|(one, _)| &one.key));
        }
        Ok(missed)
    }

    /// Whether an undelivered one ended within the job's time, and not for good, and has not begun anew since the job did.
    async fn is_missed(&self, listed: &Listed, job: &Job, once_more: bool) -> Result<bool, StoreError> {
        if !once_more && listed.created >= job.since_ms && listed.state == End::Exhausted.as_str() {
            return Ok(true);
        }
        match self.outbox.deliveries().get(&listed.key).await {
            Ok(Some(delivery)) => Ok(match delivery.state {
                State::Ended { reason, at, .. } => {
                    at >= job.since_ms && delivery.since <= job.created_ms && !FOR_GOOD.contains(&reason.as_str())
                }
                State::Waiting(_) => false,
            }),
            Ok(None) => Ok(false),
            // One of a later version waits for functions that know it: the slice comes again.
            Err(error @ StoreError::Later { .. }) => Err(error),
            Err(error) if error.is_of_one_item() => {
                let Key { event, endpoint } = &listed.key;
                tracing::error!(%error, %event, %endpoint, "a delivery cannot be read, and is not recovered");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

fn is_undelivered(listed: &Listed) -> bool {
    [End::Exhausted, End::Expired, End::Cancelled].iter().any(|end| end.as_str() == listed.state)
}
