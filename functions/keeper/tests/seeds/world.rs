//! Users with records, endpoints with receivers, and what happens to them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::State as Standing;
use afferent_domain::endpoint::{Cause, Destination, Endpoint, EndpointUrl, Standing as Enabled};
use afferent_domain::event::Draft;
use afferent_domain::filter::{Pattern, Users};
use afferent_domain::health::Health;
use afferent_domain::id::{EndpointId, EventId, JobId, RecordId, UserId};
use afferent_domain::job::{Job, Kind, Progress, State};
use afferent_domain::payload::Payload;
use afferent_domain::rate::Rate;
use afferent_domain::record::{SyncKind, change_bucket};
use afferent_domain::schedule::{Custom, RetryPolicy};
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_function::Env;
use afferent_local::network::{Receiver, Reply};
use afferent_local::{Functions, Setup, Simulation, Ticks};
use afferent_outbox::{Config, Outbox};
use afferent_secrets::sealer;
use afferent_store::StoreError;
use afferent_store::deliveries::Deliveries;
use afferent_store::endpoints::{Endpoints, SealedSecret};
use afferent_store::events::Events;
use afferent_store::item::from_json;

pub const FUNCTIONS: [&str; 3] = ["fanout", "dispatcher", "keeper"];
pub const USERS: usize = 3;

/// Steps of the busy while; in each a record of each user changes.
const STEPS: usize = 8;
const HOUR: Duration = Duration::from_secs(3_600);

/// The places of the endpoints that something is done to.
const DEAD: usize = 3;
const DISABLED: usize = 4;

pub struct World {
    pub simulation: Simulation,
    pub events: Events,
    pub deliveries: Deliveries,
    store: Endpoints,
    outbox: Outbox,
    client: afferent_store::Client,
    endpoints: Vec<Endpoint>,
    receivers: Vec<Receiver>,
    secrets: Vec<SigningSecret>,
    records: RefCell<BTreeMap<UserId, BTreeSet<String>>>,
    opened: Cell<bool>,
}

impl World {
    pub async fn found(seed: u64) -> Self {
        let setup = Setup { seed, ticks: Ticks::WhenDue, aws_latency_ms: (1, 20), ..Setup::default() };
        let simulation = Simulation::bare(setup).await.unwrap();
        let functions = Functions::start(&simulation.template, &simulation.rim).await.unwrap();
        for name in FUNCTIONS {
            let function = simulation.template.function(name).unwrap().name.clone();
            simulation.set(name, functions.handler(&function).unwrap());
            simulation.resume(name);
        }
        let client = afferent_store::client(&simulation.rim.aws);
        let environment = Env::of(simulation.template.function("keeper").unwrap().environment.clone());
        let mut world = Self {
            events: Events::new(client.clone(), "afferent-events".to_owned()),
            deliveries: Deliveries::new(client.clone(), "afferent-deliveries".to_owned()),
            store: Endpoints::new(client.clone(), "afferent-endpoints".to_owned()),
            outbox: Outbox::new(Config::from_env(&environment).unwrap(), &simulation.rim),
            client,
            endpoints: Vec::new(),
            receivers: Vec::new(),
            secrets: Vec::new(),
            records: RefCell::default(),
            opened: Cell::default(),
            simulation,
        };
        world.register_all().await;
        world
    }

    async fn register_all(&mut self) {
        let plain = |name: &str| {
            let url = EndpointUrl::parse(&format!("https://{name}.example/")).unwrap();
            Endpoint::new(
                EndpointId::from(format!("ep_{name}")),
                Destination::Http { url },
                self.simulation.clock.now(),
            )
        };
        let some = Users::only([UserId::from("usr_0"), UserId::from("usr_1")]).unwrap();
        let own = RetryPolicy::Custom(Custom::new(vec![1, 30, 300, 3_600, 4 * 3_600, 24 * 3_600]).unwrap());
        let endpoints = [
            Endpoint { payload: Payload::Thin, users: some, ..plain("thin") },
            Endpoint { rate: Some(Rate::new(1, 2).unwrap()), policy: own, ..plain("slow") },
            Endpoint {
                policy: RetryPolicy::StandardWebhooks,
                types: vec![Pattern::parse("body_weight.*").unwrap()],
                ..plain("standard")
            },
            plain("dead"),
            Endpoint { types: vec![Pattern::parse("*.created").unwrap()], ..plain("disabled") },
        ];
        for endpoint in endpoints {
            self.register(endpoint).await;
        }
    }

