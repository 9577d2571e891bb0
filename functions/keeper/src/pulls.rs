//! Marks and duties that are due and that nobody holds: their time has come, a message was lost, or whoever
//! worked on them died with the lease.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::duty::Family;
use afferent_domain::id::ConnectionId;
use afferent_metrics::{Metric, observe};
use afferent_queue::{Duty, Pull, Queue, Sending, Wake};
use afferent_store::duties::DueItem;

use crate::Keeper;

/// The most pulls woken of one shard in one run.
const MOST_PER_SHARD: i32 = 100;

/// How long a woken mark is left alone: the time for its message to be received, also behind a backlog.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

impl Keeper {
    /// Wakes what is due; how many. Trouble with one shard stops no other.
    ///
    /// Marks go to `pulls`, where live notifications are. Whatever may wait in a lower lane goes to `backfill`: a
    /// message is acknowledged with the rest of its batch, and a notification must not stand behind it.
    pub(crate) async fn wake_pulls(&self) -> Result<usize, lambda_runtime::Error> {
        let now = self.clock.now();
        let (mut woken, mut outcome) = (0, Ok(()));
        for (family, queue, metric) in
            [(Family::Mark, &self.pulls, Metric::PullsOverdue), (Family::Prompt, &self.backfill, Metric::DutiesOverdue)]
        {
            let before = woken;
            for shard in family.shards() {
                match self.wake_pulls_of(queue, &shard, now, &mut woken).await {
                    Ok(()) => {}
                    Err(error) => {
                        tracing::error!(%error, shard, "not every pull of a shard could be woken");
                        outcome = outcome.and(Err(error));
                    }
                }
            }
            observe(metric, (woken - before) as u64);
        }
        if woken > 0 {
            tracing::info!(woken, "pulls were woken");
        }
        outcome.map(|()| woken)
    }

    async fn wake_pulls_of(
        &self,
        queue: &Queue,
        shard: &str,
        now: Timestamp,
        woken: &mut usize,
    ) -> Result<(), lambda_runtime::Error> {
        // A live lease keeps its due time at its own end, so what is due is held by nobody.
        let due = self.connections.due(shard, now, MOST_PER_SHARD).await?;
        queue.send_all(due.iter().map(message).collect()).await?;
        *woken += due.len();
        for due in due {
            self.connections.postpone(&due, now + PATIENCE).await?;
        }
        Ok(())
    }
}

/// "Look at it": a mark by its connection and service, a duty by its key.
pub(crate) fn message(due: &DueItem) -> Sending {
    let mark = due.owner.strip_prefix("connection#").zip(due.item.strip_prefix("service#"));
    let pull = match mark {
        Some((connection, service)) => {
            Pull::Wake(Wake { connection: ConnectionId::from(connection), service: service.to_owned() })
        }
        None => Pull::Duty(Duty { owner: due.owner.clone(), item: due.item.clone() }),
    };
    Sending { body: pull.to_body(), ..Sending::default() }
}
