//! The keeper on the simulated stack: what happens although no message says so.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::delivery::{Delivery, Key, Place, State};
use afferent_domain::endpoint::{Endpoint, EndpointUrl, Standing};
use afferent_domain::filter::{Pattern, Scope};
use afferent_domain::id::{ConnectionId, EndpointId, EventId, NotificationId, RecordId, UserId};
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::record::change_bucket;
use afferent_domain::schedule::RetryPolicy;
use afferent_domain::service::Service;
use afferent_function::Env;
use afferent_local::dynamodb::Fault;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_queue::{Pull, Wake};
use afferent_store::connections::Connections;
use afferent_store::deliveries::{Claim, Deliveries};
use afferent_store::endpoints::Endpoints;
use afferent_store::events::Events;
use afferent_store::item::{Item, from_json, n, s};
use afferent_store::notifications::{Awaited, Beginning, Incoming, Notifications};
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
        self.queued_for("evt_1").await
    }

    async fn queued_for(&self, event: &str) -> Key {
        let key = key(event);
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

    async fn put_record(&self, user: &str, id: &str, changed_before: Duration) {
        let changed = self.simulation.clock.now() - changed_before;
        let bucket = change_bucket(changed, &UserId::from(user));
        let json = format!(
            r#"{{"user":"{user}","record":"{id}","rev":1,"status":"final","kind":"body_weight","connection":"con_1",
                "synckind":"live","changed_ms":{},"change_bucket":"{bucket}","value":81.25}}"#,
            changed.as_millis()
        );
        let item = from_json(&json).unwrap();
        let client = afferent_store::client(&self.simulation.rim.aws);
        client.put_item().table_name("afferent-records").set_item(Some(item)).send().await.unwrap();
    }

    /// Writes an item that only its keys make one of `table`.
    async fn put_broken(&self, table: &str, item: Item) {
        let client = afferent_store::client(&self.simulation.rim.aws);
        client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }

    /// The events of the deliveries that have a message.
    fn announced(&self) -> BTreeSet<String> {
        let messages = self.simulation.sqs.messages("afferent-deliveries", 1_000).unwrap();
        let read = |body: &str| afferent_queue::Delivery::from_body(body).unwrap().event.to_string();
        messages.iter().map(|message| read(&message.body)).collect()
    }

    fn messages(&self, queue: &str) -> usize {
        self.simulation.sqs.messages(queue, 1_000).unwrap().len()
    }
}

fn key(event: &str) -> Key {
    Key { event: EventId::from(event), endpoint: EndpointId::from("ep_1") }
}

/// An event whose delivery is in the same shard of the due index as `event`'s, or in another one.
fn event_beside(event: &str, same: bool) -> String {
    let shard = key(event).due_shard();
    (2..).map(|number| format!("evt_{number}")).find(|other| (key(other).due_shard() == shard) == same).unwrap()
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
    stack.put_broken("afferent-deliveries", item.clone()).await;
    pass(120).await;
    assert_eq!(stack.minute().await["deliveries"], 2, "an attribute is missing");
    assert_eq!(stack.announced(), [beside, elsewhere].into());

    item.insert("state".to_owned(), s("of a later version"));
    stack.put_broken("afferent-deliveries", item).await;
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
async fn items_that_cannot_be_read_stop_no_other_record_and_no_other_user_from_being_swept() {
    let stack = Stack::start().await;
    let hour = Duration::from_secs(3600);
    stack.put_record("usr_0", "rec_0", hour).await;
    stack.put_record("usr_1", "rec_1", hour).await;
    // A record without a revision, in usr_1's bucket, and a journal of usr_0 whose head tells no number.
    let changed = stack.simulation.clock.now() - hour;
    let bucket = s(change_bucket(changed, &UserId::from("usr_1")));
    let (user, changed) = (s("usr_1"), n(changed.as_millis()));
    let record = [("user", user), ("record", s("rec_x")), ("change_bucket", bucket), ("changed_ms", changed)];
    stack.put_broken("afferent-records", record.map(|(name, value)| (name.to_owned(), value)).into()).await;
    let head = [("journal".to_owned(), s("usr_0")), ("sequence".to_owned(), n(0))];
    stack.put_broken("afferent-events", head.into()).await;
    let sweep = stack.daily().await["sweep"].clone();
    assert_eq!(sweep, json!({"compared": 2, "missing": 2, "unfit": 0, "complete": true}));
    assert!(stack.events.get(&UserId::from("usr_1"), 1).await.unwrap().is_some());
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
    stack.put_record("usr_1", "rec_1", Duration::from_secs(25 * 3600)).await;
    stack.put_record("usr_1", "rec_2", Duration::from_secs(3600)).await;
    stack.put_record("usr_1", "rec_fresh", Duration::from_secs(60)).await;
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
    let entry = Entry { cause: Cause::Notification(NotificationId::from("ntf_1")), received: now, window: None };
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
    let records = [RecordId::from("rec_1")];
    let awaited = [Awaited { connection: ConnectionId::from("con_1"), service: Service::Getmeas }];
    let (recorded, waiting) = (Beginning::Recorded(&records), Beginning::Waiting(&awaited));
    for (number, beginning) in [recorded, recorded, waiting].into_iter().enumerate() {
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
