//! Deliveries that get a message: parked ones ahead of their time, others when theirs seems lost.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, Place};
use afferent_domain::id::UserId;
use afferent_domain::trace::Trace;
use afferent_local::Setup;
use afferent_local::dynamodb::Fault;
use afferent_store::item::{Item, n, s};
use local_sqs::Receive;
use serde_json::json;

use crate::stack::{Stack, event_beside, key, pass};

#[tokio::test(start_paused = true)]
async fn a_parked_delivery_gets_a_message_that_becomes_visible_when_it_falls_due() {
    let stack = Stack::start().await;
    let key = stack.parked(300).await;
    let due = stack.waiting(&key).await.next;
    assert_eq!(stack.minute().await["deliveries"], 0, "it is five minutes away");
    // Not on a whole second of the wait.
    tokio::time::sleep(Duration::from_millis(240_400)).await;
    assert_eq!(stack.minute().await["deliveries"], 1);
    let visible = stack.simulation.sqs.next_visible_at("afferent-deliveries").unwrap().unwrap();
    assert!(visible <= due && due.since(visible) < Duration::from_secs(1), "{visible:?} for {due:?}");
    let waiting = stack.waiting(&key).await;
    assert_eq!((waiting.place, waiting.next), (Place::Queued, due));
    pass(60).await;
    assert_eq!(stack.minute().await["deliveries"], 0, "its message was sent");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_message_is_lost_gets_another_after_two_minutes_and_then_ever_more_rarely() {
    let stack = Stack::start().await;
    stack.queued().await;
    let mut woken = Vec::new();
    for minute in 0..70 {
        if stack.minute().await["deliveries"] == 1 {
            woken.push(minute);
        }
        pass(60).await;
    }
    assert_eq!(woken, [2, 4, 8, 16, 32, 64]);
    assert_eq!(stack.messages("afferent-deliveries"), 6);
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_dies_between_sending_and_noting_only_doubles_a_message() {
    let stack = Stack::start().await;
    let key = stack.parked(80).await;
    stack.simulation.dynamodb.faults().next(Fault::Failed, "UpdateItem", "due_ms", 4);
    assert!(stack.keeper.handle(json!({"task": "minute"})).await.is_err());
    assert_eq!(stack.minute().await["deliveries"], 1);
    assert_eq!(stack.messages("afferent-deliveries"), 2);
    assert_eq!(stack.deliveries.get(&key).await.unwrap().unwrap().claims, 1);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_cannot_be_read_stops_no_other_from_being_woken() {
    let stack = Stack::start().await;
    let now = stack.simulation.clock.now();
    let (beside, elsewhere) = (event_beside("evt_1", true), event_beside("evt_1", false));
    for event in [&beside, &elsewhere] {
        stack.queued_for(event).await;
    }
    let broken = key("evt_1");
    let (shard, due) = (s(broken.due_shard()), n(now.as_millis() - 1));
    let keys = [("event", s("evt_1")), ("item", s("ep_1")), ("due_shard", shard), ("due_ms", due)];
    let mut item = Item::from(keys.map(|(name, value)| (name.to_owned(), value)));
    stack.put_item("afferent-deliveries", item.clone()).await;
    pass(120).await;
    assert_eq!(stack.minute().await["deliveries"], 2, "an attribute is missing");
    assert_eq!(stack.announced(), [beside, elsewhere].into());

    item.insert("state".to_owned(), s("of a later version"));
    stack.put_item("afferent-deliveries", item).await;
    pass(240).await;
    assert_eq!(stack.minute().await["deliveries"], 2, "a state that is not known");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_out_of_reach_fails_the_run_after_the_others_were_woken() {
    let stack = Stack::start().await;
    let (beside, elsewhere) = (event_beside("evt_1", true), event_beside("evt_1", false));
    for event in ["evt_1", &beside, &elsewhere] {
        stack.queued_for(event).await;
    }
    pass(120).await;
    // More often than the SDK tries by itself.
    stack.simulation.dynamodb.faults().next(Fault::Failed, "GetItem", "\"evt_1\"", 4);
    assert!(stack.keeper.handle(json!({"task": "minute"})).await.is_err());
    assert_eq!(stack.announced(), [beside, elsewhere].into());
    assert_eq!(stack.minute().await["deliveries"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_parked_deliveries_is_woken_whole_in_one_run_and_without_reading_one() {
    let stack = Stack::start().await;
    let keys = stack.many(6_000, "due").await;
    stack.simulation.dynamodb.faults().next(Fault::Failed, "GetItem", "afferent-deliveries", 1_000);
    assert_eq!(stack.minute().await["deliveries"], keys.len());
    assert_eq!(stack.announced().len(), keys.len());
    assert_eq!(stack.messages("afferent-deliveries"), keys.len());
}

#[tokio::test(start_paused = true)]
async fn a_run_stops_in_time_and_the_next_goes_on() {
    let stack = Stack::of(Setup { aws_latency_ms: (1_000, 1_000), ..Setup::default() }).await;
    let keys = stack.many(6_000, "due").await;
    let began = stack.now();
    let first = stack.minute().await["deliveries"].as_u64().unwrap();
    assert!(first > 1_000, "{first}");
    assert!(stack.now().since(began) < Duration::from_secs(55), "{:?}", stack.now().since(began));
    let second = stack.minute().await["deliveries"].as_u64().unwrap();
    assert_eq!(stack.announced().len(), keys.len().min(usize::try_from(first + second).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn what_others_hold_however_much_it_is_does_not_hide_what_comes_after_it() {
    let stack = Stack::start().await;
    stack.many_called("leased", 4_500, "leased").await;
    // In the same shard, and later than all of them.
    let event = (0..).map(|number| format!("evt_{number}")).find(|event| key(event).due_shard() == "00").unwrap();
    stack.queued_for(&event).await;
    pass(120).await;
    assert_eq!(stack.minute().await["deliveries"], 1);
    assert_eq!(stack.announced(), [event].into());
}

#[tokio::test(start_paused = true)]
async fn the_message_of_a_delivery_that_was_read_carries_its_trace() {
    let stack = Stack::start().await;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let mut delivery = Delivery::new(key("evt_1"), UserId::from("usr_1"), 1, "ecg.created".to_owned(), stack.now());
    delivery.trace = Trace::of_header(trace);
    stack.deliveries.put_if_absent(&delivery).await.unwrap();
    pass(120).await;
    stack.minute().await;
    let message = stack.simulation.sqs.receive("afferent-deliveries", Receive::default()).await.unwrap().remove(0);
    assert_eq!(message.system.get("AWSTraceHeader").map(String::as_str), Some(trace));
}

#[tokio::test(start_paused = true)]
async fn two_keepers_at_once_wake_everything_and_spoil_nothing() {
    let stack = Stack::of(Setup { aws_latency_ms: (1, 20), ..Setup::default() }).await;
    let keys = stack.many(100, "due").await;
    tokio::join!(stack.minute(), stack.minute());
    assert_eq!(stack.announced().len(), keys.len());
    for key in &keys {
        let waiting = stack.waiting(key).await;
        assert_eq!((waiting.place, waiting.wakes), (Place::Queued, 1), "noted once");
        assert!(waiting.lease_until == Timestamp::default());
    }
}
