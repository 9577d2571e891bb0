//! Feeding `backfill`: slices of backfill runs and sweeps, a few minutes' work at a time, so that what is queued is
//! never much older than the order it was chosen in. What is due waits in the table, where it can be put in order.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::{Lane, Limit};
use afferent_domain::duty::Family;
use afferent_metrics::{Metric, observe};
use afferent_store::duties::DueItem;
use futures_util::stream::{self, StreamExt as _};

use crate::Keeper;
use crate::pulls::message;

/// How many minutes of the budget are kept on the queue: with one, it would run dry before the next look.
const MINUTES: u64 = 3;

/// The most that is sent in one run: what its time allows.
const MOST: u64 = 5_000;

/// How long a message is waited for before another is sent.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How many writes are under way at once.
const WRITES: usize = 16;

impl Keeper {
    /// Tops the queue up with what is due; how many messages.
    pub(crate) async fn feed(&self) -> Result<usize, lambda_runtime::Error> {
        let now = self.clock.now();
        let room = room(self.limit, self.backfill.depth().await?);
        if room == 0 {
            return Ok(0);
        }
        let slices = self.oldest(Family::Backfill, now, room).await?;
        let sweeps = self.oldest(Family::Sweep, now, room).await?;
        let sweeps_late_s = sweeps.first().map_or(0, |sweep| now.since(sweep.due).as_secs());
        observe(Metric::SweepLag, sweeps_late_s);
        let chosen = divide(slices, sweeps, room);
        let fed = chosen.len();
        if fed > 0 {
            self.backfill.send_all(chosen.iter().map(message).collect()).await?;
            // Only now: dying in between sends them twice, which changes nothing.
            let mut writes = stream::iter(chosen)
                .map(|due| async move { self.connections.postpone(&due, now + PATIENCE).await })
                .buffer_unordered(WRITES);
            let mut outcome = Ok(());
            while let Some(written) = writes.next().await {
                outcome = outcome.and(written.map(drop));
            }
            outcome?;
            tracing::info!(fed, room, sweeps_late_s, "the queue of backfill was topped up");
        }
        Ok(fed)
    }

    /// The oldest of a family that are due, from all its shards.
    async fn oldest(&self, family: Family, now: Timestamp, most: usize) -> Result<Vec<DueItem>, lambda_runtime::Error> {
        let mut all = Vec::new();
        for shard in family.shards() {
            all.extend(self.connections.due(&shard, now, i32::try_from(most).unwrap_or(i32::MAX)).await?);
        }
        all.sort_by_key(|due| due.due);
        all.truncate(most);
        Ok(all)
    }
}

/// How many messages the queue still takes.
fn room(limit: Limit, depth: u64) -> usize {
    let window = (u64::from(limit.calls()) * MINUTES).min(MOST);
    usize::try_from(window.saturating_sub(depth)).unwrap_or(0)
}

/// Slices first; sweeps have the room that they leave, and at least the share that the lane is owed.
fn divide(mut slices: Vec<DueItem>, mut sweeps: Vec<DueItem>, room: usize) -> Vec<DueItem> {
    let share = usize::try_from(Lane::Reconcile.share_per_mille()).unwrap_or(0);
    let owed = (room * share).div_ceil(1_000);
    sweeps.truncate(owed.max(room.saturating_sub(slices.len())));
    slices.truncate(room.saturating_sub(sweeps.len()));
    slices.append(&mut sweeps);
    slices
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn due(items: usize, name: &str) -> Vec<DueItem> {
        let item = |at| DueItem { owner: name.to_owned(), item: format!("{at}"), due: Timestamp::from_secs(at) };
        (0..i64::try_from(items).unwrap()).map(item).collect()
    }

    #[test]
    fn the_queue_holds_three_minutes_of_the_budget() {
        let limit = Limit::new(120).unwrap();
        assert_eq!([0, 240, 360, 400].map(|depth| room(limit, depth)), [360, 120, 0, 0]);
        assert_eq!(room(Limit::new(30_000).unwrap(), 0), 5_000);
    }

    proptest! {
        #[test]
        fn no_room_is_wasted_and_sweeps_have_their_share(
            slices in 0_usize..500, sweeps in 0_usize..500, room in 1_usize..400
        ) {
            let chosen = divide(due(slices, "slice"), due(sweeps, "sweep"), room);
            prop_assert_eq!(chosen.len(), room.min(slices + sweeps));
            let chosen_sweeps = chosen.iter().filter(|due| due.owner == "sweep").count();
            prop_assert!(chosen_sweeps >= sweeps.min((room * 25).div_ceil(1_000)));
            prop_assert!(chosen.len() - chosen_sweeps >= slices.min(room - room.min((room * 25).div_ceil(1_000))));
        }
    }
}
