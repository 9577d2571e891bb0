//! The keeper alone on a simulated stack, and hands to put things into its tables.

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, Key, LIFE, Place, State, Try, Waiting, WaitsFor};
use afferent_domain::endpoint::{Destination, Endpoint, EndpointUrl};
use afferent_domain::id::{EndpointId, EventId, UserId};
use afferent_domain::record::change_bucket;
use afferent_function::Env;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::Client;
use afferent_store::deliveries::{Claim, Deliveries, Rest};
use afferent_store::endpoints::Endpoints;
use afferent_store::events::Events;
use afferent_store::item::{Item, from_json, n, s};
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use keeper::Keeper;
use serde_json::{Value, json};

/// The endpoint that tests use who need one.
pub const ENDPOINT: &str = "ep_1";

pub struct Stack {
    pub simulation: Simulation,
    pub keeper: Keeper,
    pub events: Events,
    pub deliveries: Deliveries,
    pub endpoints: Endpoints,
    pub client: Client,
}

impl Stack {
    pub async fn start() -> Self {
        Self::of(Setup::default()).await
    }

    pub async fn of(setup: Setup) -> Self {
        let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..setup }).await.unwrap();
        let environment = simulation.template.function("keeper").unwrap().environment.clone();
        let client = afferent_store::client(&simulation.rim.aws);
        Self {
            keeper: Keeper::start(&Env::of(environment), &simulation.rim).await.unwrap(),
            events: Events::new(client.clone(), "afferent-events".to_owned()),
            deliveries: Deliveries::new(client.clone(), "afferent-deliveries".to_owned()),
            endpoints: Endpoints::new(client.clone(), "afferent-endpoints".to_owned()),
            client,
            simulation,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.simulation.clock.now()
    }

    pub async fn minute(&self) -> Value {
        self.keeper.handle(json!({"task": "minute"})).await.unwrap()
    }

    pub async fn daily(&self) -> Value {
        self.keeper.handle(json!({"task": "daily"})).await.unwrap()
    }

    /// An endpoint that wants everything, stored.
    pub async fn endpoint(&self) -> Endpoint {
        let url = EndpointUrl::parse("https://receiver.example/").unwrap();
        let endpoint = Endpoint::new(EndpointId::from(ENDPOINT), Destination::Http { url }, self.now());
        self.put_endpoint(&endpoint).await;
        endpoint
    }

    pub async fn put_endpoint(&self, endpoint: &Endpoint) {
        let was = self.endpoints.get(&endpoint.endpoint).await.unwrap();
        assert!(self.endpoints.put(endpoint, was.as_ref()).await.unwrap());
    }

    /// A delivery whose message was never sent.
    pub async fn queued(&self) -> Key {
        self.queued_for("evt_1").await
    }

    pub async fn queued_for(&self, event: &str) -> Key {
        let key = key(event);
        let delivery = Delivery::new(key.clone(), UserId::from("usr_1"), 1, "ecg.created".to_owned(), self.now());
        self.deliveries.put_if_absent(&delivery).await.unwrap();
        key
    }

    /// A delivery that is parked for so many seconds.
    pub async fn parked(&self, seconds: u64) -> Key {
        let key = self.queued().await;
        let next = self.now() + Duration::from_secs(seconds);
        self.rest(&key, next, None).await;
        key
    }

    /// Claims a delivery, as a dispatcher does, and has an open breaker keep it back for so long.
    pub async fn keep_back(&self, key: &Key, expires: Timestamp) {
        self.rest(key, self.now(), Some(expires)).await;
    }

    /// A delivery that an open breaker has just kept back.
    pub async fn put_kept_back(&self, key: &Key) {
        let mut item = item(key, "parked", self.now());
        item.insert("due_shard".to_owned(), s(format!("b#{}", key.endpoint)));
        item.insert("due_ms".to_owned(), n((self.now() + LIFE).as_millis()));
        self.put_item("afferent-deliveries", item).await;
    }

    async fn rest(&self, key: &Key, next: Timestamp, kept_back: Option<Timestamp>) {
        let Claim::Taken(claimed) = self.deliveries.claim(key, self.now()).await.unwrap() else { panic!("it is free") };
        let waits_for = if kept_back.is_some() { WaitsFor::Breaker } else { WaitsFor::Schedule };
        let (place, at, attempts) = (Place::Parked, Try::first(2), 2);
        let rest = Rest { place, at, next, waits_for, kept_back, attempts };
        self.deliveries.wait(&claimed, rest).await.unwrap();
    }

    /// As many deliveries that wait, or ended, made a second apart until now: `evt_00000` is the oldest. In batches, for
    /// there may be very many.
    pub async fn many(&self, count: usize, state: &str) -> Vec<Key> {
        self.many_called("evt", count, state).await
    }

    pub async fn many_called(&self, name: &str, count: usize, state: &str) -> Vec<Key> {
        let keys: Vec<Key> = (0..count).map(|number| key(&format!("{name}_{number:05}"))).collect();
        let first = self.now() - Duration::from_secs(count as u64);
        let item = |(place, key): (u64, &Key)| {
            let created = first + Duration::from_secs(place);
            let mut item = item(key, state, created);
            match state {
                "kept back" => {
                    item.insert("state".to_owned(), s("parked"));
                    item.insert("due_shard".to_owned(), s(format!("b#{}", key.endpoint)));
                    item.insert("due_ms".to_owned(), n((created + LIFE).as_millis()));
                }
                // Due long ago. What is leased is in somebody's hands, and all of it is in one shard.
                "due" | "leased" => {
                    let shard = if state == "due" { key.due_shard() } else { "00".to_owned() };
                    let lease = if state == "due" { 0 } else { (self.now() + LIFE).as_millis() };
                    item.insert("state".to_owned(), s(if state == "due" { "parked" } else { "queued" }));
                    item.insert("lease_ms".to_owned(), n(lease));
                    item.insert("due_shard".to_owned(), s(shard));
                    item.insert("due_ms".to_owned(), n((created - LIFE).as_millis()));
                }
                "queued" | "held" | "parked" => {
                    item.insert("due_shard".to_owned(), s(key.due_shard()));
                    item.insert("due_ms".to_owned(), n((self.now() + LIFE).as_millis()));
                }
                _ => {
                    item.insert("reason".to_owned(), s("for a test"));
                    item.insert("ended_ms".to_owned(), n(created.as_millis()));
                }
            }
            item
        };
        let items: Vec<Item> = (0..).zip(&keys).map(item).collect();
        for items in items.chunks(25) {
            let put = |item: &Item| PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
            let writes = items.iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect();
            self.client.batch_write_item().request_items("afferent-deliveries", writes).send().await.unwrap();
        }
        keys
    }

    /// Makes a delivery older, and gives it another turn.
    pub async fn set_times(&self, key: &Key, since: Timestamp, due: Timestamp) {
        let update = self.client.update_item().table_name("afferent-deliveries").key("event", s(key.event.as_str()));
        let update =
            update.key("item", s(key.endpoint.as_str())).update_expression("SET since_ms = :since, due_ms = :due");
        let update = update.expression_attribute_values(":since", n(since.as_millis()));
        update.expression_attribute_values(":due", n(due.as_millis())).send().await.unwrap();
    }

    pub async fn state(&self, key: &Key) -> State {
        self.deliveries.get(key).await.unwrap().unwrap().state
    }

    pub async fn waiting(&self, key: &Key) -> Waiting {
        match self.state(key).await {
            State::Waiting(waiting) => waiting,
            ended @ State::Ended { .. } => panic!("it waits: {ended:?}"),
        }
    }

    pub async fn put_record(&self, user: &str, id: &str, changed_before: Duration) {
        let changed = self.now() - changed_before;
        let bucket = change_bucket(changed, &UserId::from(user));
        let json = format!(
            r#"{{"user":"{user}","record":"{id}","rev":1,"status":"final","kind":"body_weight","connection":"con_1",
                "synckind":"live","changed_ms":{},"change_bucket":"{bucket}","value":81.25}}"#,
            changed.as_millis()
        );
        self.put_item("afferent-records", from_json(&json).unwrap()).await;
    }

    pub async fn put_item(&self, table: &str, item: Item) {
        self.client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }

    /// The events of the deliveries that have a message.
    pub fn announced(&self) -> BTreeSet<String> {
        let messages = self.simulation.sqs.messages("afferent-deliveries", 100_000).unwrap();
        let read = |body: &str| afferent_queue::Delivery::from_body(body).unwrap().event.to_string();
        messages.iter().map(|message| read(&message.body)).collect()
    }

    pub fn messages(&self, queue: &str) -> usize {
        self.simulation.sqs.messages(queue, 100_000).unwrap().len()
    }

    /// How many messages for deliveries could be received now.
    pub fn visible(&self) -> usize {
        let queues = self.simulation.sqs.queues();
        queues.iter().find(|queue| queue.name == "afferent-deliveries").map_or(0, |queue| queue.visible)
    }
}

