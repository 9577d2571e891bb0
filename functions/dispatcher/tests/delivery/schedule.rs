//! Tries at their times, and the messages that are their alarms.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{End, Place, Try};
use afferent_domain::endpoint::{Destination, EndpointUrl};
use afferent_domain::id::UserId;
use afferent_domain::schedule::RetryPolicy;
use afferent_domain::signature::verifies;
use afferent_local::dynamodb::Fault;
use afferent_local::network::{Receiver, Reply};
use afferent_store::deliveries::Outcome;
use local_sqs::Receive;

use crate::stack::{Stack, header, pass};

#[tokio::test(start_paused = true)]
async fn a_delivery_arrives_signed_with_the_exact_text_of_the_journal_and_leaves_the_queue() {
    let stack = Stack::start().await;
    let key = stack.deliver("rec_1").await;
    pass(1).await;
    let seen = stack.receiver.seen();
    assert_eq!(seen.len(), 1);
    let request = &seen[0].request;
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/hook"));
    assert_eq!(header(&seen[0], "content-type"), "application/json");
    assert!(header(&seen[0], "user-agent").starts_with("Afferent/"));
    assert_eq!(header(&seen[0], "webhook-id"), key.event.as_str());
    let at = Timestamp::from_secs(header(&seen[0], "webhook-timestamp").parse().unwrap());
    let signatures = header(&seen[0], "webhook-signature");
    assert!(verifies(&stack.secret, key.event.as_str(), at, request.body(), signatures, stack.now()));
    let event = stack.events.get(&UserId::from("usr_1"), 1).await.unwrap().unwrap();
    assert_eq!(request.body(), event.body.as_bytes());

    assert_eq!(stack.end(&key).await.0, End::Delivered);
    assert_eq!(stack.attempts(&key).await.len(), 1);
    assert_eq!(stack.left(), (0, 0));
    assert!(stack.health().await.last_success.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_always_fails_gets_ten_tries_at_the_times_of_the_schedule_and_then_it_is_exhausted() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Status(503));
    let key = stack.deliver("rec_1").await;
    pass(6 * 3600 + 120).await;

    let tries: Vec<(u16, u16)> =
        stack.attempts(&key).await.iter().map(|attempt| (attempt.cycle, attempt.number)).collect();
    assert_eq!(tries, [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2), (5, 1), (5, 2)]);
    let seen = stack.receiver.seen();
    assert!(seen.iter().all(|seen| header(seen, "webhook-id") == key.event.as_str()), "one id for every try");
    let begins: Vec<Timestamp> = seen.chunks(2).map(|cycle| cycle[0].at).collect();
    let gaps: Vec<u64> = begins.windows(2).map(|pair| pair[1].since(pair[0]).as_secs()).collect();
    for (gap, (least, most)) in gaps.iter().zip([(10, 10), (120, 660), (3_720, 4_800), (14_580, 16_200)]) {
        assert!((least..=most).contains(gap), "{gaps:?}");
    }
    assert_eq!(stack.end(&key).await, (End::Exhausted, "every try failed".to_owned()));
    assert_eq!(stack.left(), (0, 0), "exhausted is no dead letter");
    let health = stack.health().await;
    assert_eq!((health.failures_in_a_row, health.failed_tries), (1, 10));
    assert_eq!(health.failing_since, Some(begins[0]), "the first failed try began it");
}

