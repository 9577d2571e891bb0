//! Who holds a delivery, and what becomes of messages that come doubled, too late, or too often.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{End, Place, Try, WaitsFor};
use afferent_domain::endpoint::{Cause, Endpoint, Standing};
use afferent_domain::health::Health;
use afferent_domain::id::EndpointId;
use afferent_domain::rate::Rate;
use afferent_function::Env;
use afferent_local::network::Reply;
use afferent_store::endpoints::SealedSecret;
use dispatcher::Dispatcher;
use local_sqs::{Attribute, Receive};

use crate::stack::{Stack, batch_of, ep_1, pass, pass_ms};

const DAY: u64 = 24 * 3600;

fn slow(seconds: u64, status: u16) -> Reply {
    Reply::After(Duration::from_secs(seconds), Box::new(Reply::Status(status)))
}

#[tokio::test(start_paused = true)]
async fn doubled_messages_deliver_once_and_leave_the_queue_when_the_delivery_has_ended() {
    let stack = Stack::start().await;
    stack.receiver.always(slow(3, 200));
    let key = stack.deliver("rec_1").await;
    (0..2).for_each(|_| stack.send(&key));
    pass(2).await;
    stack.send(&key);
    pass(1).await;
    stack.send(&key);
    assert_eq!(stack.left().0, 5, "none that met the lease is acknowledged");
    pass(300).await;
    assert_eq!(stack.requests(), 1);
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_during_a_wait_neither_tries_early_nor_removes_the_alarm() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Status(500));
    let key = stack.deliver("rec_1").await;
    // Into the wait before the third cycle, of two minutes and more.
    pass(30).await;
    assert_eq!(stack.requests(), 4);
    stack.send(&key);
    pass(60).await;
    assert_eq!(stack.requests(), 4, "it is not time");
    assert_eq!(stack.left().0, 2, "both messages wait");
    stack.receiver.always(Reply::Status(200));
    pass(700).await;
    assert_eq!(stack.requests(), 5);
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_dies_in_the_middle_of_a_try_leaves_a_delivery_that_is_tried_again() {
    let stack = Stack::start().await;
    stack.receiver.next([Reply::Hang]);
    let key = stack.deliver("rec_1").await;
    pass(3).await;
    stack.simulation.pause("dispatcher");
    stack.simulation.resume("dispatcher");
    pass(400).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_overtaken_writes_nothing_and_keeps_its_message() {
    let stack = Stack::start().await;
    stack.receiver.next([slow(8, 200)]);
    let key = stack.deliver("rec_1").await;
    pass(1).await;
    // Somebody whose clock runs ahead takes it, and has not ended yet.
    stack.deliveries.claim(&key, stack.now() + Duration::from_secs(45)).await.unwrap();
    pass(10).await;
    let delivery = stack.delivery(&key).await;
    assert_eq!((delivery.claims, delivery.attempts, stack.left().0), (2, 0, 1), "the later claim is untouched");
    pass(120).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered, "which was lost, so the message makes the try");
    assert_eq!((stack.attempts(&key).await.len(), stack.left()), (2, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_to_an_endpoint_that_is_disabled_or_deleted_is_cancelled_without_a_request() {
    let stack = Stack::start().await;
    stack.endpoint("ep_old", |_| {}).await;
    let old = EndpointId::from("ep_old");
    assert!(stack.endpoints.end_secret(&old, 1, stack.now()).await.unwrap());
    let mut keys = Vec::new();
    for endpoint in ["ep_1", "ep_none", "ep_old"] {
        keys.push(stack.store(endpoint, endpoint).await);
    }
    stack
        .change("ep_1", |endpoint| {
            endpoint.standing = Standing::Disabled { cause: Cause::Owner, note: None, since_ms: Timestamp::default() };
        })
        .await;
    keys.iter().for_each(|key| stack.send(key));
    pass(1).await;
    for (key, reason) in keys.iter().zip([
        "the endpoint is disabled: its owner disabled it",
        "the endpoint was deleted",
        "the endpoint has no valid signing secret",
    ]) {
        assert_eq!(stack.end(key).await, (End::Cancelled, reason.to_owned()));
    }
    assert_eq!((stack.requests(), stack.left()), (0, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_becomes_too_old_before_its_first_try_is_no_failure_of_its_endpoint() {
    let stack = Stack::start().await;
    let made = stack.now() - Duration::from_secs(3 * DAY + 1);
    let key = stack.store_at("rec_1", "ep_1", made).await;
    stack.send(&key);
    pass(1).await;
    assert_eq!(stack.end(&key).await, (End::Expired, "it is older than its retry policy allows".to_owned()));
    assert_eq!((stack.requests(), stack.left()), (0, (0, 0)));
    assert_eq!(stack.health().await, Health::default(), "nobody ever called it");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_becomes_too_old_after_a_failed_try_or_behind_the_breaker_is_a_failure_of_its_endpoint() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Status(500));
    let tried = stack.store_at("rec_1", "ep_1", stack.now() - Duration::from_secs(3 * DAY - 5)).await;
    stack.send(&tried);
    pass(20).await;
    assert_eq!((stack.end(&tried).await.0, stack.requests()), (End::Expired, 2));
    assert_eq!(stack.health().await.failures_in_a_row, 1);
    let kept_back = stack.store_at("rec_2", "ep_1", stack.now() - Duration::from_secs(3 * DAY - 5)).await;
    stack.endpoints.count_tries(&ep_1(), 20, stack.now() - Duration::from_secs(60)).await.unwrap();
    assert!(stack.endpoints.open_breaker(&ep_1(), stack.now()).await.unwrap());
    stack.send(&kept_back);
    pass(1).await;
    assert_eq!(stack.waiting(&kept_back).await.waits_for, WaitsFor::Breaker);
    pass(10).await;
    stack.send(&kept_back);
    pass(1).await;
    assert_eq!((stack.end(&kept_back).await.0, stack.requests()), (End::Expired, 2));
    assert_eq!(stack.health().await.failures_in_a_row, 2);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_event_is_no_longer_kept_expires_and_is_nobodys_failure() {
    let stack = Stack::start().await;
    let key = stack.store("rec_1", "ep_1").await;
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let number = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
    let user = aws_sdk_dynamodb::types::AttributeValue::S("usr_1".to_owned());
    let delete = client.delete_item().table_name("afferent-events").key("journal", user).key("sequence", number);
    delete.send().await.unwrap();
    stack.send(&key);
    pass(1).await;
    assert_eq!(stack.end(&key).await, (End::Expired, "its event is no longer kept".to_owned()));
    assert_eq!((stack.requests(), stack.health().await.failures_in_a_row), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_secret_cannot_be_unsealed_waits_for_the_operator_and_expires_at_its_age() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoints.get(&ep_1()).await.unwrap().unwrap();
    let shut = Endpoint { endpoint: EndpointId::from("ep_shut"), ..endpoint };
    stack.endpoints.put(&shut, None).await.unwrap();
    let secret = SealedSecret { number: 1, sealed: "9.none".to_owned(), created: shut.created_ms, until: None };
    stack.endpoints.add_secret(&shut.endpoint, &secret).await.unwrap();
    let key = stack.store("rec_1", "ep_shut").await;
    stack.send(&key);
    pass(2 * DAY).await;
    stack.waiting(&key).await;
    pass(DAY + 1).await;
    stack.send(&key);
    pass(1).await;
    assert_eq!(stack.end(&key).await, (End::Expired, "it is older than its retry policy allows".to_owned()));
    assert_eq!((stack.requests(), stack.left()), (0, (0, 1)), "the first message was given up, the last one is done");
}

#[tokio::test(start_paused = true)]
async fn of_one_batch_five_deliveries_to_an_endpoint_are_under_way_at_once() {
    let stack = Stack::start().await;
    stack.receiver.always(slow(3, 200));
    stack.crowd(10, "ep_1").await;
    pass(1).await;
    assert_eq!(stack.requests(), 5);
    pass_ms(2_500).await;
    assert_eq!(stack.requests(), 10, "the others come when the first are through");
    pass(10).await;
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_permit_in_time_gives_the_message_back_unclaimed_and_comes_again() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Hang);
    let keys = stack.crowd(10, "ep_1").await;
    pass(6).await;
    let mut claims = Vec::new();
    for key in &keys {
        claims.push(stack.delivery(key).await.claims);
    }
    claims.sort_unstable();
    assert_eq!(claims, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    assert_eq!((stack.requests(), stack.left().0), (5, 10));
    pass(60).await;
    assert!(stack.requests() >= 20, "each has had its first cycle");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_received_too_often_is_parked_instead_of_coming_back_once_more() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Hang);
    stack.simulation.pause("dispatcher");
    let keys = stack.crowd(10, "ep_1").await;
    let ask = Receive { max: 10, visibility_s: Some(0), ..Receive::default() };
    for _ in 0..40 {
        stack.simulation.sqs.receive("afferent-deliveries", ask).await.unwrap();
    }
    stack.simulation.resume("dispatcher");
    pass(25).await;
    for key in &keys {
        let waiting = stack.waiting(key).await;
        assert_eq!(waiting.place, Place::Parked);
        let at = if stack.delivery(key).await.attempts == 0 { Try::first(1) } else { Try::first(2) };
        assert_eq!(waiting.at, at, "no try is lost");
    }
    assert_eq!((stack.requests(), stack.left()), (10, (0, 0)), "the keeper has the alarms");
}

#[tokio::test(start_paused = true)]
async fn no_try_is_begun_that_could_not_end_before_the_invocation() {
    let stack = Stack::start().await;
    let environment = stack.simulation.template.function("dispatcher").unwrap().environment.clone();
    let function = Dispatcher::start(&Env::of(environment), &stack.simulation.rim).await.unwrap();
    let key = stack.store("rec_1", "ep_1").await;
    let event = batch_of(&key);
    let answer = function.handle_until(event.clone(), stack.now() + Duration::from_secs(11)).await.unwrap();
    assert_eq!((stack.requests(), answer.batch_item_failures.len()), (0, 1), "the message is not acknowledged");
    let waiting = stack.waiting(&key).await;
    assert_eq!((waiting.at, waiting.next, waiting.waits_for), (Try::first(1), stack.now(), WaitsFor::Schedule));
    let answer = function.handle_until(event, stack.now() + Duration::from_secs(13)).await.unwrap();
    assert_eq!((stack.requests(), answer.batch_item_failures.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_ahead_of_lambdas_stops_no_delivery() {
    let stack = Stack::start().await;
    let environment = stack.simulation.template.function("dispatcher").unwrap().environment.clone();
    let function = Dispatcher::start(&Env::of(environment), &stack.simulation.rim).await.unwrap();
    let key = stack.store("rec_1", "ep_1").await;
    let answer = function.handle_until(batch_of(&key), stack.now() - Duration::from_secs(600)).await.unwrap();
    assert_eq!((stack.requests(), answer.batch_item_failures.len()), (1, 0));
    assert_eq!(stack.end(&key).await.0, End::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_cycle_that_does_not_fit_into_an_invocation_goes_on_in_the_next_with_the_same_try() {
    let stack = Stack::set("DeliveryDeadlineSeconds", "12").await;
    stack.change("ep_1", |endpoint| endpoint.rate = Some(Rate::new(1, 5).unwrap())).await;
    stack.receiver.always(Reply::Hang);
    let keys = stack.crowd(2, "ep_1").await;
    pass(40).await;
    for key in &keys {
        let attempts = stack.attempts(key).await;
        assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
        assert!(attempts.iter().all(|attempt| attempt.duration == Duration::from_secs(12)), "none is broken off");
        assert_eq!(stack.waiting(key).await.at, Try::first(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_with_a_trace_of_its_own_does_not_make_it_that_of_the_delivery() {
    let stack = Stack::start().await;
    let hour = vec![("retry-after", "3600".to_owned())];
    stack.receiver.always(Reply::Full(503, hour, bytes::Bytes::new()));
    let key = stack.store("rec_1", "ep_1").await;
    let body = afferent_queue::Delivery { event: key.event.clone(), endpoint: key.endpoint.clone() }.to_body();
    let keepers = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:5";
    let trace = Some(Attribute::string(keepers));
    let draft = local_sqs::Draft { body, trace, ..local_sqs::Draft::default() };
    stack.simulation.sqs.send("afferent-deliveries", draft).unwrap();
    pass(1).await;
    assert_eq!(stack.waiting(&key).await.place, Place::Parked);
    assert_eq!(stack.delivery(&key).await.trace, None);
    assert!(!stack.receiver.seen()[0].request.headers().contains_key("traceparent"));
}
