//! Many endpoints on one stack, and records that come without Withings.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::Delivery;
use afferent_domain::endpoint::{Destination, Endpoint, EndpointUrl};
use afferent_domain::filter::Pattern;
use afferent_domain::id::{ConnectionId, EndpointId, EventId, RecordId, UserId};
use afferent_domain::record::{Category, Change, Fact, Source, SyncKind, revise};
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_local::network::{Receiver, Reply};
use afferent_local::{Setup, Simulation};
use afferent_secrets::{Sealer, sealer};
use afferent_store::deliveries::Deliveries;
use afferent_store::endpoints::{Endpoints, SealedSecret};
use afferent_store::events::Events;
use afferent_store::records::Records;

/// A stack, and endpoints that get every record.
pub struct Fleet {
    /// The stack.
    pub stack: Simulation,
    /// The table `events`.
    pub events: Events,
    /// The table `deliveries`.
    pub deliveries: Deliveries,
    /// The table `endpoints`.
    pub endpoints: Endpoints,
    records: Records,
    sealer: Sealer,
}

impl Fleet {
    /// A stack without endpoints.
    pub async fn start(setup: Setup) -> Self {
        let stack = Simulation::start(setup).await.unwrap();
        let client = afferent_store::client(&stack.rim.aws);
        let name = |what: &str| format!("{}-{what}", stack.template.place.stack);
        let arn = &stack.template.function("dispatcher").unwrap().environment["SEAL_ENDPOINTS_SECRET_ARN"];
        Self {
            events: Events::new(client.clone(), name("events")),
            deliveries: Deliveries::new(client.clone(), name("deliveries")),
            endpoints: Endpoints::new(client.clone(), name("endpoints")),
            records: Records::new(client, name("records")),
            sealer: sealer(&stack.rim.aws, arn).await.unwrap(),
            stack,
        }
    }

    /// Whose the records are.
    #[must_use]
    pub fn user() -> UserId {
        UserId::from("usr_1")
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.stack.clock.now()
    }

    /// The queue of deliveries.
    #[must_use]
    pub fn queue(&self) -> String {
        format!("{}-deliveries", self.stack.template.place.stack)
    }

    /// An endpoint with a receiver of its own that does `reply` to everything. It gets records and no notices, or each
    /// endpoint that fails would be told of the others.
    pub async fn endpoint(&self, id: &str, reply: Reply, change: impl FnOnce(&mut Endpoint)) -> Receiver {
        let receiver = Receiver::new(Arc::clone(&self.stack.clock));
        receiver.always(reply);
        let host = format!("{}.example", id.replace('_', "-"));
        self.stack.network.put(&host, Arc::new(receiver.clone()));
        let url = EndpointUrl::parse(&format!("https://{host}/hook")).unwrap();
        let mut endpoint = Endpoint::new(EndpointId::from(id), Destination::Http { url }, self.now());
        endpoint.types = vec![Pattern::parse("body_weight.*").unwrap()];
        change(&mut endpoint);
        assert!(self.endpoints.put(&endpoint, None).await.unwrap());
        let secret = SigningSecret::draw(&*self.stack.dice);
        let sealed = self.sealer.seal(id, &Secret::new(secret.reveal()), &*self.stack.dice).unwrap().0;
        let secret = SealedSecret { number: 1, sealed, created: self.now(), until: None };
        assert!(self.endpoints.add_secret(&endpoint.endpoint, &secret).await.unwrap());
        receiver
    }

    /// A record comes in, and the stream takes it from there.
    pub async fn record(&self, name: &str) {
        self.record_of(&Self::user(), name).await;
    }

    /// The same, of any user.
    pub async fn record_of(&self, user: &UserId, name: &str) {
        let source = Source::withings("getmeas");
        let (connection, record) = (ConnectionId::from("con_1"), RecordId::from(name));
        let kind = ("body_weight", Category::VitalSigns);
        let fact = Fact::bare(user.clone(), connection, record, kind.0, kind.1, self.now(), source);
        let Change::Write(record) = revise(None, fact, self.now(), SyncKind::Live) else { panic!("it is new") };
        self.records.put(&record).await.unwrap();
    }

    /// When each event of the journal was written.
    pub async fn journalled(&self) -> HashMap<EventId, Timestamp> {
        let mut all = HashMap::new();
        let mut before = u64::MAX >> 1;
        loop {
            let page = self.events.entries(&Self::user(), before, 1_000).await.unwrap();
            let Some(last) = page.last() else { return all };
            before = last.sequence;
            all.extend(page.into_iter().map(|entry| (entry.event, entry.at)));
        }
    }

    /// Makes a delivery of an event to an endpoint beside those that fanout makes, and sends its message as fanout does.
    pub async fn deliver(&self, delivery: &Delivery) {
        self.deliveries.put_if_absent(delivery).await.unwrap();
        let key = &delivery.key;
        let body = format!(r#"{{"v":1,"event":"{}","endpoint":"{}"}}"#, key.event, key.endpoint);
        let draft = local_sqs::Draft { body, group: Some(key.endpoint.to_string()), ..local_sqs::Draft::default() };
        self.stack.sqs.send(&self.queue(), draft).unwrap();
    }
}

/// Lets time pass.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