#[tokio::test(start_paused = true)]
async fn every_try_comes_at_its_very_time_although_alarms_ring_in_whole_seconds() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Reset);
    let key = stack.deliver("rec_1").await;
    for _ in 0..4 {
        // Let the cycle end, and read when the next one falls due.
        pass(2).await;
        let waiting = stack.waiting(&key).await;
        assert_eq!(waiting.place, Place::Held);
        let before = stack.requests();
        pass(waiting.next.since(stack.now()).as_secs() + 2).await;
        let at = stack.receiver.seen()[before].at;
        assert_eq!(at, waiting.next);
    }
    pass(2).await;
    assert_eq!(stack.end(&key).await.0, End::Exhausted);
    let broken = Outcome::Unanswered { error: "broken".to_owned(), fault: "receiver".to_owned() };
    assert_eq!(stack.attempts(&key).await[9].outcome, broken);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_recovers_gets_the_event_at_the_next_try_with_the_same_id() {
    let stack = Stack::start().await;
    stack.receiver.next([Reply::Status(500), Reply::Status(500), Reply::Status(500)]);
    let key = stack.deliver("rec_1").await;
    pass(60).await;
    assert_eq!(stack.requests(), 4);
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    assert_eq!(stack.left(), (0, 0));
    let health = stack.health().await;
    assert_eq!((health.failing_since, health.failed_tries), (None, 0), "a success ends a failure");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_fails_alone_and_ends_in_the_dead_letter_queue() {
    let stack = Stack::start().await;
    stack.send_text("poison".to_owned());
    let key = stack.deliver("rec_1").await;
    pass(1).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    pass(200 * 60).await;
    assert_eq!(stack.left(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_succeeds_for_withings_fails_for_standard_webhooks_and_is_never_followed() {
    let stack = Stack::start().await;
    stack.endpoint("ep_2", |endpoint| endpoint.policy = RetryPolicy::StandardWebhooks).await;
    let to = vec![("location", "https://elsewhere.example/".to_owned())];
    stack.receiver.always(Reply::Full(302, to, bytes::Bytes::new()));
    let (withings, standard) = (stack.store("rec_1", "ep_1").await, stack.store("rec_2", "ep_2").await);
    stack.send(&withings);
    stack.send(&standard);
    pass(2).await;
    assert_eq!(stack.end(&withings).await.0, End::Delivered);
    assert_eq!(stack.waiting(&standard).await.at, Try::first(2));
    assert_eq!(stack.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_costs_its_deadline_and_the_others_of_the_batch_are_delivered() {
    let stack = Stack::start().await;
    let hanging = Receiver::new(Arc::clone(&stack.simulation.clock));
    hanging.always(Reply::Hang);
    stack.simulation.network.put("hanging.example", Arc::new(hanging));
    let url = EndpointUrl::parse("https://hanging.example/hook").unwrap();
    stack.endpoint("ep_2", |endpoint| endpoint.destination = Destination::Http { url }).await;
    let (slow, fast) = (stack.store("rec_1", "ep_2").await, stack.store("rec_2", "ep_1").await);
    stack.send(&slow);
    stack.send(&fast);
    pass(1).await;
    assert_eq!(stack.end(&fast).await.0, End::Delivered, "it waits for no other");
    pass(21).await;
    let attempts = stack.attempts(&slow).await;
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        let timeout = Outcome::Unanswered { error: "timeout".to_owned(), fault: "receiver".to_owned() };
        assert_eq!((attempt.outcome, attempt.duration), (timeout, Duration::from_secs(10)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_neighbour_in_the_batch_delays_no_retry_of_the_others() {
    let stack = Stack::start().await;
    let hanging = Receiver::new(Arc::clone(&stack.simulation.clock));
    hanging.always(Reply::Hang);
    stack.simulation.network.put("hanging.example", Arc::new(hanging.clone()));
    let url = EndpointUrl::parse("https://hanging.example/hook").unwrap();
    stack.endpoint("ep_2", |endpoint| endpoint.destination = Destination::Http { url }).await;
    stack.receiver.always(Reply::Status(500));
    let (slow, fast) = (stack.store("rec_1", "ep_2").await, stack.store("rec_2", "ep_1").await);
    stack.send(&slow);
    stack.send(&fast);
    pass(1).await;
    let due = stack.waiting(&fast).await.next;
    pass(18).await;
    assert_eq!(stack.attempts(&slow).await.len(), 1, "its batch is not through");
    let seen = stack.receiver.seen();
    assert_eq!((seen.len(), seen[2].at), (4, due));
    let far = stack.waiting(&fast).await.next;
    pass(far.since(stack.now()).as_secs() + 2).await;
    assert_eq!(stack.receiver.seen()[4].at, far, "and an alarm that was moved is not moved once more");
    assert!(hanging.seen().len() >= 4, "the slow one has its retries too");
}

#[tokio::test(start_paused = true)]
async fn trouble_with_the_tables_costs_a_try_nothing_and_the_message_comes_again() {
    let stack = Stack::start().await;
    let key = stack.store("rec_1", "ep_1").await;
    // More often than the SDK tries by itself.
    stack.simulation.dynamodb.faults().next(Fault::Failed, "Query", "afferent-endpoints", 4);
    stack.send(&key);
    pass(400).await;
    assert_eq!(stack.requests(), 1);
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_failed_counts_against_its_endpoint_also_if_the_log_could_not_take_it() {
    let stack = Stack::start().await;
    stack.receiver.next([Reply::Status(500)]);
    let key = stack.store("rec_1", "ep_1").await;
    stack.simulation.dynamodb.faults().next(Fault::Failed, "PutItem", "afferent-deliveries", 4);
    stack.send(&key);
    // The SDK tries again for some seconds; the message comes back after three minutes.
    pass(60).await;
    assert_eq!((stack.requests(), stack.health().await.failed_tries), (1, 1));
    pass(400).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
}

#[tokio::test(start_paused = true)]
async fn that_health_cannot_be_written_changes_nothing_for_the_delivery() {
    let stack = Stack::start().await;
    stack.receiver.next([Reply::Status(500), Reply::Status(500)]);
    stack.simulation.dynamodb.faults().next(Fault::Failed, "UpdateItem", "afferent-endpoints", 100);
    let key = stack.deliver("rec_1").await;
    pass(30).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    assert_eq!((stack.requests(), stack.left()), (3, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn near_the_limit_of_messages_in_flight_a_long_wait_is_parked_and_its_message_goes() {
    let stack = Stack::set("InFlightLimit", "4000").await;
    stack.receiver.always(Reply::Status(500));
    // Somebody else's messages, in flight for hours.
    stack.simulation.pause("dispatcher");
    for number in 0..1_000 {
        stack.send_text(number.to_string());
    }
    let ask = Receive { max: 10, visibility_s: Some(40_000), ..Receive::default() };
    for _ in 0..100 {
        stack.simulation.sqs.receive("afferent-deliveries", ask).await.unwrap();
    }
    stack.simulation.resume("dispatcher");
    let key = stack.deliver("rec_1").await;
    pass(60).await;
    assert_eq!(stack.waiting(&key).await.place, Place::Held);
    pass(700).await;
    let waiting = stack.waiting(&key).await;
    assert_eq!((waiting.place, waiting.at), (Place::Parked, Try::first(4)), "an hour is a long wait");
    let left = || stack.simulation.sqs.messages("afferent-deliveries", 4_000).unwrap().len();
    assert_eq!(left(), 1_000);
    stack.send(&key);
    pass(1).await;
    assert_eq!(left(), 1_000, "a duplicate goes too, for the keeper has the alarm");
}

#[tokio::test(start_paused = true)]
async fn while_all_goes_well_a_success_is_noted_once_a_minute_however_many_there_are() {
    let stack = Stack::start().await;
    let mut keys = Vec::new();
    for number in 0..12 {
        keys.push(stack.store(&format!("rec_{number}"), "ep_1").await);
    }
    let writes = stack.simulation.dynamodb.writes("afferent-endpoints");
    let before = *writes.borrow();
    keys[..10].iter().for_each(|key| stack.send(key));
    pass(30).await;
    stack.send(&keys[10]);
    pass(1).await;
    assert_eq!((stack.requests(), *writes.borrow() - before), (11, 1));
    pass(30).await;
    stack.send(&keys[11]);
    pass(1).await;
    assert_eq!((stack.requests(), *writes.borrow() - before), (12, 2));
}
