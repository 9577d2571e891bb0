//! The keeper on the simulated stack: what happens although no message says so.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::time::Duration;

use afferent_domain::delivery::{Delivery, Key, Place, State};
use afferent_domain::endpoint::{Endpoint, EndpointUrl, Standing};
use afferent_domain::filter::{Pattern, Scope};
use afferent_domain::id::{ConnectionId, EndpointId, EventId, NotificationId, UserId};
use afferent_domain::mark::Entry;
use afferent_domain::record::change_bucket;
use afferent_domain::schedule::RetryPolicy;
use afferent_domain::service::Service;
use afferent_function::Env;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_queue::{Pull, Wake};
use afferent_store::connections::Connections;
use afferent_store::deliveries::{Claim, Deliveries};
use afferent_store::endpoints::Endpoints;
use afferent_store::events::Events;
use afferent_store::item::from_json;
use afferent_store::notifications::{Beginning, Incoming, Notifications};
use keeper::Keeper;
use serde_json::{Value, json};

struct Stack {
    simulation: Simulation,
    keeper: Keeper,
    events: Events,
    deliveries: Deliveries,
    endpoints: Endpoints,
}

impl Stack {
    async fn start() -> Self {
        let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
        let environment = simulation.template.function("keeper").unwrap().environment.clone();
        let client = afferent_store::client(&simulation.rim.aws);
        Self {
            keeper: Keeper::start(&Env::of(environment), &simulation.rim).await.unwrap(),
            events: Events::new(client.clone(), "afferent-events".to_owned()),
            deliveries: Deliveries::new(client.clone(), "afferent-deliveries".to_owned()),
            endpoints: Endpoints::new(client, "afferent-endpoints".to_owned()),
            simulation,
        }
    }

    async fn minute(&self) -> Value {
        self.keeper.handle(json!({"task": "minute"})).await.unwrap()
    }

    async fn daily(&self) -> Value {
        self.keeper.handle(json!({"task": "daily"})).await.unwrap()
    }

    /// A delivery whose message was never sent.
    async fn queued(&self) -> Key {
        let key = Key { event: EventId::from("evt_1"), endpoint: EndpointId::from("ep_1") };
        let now = self.simulation.clock.now();
        let delivery = Delivery::new(key.clone(), UserId::from("usr_1"), 1, "ecg.created".to_owned(), now);
        self.deliveries.put_if_absent(&delivery).await.unwrap();
        key
    }

    /// A delivery that is parked for so many seconds.
    async fn parked(&self, seconds: u64) -> Key {
        let key = self.queued().await;
        let now = self.simulation.clock.now();
        let Claim::Taken(claimed) = self.deliveries.claim(&key, now).await.unwrap() else { panic!("it is free") };
        self.deliveries.wait(&claimed, Place::Parked, 2, now + Duration::from_secs(seconds), 2).await.unwrap();
        key
    }

