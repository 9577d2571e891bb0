//! How many messages of the queue are in flight: read seldom, and counted on in between.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{IN_FLIGHT_EVERY, SHORT_WAIT};
use afferent_queue::Queue;
use tokio::sync::Mutex;

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at: Option<Timestamp>,
    count: u64,
}

/// The number in flight, read at most every [`IN_FLIGHT_EVERY`]; the waits asked about since are added,
/// since each may be a hold that SQS's figure, up to a minute old, does not show.
pub(crate) struct InFlight {
    queue: Queue,
    last: Mutex<Reading>,
}

impl InFlight {
    pub(crate) fn new(queue: Queue) -> Self {
        Self { queue, last: Mutex::default() }
    }

    /// The number at `now`, for a delivery that waits for `wait`. It is not asked for a wait that no number
    /// would park. If SQS does not tell, the last number goes on.
    pub(crate) async fn count(&self, now: Timestamp, wait: Duration) -> u64 {
        if wait <= SHORT_WAIT {
            return 0;
        }
        let mut last = self.last.lock().await;
        if last.at.is_none_or(|at| now.since(at) >= IN_FLIGHT_EVERY) {
            match self.queue.in_flight().await {
                Ok(count) => *last = Reading { at: Some(now), count },
                Err(error) => tracing::warn!(%error, "the number in flight could not be read"),
            }
        }
        last.count += 1;
        last.count
    }
}
