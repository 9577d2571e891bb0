//! Pulls whose mark is due and that nobody holds: a message was lost, or a pull died with its lease.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_queue::{Pull, Sending, Wake};
use afferent_store::marks::DUE_SHARDS;

use crate::Keeper;

/// The most pulls woken of one shard in one run.
const MOST_PER_SHARD: i32 = 100;

/// How long a woken mark is left alone: the time for its message to be received, also behind a backlog.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

impl Keeper {
    /// Wakes what is due; how many. Trouble with one shard stops no other.
    pub(crate) async fn wake_pulls(&self) -> Result<usize, lambda_runtime::Error> {
        let now = self.clock.now();
        let (mut woken, mut outcome) = (0, Ok(()));
        for shard in 0..DUE_SHARDS {
            match self.wake_pulls_of(shard, now, &mut woken).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::error!(%error, shard, "not every pull of a shard could be woken");
                    outcome = outcome.and(Err(error));
                }
            }
        }
        if woken > 0 {
            tracing::info!(woken, "pulls were woken");
        }
        outcome.map(|()| woken)
    }

    async fn wake_pulls_of(&self, shard: u8, now: Timestamp, woken: &mut usize) -> Result<(), lambda_runtime::Error> {
        // A live lease keeps its mark's due time at its own end, so what is due is held by nobody.
        let due = self.connections.due(shard, now, MOST_PER_SHARD).await?;
        let messages = due.iter().map(|due| {
            let wake = Wake { connection: due.connection.clone(), service: due.service.name().to_owned() };
            Sending { body: Pull::Wake(wake).to_body(), ..Sending::default() }
        });
        self.pulls.send_all(messages.collect()).await?;
        *woken += due.len();
        for due in due {
            self.connections.postpone(&due, now + PATIENCE).await?;
        }
        Ok(())
    }
}
