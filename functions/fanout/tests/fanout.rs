//! Fan-out on the simulated stack: real SDK, virtual time, the real stream.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::time::Duration;

use afferent_domain::delivery::{Key, Place, State};
use afferent_domain::endpoint::{Backfill, Cause, Destination, Endpoint, EndpointUrl, Standing};
use afferent_domain::filter::{Pattern, Users};
use afferent_domain::id::{EndpointId, EventId, UserId};
use afferent_domain::notice::{Notice, Subject};
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

    async fn endpoint(&self, id: &str, types: &str, users: Users) {
        self.put(Endpoint { types: vec![Pattern::parse(types).unwrap()], users, ..self.plain(id) }).await;
    }

    /// An endpoint that gets everything.
    fn plain(&self, id: &str) -> Endpoint {
        let url = EndpointUrl::parse("https://receiver.example/").unwrap();
        Endpoint::new(EndpointId::from(id), Destination::Http { url }, self.simulation.clock.now())
    }

    async fn put(&self, endpoint: Endpoint) {
        assert!(self.endpoints.put(&endpoint, None).await.unwrap());
    }

    /// Which endpoints have a delivery of an event.
    async fn who_gets(&self, event: &EventId) -> Vec<String> {
        let deliveries = self.deliveries.of_event(event).await.unwrap();
        let mut ids: Vec<String> = deliveries.into_iter().map(|one| one.key.endpoint.to_string()).collect();
        ids.sort();
        ids
    }

    async fn event(&self, user: &str, sequence: u64) -> EventId {
        self.events.get(&UserId::from(user), sequence).await.unwrap().unwrap().id
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

fn only(users: &[&str]) -> Users {
    Users::only(users.iter().map(|user| UserId::from(*user))).unwrap()
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
    stack.endpoint("ep_all", "*", Users::All).await;
    stack.endpoint("ep_deleted", "*.deleted", Users::All).await;
    stack.endpoint("ep_anna", "body_weight.*", only(&["usr_a"])).await;
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
    stack.endpoint("ep_all", "*", Users::All).await;
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
    stack.endpoint("ep_all", "*", Users::All).await;
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
    stack.endpoint("ep_all", "*", Users::All).await;
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

#[tokio::test(start_paused = true)]
async fn an_endpoint_gets_the_events_of_the_users_that_it_names_and_of_no_others() {
    let stack = Stack::start().await;
    stack.endpoint("ep_all", "*", Users::All).await;
    stack.endpoint("ep_anna", "*", only(&["usr_a"])).await;
    stack.endpoint("ep_both", "body_weight.created", only(&["usr_a", "usr_b"])).await;
    let batch = vec![
        modify(1, "usr_a", "rec_1", 1),
        modify(2, "usr_b", "rec_2", 1),
        modify(3, "usr_c", "rec_3", 1),
        modify(4, "usr_b", "rec_2", 2),
    ];
    assert_eq!(stack.handle(batch).await, None);
    assert_eq!(stack.who_gets(&stack.event("usr_a", 1).await).await, ["ep_all", "ep_anna", "ep_both"]);
    assert_eq!(stack.who_gets(&stack.event("usr_b", 1).await).await, ["ep_all", "ep_both"]);
    assert_eq!(stack.who_gets(&stack.event("usr_b", 2).await).await, ["ep_all"], "an update is not what it wants");
    assert_eq!(stack.who_gets(&stack.event("usr_c", 1).await).await, ["ep_all"]);
    assert_eq!(stack.messages(), 7);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_found_by_several_of_a_batch_gets_one_delivery_of_each_event() {
    let stack = Stack::start().await;
    let users: Vec<String> = (0..20).map(|number| format!("usr_{number}")).collect();
    let named: Vec<&str> = users.iter().map(String::as_str).collect();
    stack.endpoint("ep_many", "*", only(&named)).await;
    let batch = (1..).zip(&users).map(|(number, user)| modify(number, user, "rec_1", 1)).collect();
    assert_eq!(stack.handle(batch).await, None);
    assert_eq!(stack.messages(), 20);
}

#[tokio::test(start_paused = true)]
async fn of_a_backfill_an_endpoint_gets_what_it_chose_and_of_what_is_live_all() {
    let stack = Stack::start().await;
    for (id, backfill) in
        [("ep_events", Backfill::Events), ("ep_marker", Backfill::Marker), ("ep_none", Backfill::None)]
    {
        stack.put(Endpoint { backfill, ..stack.plain(id) }).await;
    }
    let backfilled = record("usr_a", "rec_1", 1).replace(r#""live""#, r#""backfill""#);
    let run = record("usr_a", "rec_2", 1).replace("body_weight", "backfill");
    let batch = vec![
        change(1, "INSERT", &backfilled),
        change(2, "INSERT", &run),
        change(3, "INSERT", &record("usr_a", "rec_3", 1)),
    ];
    assert_eq!(stack.handle(batch).await, None);
    assert_eq!(stack.who_gets(&stack.event("usr_a", 1).await).await, ["ep_events"]);
    assert_eq!(stack.who_gets(&stack.event("usr_a", 2).await).await, ["ep_events", "ep_marker"]);
    assert_eq!(stack.who_gets(&stack.event("usr_a", 3).await).await, ["ep_events", "ep_marker", "ep_none"]);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_endpoint_gets_nothing() {
    let stack = Stack::start().await;
    stack.endpoint("ep_all", "*", Users::All).await;
    let since_ms = stack.simulation.clock.now();
    let standing = Standing::Disabled { cause: Cause::Owner, note: None, since_ms };
    stack.put(Endpoint { standing: standing.clone(), ..stack.plain("ep_off") }).await;
    stack.put(Endpoint { standing, users: only(&["usr_a"]), ..stack.plain("ep_off_too") }).await;
    assert_eq!(stack.handle(vec![modify(1, "usr_a", "rec_1", 1)]).await, None);
    assert_eq!(stack.who_gets(&stack.event("usr_a", 1).await).await, ["ep_all"]);
}

#[tokio::test(start_paused = true)]
async fn a_notice_goes_to_every_endpoint_but_the_one_that_it_tells_of() {
    let stack = Stack::start().await;
    stack.endpoint("ep_all", "*", Users::All).await;
    stack.endpoint("ep_anna", "*", only(&["usr_a"])).await;
    stack.endpoint("ep_weights", "body_weight.*", Users::All).await;
    stack.endpoint("ep_notices", "endpoint.*", Users::All).await;
    let failing = stack.plain("ep_failing");
    stack.put(failing.clone()).await;
    let environment = stack.simulation.template.function("fanout").unwrap().environment.clone();
    let config = afferent_outbox::Config::from_env(&Env::of(environment)).unwrap();
    let outbox = afferent_outbox::Outbox::new(config, &stack.simulation.rim);
    let health = afferent_domain::health::Health::default();
    let now = stack.simulation.clock.now();
    let draft = Notice::Warning { number: 1, row: now }.event(&Subject::new(&failing, &health), now);
    let keys = outbox.commit_app(vec![draft.clone()], None).await.unwrap();
    assert_eq!(keys.len(), 2);
    let event = stack.event("_app", 1).await;
    assert_eq!(stack.who_gets(&event).await, ["ep_all", "ep_notices"]);
    // The same notice again is the same event and the same deliveries.
    assert_eq!(outbox.commit_app(vec![draft], None).await.unwrap().len(), 2);
    assert_eq!(stack.events.head(&UserId::app()).await.unwrap().unwrap().last, 1);
}
