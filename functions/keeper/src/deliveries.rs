//! Deliveries that need a message: parked ones whose time comes, and others whose message seems lost.

use afferent_domain::Timestamp;
use afferent_domain::delivery::{DUE_SHARDS, Key, LOOK_AHEAD, OVERDUE, State, Wake, due_shard, wake};
use afferent_outbox::message;
use afferent_queue::Sending;
use afferent_store::StoreError;
use afferent_store::deliveries::Due;
use futures_util::future::try_join_all;

use crate::Keeper;

/// The most deliveries woken of one shard and kind in one run. What is left is next minute's.
const MOST_PER_SHARD: usize = 500;

/// How many reads or writes are under way at once.
const AT_ONCE: usize = 16;

struct Woken {
    key: Key,
    due: Timestamp,
    look_again: Timestamp,
    message: Sending,
}

impl Keeper {
    /// Wakes what is due; how many.
    pub(crate) async fn wake_deliveries(&self) -> Result<usize, lambda_runtime::Error> {
        let now = self.clock.now();
        let mut woken = 0;
        for shard in (0..DUE_SHARDS).map(due_shard) {
            let due = self.outbox.deliveries().due(&shard, now - OVERDUE, now + LOOK_AHEAD, MOST_PER_SHARD).await?;
            let mut wakes = Vec::new();
            for due in due.chunks(AT_ONCE) {
                let looks = try_join_all(due.iter().map(|due| self.look(due, now))).await?;
                wakes.extend(looks.into_iter().flatten());
            }
            // Sent first, noted after: dying in between costs a second message, which finds nothing to do.
            self.outbox.queue().send_all(wakes.iter().map(|woken: &Woken| woken.message.clone()).collect()).await?;
            woken += wakes.len();
            let deliveries = self.outbox.deliveries();
            for wakes in wakes.chunks(AT_ONCE) {
                let noted = wakes.iter().map(|woken| deliveries.woken(&woken.key, woken.due, woken.look_again));
                try_join_all(noted).await?;
            }
        }
        if woken > 0 {
            tracing::info!(woken, "deliveries were woken");
        }
        Ok(woken)
    }

    /// The index shows keys and times only, and may be behind: the delivery itself says what to do.
    async fn look(&self, due: &Due, now: Timestamp) -> Result<Option<Woken>, StoreError> {
        let Some(delivery) = self.outbox.deliveries().get(&due.key).await? else { return Ok(None) };
        let State::Waiting(waiting) = delivery.state else { return Ok(None) };
        Ok(match wake(&waiting, due.due, now) {
            Wake::Leave => None,
            Wake::Send { delay, look_again } => {
                Some(Woken { message: message(&due.key, delay), key: due.key.clone(), due: due.due, look_again })
            }
        })
    }
}
