//! The whole pipeline in one process under virtual time: the six functions, AWS, a simulated Withings with the
//! sample person, and a receiver that verifies what it gets.

pub mod fleet;
pub mod history;
pub mod line;
pub mod load;
pub mod schemas;
pub mod town;
pub mod truth;
pub mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::UserId;
use afferent_domain::secret::Secret;
use afferent_domain::signature::verifies;
use afferent_local::network::{Receiver, WITHINGS_HOST, WithingsHost};
use afferent_local::{CALLBACK_SECRET, FRONT_HOST, Setup, Simulation};
use afferent_play::seed::{Consent, Registered, Seeder};
use afferent_play::tally::{Tables, Tally};
use afferent_store::Client;
use afferent_store::connections::{Connection, Connections};
use afferent_store::deliveries::Deliveries;
use afferent_store::events::Events;
use afferent_store::notifications::Notifications;
use afferent_store::records::Records;
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;
use withings_simulator::sample::{self, Person};
use withings_simulator::{Notify, Settings, Simulator};

/// The host of the receiver.
pub const RECEIVER_HOST: &str = "receiver.example";

/// Everything, under virtual time. To be made inside `#[tokio::test(start_paused = true)]`.
pub struct Rig {
    /// The stack.
    pub stack: Simulation,
    /// The simulated Withings.
    pub withings: Arc<Simulator>,
    /// The sample person.
    pub person: Person,
    /// The person's connection.
    pub connection: Connection,
    /// The customer's endpoint.
    pub receiver: Receiver,
    /// How it is registered.
    pub registered: Registered,
    /// The tables, to count them.
    pub tables: Tables,
    /// The `connections` table.
    pub connections: Connections,
    /// DynamoDB, for what no table's own code reads.
    pub client: Client,
    started: Timestamp,
    _witness: Witness,
}

/// Looks at the end of a test whether every event that the receiver got was as its schema says.
struct Witness(Receiver);

impl Drop for Witness {
    fn drop(&mut self) {
        // A test that failed already has said why.
        if !std::thread::panicking() {
            let bodies: BTreeSet<Bytes> = self.0.seen().into_iter().map(|seen| seen.request.into_body()).collect();
            schemas::assert_hold(bodies.iter().map(|body| &**body));
        }
    }
}

impl Rig {
    /// A stack with a connected sample person and one endpoint that gets everything.
    pub async fn start(seed: u64) -> Self {
        Self::of(Setup { seed, ..Setup::default() }, Settings::default()).await
    }

    /// The same, made otherwise. The application of the settings is replaced by the stack's own.
    pub async fn of(setup: Setup, mut settings: Settings) -> Self {
        #[expect(clippy::expect_used, reason = "a test that cannot start has failed")]
        let stack = Simulation::start(setup).await.expect("the simulation starts");
        settings.clients = vec![withings_simulator::ClientApp {
            client_id: "simulatedclient".to_owned(),
            client_secret: "simulatedsecret".to_owned(),
            redirect_uris: Vec::new(),
        }];
        let withings = Arc::new(Simulator::new(settings, stack.clock.clone(), stack.dice.clone()));
        withings.connect(stack.network.clone());
        stack.network.put(WITHINGS_HOST, Arc::new(WithingsHost(withings.clone())));
        let receiver = Receiver::new(stack.clock.clone());
        stack.network.put(RECEIVER_HOST, Arc::new(receiver.clone()));
        Self::connect(stack, withings, receiver).await
    }

