//! Fan-out on the simulated stack: real SDK, virtual time, the real stream.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::time::Duration;

use afferent_domain::delivery::{Key, Place, State};
use afferent_domain::endpoint::{Endpoint, EndpointUrl, Standing};
use afferent_domain::filter::{Pattern, Scope};
use afferent_domain::id::{EndpointId, UserId};
use afferent_domain::schedule::RetryPolicy;
use afferent_function::Env;
use afferent_local::dynamodb::Fault;
use afferent_local::{Functions, Setup, Simulation, Ticks};
use afferent_store::deliveries::Deliveries;
use afferent_store::endpoints::Endpoints;
use afferent_store::events::{After, Events};
use afferent_store::item::{Item, from_json};
use aws_lambda_events::dynamodb::Event;
use fanout::Fanout;
use serde_json::{Value, json};

struct Stack {
    simulation: Simulation,
    fanout: Fanout,
    events: Events,
    deliveries: Deliveries,
    endpoints: Endpoints,
}

impl Stack {
    async fn start() -> Self {
        let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
        let environment = simulation.template.function("fanout").unwrap().environment.clone();
        let client = afferent_store::client(&simulation.rim.aws);
        Self {
            fanout: Fanout::start(&Env::of(environment), &simulation.rim).await.unwrap(),
            events: Events::new(client.clone(), "afferent-events".to_owned()),
            deliveries: Deliveries::new(client.clone(), "afferent-deliveries".to_owned()),
            endpoints: Endpoints::new(client, "afferent-endpoints".to_owned()),
            simulation,
        }
    }

    async fn endpoint(&self, id: &str, types: &str, scope: Scope) {
        let endpoint = Endpoint {
            endpoint: EndpointId::from(id),
            url: EndpointUrl::parse("https://receiver.example/").unwrap(),
            types: vec![Pattern::parse(types).unwrap()],
            scope,
            policy: RetryPolicy::Withings,
            description: None,
            created_ms: self.simulation.clock.now(),
            standing: Standing::Enabled,
        };
        self.endpoints.put(&endpoint).await.unwrap();
    }

    /// Hands a batch to the function; the sequence number that it wants to start again from.
    async fn handle(&self, records: Vec<Value>) -> Option<String> {
        let event: Event = serde_json::from_value(json!({"Records": records})).unwrap();
        let response = self.fanout.handle(event).await.unwrap();
        assert!(response.batch_item_failures.len() <= 1);
        response.batch_item_failures.into_iter().next().and_then(|failure| failure.item_identifier)
    }

    async fn journal(&self, user: &str) -> Vec<(String, u32)> {
        match self.events.after(&UserId::from(user), 0, 100).await.unwrap() {
            After::Events(events) => {
                events.into_iter().map(|event| (event.record.as_str().to_owned(), event.rev)).collect()
            }
            After::Gone { .. } => panic!("nothing expires here"),
        }
    }

    fn messages(&self) -> usize {
        self.simulation.sqs.messages("afferent-deliveries", 1_000).unwrap().len()
    }
}

fn record(user: &str, record: &str, rev: u32) -> String {
    format!(
        r#"{{"user":"{user}","record":"{record}","rev":{rev},"status":"final","kind":"body_weight",
            "connection":"con_1","synckind":"live","changed_ms":1795244591412,"value":81.25}}"#
    )
}

fn change(number: u32, name: &str, json: &str) -> Value {
    let item: Value = serde_json::from_str(json).unwrap();
    let image: serde_json::Map<String, Value> = item
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::Number(number) => json!({"N": number.to_string()}),
                other => json!({"S": other}),
            };
            (name.clone(), value)
        })
        .collect();
    json!({
        "awsRegion": "eu-west-1", "eventID": format!("e{number}"), "eventName": name,
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_244_591.0, "SequenceNumber": number.to_string(), "SizeBytes": 1,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            "Keys": {"user": image["user"], "record": image["record"]}, "NewImage": image
        }
    })
}

fn modify(number: u32, user: &str, id: &str, rev: u32) -> Value {
    change(number, "MODIFY", &record(user, id, rev))
}

