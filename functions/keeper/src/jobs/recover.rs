//! Recover: what ended without being delivered goes out again.
//!
//! A job is about what ended from its beginning on, and what ended then was made up to the life of a delivery before. The
//! list is by when deliveries were made, and shows no more of an end than which it is. So whatever the list leaves open is
//! read.

use afferent_domain::Timestamp;
use afferent_domain::delivery::{End, FOR_GOOD, Key, State, life};
use afferent_domain::endpoint::Endpoint;
use afferent_domain::job::Job;
use afferent_store::StoreError;
use afferent_store::deliveries::{Again, Listed};
use futures_util::future::try_join_all;

use super::{AT_ONCE, After, Next, Pace, Slice, cursor, progress};
use crate::Keeper;

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
        let after: Option<After> = cursor(job);
        let after = after.map(Into::into);
        let room = if job.preview { super::SLICE } else { pace.room() };
        let from = job.since_ms - life(&endpoint.policy);
        let (listed, place) = deliveries.made_between(&job.endpoint, from, job.until_ms, after.as_ref(), room).await?;
        let missed = self.missed(job, &listed).await?;
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
        let next = if place.is_some() { Next::Slice } else { Next::Done };
        let after = place.map(After::from);
        Ok(Slice { progress: progress(job, listed.len(), matched, after.as_ref()), next })
    }

    /// What of the list the job is about.
    async fn missed<'a>(&self, job: &Job, listed: &'a [Listed]) -> Result<Vec<&'a Key>, StoreError> {
        let undelivered: Vec<&Listed> = listed.iter().filter(|one| is_undelivered(one)).collect();
        let mut missed = Vec::new();
        for some in undelivered.chunks(AT_ONCE) {
            let are = try_join_all(some.iter().map(|one| self.is_missed(one, job.since_ms))).await?;
            missed.extend(some.iter().zip(are).filter(|(_, is)| *is).map(|(one, _)| &one.key));
        }
        Ok(missed)
    }

    /// Whether an undelivered one ended at `since` or later, and not for good.
    async fn is_missed(&self, listed: &Listed, since: Timestamp) -> Result<bool, StoreError> {
        if listed.created >= since && listed.state == End::Exhausted.as_str() {
            return Ok(true);
        }
        match self.outbox.deliveries().get(&listed.key).await {
            Ok(Some(delivery)) => Ok(match delivery.state {
                State::Ended { reason, at, .. } => at >= since && !FOR_GOOD.contains(&reason.as_str()),
                State::Waiting(_) => false,
            }),
            Ok(None) => Ok(false),
            Err(error @ StoreError::Item { .. }) => {
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
