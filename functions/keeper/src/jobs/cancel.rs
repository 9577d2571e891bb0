//! Cancel: what still waits is ended, because its endpoint is disabled or deleted. Nothing is lost without it, for the
//! dispatcher ends what falls due; with it nobody has to wait for that, and what an open breaker keeps back ends too.
//!
//! A dispatcher that was at work while the endpoint went away may put a delivery back after it was passed. So there is
//! a second pass once no such dispatcher can be alive.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Key, Place};
use afferent_domain::endpoint::{Endpoint, Standing};
use afferent_domain::job::Job;
use afferent_store::StoreError;
use afferent_store::deliveries::Listed;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{AT_ONCE, After, Next, SLICE, Slice, cursor, progress};
use crate::Keeper;
use crate::deliveries::Seen;

/// Longer than a dispatcher that knew the endpoint lives, and its claims hold.
const SETTLED: Duration = Duration::from_secs(120);

/// So late that everything kept back expires before.
const EVER: Timestamp = Timestamp::from_secs(253_402_300_799);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// When this pass began; none is under way without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began_ms: Option<Timestamp>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<After>,
    /// A pass came through.
    #[serde(default)]
    passed: bool,
}

impl Keeper {
    pub(super) async fn cancel(&self, job: &Job, endpoint: Option<&Endpoint>) -> Result<Slice, lambda_runtime::Error> {
        let (now, settled) = (self.clock.now(), job.created_ms + SETTLED);
        let mut at: Cursor = cursor(job);
        if at.passed && at.began_ms.is_none() && now < settled {
            return Ok(Slice { progress: job.progress.clone(), next: Next::Later });
        }
        let began = *at.began_ms.get_or_insert(now);
        let (listed, place) = self.listed_for(job, at.after.take()).await?;
        let waiting: Vec<Key> = listed.iter().filter(|one| waits(one)).map(|one| one.key.clone()).collect();
        let mut matched = waiting.len();
        let reason = reason(endpoint);
        if !job.preview {
            matched = self.cancel_all(&waiting, &reason).await?;
        }
        let next = match place {
            Some(_) => Next::Slice,
            None if job.preview || began >= settled => Next::Done,
            None => Next::Later,
        };
        if next == Next::Done && !job.preview {
            matched += self.cancel_kept_back(job, &reason).await?;
        }
        if place.is_none() {
            (at.began_ms, at.passed) = (None, true);
        }
        at.after = place;
        Ok(Slice { progress: progress(job, listed.len(), matched, Some(&at)), next })
    }

    async fn listed_for(&self, job: &Job, after: Option<After>) -> Result<(Vec<Listed>, Option<After>), StoreError> {
        if job.since_ms >= job.until_ms {
            return Ok((Vec::new(), None));
        }
        let after = after.map(Into::into);
        let deliveries = self.outbox.deliveries();
        let page = deliveries.made_between(&job.endpoint, job.since_ms, job.until_ms, after.as_ref(), SLICE).await?;
        Ok((page.0, page.1.map(After::from)))
    }

    async fn cancel_all(&self, keys: &[Key], reason: &str) -> Result<usize, StoreError> {
        let mut cancelled = 0;
        for keys in keys.chunks(AT_ONCE) {
            let now = self.clock.now();
            let ended = keys.iter().map(|key| self.outbox.deliveries().cancel(key, reason, now));
            cancelled += try_join_all(ended).await?.into_iter().filter(|yes| *yes).count();
        }
        Ok(cancelled)
    }

    /// Whatever is kept back, whenever it was made: nothing else would end it before it expires.
    async fn cancel_kept_back(&self, job: &Job, reason: &str) -> Result<usize, StoreError> {
        let (mut cancelled, mut seen) = (0, Seen::default());
        loop {
            let kept = seen.next(|most| self.outbox.deliveries().kept_back(&job.endpoint, EVER, most)).await?;
            let kept: Vec<Key> = kept.into_iter().map(|due| due.key).collect();
            if kept.is_empty() {
                return Ok(cancelled);
            }
            cancelled += self.cancel_all(&kept, reason).await?;
        }
    }
}

fn waits(listed: &Listed) -> bool {
    [Place::Queued, Place::Held, Place::Parked].iter().any(|place| place.as_str() == listed.state)
}

/// Why, for the owner of the delivery.
fn reason(endpoint: Option<&Endpoint>) -> String {
    match endpoint.map(|endpoint| &endpoint.standing) {
        Some(Standing::Disabled { cause, .. }) => format!("the endpoint is disabled: {}", cause.words()),
        Some(Standing::Enabled) | None => "the endpoint was deleted".to_owned(),
    }
}