    async fn put_record(&self, id: &str, changed_before: Duration) {
        let changed = self.simulation.clock.now() - changed_before;
        let bucket = change_bucket(changed, &UserId::from("usr_1"));
        let json = format!(
            r#"{{"user":"usr_1","record":"{id}","rev":1,"status":"final","kind":"body_weight","connection":"con_1",
                "synckind":"live","changed_ms":{},"change_bucket":"{bucket}","value":81.25}}"#,
            changed.as_millis()
        );
        let item = from_json(&json).unwrap();
        let client = afferent_store::client(&self.simulation.rim.aws);
        client.put_item().table_name("afferent-records").set_item(Some(item)).send().await.unwrap();
    }

    fn messages(&self, queue: &str) -> usize {
        self.simulation.sqs.messages(queue, 1_000).unwrap().len()
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_delivery_gets_a_message_that_becomes_visible_when_it_falls_due() {
    let stack = Stack::start().await;
    let key = stack.parked(300).await;
    let due = stack.simulation.clock.now() + Duration::from_secs(300);
    assert_eq!(stack.minute().await["deliveries"], 0, "it is five minutes away");
    pass(240).await;
    assert_eq!(stack.minute().await["deliveries"], 1);
    let visible = stack.simulation.sqs.next_visible_at("afferent-deliveries").unwrap().unwrap();
    assert!(visible >= due && visible.since(due) <= Duration::from_secs(1), "{visible:?} for {due:?}");
    let State::Waiting(waiting) = stack.deliveries.get(&key).await.unwrap().unwrap().state else { panic!("it waits") };
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
    stack.simulation.dynamodb.faults().next(afferent_local::dynamodb::Fault::Failed, "UpdateItem", "due_ms", 4);
    assert!(stack.keeper.handle(json!({"task": "minute"})).await.is_err());
    assert_eq!(stack.minute().await["deliveries"], 1);
    assert_eq!(stack.messages("afferent-deliveries"), 2);
    assert_eq!(stack.deliveries.get(&key).await.unwrap().unwrap().claims, 1);
}

#[tokio::test(start_paused = true)]
async fn changes_that_the_stream_lost_get_their_event_their_delivery_and_their_message_from_the_sweep() {
    let stack = Stack::start().await;
    let endpoint = Endpoint {
        endpoint: EndpointId::from("ep_1"),
        url: EndpointUrl::parse("https://receiver.example/").unwrap(),
        types: vec![Pattern::every()],
        scope: Scope::All,
        policy: RetryPolicy::Withings,
        description: None,
        created_ms: stack.simulation.clock.now(),
        standing: Standing::Enabled,
    };
    stack.endpoints.put(&endpoint).await.unwrap();
    stack.put_record("rec_1", Duration::from_secs(25 * 3600)).await;
    stack.put_record("rec_2", Duration::from_secs(3600)).await;
    stack.put_record("rec_fresh", Duration::from_secs(60)).await;
    let sweep = stack.daily().await["sweep"].clone();
    assert_eq!(sweep, json!({"compared": 2, "missing": 2, "unfit": 0, "complete": true}));
    assert_eq!(stack.messages("afferent-deliveries"), 2);
    let event = stack.events.get(&UserId::from("usr_1"), 1).await.unwrap().unwrap();
    assert_eq!(stack.deliveries.of_event(&event.id).await.unwrap().len(), 1);
    assert!(event.body.contains(r#""value":81.25"#));

    assert_eq!(stack.daily().await["sweep"]["missing"], 0);
    assert_eq!(stack.messages("afferent-deliveries"), 2, "what has its event is left alone");
}

#[tokio::test(start_paused = true)]
async fn a_pull_whose_mark_is_due_gets_a_message_and_is_then_left_alone_for_a_while() {
    let stack = Stack::start().await;
    let now = stack.simulation.clock.now();
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let connections = Connections::new(client, "afferent-connections".to_owned());
    let entry = Entry { notification: NotificationId::from("ntf_1"), received: now, window: None };
    let (connection, due) = (ConnectionId::from("con_1"), now + Duration::from_secs(60));
    connections.mark(&connection, Service::Getmeas, &entry, due).await.unwrap();
    assert_eq!(stack.minute().await["pulls"], 0);
    pass(60).await;
    assert_eq!(stack.minute().await["pulls"], 1);
    let message = stack.simulation.sqs.messages("afferent-pulls", 10).unwrap().remove(0);
    let wake = Pull::Wake(Wake { connection, service: "getmeas".to_owned() });
    assert_eq!(Pull::from_body(&message.body), Ok(wake));
    pass(60).await;
    assert_eq!(stack.minute().await["pulls"], 0);
    pass(300).await;
    assert_eq!(stack.minute().await["pulls"], 1, "nobody came for it");
}

#[tokio::test(start_paused = true)]
async fn the_daily_count_tells_where_yesterdays_notifications_stand() {
    let stack = Stack::start().await;
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let notifications = Notifications::new(client, "afferent-notifications".to_owned());
    for (number, beginning) in
        [Beginning::Recorded, Beginning::Recorded, Beginning::Waiting(&[Service::Getmeas])].into_iter().enumerate()
    {
        let incoming = Incoming {
            id: NotificationId::from(format!("ntf_{number}")),
            received: stack.simulation.clock.now() - Duration::from_secs(24 * 3600),
            body: String::new(),
            appli: None,
            userid: None,
        };
        notifications.accept(&incoming, beginning).await.unwrap();
    }
    let counts = stack.daily().await["notifications"].clone();
    assert_eq!((&counts["accepted"], &counts["recorded"], &counts["waiting"]), (&json!(3), &json!(2), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_knows_is_refused() {
    let stack = Stack::start().await;
    assert!(stack.keeper.handle(json!({"task": "yearly"})).await.is_err());
}
