//! Deliveries that need a message: parked ones whose time comes, and others whose message seems lost.

use afferent_domain::Timestamp;
use afferent_domain::delivery::{DUE_SHARDS, Key, LOOK_AHEAD, OVERDUE, State, Wake, due_shard, wake};
use afferent_outbox::message;
use afferent_queue::Sending;
use afferent_store::StoreError;
use afferent_store::deliveries::Due;
use futures_util::future::{join_all, try_join_all};

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
    /// Wakes what is due; how many. Trouble with one shard, or with one delivery, stops no other.
    pub(crate) async fn wake_deliveries(&self) -> Result<usize, lambda_runtime::Error> {
        let now = self.clock.now();
        let (mut woken, mut outcome) = (0, Ok(()));
        for shard in (0..DUE_SHARDS).map(due_shard) {
            match self.wake_shard(&shard, now, &mut woken).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::error!(%error, shard, "not every delivery of a shard could be woken");
                    outcome = outcome.and(Err(error));
                }
            }
        }
        if woken > 0 {
            tracing::info!(woken, "deliveries were woken");
        }
        outcome.map(|()| woken)
    }

    async fn wake_shard(&self, shard: &str, now: Timestamp, woken: &mut usize) -> Result<(), lambda_runtime::Error> {
        let deliveries = self.outbox.deliveries();
        let due = deliveries.due(shard, now - OVERDUE, now + LOOK_AHEAD, MOST_PER_SHARD).await?;
        let (mut wakes, mut outcome) = (Vec::new(), Ok(()));
        for due in due.chunks(AT_ONCE) {
            for look in join_all(due.iter().map(|due| self.look(due, now))).await {
                match look {
                    Ok(wake) => wakes.extend(wake),
                    Err(error) => outcome = outcome.and(Err(error)),
                }
            }
        }
        // Sent first, noted after: dying in between costs a second message, which finds nothing to do.
        self.outbox.queue().send_all(wakes.iter().map(|woken: &Woken| woken.message.clone()).collect()).await?;
        *woken += wakes.len();
        for wakes in wakes.chunks(AT_ONCE) {
            try_join_all(wakes.iter().map(|woken| deliveries.woken(&woken.key, woken.due, woken.look_again))).await?;
        }
        Ok(outcome?)
    }

    /// The index shows keys and times only, and may be behind: the delivery itself says what to do. One that
    /// cannot be read (a later version wrote it, or an attribute is missing) is left to the operator.
    async fn look(&self, due: &Due, now: Timestamp) -> Result<Option<Woken>, StoreError> {
        let delivery = match self.outbox.deliveries().get(&due.key).await {
            Ok(Some(delivery)) => delivery,
            Ok(None) => return Ok(None),
            Err(error @ StoreError::Item { .. }) => {
                let Key { event, endpoint } = &due.key;
                tracing::error!(%error, %event, %endpoint, "a delivery cannot be read, and is not woken");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let State::Waiting(waiting) = delivery.state else { return Ok(None) };
        Ok(match wake(&waiting, due.due, now) {
            Wake::Leave => None,
            Wake::Send { delay, look_again } => {
                Some(Woken { message: message(&due.key, delay), key: due.key.clone(), due: due.due, look_again })
            }
        })
    }
}