    async fn register(&mut self, endpoint: Endpoint) {
        let id = endpoint.endpoint.clone();
        assert!(self.store.put(&endpoint, None).await.unwrap());
        let arn = &self.simulation.template.function("dispatcher").unwrap().environment["SEAL_ENDPOINTS_SECRET_ARN"];
        let sealer = sealer(&self.simulation.rim.aws, arn).await.unwrap();
        let secret = SigningSecret::draw(self.simulation.dice.as_ref());
        let sealed = Secret::new(secret.reveal());
        let sealed = sealer.seal(id.as_str(), &sealed, self.simulation.dice.as_ref()).unwrap();
        let sealed = SealedSecret { number: 1, sealed: sealed.0, created: endpoint.created_ms, until: None };
        self.store.add_secret(&id, &sealed).await.unwrap();
        let receiver = Receiver::new(Arc::clone(&self.simulation.clock));
        self.simulation.network.put(endpoint.destination.host(), Arc::new(receiver.clone()));
        self.endpoints.push(endpoint);
        self.receivers.push(receiver);
        self.secrets.push(secret);
    }

    /// Changes, moods and mishaps, one after the other; and somebody else beside fan-out writes into the same journals.
    pub async fn busy_while(&self) {
        self.receivers[DEAD].always(Reply::Status(500));
        let mine = async {
            for step in 0..STEPS {
                self.change_all(&format!("rec_{step}")).await;
                self.moods();
                self.something_happens().await;
            }
        };
        let others = async {
            for step in 0..STEPS {
                let user = self.any_user();
                self.append(&user, &format!("rec_other_{step}")).await;
                tokio::time::sleep(Duration::from_millis(self.simulation.dice.between(0, 3_000))).await;
            }
        };
        tokio::join!(mine, others);
        // Twenty failed tries in a minute open a breaker.
        tokio::time::sleep(Duration::from_secs(900)).await;
        self.change_all("rec_late").await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        self.opened.set(self.health(DEAD).await.is_open());
    }

    /// The dead endpoint comes back after hours, another one is disabled and enabled; changes come all the time.
    pub async fn thirty_hours_without_fan_out(&self) {
        self.simulation.pause("fanout");
        let roll = |from, to| self.simulation.dice.between(from, to);
        let (back, away, again) = (roll(2, 8), roll(0, 4), roll(6, 27));
        let mut disabled = None;
        for hour in 0..30 {
            if hour == back {
                self.receivers[DEAD].always(Reply::Status(200));
            }
            if hour == away {
                disabled = Some(self.disable().await);
            }
            if hour == again {
                self.enable(disabled.take().unwrap()).await;
            }
            if hour % 5 == 0 {
                self.change_all(&format!("rec_hour_{hour}")).await;
                self.append(&self.any_user(), &format!("rec_other_hour_{hour}")).await;
                self.moods();
            }
            if hour % 3 == 0 {
                self.something_happens_but_to_fan_out().await;
            }
            tokio::time::sleep(HOUR).await;
        }
        self.simulation.resume("fanout");
    }

    async fn something_happens_but_to_fan_out(&self) {
        self.something_happens().await;
        self.simulation.pause("fanout");
    }

    /// Until everything ended and a sweep that nothing disturbed is through; four days at most, longer than any wait. A
    /// sweep of the troubled time may go on for another day, and if it could not compare something the next one begins
    /// where it did. What the dead endpoint missed is asked for again.
    pub async fn settle(&self) {
        let quiet = self.now();
        // The next sweep, and whatever a crash left to the due index.
        tokio::time::sleep(25 * HOUR).await;
        self.begin(DEAD, Kind::Recover, self.endpoints[DEAD].created_ms).await;
        for _ in 0..96 {
            if self.is_settled().await && self.events.sweeping().await.unwrap().through > quiet {
                return;
            }
            tokio::time::sleep(HOUR).await;
        }
    }

    async fn is_settled(&self) -> bool {
        for endpoint in &self.endpoints {
            let until = self.now() + HOUR;
            let listed =
                self.deliveries.made_between(&endpoint.endpoint, Timestamp::default(), until, None, 10_000).await;
            for one in listed.unwrap().0 {
                if let Standing::Waiting(_) = self.deliveries.get(&one.key).await.unwrap().unwrap().state {
                    return false;
                }
            }
        }
        self.store.running_jobs().await.unwrap().is_empty() && self.watched().await.is_empty()
    }

    /// The endpoints that the keeper must look after, and why.
    pub async fn watched(&self) -> Vec<(EndpointId, Health)> {
        self.store.watched().await.unwrap()
    }

