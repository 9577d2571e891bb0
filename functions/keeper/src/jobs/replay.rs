//! Replay: events that the endpoint wants as it is now, and that were never made a delivery of, are delivered.
//!
//! The journals are gone through in the order of their directory, [`OPEN`] at once, each from its newest event back to
//! where the job begins.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use afferent_domain::delivery::Key;
use afferent_domain::endpoint::Endpoint;
use afferent_domain::filter::Users;
use afferent_domain::id::UserId;
use afferent_domain::job::Job;
use afferent_outbox::wanted;
use afferent_store::StoreError;
use afferent_store::events::Journalled;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{AT_ONCE, Next, Pace, SLICE, Slice, cursor, progress};
use crate::Keeper;

/// How many journals are gone through at once: with very many users, most have nothing in the time asked for.
const OPEN: u16 = 16;

/// Two writers of a journal may have clocks that differ, and the times in it step back by as much.
const STEP_BACK: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// The last journal that was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<UserId>,
    /// The journals that are gone through, each with the number below which it goes on.
    open: Vec<(UserId, u64)>,
}

/// What of one journal a slice looked at.
struct Part {
    looked_at: usize,
    missing: Vec<Journalled>,
    /// Where it goes on.
    before: Option<u64>,
}

impl Keeper {
    pub(super) async fn replay(
        &self,
        job: &Job,
        endpoint: &Endpoint,
        pace: &mut Pace,
    ) -> Result<Slice, lambda_runtime::Error> {
        let mut at: Cursor = cursor(job);
        if at.open.is_empty() {
            let next = self.journals_of(endpoint, at.after.as_ref()).await?;
            let Some(last) = next.last() else {
                return Ok(Slice { progress: progress(job, 0, 0, None::<&Cursor>), next: Next::Done });
            };
            at.after = Some(last.clone());
            at.open = next.into_iter().map(|user| (user, u64::MAX)).collect();
        }
        // All that is looked at may be missing, and all that is missing is sent.
        let room = if job.preview { SLICE } else { pace.room() };
        let some = at.open.len().min(usize::from(room));
        let limit = (room / u16::try_from(some.max(1)).unwrap_or(1)).max(1);
        let rest = at.open.split_off(some);
        let parts =
            try_join_all(at.open.iter().map(|(user, before)| self.part(job, endpoint, user, *before, limit))).await?;
        let looked_at = parts.iter().map(|part| part.looked_at).sum();
        let open = std::mem::take(&mut at.open);
        let going_on = open.into_iter().zip(&parts).filter_map(|((user, _), part)| Some((user, part.before?)));
        // Those that had no room come first the next time.
        at.open = rest.into_iter().chain(going_on).collect();
        let missing: Vec<Journalled> = parts.into_iter().flat_map(|part| part.missing).collect();
        let mut matched = missing.len();
        if !job.preview {
            let mut made = Vec::new();
            for events in missing.chunks(AT_ONCE) {
                let delivered = events.iter().map(|event| self.outbox.deliver(event, &endpoint.endpoint));
                let fresh = events.iter().zip(try_join_all(delivered).await?).filter(|(_, fresh)| *fresh);
                made.extend(fresh.map(|(event, _)| key(event, endpoint)));
            }
            self.send_paced(&made, pace).await?;
            matched = made.len();
        }
        Ok(Slice { progress: progress(job, looked_at, matched, Some(&at)), next: Next::Slice })
    }

    async fn journals_of(&self, endpoint: &Endpoint, after: Option<&UserId>) -> Result<Vec<UserId>, StoreError> {
        match &endpoint.users {
            Users::All => self.outbox.events().journals(after, OPEN).await,
            Users::Only(users) => Ok(following(users, after)),
        }
    }

    /// The next `limit` events of a journal: which of them have no delivery and should.
    async fn part(
        &self,
        job: &Job,
        endpoint: &Endpoint,
        user: &UserId,
        before: u64,
        limit: u16,
    ) -> Result<Part, StoreError> {
        let entries = self.outbox.events().entries(user, before, limit).await?;
        let looked_at = entries.len();
        // A page may be short for its size; only an empty one is the end.
        let last = entries.last().filter(|last| last.at + STEP_BACK >= job.since_ms).map(|last| last.sequence);
        let asked_for = |event: &Journalled| (job.since_ms..job.until_ms).contains(&event.at);
        let wants = |event: &Journalled| asked_for(event) && !event.test && endpoint.wants(&wanted(event));
        let events: Vec<Journalled> = entries.into_iter().filter(wants).collect();
        let mut missing = Vec::new();
        for events in events.chunks(AT_ONCE) {
            let there = events.iter().map(|event| self.is_delivery(key(event, endpoint)));
            let there = try_join_all(there).await?;
            missing.extend(events.iter().zip(there).filter(|(_, there)| !there).map(|(event, _)| event.clone()));
        }
        Ok(Part { looked_at, missing, before: last })
    }

    async fn is_delivery(&self, key: Key) -> Result<bool, StoreError> {
        match self.outbox.deliveries().get(&key).await {
            // One that cannot be read is there.
            Err(error) if error.is_of_one_item() => Ok(true),
            other => other.map(|delivery| delivery.is_some()),
        }
    }
}

fn key(event: &Journalled, endpoint: &Endpoint) -> Key {
    Key { event: event.event.clone(), endpoint: endpoint.endpoint.clone() }
}

fn following(users: &BTreeSet<UserId>, after: Option<&UserId>) -> Vec<UserId> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    users.range((from, Bound::Unbounded)).take(usize::from(OPEN)).cloned().collect()
}
