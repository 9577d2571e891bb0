//! Many people in one stack under virtual time, without receivers: for what is said of the records.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::Clock;
use afferent_domain::backfill::Depth;
use afferent_domain::record::Record;
use afferent_domain::secret::Secret;
use afferent_local::network::WITHINGS_HOST;
use afferent_local::{Functions, Handler, Setup, Simulation};
use afferent_play::seed::{Consent, Seeder};
use afferent_store::connections::Connection;
use afferent_store::notifications::{Notifications, State, day};
use afferent_store::records::Records;
use bytes::Bytes;
use serde_json::{Value, json};
use withings_simulator::{ClientApp, NewUser, Settings, Simulator};

use crate::line::Line;
use crate::truth;

/// The functions of a town. Nobody listens there, so nothing is fanned out or delivered.
const FUNCTIONS: [&str; 3] = ["ingest", "fetcher", "keeper"];

/// How long each AWS call takes, in milliseconds: crashes fall between calls that take time.
const AWS_LATENCY_MS: (u64, u64) = (1, 20);

/// How often expired items are swept.
const TTL_EVERY: Duration = Duration::from_secs(24 * 3600);

/// A stack and its people.
pub struct Town {
    /// The stack.
    pub stack: Simulation,
    /// The simulated Withings.
    pub withings: Arc<Simulator>,
    /// The way to it.
    pub line: Line,
    /// The people's connections, in the order in which they moved in.
    pub connections: Vec<Connection>,
    /// How much of the past is read of those who connect from now on.
    pub depth: Depth,
    records: Records,
    notifications: Notifications,
    watched: Arc<Mutex<Watched>>,
}

/// What the stream of `records` showed.
#[derive(Default)]
struct Watched {
    connections: Vec<Connection>,
    revisions: u64,
    retractions: u64,
    violations: Vec<String>,
}

impl Town {
    /// A town without people.
    #[expect(clippy::expect_used, reason = "a test that cannot start has failed")]
    pub async fn found(setup: Setup, mut settings: Settings) -> Self {
        let mut setup = Setup { aws_latency_ms: AWS_LATENCY_MS, sweep_every: TTL_EVERY, ..setup };
        setup.parameters.insert("CallbackUrl".to_owned(), crate::callback());
        let stack = Simulation::bare(setup).await.expect("the simulation starts");
        settings.clients = vec![ClientApp {
            client_id: "simulatedclient".to_owned(),
            client_secret: "simulatedsecret".to_owned(),
            redirect_uris: Vec::new(),
        }];
        let withings = Arc::new(Simulator::new(settings, stack.clock.clone(), stack.dice.clone()));
        withings.connect(stack.network.clone());
        let line = Line::to(withings.clone(), stack.clock.clone());
        stack.network.put(WITHINGS_HOST, Arc::new(line.clone()));
        let functions = Functions::start(&stack.template, &stack.rim).await.expect("the functions start");
        for name in FUNCTIONS {
            let function = stack.template.function(name).expect("the template has it").name.clone();
            stack.set(name, functions.handler(&function).expect("it has a handler"));
        }
        let watched = Arc::new(Mutex::new(Watched::default()));
        stack.set("fanout", watcher(watched.clone(), withings.clone(), stack.clock.clone()));
        for name in FUNCTIONS.into_iter().chain(["fanout"]) {
            stack.resume(name);
        }
        let client = afferent_store::client(&stack.rim.aws);
        let name = |what: &str| format!("{}-{what}", stack.template.place.stack);
        Self {
            records: Records::new(client.clone(), name("records")),
            notifications: Notifications::new(client, name("notifications")),
            connections: Vec::new(),
            line,
            watched,
            depth: Depth::default(),
            withings,
            stack,
        }
    }

    /// Somebody with a Withings account moves in and connects; the Withings user id.
    pub async fn welcome(&mut self, zone: &str) -> i64 {
        let userid = self.account(zone);
        self.connect(userid, zone).await;
        userid
    }

    /// Somebody makes a Withings account; its user id.
    #[expect(clippy::expect_used, reason = "a test that cannot set up has failed")]
    #[must_use]
    pub fn account(&self, zone: &str) -> i64 {
        let new = NewUser { timezone: zone.to_owned(), ..NewUser::default() };
        self.withings.create_user(new).expect("the user is new")
    }

    /// The owner of an account connects.
    #[expect(clippy::expect_used, reason = "a test that cannot set up has failed")]
    pub async fn connect(&mut self, userid: i64, zone: &str) {
        let tokens = self.withings.issue_tokens(userid, None, "").expect("the user is there");
        self.line.told(userid, &tokens.refresh_token);
        let consent = Consent {
            region: "eu".to_owned(),
            userid: userid.to_string(),
            tz: zone.to_owned(),
            access_token: Secret::new(tokens.access_token),
            refresh_token: Secret::new(tokens.refresh_token),
            expires_in: Duration::from_secs(tokens.expires_in),
        };
        let stack = &self.stack;
        let seeder = Seeder::new(&stack.rim, &stack.template.place.stack).reaching_back(self.depth);
        let connection = seeder.connect(&format!("person {userid}"), &consent).await.expect("the tables are there");
        self.withings.subscribe(userid, None, &[], &crate::callback()).expect("the user is there");
        self.connections.push(connection.clone());
        self.watched().connections.push(connection);
    }