    async fn disable(&self) -> Timestamp {
        let (endpoint, now) = (&self.endpoints[DISABLED], self.now());
        let standing = Enabled::Disabled { cause: Cause::Owner, note: None, since_ms: now };
        self.stand(&Enabled::Enabled, &standing).await;
        self.begin(DISABLED, Kind::Cancel, endpoint.created_ms).await;
        now
    }

    async fn enable(&self, disabled: Timestamp) {
        let was = self.until_done(|| self.store.get(&self.endpoints[DISABLED].endpoint)).await.unwrap().standing;
        self.stand(&was, &Enabled::Enabled).await;
        let now = self.now();
        self.until_done(|| self.store.reset_health(&self.endpoints[DISABLED].endpoint, Some(now))).await;
        // Fan-out stands still: what it would have brought by now is live, and comes by the sweep.
        for kind in [Kind::Recover, Kind::Replay] {
            self.begin(DISABLED, kind, disabled - 12 * HOUR).await;
        }
    }

    async fn stand(&self, was: &Enabled, now: &Enabled) {
        let id = &self.endpoints[DISABLED].endpoint;
        self.until_done(|| self.store.set_standing(id, was, now)).await;
    }

    async fn begin(&self, place: usize, kind: Kind, since: Timestamp) {
        let now = self.now();
        let job = Job {
            job: JobId::draw(now, self.simulation.dice.as_ref()),
            endpoint: self.key(place),
            kind,
            preview: false,
            since_ms: since,
            until_ms: now,
            per_minute: 60,
            created_ms: now,
            state: State::Running,
            progress: Progress::default(),
        };
        self.until_done(|| self.store.begin_job(&job)).await;
    }

    /// Puts a record of each user as it is written by what reads them from Withings.
    async fn change_all(&self, record: &str) {
        for user in 0..USERS {
            let user = format!("usr_{user}");
            put_record(&self.client, &self.simulation, &user, record).await;
            self.records.borrow_mut().entry(UserId::from(user)).or_default().insert(record.to_owned());
        }
    }

    /// Goes fan-out's road by another hand.
    async fn append(&self, user: &UserId, record: &str) {
        let draft = Draft {
            id: EventId::derive(&[user.as_str(), record]),
            user: user.clone(),
            event_type: "workout.created".to_owned(),
            source: "/withings/con_1".to_owned(),
            time: self.now(),
            synckind: SyncKind::Live,
            run: None,
            record: RecordId::from(record),
            rev: 1,
            data: r#"{"record":{"id":"rec","rev":1,"status":"final","kind":"workout"}}"#.to_owned(),
            about: None,
            test: false,
            trace: None,
        };
        self.records.borrow_mut().entry(user.clone()).or_default().insert(record.to_owned());
        let audience = self.until_done(|| self.outbox.audience([user.clone()])).await;
        let keys = self.until_done(|| self.outbox.commit(user, vec![draft.clone()], &audience)).await;
        // If SQS does not take them, the keeper misses them.
        let _ = self.outbox.announce(&keys).await;
    }

    /// Whoever asks for something asks again when it fails.
    async fn until_done<T, F: Future<Output = Result<T, StoreError>>>(&self, ask: impl Fn() -> F) -> T {
        loop {
            match ask().await {
                Ok(done) => return done,
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }

    async fn health(&self, place: usize) -> Health {
        self.until_done(|| self.store.whole(&self.endpoints[place].endpoint)).await.unwrap().health
    }

    fn any_user(&self) -> UserId {
        UserId::from(format!("usr_{}", self.simulation.dice.between(0, USERS as u64 - 1)))
    }

    fn now(&self) -> Timestamp {
        self.simulation.clock.now()
    }

    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    pub fn receivers(&self) -> &[Receiver] {
        &self.receivers
    }

    pub fn secrets(&self) -> &[SigningSecret] {
        &self.secrets
    }

    pub fn records_of(&self, user: &UserId) -> BTreeSet<String> {
        self.records.borrow().get(user).cloned().unwrap_or_default()
    }

    pub fn opened(&self) -> bool {
        self.opened.get()
    }
}

pub async fn put_record(client: &afferent_store::Client, simulation: &Simulation, user: &str, id: &str) {
    let changed = simulation.clock.now();
    let json = format!(
        r#"{{"user":"{user}","record":"{id}","rev":1,"status":"final","kind":"body_weight","connection":"con_1",
            "synckind":"live","changed_ms":{},"change_bucket":"{}","value":81.25}}"#,
        changed.as_millis(),
        change_bucket(changed, &UserId::from(user))
    );
    let item = from_json(&json).unwrap();
    while client.put_item().table_name("afferent-records").set_item(Some(item.clone())).send().await.is_err() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