#[tokio::test(start_paused = true)]
async fn each_change_becomes_one_event_and_one_delivery_for_each_endpoint_that_wants_it() {
    let stack = Stack::start().await;
    stack.endpoint("ep_all", "*", Scope::All).await;
    stack.endpoint("ep_deleted", "*.deleted", Scope::All).await;
    stack.endpoint("ep_anna", "body_weight.*", Scope::User(UserId::from("usr_a"))).await;
    let batch = vec![modify(1, "usr_a", "rec_1", 1), modify(2, "usr_b", "rec_2", 1), modify(3, "usr_a", "rec_1", 2)];
    assert_eq!(stack.handle(batch).await, None);
    assert_eq!(stack.journal("usr_a").await, [("rec_1".to_owned(), 1), ("rec_1".to_owned(), 2)]);
    assert_eq!(stack.journal("usr_b").await, [("rec_2".to_owned(), 1)]);
    let event = stack.events.get(&UserId::from("usr_b"), 1).await.unwrap().unwrap().id;
    let deliveries = stack.deliveries.of_event(&event).await.unwrap();
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0].key, Key { event, endpoint: EndpointId::from("ep_all") });
    assert!(matches!(deliveries[0].state, State::Waiting(waiting) if waiting.place == Place::Queued));
    assert_eq!(stack.messages(), 5, "three for everybody's endpoint, two for Anna's");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_comes_again_makes_no_second_event_and_announces_again_what_may_have_been_lost() {
    let stack = Stack::start().await;
    stack.endpoint("ep_all", "*", Scope::All).await;
    let batch = vec![modify(1, "usr_a", "rec_1", 1), modify(2, "usr_a", "rec_2", 1)];
    assert_eq!(stack.handle(batch.clone()).await, None);
    assert_eq!(stack.handle(batch).await, None);
    assert_eq!(stack.journal("usr_a").await.len(), 2);
    assert_eq!(stack.messages(), 4);
    let event = stack.events.get(&UserId::from("usr_a"), 1).await.unwrap().unwrap().id;
    assert_eq!(stack.deliveries.of_event(&event).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_can_never_become_an_event_is_noted_and_the_others_go_on() {
    let stack = Stack::start().await;
    let broken = record("usr_a", "rec_2", 1).replace(r#""status":"final""#, r#""status":"unheard of""#);
    let batch = vec![
        modify(1, "usr_a", "rec_1", 1),
        change(2, "INSERT", &broken),
        change(3, "REMOVE", &record("usr_a", "rec_1", 1)),
        modify(4, "usr_a", "rec_3", 1),
    ];
    assert_eq!(stack.handle(batch).await, None);
    assert_eq!(stack.journal("usr_a").await, [("rec_1".to_owned(), 1), ("rec_3".to_owned(), 1)]);
    let failures = stack.events.failures(10).await.unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].change.as_str(), failures[0].record.as_deref()), ("e2", Some("rec_2")));
}

#[tokio::test(start_paused = true)]
async fn infrastructure_that_fails_for_one_user_starts_the_batch_again_from_there_and_stops_no_other_user() {
    let stack = Stack::start().await;
    stack.endpoint("ep_all", "*", Scope::All).await;
    let batch = vec![modify(10, "usr_a", "rec_1", 1), modify(11, "usr_b", "rec_2", 1), modify(12, "usr_a", "rec_3", 1)];
    stack.simulation.dynamodb.faults().next(Fault::Failed, "TransactWriteItems", "usr_b", 4);
    assert_eq!(stack.handle(batch.clone()).await.as_deref(), Some("11"));
    assert_eq!((stack.journal("usr_a").await.len(), stack.journal("usr_b").await.len()), (2, 0));
    assert_eq!(stack.handle(batch[1..].to_vec()).await, None);
    assert_eq!(stack.journal("usr_b").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn messages_that_cannot_be_sent_bring_the_batch_again_with_everything_stored() {
    let stack = Stack::start().await;
    stack.endpoint("ep_all", "*", Scope::All).await;
    stack.simulation.sqs.out_of_reach(true);
    let batch = vec![modify(1, "usr_a", "rec_1", 1)];
    assert_eq!(stack.handle(batch.clone()).await.as_deref(), Some("1"));
    stack.simulation.sqs.heal();
    assert_eq!(stack.journal("usr_a").await.len(), 1);
    assert_eq!(stack.handle(batch).await, None);
    assert_eq!(stack.messages(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_decimals_of_a_record_travel_from_the_table_through_the_stream_into_the_body() {
    let stack = Stack::start().await;
    let functions = Functions::start(&stack.simulation.template, &stack.simulation.rim).await.unwrap();
    let name = &stack.simulation.template.function("fanout").unwrap().name;
    stack.simulation.set("fanout", functions.handler(name).unwrap());
    stack.simulation.resume("fanout");
    let json = record("usr_a", "rec_1", 1).replace("81.25", "12345678901234567890.123456789");
    let item: Item = from_json(&json).unwrap();
    let client = afferent_store::client(&stack.simulation.rim.aws);
    client.put_item().table_name("afferent-records").set_item(Some(item)).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let event = stack.events.get(&UserId::from("usr_a"), 1).await.unwrap().unwrap();
    assert!(event.body.contains(r#""value":12345678901234567890.123456789"#));
}
