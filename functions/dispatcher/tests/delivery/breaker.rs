//! The breaker: when it opens, what it keeps back, its single probe, and how it closes.

use std::time::Duration;

use afferent_domain::delivery::{End, Key, Place, Try, WaitsFor};
use afferent_domain::endpoint::Cause;
use afferent_domain::health::Breaker;
use afferent_local::Setup;
use afferent_local::network::Reply;
use afferent_store::deliveries::Kept;

use crate::stack::{Stack, ep_1, pass, pass_ms};

const MINUTE: Duration = Duration::from_secs(60);

/// A stack whose endpoint fails, and has failed `tries` times in the last `minutes`.
async fn failing(setup: Setup, tries: u32, minutes: u32) -> Stack {
    let stack = Stack::of(setup).await;
    stack.receiver.always(Reply::Status(500));
    stack.endpoints.count_tries(&ep_1(), tries, stack.now() - MINUTE * minutes).await.unwrap();
    stack
}

/// A stack whose breaker was opened by the two tries of a delivery.
async fn open(setup: Setup) -> (Stack, Key) {
    let stack = failing(setup, 18, 1).await;
    let key = stack.deliver("rec_opening").await;
    pass(1).await;
    assert!(stack.health().await.is_open());
    assert_eq!(stack.requests(), 2);
    (stack, key)
}

/// What the keeper does: a message for one that is kept back, or whose time has come.
async fn wake(stack: &Stack, key: &Key) {
    let ever = stack.now() + Duration::from_secs(365 * 24 * 3600);
    let kept = stack.deliveries.kept_back(&key.endpoint, ever, 100).await.unwrap();
    if let Some(due) = kept.iter().find(|due| due.key == *key) {
        assert_eq!(stack.deliveries.woken(key, due.due, stack.now()).await.unwrap(), Kept::Yes);
    }
    stack.send(key);
}

