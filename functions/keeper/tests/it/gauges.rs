//! What waits, as the metrics of each minute tell it.

use std::time::Duration;

use afferent_domain::delivery::{DUE_SHARDS, LIFE};
use afferent_metrics::Metric;

use crate::stack::{Stack, key, pass};

/// How many deliveries of a shard are looked at.
const LOOKED_AT: u64 = 200;

impl Stack {
    /// How many deliveries are parked, and how old the oldest is of all that wait, as the next minute tells it.
    async fn gauges(&self) -> (u64, u64) {
        self.minute().await;
        let last = |metric| self.simulation.metrics.last(metric).unwrap();
        (last(Metric::ParkedNow), last(Metric::OldestWaitingAge))
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_next_try_shows_as_parked_and_by_its_age_until_it_has_ended() {
    let stack = Stack::start().await;
    assert_eq!(stack.gauges().await, (0, 0));
    let parked = stack.parked(5 * 3_600).await;
    pass(600).await;
    stack.queued_for("evt_2").await;
    pass(30).await;
    assert_eq!(stack.gauges().await, (1, 630));
    assert_eq!(stack.simulation.metrics.last(Metric::OldestUndeliveredAge), Some(0), "neither is late");
    assert!(stack.deliveries.cancel(&parked, "for a test", stack.now()).await.unwrap());
    assert_eq!(stack.gauges().await, (0, 30), "what has ended does not wait");
}

#[tokio::test(start_paused = true)]
async fn what_a_breaker_keeps_back_is_parked_too_and_the_first_to_expire_is_the_oldest() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    stack.many(3, "kept back").await;
    assert_eq!(stack.gauges().await, (0, 0), "a breaker that is closed keeps nothing back");
    stack.open_breaker().await;
    // The first is woken for the probe, and is nobody's to look at again for two minutes.
    stack.minute().await;
    pass(60).await;
    assert_eq!(stack.gauges().await, (2, 63));
    assert!(stack.deliveries.cancel(&key("evt_00000"), "for a test", stack.now()).await.unwrap());
    assert_eq!(stack.gauges().await, (2, 62));
}

#[tokio::test(start_paused = true)]
async fn however_many_wait_a_minute_reads_a_bounded_part_of_them_and_says_how_many_there_are_at_least() {
    let stack = Stack::start().await;
    stack.many(3_000, "parked").await;
    // The oldest has failed more often than any other, so its turn is furthest off.
    let oldest = stack.many_called("older", 1, "parked").await.remove(0);
    let (since, due) = (stack.now() - Duration::from_secs(50_000), stack.now() + LIFE + Duration::from_secs(1));
    stack.set_times(&oldest, since, due).await;
    let meter = stack.simulation.dynamodb.meter();
    meter.start();
    let gauges = stack.gauges().await;
    assert_eq!(gauges, (LOOKED_AT * u64::from(DUE_SHARDS), 50_000));
    let units: f64 = meter.take().reads.values().sum();
    assert!(units < 100.0, "{units} read units, of all that the keeper does in a minute");
}
