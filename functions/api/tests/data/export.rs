//! The export of all that is held about a person.

use std::collections::BTreeMap;

use afferent_domain::connection::{Scopes, State, Subscriptions};
use afferent_domain::delivery::{Delivery, Key};
use afferent_domain::event::Draft;
use afferent_domain::id::{ConnectionId, EndpointId, NotificationId};
use afferent_domain::notification::Quarantine;
use afferent_store::connections::{AccountKey, Connection, Connections};
use afferent_store::deliveries::Deliveries;
use afferent_store::events::Events;
use afferent_store::notifications::{Beginning, Incoming, Notifications};
use afferent_store::records::escaped_len;
use afferent_store::tokens::Pair;
use serde_json::{Value, json};

use crate::stack::Stack;

/// Every line of every page, without the last one of each.
async fn all(stack: &Stack) -> Vec<Value> {
    let mut answer = stack.get("export").await;
    let mut found = Vec::new();
    for _ in 0..50 {
        assert_eq!(answer.content_type, "application/x-ndjson");
        let bytes = escaped_len(&answer.text);
        assert!(bytes < 4_100_000, "{bytes}");
        let mut lines = answer.lines();
        let end = lines.pop().unwrap();
        assert_eq!(end["type"], "end");
        found.extend(lines);
        let next = end["next"].as_str().map(str::to_owned);
        let followed = stack.follow(&answer).await;
        assert_eq!(next.is_some(), followed.is_some(), "the link and the last line say the same");
        let Some(next) = followed else { return found };
        answer = next;
    }
    panic!("the pages never end")
}

fn counts(lines: &[Value]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line["type"].as_str().unwrap()).or_default() += 1;
    }
    counts
}

