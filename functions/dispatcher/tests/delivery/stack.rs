//! The dispatcher alone, with a receiver, and no keeper: a test sends each message itself.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, Key, State, Waiting};
use afferent_domain::endpoint::{Destination, Endpoint, EndpointUrl};
use afferent_domain::event::Draft;
use afferent_domain::health::Health;
use afferent_domain::id::{EndpointId, UserId};
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_local::network::{Receiver, Seen};
use afferent_local::{Functions, Setup, Simulation, Ticks};
use afferent_secrets::{Sealer, sealer};
use afferent_store::deliveries::{Attempt, Deliveries};
use afferent_store::endpoints::{Endpoints, SealedSecret};
use afferent_store::events::Events;
use aws_lambda_events::sqs::SqsEvent;
use serde_json::json;

pub const HOST: &str = "receiver.example";

pub struct Stack {
    pub simulation: Simulation,
    pub events: Events,
    pub deliveries: Deliveries,
    pub endpoints: Endpoints,
    pub sealer: Sealer,
    pub secret: SigningSecret,
    pub receiver: Receiver,
}

/// The endpoint that every stack has.
pub fn ep_1() -> EndpointId {
    EndpointId::from("ep_1")
}

pub async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

pub async fn pass_ms(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

pub fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.request.headers()[name].to_str().unwrap()
}

/// A batch of one message, as Lambda gives it to the function.
pub fn batch_of(key: &Key) -> SqsEvent {
    let body = afferent_queue::Delivery { event: key.event.clone(), endpoint: key.endpoint.clone() }.to_body();
    serde_json::from_value(json!({"Records": [{
        "messageId": "m1", "receiptHandle": "r1", "body": body, "attributes": {}, "messageAttributes": {}}]}))
    .unwrap()
}

impl Stack {
    /// With one endpoint `ep_1` at a receiver that answers 200.
    pub async fn start() -> Self {
        Self::of(Setup::default()).await
    }

    /// The same, where a parameter of the template has this value.
    pub async fn set(name: &str, value: &str) -> Self {
        let parameters = [(name.to_owned(), value.to_owned())].into();
        Self::of(Setup { parameters, ..Setup::default() }).await
    }

