//! What a receiver can say about its own deliveries.

use std::time::Duration;

use afferent_domain::delivery::{End, Place, Try, WaitsFor};
use afferent_domain::endpoint::Cause;
use afferent_domain::health::Health;
use afferent_local::dynamodb::Fault;
use afferent_local::network::Reply;
use bytes::Bytes;

use crate::stack::{Stack, pass};

fn saying(status: u16, name: &'static str, value: &str) -> Reply {
    Reply::Full(status, vec![(name, value.to_owned())], Bytes::new())
}

#[tokio::test(start_paused = true)]
async fn after_410_gone_nothing_more_is_sent_and_what_waits_is_cancelled() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Status(410));
    let first = stack.deliver("rec_1").await;
    pass(1).await;
    let reason = "the endpoint wants no more: it answered 410 Gone".to_owned();
    assert_eq!(stack.end(&first).await, (End::Cancelled, reason.clone()));
    assert_eq!(stack.health().await.stop.map(|stop| stop.cause), Some(Cause::Gone));
    let second = stack.deliver("rec_2").await;
    pass(1).await;
    assert_eq!(stack.end(&second).await, (End::Cancelled, reason));
    assert_eq!((stack.requests(), stack.left()), (1, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_takes_a_delivery_and_asks_to_be_disabled_gets_both() {
    let stack = Stack::start().await;
    stack.receiver.always(saying(200, "webhook-delivery", "disable"));
    let first = stack.deliver("rec_1").await;
    pass(1).await;
    assert_eq!(stack.end(&first).await.0, End::Delivered);
    assert_eq!(stack.health().await.stop.map(|stop| stop.cause), Some(Cause::Receiver));
    let second = stack.deliver("rec_2").await;
    pass(1).await;
    assert_eq!(stack.end(&second).await.0, End::Cancelled);
    assert_eq!(stack.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_and_asks_to_be_disabled_is_not_tried_again() {
    let stack = Stack::start().await;
    stack.receiver.always(saying(500, "webhook-delivery", "disable"));
    let key = stack.deliver("rec_1").await;
    pass(1).await;
    assert_eq!(stack.end(&key).await.0, End::Cancelled);
    assert_eq!(stack.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wish_for_no_more_that_cannot_be_written_is_not_lost_for_the_message_comes_again() {
    for wish in [Reply::Status(410), saying(200, "webhook-delivery", "disable")] {
        let stack = Stack::start().await;
        stack.receiver.next([wish.clone(), wish]);
        // As often as the SDK tries by itself.
        stack.simulation.dynamodb.faults().next(Fault::Failed, "UpdateItem", "stop_ms", 4);
        let key = stack.deliver("rec_1").await;
        pass(30).await;
        stack.waiting(&key).await;
        assert_eq!((stack.requests(), stack.health().await.stop, stack.left()), (1, None, (1, 0)));
        pass(300).await;
        assert!(matches!(stack.end(&key).await.0, End::Cancelled | End::Delivered));
        assert!(stack.health().await.stop.is_some());
        assert_eq!((stack.requests(), stack.left()), (2, (0, 0)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_of_the_batch_hear_stops_a_cycle_between_its_tries() {
    let stack = Stack::start().await;
    let slow = Reply::After(Duration::from_secs(2), Box::new(Reply::Status(500)));
    stack.receiver.next([slow, Reply::Status(410)]);
    let keys = stack.crowd(2, "ep_1").await;
    pass(5).await;
    for key in &keys {
        assert_eq!(stack.end(key).await.0, End::Cancelled);
    }
    assert_eq!(stack.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_delivery_ends_and_is_no_failure_of_the_endpoint() {
    let stack = Stack::start().await;
    stack.receiver.always(saying(400, "webhook-delivery", "abort-message"));
    let key = stack.deliver("rec_1").await;
    pass(1).await;
    assert_eq!(stack.end(&key).await, (End::Cancelled, "the endpoint wants no further try of it".to_owned()));
    assert_eq!((stack.requests(), stack.left()), (1, (0, 0)));
    assert_eq!(stack.health().await, Health::default());
}

#[tokio::test(start_paused = true)]
async fn retry_after_delays_the_second_try_of_a_cycle() {
    let stack = Stack::start().await;
    stack.receiver.next([saying(503, "retry-after", "30")]);
    let key = stack.deliver("rec_1").await;
    pass(29).await;
    let waiting = stack.waiting(&key).await;
    assert_eq!((waiting.at, waiting.waits_for), (Try { cycle: 1, number: 2 }, WaitsFor::RetryAfter));
    assert_eq!((waiting.place, stack.requests()), (Place::Held, 1));
    pass(2).await;
    assert_eq!((stack.end(&key).await.0, stack.requests()), (End::Delivered, 2));
}

#[tokio::test(start_paused = true)]
async fn retry_after_delays_the_next_cycle_if_it_is_longer_than_the_schedule() {
    let stack = Stack::start().await;
    stack.receiver.next([Reply::Status(500), saying(429, "retry-after", "60")]);
    let key = stack.deliver("rec_1").await;
    pass(59).await;
    assert_eq!((stack.waiting(&key).await.at, stack.requests()), (Try::first(2), 2));
    pass(2).await;
    assert_eq!((stack.end(&key).await.0, stack.requests()), (End::Delivered, 3));
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_shorter_than_the_schedule_hurries_nothing() {
    let stack = Stack::start().await;
    stack.receiver.next([Reply::Status(500), saying(429, "retry-after", "3")]);
    let key = stack.deliver("rec_1").await;
    pass(9).await;
    assert_eq!((stack.waiting(&key).await.waits_for, stack.requests()), (WaitsFor::Schedule, 2));
    pass(2).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_long_retry_after_is_parked_and_one_of_days_is_cut_to_four_hours() {
    let stack = Stack::start().await;
    stack.receiver.always(saying(503, "retry-after", "600000"));
    let key = stack.deliver("rec_1").await;
    pass(1).await;
    let waiting = stack.waiting(&key).await;
    assert_eq!((waiting.place, waiting.waits_for), (Place::Parked, WaitsFor::RetryAfter));
    assert_eq!(waiting.next.since(stack.now()), Duration::from_secs(4 * 3600 - 1));
    assert_eq!(stack.left(), (0, 0), "the message does not wait with it");
}