    /// Every record of a person.
    #[expect(clippy::expect_used, reason = "a table that cannot be read fails the test")]
    pub async fn records(&self, connection: &Connection) -> Vec<Record> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.records.page(&connection.user, None, after.as_ref(), 1_000).await;
            let (records, next) = page.expect("the records can be read");
            all.extend(records);
            after = next;
            if after.is_none() {
                return all;
            }
        }
    }

    /// How many notifications stand where, on all days so far.
    #[expect(clippy::expect_used, reason = "a table that cannot be read fails the test")]
    pub async fn count(&self, state: State) -> u64 {
        let mut days = BTreeSet::new();
        let started = self.connections.iter().map(|connection| connection.connected).min();
        let (mut at, now) = (started.unwrap_or(self.stack.clock.now()), self.stack.clock.now());
        while at < now + Duration::from_secs(24 * 3600) {
            days.insert(day(at));
            at = at + Duration::from_secs(12 * 3600);
        }
        let mut count = 0;
        for day in days {
            count += self.notifications.count(state, &day).await.expect("the notifications can be counted");
        }
        count
    }

    /// What the table says of a connection's state; `connected` where it says nothing.
    #[must_use]
    pub fn state(&self, connection: &Connection) -> String {
        let key = json!({"owner": {"S": format!("connection#{}", connection.id)}, "item": {"S": "connection"}});
        let table = format!("{}-connections", self.stack.template.place.stack);
        let request = json!({"TableName": table, "Key": key, "ConsistentRead": true}).to_string();
        let answer = self.stack.dynamodb.handle("DynamoDB_20120810.GetItem", request.as_bytes());
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        answer["Item"]["state"]["S"].as_str().unwrap_or("connected").to_owned()
    }

    /// Messages in dead-letter queues.
    #[must_use]
    pub fn dead(&self) -> usize {
        let queues = self.stack.sqs.queues().into_iter();
        let dead = queues.filter(|queue| queue.name.ends_with("-dead") || queue.name.ends_with("-failures"));
        dead.map(|queue| queue.visible + queue.in_flight + queue.delayed).sum()
    }

    /// Messages in the other queues.
    #[must_use]
    pub fn queued(&self) -> usize {
        let queues = self.stack.sqs.queues().into_iter();
        let live = queues.filter(|queue| !queue.name.ends_with("-dead") && !queue.name.ends_with("-failures"));
        live.map(|queue| queue.visible + queue.in_flight + queue.delayed).sum()
    }

    /// Revisions and retractions that were written so far.
    #[must_use]
    pub fn written(&self) -> (u64, u64) {
        let watched = self.watched();
        (watched.revisions, watched.retractions)
    }

    /// What should not have been seen in the stream: retractions of what was there, and records whose events are not as
    /// their schemas say.
    #[must_use]
    pub fn wrong_revisions(&self) -> Vec<String> {
        self.watched().violations.clone()
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands where the fan-out would: sees every revision, holds its event against the schemas, and asks of each retraction
/// whether the fact is gone.
fn watcher(watched: Arc<Mutex<Watched>>, withings: Arc<Simulator>, clock: Arc<dyn Clock>) -> Handler {
    Arc::new(move |payload: Bytes| {
        let event: Value = serde_json::from_slice(&payload).unwrap_or_default();
        let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        for change in event["Records"].as_array().into_iter().flatten() {
            let image = &change["dynamodb"]["NewImage"];
            let text = |name: &str| image[name]["S"].as_str().unwrap_or_default();
            watched.revisions += 1;
            if !image.is_null() {
                watched.violations.extend(crate::schemas::violations_of_image(image));
            }
            if text("status") != "entered-in-error" {
                continue;
            }
            watched.retractions += 1;
            let (user, record, kind) = (text("user"), text("record"), text("kind"));
            let connection = watched.connections.iter().find(|connection| connection.user.as_str() == user);
            let Some(Ok(truth)) = connection.map(|connection| truth::of(&withings, connection, clock.now())) else {
                continue;
            };
            if truth.keys().any(|fact| fact.as_str() == record) {
                let now = clock.now();
                watched.violations.push(format!("{now}: {kind} {record} was retracted, and Withings has it"));
            }
        }
        Box::pin(std::future::ready(Ok(Bytes::from_static(br#"{"batchItemFailures":[]}"#))))
    })
}