    #[expect(clippy::expect_used, reason = "a test that cannot start has failed")]
    async fn connect(stack: Simulation, withings: Arc<Simulator>, receiver: Receiver) -> Self {
        let person = sample::person(&withings, Notify::No).expect("the sample person is new");
        // The person's day lies an hour back, so that connecting does not bring it.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let seeder = Seeder::new(&stack.rim, &stack.template.place.stack);
        let tokens = withings.issue_tokens(person.userid, None, "").expect("the person is there");
        let consent = Consent {
            region: "eu".to_owned(),
            userid: person.userid.to_string(),
            tz: "Europe/Lisbon".to_owned(),
            access_token: Secret::new(tokens.access_token),
            refresh_token: Secret::new(tokens.refresh_token),
            expires_in: Duration::from_secs(3 * 3600),
        };
        let connection = seeder.connect_quietly("sample", &consent).await.expect("the tables are there");
        let url = format!("https://{RECEIVER_HOST}/webhooks");
        let registered = seeder.endpoint("receiver", &url, &["*"]).await.expect("the tables are there");
        withings.subscribe(person.userid, None, &[], &callback()).expect("the person is there");
        let client: Client = afferent_store::client(&stack.rim.aws);
        let tables = Tables {
            notifications: Notifications::new(client.clone(), seeder.name("notifications")),
            records: Records::new(client.clone(), seeder.name("records")),
            events: Events::new(client.clone(), seeder.name("events")),
            deliveries: Deliveries::new(client.clone(), seeder.name("deliveries")),
        };
        let connections = Connections::new(client.clone(), seeder.name("connections"));
        let started = stack.clock.now();
        let witness = Witness(receiver.clone());
        Self {
            stack,
            withings,
            person,
            connection,
            receiver,
            registered,
            tables,
            connections,
            client,
            started,
            _witness: witness,
        }
    }

    /// The stack's name for something: a table, a queue.
    #[must_use]
    pub fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.stack.template.place.stack)
    }

    /// Sends a body to the front door as Withings would.
    pub async fn post(&self, body: &str) -> Response<Bytes> {
        self.request(Method::POST, &callback(), body.as_bytes()).await
    }

    /// Sends any request to the front door.
    #[expect(clippy::expect_used, reason = "the address is the test's own")]
    pub async fn request(&self, method: Method, url: &str, body: &[u8]) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(url).body(Bytes::copy_from_slice(body));
        self.stack.request(request.expect("the request is one")).await
    }

    /// What there is now.
    #[expect(clippy::expect_used, reason = "a table that cannot be read fails the test")]
    pub async fn tally(&self) -> Tally {
        let mut days = Vec::new();
        let mut day = self.started;
        while day < self.stack.clock.now() + Duration::from_secs(24 * 3600) {
            days.push(day);
            day = day + Duration::from_secs(24 * 3600);
        }
        let users = [self.connection.user.clone(), UserId::app()];
        self.tables.tally(&days, &users, &self.registered.endpoint).await.expect("the tables can be read")
    }

    /// Waits until nothing is open any more, at most `limit` of virtual time; tells what there is then.
    pub async fn settle(&self, limit: Duration) -> Tally {
        let end = self.stack.clock.now() + limit;
        loop {
            tokio::time::sleep(Duration::from_secs(3)).await;
            let tally = self.tally().await;
            // A notification is in the table only once it has ended, or has to wait: until then its message tells of it.
            let pulls = format!("{}-pulls", self.stack.template.place.stack);
            let taken = self.stack.sqs.messages(&pulls, 1).is_ok_and(|left| left.is_empty());
            let quiet = taken && self.withings.stats().notifications.pending() == 0;
            if (quiet && tally.open() == 0) || self.stack.clock.now() >= end {
                return tally;
            }
        }
    }

    /// The events that the receiver got and that verify, in their order; every try counts.
    #[must_use]
    pub fn webhooks(&self) -> Vec<Value> {
        let seen = self.receiver.seen();
        let bodies = seen.iter().filter(|seen| self.is_right(seen.at, &seen.request));
        bodies.filter_map(|seen| serde_json::from_slice(seen.request.body()).ok()).collect()
    }

    fn is_right(&self, at: Timestamp, request: &Request<Bytes>) -> bool {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let signed = Timestamp::from_secs(header("webhook-timestamp").parse().unwrap_or_default());
        let (id, signature) = (header("webhook-id"), header("webhook-signature"));
        verifies(&self.registered.secret, id, signed, request.body(), signature, at)
    }
}

/// The callback URL, secret included.
#[must_use]
pub fn callback() -> String {
    format!("https://{FRONT_HOST}/withings/{CALLBACK_SECRET}")
}