/// A connection with tokens, as consenting leaves it.
async fn connect(stack: &Stack) {
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let connections = Connections::new(client, "afferent-connections".to_owned());
    let now = stack.simulation.clock.now();
    let connection = Connection {
        id: ConnectionId::derive(&["anna"]),
        user: stack.user.clone(),
        account: AccountKey {
            application: "simulatedclient".to_owned(),
            region: "eu".to_owned(),
            userid: "4711".to_owned(),
        },
        tz: None,
        connected: now,
        first_connected: now,
        state: State::Connected,
        scopes: Scopes::new(["user.metrics"]),
        subscriptions: Subscriptions::default(),
        followed_up: false,
    };
    let sealed = |text: &str| format!("sealed-{text}");
    let pair = Pair { access: sealed("access"), refresh: sealed("refresh"), expires: now, refreshed: now };
    connections.connect(&connection, "anna", &pair, true).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_export_has_all_that_is_held_but_tokens() {
    let stack = Stack::start().await;
    connect(&stack).await;
    let weights = stack.weigh_ten_times().await;
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let (now, dice) = (stack.simulation.clock.now(), &*stack.simulation.dice);
    let notifications = Notifications::new(client.clone(), "afferent-notifications".to_owned());
    let incoming = Incoming {
        id: NotificationId::draw(now, dice),
        received: now,
        body: "userid=4711&appli=1".to_owned(),
        appli: Some(1),
        userid: Some("4711".to_owned()),
    };
    notifications.accept(&incoming, Beginning::Quarantined(Quarantine::Disconnected)).await.unwrap();
    let drafts = weights.iter().map(|record| Draft::of_record(&serde_json::to_string(record).unwrap()).unwrap());
    let events = Events::new(client.clone(), "afferent-events".to_owned());
    let journalled = events.append(&stack.user, drafts.collect(), now, dice).await.unwrap();
    let deliveries = Deliveries::new(client, "afferent-deliveries".to_owned());
    let key = Key { event: journalled[0].event.clone(), endpoint: EndpointId::draw(now, dice) };
    let delivery = Delivery::new(key, stack.user.clone(), 1, journalled[0].event_type.clone(), now);
    deliveries.put_if_absent(&delivery).await.unwrap();

    let lines = all(&stack).await;
    let counts = counts(&lines);
    for (name, count) in
        [("user", 1), ("connection", 1), ("notification", 1), ("record", 10), ("event", 10), ("delivery", 1)]
    {
        assert_eq!(counts.get(name), Some(&count), "{name} of {counts:?}");
    }
    let text = serde_json::to_string(&lines).unwrap();
    assert!(!text.contains("sealed-"), "a token left");
    let of = |name: &str| lines.iter().find(|line| line["type"] == name).unwrap()["data"].clone();
    assert_eq!(of("user")["reference"], "anna");
    assert_eq!(of("connection")["scopes"], "user.metrics");
    assert_eq!(of("notification")["body"], "userid=4711&appli=1");
    assert_eq!(of("record"), serde_json::to_value(&weights[0]).unwrap());
    assert_eq!(of("event")["data"]["record"]["record"], json!(weights[0].record));
    assert_eq!(of("delivery")["state"], "queued");
    let retracted = lines.iter().filter(|line| line["data"]["status"] == "entered-in-error").count();
    assert_eq!(retracted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_large_export_comes_in_pages_with_every_record_once() {
    let stack = Stack::start().await;
    for number in 0..30 {
        let large = |fact: &mut afferent_domain::record::Fact| fact.source.comment = Some("\"".repeat(150_000));
        stack.put("ecg_signal", number, large).await;
    }
    let mut records: Vec<String> = Vec::new();
    for line in all(&stack).await {
        records.push(line["data"]["record"].as_str().unwrap().to_owned());
    }
    let count = records.len();
    records.sort_unstable();
    records.dedup();
    assert_eq!((count, records.len()), (30, 30));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_went_to_many_endpoints_has_all_of_its_deliveries() {
    let stack = Stack::start().await;
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let (now, dice) = (stack.simulation.clock.now(), &*stack.simulation.dice);
    let weight = stack.weigh(0, "80").await;
    let draft = Draft::of_record(&serde_json::to_string(&weight).unwrap()).unwrap();
    let events = Events::new(client.clone(), "afferent-events".to_owned());
    let journalled = events.append(&stack.user, vec![draft], now, dice).await.unwrap();
    let deliveries = Deliveries::new(client, "afferent-deliveries".to_owned());
    for _ in 0..210 {
        let key = Key { event: journalled[0].event.clone(), endpoint: EndpointId::draw(now, dice) };
        let delivery = Delivery::new(key, stack.user.clone(), 1, journalled[0].event_type.clone(), now);
        deliveries.put_if_absent(&delivery).await.unwrap();
    }
    assert_eq!(counts(&all(&stack).await).get("delivery"), Some(&210));
}

#[tokio::test(start_paused = true)]
async fn large_events_come_in_pages_too() {
    let stack = Stack::start().await;
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let (now, dice) = (stack.simulation.clock.now(), &*stack.simulation.dice);
    let events = Events::new(client, "afferent-events".to_owned());
    for number in 0..12 {
        let long = |fact: &mut afferent_domain::record::Fact| fact.source.comment = Some("\"".repeat(150_000));
        let record = stack.put("ecg_signal", number, long).await;
        let draft = Draft::of_record(&serde_json::to_string(&record).unwrap()).unwrap();
        events.append(&stack.user, vec![draft], now, dice).await.unwrap();
    }
    let lines = all(&stack).await;
    assert_eq!((counts(&lines).get("record"), counts(&lines).get("event")), (Some(&12), Some(&12)));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_not_found_and_another_cursor_is_none() {
    let stack = Stack::start().await;
    assert_eq!(stack.get("export").await.status, lambda_http::http::StatusCode::NOT_FOUND);
    stack.register().await;
    assert_eq!(counts(&all(&stack).await), [("user", 1)].into());
    assert_eq!(stack.refused("export?cursor=x").await, "cursor");
    assert_eq!(stack.refused("export?limit=5").await, "limit");
}
