//! What is read each minute for the metrics alone: a few items, and one question to SQS.

use std::time::Duration;

use afferent_metrics::{Metric, observe};
use afferent_store::notifications::day;

use crate::Keeper;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many days back the oldest notification that waits is looked for, today included. The daily count shows those of
/// earlier days.
const DAYS: u32 = 3;

impl Keeper {
    /// Reads the gauges that no other part of the minute knows. One that cannot be read is left out, and nothing else.
    pub(crate) async fn read_gauges(&self) {
        match self.outbox.queue().in_flight().await {
            Ok(count) => observe(Metric::InFlight, count),
            Err(error) => tracing::warn!(%error, "the number in flight could not be read"),
        }
        let now = self.clock.now();
        for back in (0..DAYS).rev() {
            match self.notifications.oldest_waiting(&day(now - DAY * back)).await {
                Ok(Some(received)) => return observe(Metric::OldestPullAge, now.since(received).as_secs()),
                Ok(None) => {}
                Err(error) => return tracing::warn!(%error, "the oldest notification that waits could not be read"),
            }
        }
        observe(Metric::OldestPullAge, 0);
    }
}