    pub async fn of(setup: Setup) -> Self {
        let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..setup }).await.unwrap();
        let functions = Functions::start(&simulation.template, &simulation.rim).await.unwrap();
        let function = simulation.template.function("dispatcher").unwrap().clone();
        simulation.set("dispatcher", functions.handler(&function.name).unwrap());
        simulation.resume("dispatcher");
        let client = afferent_store::client(&simulation.rim.aws);
        let stack = Self {
            events: Events::new(client.clone(), "afferent-events".to_owned()),
            deliveries: Deliveries::new(client.clone(), "afferent-deliveries".to_owned()),
            endpoints: Endpoints::new(client, "afferent-endpoints".to_owned()),
            sealer: sealer(&simulation.rim.aws, &function.environment["SEAL_ENDPOINTS_SECRET_ARN"]).await.unwrap(),
            secret: SigningSecret::draw(simulation.dice.as_ref()),
            receiver: Receiver::new(Arc::clone(&simulation.clock)),
            simulation,
        };
        stack.simulation.network.put(HOST, Arc::new(stack.receiver.clone()));
        stack.endpoint("ep_1", |_| {}).await;
        stack
    }

    pub fn now(&self) -> Timestamp {
        self.simulation.clock.now()
    }

    /// Registers an endpoint at the receiver, made otherwise by `change`.
    pub async fn endpoint(&self, id: &str, change: impl FnOnce(&mut Endpoint)) {
        let url = EndpointUrl::parse(&format!("https://{HOST}/hook")).unwrap();
        let mut endpoint = Endpoint::new(EndpointId::from(id), Destination::Http { url }, self.now());
        change(&mut endpoint);
        assert!(self.endpoints.put(&endpoint, None).await.unwrap());
        self.add_secret(id, 1, &self.secret, None).await;
    }

    /// Changes an endpoint that is there.
    pub async fn change(&self, id: &str, change: impl FnOnce(&mut Endpoint)) {
        let was = self.endpoints.get(&EndpointId::from(id)).await.unwrap().unwrap();
        let mut endpoint = was.clone();
        change(&mut endpoint);
        assert!(self.endpoints.put(&endpoint, Some(&was)).await.unwrap());
    }

    pub fn seal(&self, id: &str, text: String) -> String {
        self.sealer.seal(id, &Secret::new(text), self.simulation.dice.as_ref()).unwrap().0
    }

    pub async fn add_secret(&self, id: &str, number: u16, secret: &SigningSecret, until: Option<Timestamp>) {
        let sealed = self.seal(id, secret.reveal());
        let secret = SealedSecret { number, sealed, created: self.now(), until };
        assert!(self.endpoints.add_secret(&EndpointId::from(id), &secret).await.unwrap());
    }

    /// Journals an event about `record` and stores its delivery to `endpoint`; sends nothing.
    pub async fn store(&self, record: &str, endpoint: &str) -> Key {
        self.store_at(record, endpoint, self.now()).await
    }

    /// The same, as if it had been made at `at`.
    pub async fn store_at(&self, record: &str, endpoint: &str, at: Timestamp) -> Key {
        let draft = Draft::of_record(&format!(
            r#"{{"user":"usr_1","record":"{record}","rev":1,"status":"final","kind":"body_weight",
                "connection":"con_1","synckind":"live","changed_ms":{},"value":81.25}}"#,
            at.as_millis()
        ))
        .unwrap();
        let user = UserId::from("usr_1");
        let dice = self.simulation.dice.as_ref();
        let event = self.events.append(&user, vec![draft], at, dice).await.unwrap().remove(0);
        let key = Key { event: event.event, endpoint: EndpointId::from(endpoint) };
        let delivery = Delivery::new(key.clone(), user, event.sequence, event.event_type, at);
        assert!(self.deliveries.put_if_absent(&delivery).await.unwrap());
        key
    }

    /// Stores a delivery to `ep_1` and sends its message.
    pub async fn deliver(&self, record: &str) -> Key {
        let key = self.store(record, "ep_1").await;
        self.send(&key);
        key
    }

    /// Stores so many deliveries to an endpoint and sends their messages at one moment.
    pub async fn crowd(&self, count: usize, endpoint: &str) -> Vec<Key> {
        let mut keys = Vec::new();
        for number in 0..count {
            keys.push(self.store(&format!("rec_{endpoint}_{number}"), endpoint).await);
        }
        keys.iter().for_each(|key| self.send(key));
        keys
    }

    pub fn send(&self, key: &Key) {
        let message = afferent_queue::Delivery { event: key.event.clone(), endpoint: key.endpoint.clone() };
        self.send_text(message.to_body());
    }

    pub fn send_text(&self, body: String) {
        let draft = local_sqs::Draft { body, group: Some("ep_1".to_owned()), ..local_sqs::Draft::default() };
        self.simulation.sqs.send("afferent-deliveries", draft).unwrap();
    }

    pub async fn delivery(&self, key: &Key) -> Delivery {
        self.deliveries.get(key).await.unwrap().unwrap()
    }

    pub async fn waiting(&self, key: &Key) -> Waiting {
        match self.delivery(key).await.state {
            State::Waiting(waiting) => waiting,
            State::Ended { end, reason, .. } => panic!("it has ended: {end:?}, {reason}"),
        }
    }

    pub async fn end(&self, key: &Key) -> (End, String) {
        match self.delivery(key).await.state {
            State::Ended { end, reason, .. } => (end, reason),
            State::Waiting(waiting) => panic!("it has not ended: {waiting:?}"),
        }
    }

    pub async fn attempts(&self, key: &Key) -> Vec<Attempt> {
        self.deliveries.attempts(key).await.unwrap().into_iter().map(|(_, attempt)| attempt).collect()
    }

    pub async fn health(&self) -> Health {
        self.endpoints.whole(&ep_1()).await.unwrap().unwrap().health
    }

    /// The deliveries that the breaker of `ep_1` keeps back.
    pub async fn kept_back(&self) -> usize {
        let ever = self.now() + Duration::from_secs(365 * 24 * 3600);
        self.deliveries.kept_back(&ep_1(), ever, 1_000).await.unwrap().len()
    }

    pub fn requests(&self) -> usize {
        self.receiver.seen().len()
    }

    /// Messages on the queue, whether visible or not, and in its dead-letter queue.
    pub fn left(&self) -> (usize, usize) {
        let count = |name: &str| self.simulation.sqs.messages(name, 1_000).unwrap().len();
        (count("afferent-deliveries"), count("afferent-deliveries-dead"))
    }
}