fn item(key: &Key, state: &str, created: Timestamp) -> Item {
    let created = || n(created.as_millis());
    Item::from([
        ("event".to_owned(), s(key.event.as_str())),
        ("item".to_owned(), s(key.endpoint.as_str())),
        ("endpoint".to_owned(), s(key.endpoint.as_str())),
        ("user".to_owned(), s("usr_1")),
        ("sequence".to_owned(), n(1)),
        ("type".to_owned(), s("ecg.created")),
        ("created_ms".to_owned(), created()),
        ("since_ms".to_owned(), created()),
        ("attempts".to_owned(), n(2)),
        ("claims".to_owned(), n(1)),
        ("state".to_owned(), s(state)),
        ("next_ms".to_owned(), created()),
        ("cycle".to_owned(), n(2)),
        ("try".to_owned(), n(1)),
        ("waits_for".to_owned(), s("schedule")),
        ("lease_ms".to_owned(), n(0)),
        ("wakes".to_owned(), n(0)),
    ])
}

pub fn key(event: &str) -> Key {
    Key { event: EventId::from(event), endpoint: EndpointId::from(ENDPOINT) }
}

/// An event whose delivery is in the same shard of the due index as `event`'s, or in another one.
pub fn event_beside(event: &str, same: bool) -> String {
    let shard = key(event).due_shard();
    (2..).map(|number| format!("evt_{number}")).find(|other| (key(other).due_shard() == shard) == same).unwrap()
}

pub async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
