//! What is read each minute for the metrics alone: a few items, the due index of deliveries, and one question to SQS.

use std::time::Duration;

use afferent_domain::delivery::{DUE_SHARDS, Key, due_shard};
use afferent_domain::health::Breaker;
use afferent_metrics::{Metric, observe};
use afferent_store::StoreError;
use afferent_store::notifications::day;
use futures_util::future::try_join_all;

use crate::Keeper;
use crate::breakers::EVER;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many days back the oldest notification that waits is looked for, today included. The daily count shows those of
/// earlier days.
const DAYS: u32 = 3;

/// How many deliveries of a shard of the due index are looked at, and of an endpoint's. Two hundred are some four read
/// units; without an end, 300,000 that wait would be thousands, each minute.
const LOOKED_AT: usize = 200;

/// Of how many endpoints that keep something back.
const ENDPOINTS: usize = 20;

/// How many of those of a shard are read, which the index has no age of: half a read unit each.
const READ: usize = 4;

impl Keeper {
    /// Reads the gauges that no other part of the minute knows. One that cannot be read is left out, and nothing else.
    pub(crate) async fn read_gauges(&self) {
        let (in_flight, waiting, ()) =
            tokio::join!(self.outbox.queue().in_flight(), self.read_waiting(), self.read_oldest_pull());
        match in_flight {
            Ok(count) => observe(Metric::InFlight, count),
            Err(error) => tracing::warn!(%error, "the number in flight could not be read"),
        }
        if let Err(error) = waiting {
            tracing::warn!(%error, "what waits could not be read");
        }
    }

    /// How many deliveries are parked, and how old the oldest is of all that wait.
    async fn read_waiting(&self) -> Result<(), StoreError> {
        let deliveries = self.outbox.deliveries();
        let shards: Vec<String> = (0..DUE_SHARDS).map(due_shard).collect();
        let watched = self.outbox.endpoints().watched().await?;
        let keeping = watched.iter().filter(|(_, health)| health.breaker != Breaker::Closed).take(ENDPOINTS);
        let (waiting, kept_back) = tokio::try_join!(
            // Whoever has failed most often waits longest: of many, the oldest are usually at this end.
            try_join_all(shards.iter().map(|shard| deliveries.furthest(shard, LOOKED_AT))),
            // These are in the order in which they expire, so the first is the oldest.
            try_join_all(keeping.map(|(endpoint, _)| deliveries.kept_back(endpoint, EVER, LOOKED_AT))),
        )?;
        let parked = waiting.iter().chain(&kept_back).flatten().filter(|due| due.parked).count();
        observe(Metric::ParkedNow, parked as u64);
        let old = waiting.iter().flat_map(|shard| shard.iter().take(READ));
        let old: Vec<Key> =
            old.chain(kept_back.iter().filter_map(|all| all.first())).map(|due| due.key.clone()).collect();
        let since = deliveries.oldest_since(&old).await?;
        observe(Metric::OldestWaitingAge, since.map_or(0, |since| self.clock.now().since(since).as_secs()));
        Ok(())
    }

    async fn read_oldest_pull(&self) {
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