async fn next_probe(stack: &Stack) -> Duration {
    match stack.health().await.breaker {
        Breaker::Open { next_probe, .. } => next_probe.since(stack.now()),
        other => panic!("it is not open: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_with_the_twentieth_failed_try_and_that_is_the_first_failure() {
    let stack = failing(Setup::default(), 16, 1).await;
    stack.deliver("rec_1").await;
    pass(1).await;
    let health = stack.health().await;
    assert_eq!((health.failed_tries, health.is_open(), health.failures_in_a_row), (18, false, 0));
    let key = stack.deliver("rec_2").await;
    pass(1).await;
    let health = stack.health().await;
    assert_eq!((health.failed_tries, health.is_open(), health.failures_in_a_row), (20, true, 1));
    let waiting = stack.waiting(&key).await;
    assert_eq!((waiting.place, waiting.waits_for), (Place::Parked, WaitsFor::Schedule));
    assert_eq!((waiting.at, stack.kept_back().await), (Try::first(2), 0), "what is left of it waits for its time");
}

#[tokio::test(start_paused = true)]
async fn any_number_of_failures_in_less_than_a_minute_is_a_blip_and_opens_nothing() {
    let stack = failing(Setup::default(), 500, 0).await;
    stack.deliver("rec_1").await;
    pass(1).await;
    let health = stack.health().await;
    assert_eq!((health.failed_tries, health.breaker), (502, Breaker::Closed));
}

#[tokio::test(start_paused = true)]
async fn an_aborted_delivery_opens_nothing_however_much_failed_before() {
    let stack = failing(Setup::default(), 100, 10).await;
    stack.receiver.always(Reply::Full(
        400,
        vec![("webhook-delivery", "abort-message".to_owned())],
        bytes::Bytes::new(),
    ));
    stack.deliver("rec_1").await;
    pass(1).await;
    let health = stack.health().await;
    assert_eq!((health.failed_tries, health.breaker), (100, Breaker::Closed));
}

#[tokio::test(start_paused = true)]
async fn while_it_is_open_a_try_is_neither_made_nor_counted_and_its_message_goes() {
    let (stack, _) = open(Setup::default()).await;
    let keys = stack.crowd(3, "ep_1").await;
    pass(30).await;
    assert_eq!((stack.requests(), stack.health().await.failed_tries), (2, 20));
    for key in &keys {
        let (delivery, waiting) = (stack.delivery(key).await, stack.waiting(key).await);
        assert_eq!((delivery.attempts, waiting.at), (0, Try::first(1)));
        assert_eq!((waiting.place, waiting.waits_for), (Place::Parked, WaitsFor::Breaker));
    }
    assert_eq!((stack.kept_back().await, stack.left()), (3, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_back_is_in_the_index_when_it_expires_and_not_before() {
    let (stack, key) = open(Setup::default()).await;
    pass(10).await;
    wake(&stack, &key).await;
    pass(1).await;
    let three_days = Duration::from_secs(3 * 24 * 3600);
    let expires = stack.delivery(&key).await.created + three_days;
    assert!(stack.deliveries.kept_back(&ep_1(), expires - Duration::from_millis(1), 10).await.unwrap().is_empty());
    assert_eq!(stack.deliveries.kept_back(&ep_1(), expires, 10).await.unwrap()[0].key, key);
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_one_try_and_after_a_failed_one_the_next_comes_later() {
    let (stack, key) = open(Setup::default()).await;
    assert_eq!(next_probe(&stack).await, Duration::from_secs(59));
    pass(60).await;
    wake(&stack, &key).await;
    pass(1).await;
    assert_eq!(stack.requests(), 3, "the second try of the cycle is not made");
    let waiting = stack.waiting(&key).await;
    assert_eq!((waiting.at, waiting.waits_for), (Try { cycle: 2, number: 2 }, WaitsFor::Breaker));
    assert_eq!(next_probe(&stack).await, Duration::from_secs(119));
    wake(&stack, &key).await;
    pass(1).await;
    assert_eq!(stack.requests(), 3, "it is not time");
}

#[tokio::test(start_paused = true)]
async fn of_two_dispatchers_that_see_the_probe_due_one_makes_it() {
    let (stack, _) = open(Setup { aws_latency_ms: (20, 20), ..Setup::default() }).await;
    stack.receiver.always(Reply::After(Duration::from_secs(1), Box::new(Reply::Status(500))));
    pass(61).await;
    // Each in a batch of its own, and both have read the endpoint before either asks for the probe.
    let (first, second) = (stack.store("rec_1", "ep_1").await, stack.store("rec_2", "ep_1").await);
    stack.send(&first);
    pass_ms(5).await;
    stack.send(&second);
    pass(5).await;
    assert_eq!(stack.requests(), 3);
    let attempts = [stack.delivery(&first).await.attempts, stack.delivery(&second).await.attempts];
    assert_eq!(attempts.iter().sum::<u32>(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_dispatcher_died_is_given_up_after_its_lease() {
    let (stack, _) = open(Setup::default()).await;
    stack.receiver.next([Reply::Hang]);
    pass(60).await;
    stack.deliver("rec_1").await;
    pass(3).await;
    stack.simulation.pause("dispatcher");
    stack.simulation.resume("dispatcher");
    stack.receiver.always(Reply::Status(200));
    let early = stack.deliver("rec_2").await;
    pass(1).await;
    assert_eq!(stack.waiting(&early).await.waits_for, WaitsFor::Breaker, "the probe is still somebody's");
    pass(40).await;
    let late = stack.deliver("rec_3").await;
    pass(1).await;
    assert_eq!(stack.end(&late).await.0, End::Delivered);
    assert!(!stack.health().await.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_succeeds_closes_it_and_what_was_kept_back_goes_on_with_the_try_it_stopped_at() {
    let (stack, key) = open(Setup::default()).await;
    pass(60).await;
    wake(&stack, &key).await;
    pass(1).await;
    assert_eq!(stack.waiting(&key).await.at, Try { cycle: 2, number: 2 });
    stack.receiver.always(Reply::Status(200));
    pass(120).await;
    let probe = stack.deliver("rec_probe").await;
    pass(1).await;
    assert_eq!(stack.end(&probe).await.0, End::Delivered);
    let health = stack.health().await;
    assert!(matches!(health.breaker, Breaker::Draining { .. }), "the keeper releases the rest");
    assert_eq!((health.failed_tries, health.failures_in_a_row), (0, 0));
    wake(&stack, &key).await;
    pass(1).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    let tries: Vec<_> = stack.attempts(&key).await.iter().map(|attempt| (attempt.cycle, attempt.number)).collect();
    assert_eq!(tries, [(1, 1), (1, 2), (2, 1), (2, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_others_opened_stops_a_cycle_between_its_tries() {
    let stack = failing(Setup::default(), 18, 1).await;
    // Of one batch: one is slow, the other fails twice at once and opens the breaker.
    stack.receiver.next([
        Reply::After(Duration::from_secs(2), Box::new(Reply::Status(500))),
        Reply::Status(500),
        Reply::Status(500),
    ]);
    let keys = stack.crowd(2, "ep_1").await;
    pass(5).await;
    assert_eq!(stack.requests(), 3);
    let mut tries = vec![stack.waiting(&keys[0]).await.at, stack.waiting(&keys[1]).await.at];
    tries.sort_by_key(|at| (at.cycle, at.number));
    assert_eq!(tries, [Try { cycle: 1, number: 2 }, Try::first(2)]);
    assert_eq!(
        (stack.kept_back().await, stack.health().await.failed_tries),
        (1, 21),
        "the second try would be due now"
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_answered_with_gone_stops_the_endpoint() {
    let (stack, _) = open(Setup::default()).await;
    stack.receiver.always(Reply::Status(410));
    pass(60).await;
    let key = stack.deliver("rec_1").await;
    pass(1).await;
    assert_eq!(stack.end(&key).await.0, End::Cancelled);
    assert_eq!(stack.health().await.stop.map(|stop| stop.cause), Some(Cause::Gone));
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_asks_for_is_kept_by_the_try_that_opens_the_breaker_and_by_a_probe() {
    let hour = || Reply::Full(503, vec![("retry-after", "3600".to_owned())], bytes::Bytes::new());
    let stack = failing(Setup::default(), 18, 1).await;
    stack.receiver.next([Reply::Status(500), hour()]);
    let opening = stack.deliver("rec_opening").await;
    pass(1).await;
    assert!(stack.health().await.is_open());
    pass(60).await;
    stack.receiver.next([hour()]);
    let probe = stack.deliver("rec_probe").await;
    pass(1).await;
    assert_eq!(stack.requests(), 3);
    for (key, at, began) in [(&opening, Try::first(2), 0), (&probe, Try { cycle: 1, number: 2 }, 61)] {
        let waiting = stack.waiting(key).await;
        assert_eq!((waiting.at, waiting.waits_for, waiting.place), (at, WaitsFor::RetryAfter, Place::Parked));
        assert_eq!(waiting.next.since(stack.delivery(key).await.created), Duration::from_secs(3600), "{began}");
    }
    assert_eq!(stack.kept_back().await, 0, "neither may be chosen as a probe before its time");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_waits_out_its_schedule_while_it_is_open_is_kept_back_when_its_time_has_come() {
    let (stack, key) = open(Setup::default()).await;
    let waiting = stack.waiting(&key).await;
    assert_eq!((waiting.at, waiting.waits_for, waiting.place), (Try::first(2), WaitsFor::Schedule, Place::Parked));
    assert_eq!((stack.kept_back().await, stack.left()), (0, (0, 0)), "the keeper has the alarm");
    pass(10).await;
    stack.send(&key);
    pass(1).await;
    let waiting = stack.waiting(&key).await;
    assert_eq!((waiting.at, waiting.waits_for, stack.requests()), (Try::first(2), WaitsFor::Breaker, 2));
    assert_eq!((stack.kept_back().await, stack.left()), (1, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_five_hours_costs_a_delivery_no_more_tries_than_its_schedule_though_it_makes_every_probe() {
    let (stack, key) = open(Setup::default()).await;
    for _ in 0..5 * 60 {
        pass(60).await;
        stack.send(&key);
    }
    assert!(stack.requests() >= 6, "it is called now and then, so that its recovery is seen");
    assert!(stack.requests() <= 8, "{} requests: four cycles fit into five hours", stack.requests());
    stack.receiver.always(Reply::Status(200));
    for _ in 0..2 * 60 {
        pass(60).await;
        stack.send(&key);
    }
    assert_eq!(stack.end(&key).await.0, End::Delivered);
}
