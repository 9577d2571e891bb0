//! Fan-out, dispatcher and keeper together under faults, by seed: each event reaches the endpoint or ends with
//! a reason, nothing is sent before it is in the journal, and no journal has a gap or a repeat.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::delivery::{End, Key, State};
use afferent_domain::endpoint::{Endpoint, EndpointUrl, Standing};
use afferent_domain::filter::{Pattern, Scope};
use afferent_domain::id::{EndpointId, UserId};
use afferent_domain::record::change_bucket;
use afferent_domain::schedule::RetryPolicy;
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_local::dynamodb::Fault;
use afferent_local::network::{Receiver, Reply};
use afferent_local::{Functions, Setup, Simulation, Ticks};
use afferent_secrets::sealer;
use afferent_store::deliveries::Deliveries;
use afferent_store::endpoints::{Endpoints, SealedSecret};
use afferent_store::events::{After, Events};
use afferent_store::item::from_json;

const FUNCTIONS: [&str; 3] = ["fanout", "dispatcher", "keeper"];
const USERS: usize = 3;
const RECORDS: usize = 8;

/// What a seed found, as a line.
#[derive(Default)]
struct Found {
    events: usize,
    /// Deliveries by how they ended; those that did not are `waiting`.
    deliveries: BTreeMap<&'static str, usize>,
    /// Requests that reached the receiver.
    tries: usize,
    violations: Vec<String>,
}

impl Found {
    fn check(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.violations.push(what.into());
        }
    }

    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.tries += other.tries;
        self.violations.extend(other.violations);
        for (end, count) in other.deliveries {
            *self.deliveries.entry(end).or_default() += count;
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} events, deliveries", self.events)?;
        for (end, count) in &self.deliveries {
            write!(to, " {count} {end}")?;
        }
        write!(to, ", {} tries, {} violations", self.tries, self.violations.len())
    }
}

async fn play(seed: u64) -> Found {
    let setup = Setup { seed, ticks: Ticks::WhenDue, aws_latency_ms: (1, 20), ..Setup::default() };
    let simulation = Simulation::bare(setup).await.unwrap();
    let functions = Functions::start(&simulation.template, &simulation.rim).await.unwrap();
    for name in FUNCTIONS {
        let function = simulation.template.function(name).unwrap().name.clone();
        simulation.set(name, functions.handler(&function).unwrap());
        simulation.resume(name);
    }
    let client = afferent_store::client(&simulation.rim.aws);
    let endpoints = Endpoints::new(client.clone(), "afferent-endpoints".to_owned());
    register(&simulation, &endpoints).await;
    let receiver = Receiver::new(Arc::clone(&simulation.clock));
    simulation.network.put("receiver.example", Arc::new(receiver.clone()));

    let faults = simulation.dynamodb.faults();
    faults.sometimes(Fault::Throttled, "", "", 40, Arc::clone(&simulation.dice));
    faults.sometimes(Fault::Conflict, "TransactWriteItems", "afferent-events", 200, Arc::clone(&simulation.dice));
    faults.sometimes(Fault::AnswerLost, "TransactWriteItems", "", 100, Arc::clone(&simulation.dice));
    faults.sometimes(Fault::AnswerLost, "UpdateItem", "afferent-deliveries", 60, Arc::clone(&simulation.dice));
    faults.sometimes(Fault::AnswerLost, "PutItem", "afferent-deliveries", 60, Arc::clone(&simulation.dice));
    for step in 0..RECORDS {
        for user in 0..USERS {
            put_record(&client, &simulation, &format!("usr_{user}"), &format!("rec_{step}")).await;
        }
        let reply = match simulation.dice.between(0, 4) {
            0 => Reply::Status(500),
            1 => Reply::Reset,
            2 => Reply::After(Duration::from_secs(4), Box::new(Reply::Status(200))),
            _ => Reply::Status(200),
        };
        receiver.next([reply.clone(), reply]);
        simulation.sqs.duplicate_next("afferent-deliveries", 2).unwrap();
        // A function dies where it stands, and is back a moment later.
        let dies = FUNCTIONS[usize::try_from(simulation.dice.between(0, 2)).unwrap()];
        tokio::time::sleep(Duration::from_millis(simulation.dice.between(0, 3_000))).await;
        simulation.pause(dies);
        tokio::time::sleep(Duration::from_millis(simulation.dice.between(0, 2_000))).await;
        simulation.resume(dies);
    }
    tokio::time::sleep(Duration::from_secs(8 * 3600)).await;
    faults.clear();

    let events = Events::new(client.clone(), "afferent-events".to_owned());
    let deliveries = Deliveries::new(client, "afferent-deliveries".to_owned());
    let mut found = Found::default();
    let mut sent = BTreeMap::<String, BTreeSet<Vec<u8>>>::new();
    for seen in receiver.seen() {
        let id = seen.request.headers()["webhook-id"].to_str().unwrap().to_owned();
        sent.entry(id).or_default().insert(seen.request.body().to_vec());
        found.tries += 1;
    }
    for user in 0..USERS {
        let After::Events(journal) = events.after(&UserId::from(format!("usr_{user}")), 0, 1_000).await.unwrap() else {
            found.check(false, format!("usr_{user}: its journal has a gap, and nothing expires in eight hours"));
            continue;
        };
        found.events += journal.len();
        let records: BTreeSet<&str> = journal.iter().map(|event| event.record.as_str()).collect();
        let one_for_each = (journal.len(), records.len()) == (RECORDS, RECORDS);
        found.check(one_for_each, format!("usr_{user}: not one event for each change"));
        for (event, number) in journal.iter().zip(1..) {
            let id = event.id.as_str();
            found.check(event.sequence == number, format!("usr_{user}: {} stands at {number}", event.sequence));
            let key = Key { event: event.id.clone(), endpoint: EndpointId::from("ep_1") };
            let Some(delivery) = deliveries.get(&key).await.unwrap() else {
                found.check(false, format!("{id}: no delivery"));
                continue;
            };
            let end = match delivery.state {
                State::Ended { end, .. } => end.as_str(),
                State::Waiting(_) => "waiting",
            };
            *found.deliveries.entry(end).or_default() += 1;
            found.check(end == End::Delivered.as_str(), format!("{id}: {end} after eight hours"));
            let bodies = sent.remove(id).unwrap_or_default();
            found.check(!bodies.is_empty(), format!("{id}: {end} and never sent"));
            found.check(bodies.len() <= 1, format!("{id}: {} texts", bodies.len()));
            let journalled = bodies.iter().all(|body| body == event.body.as_bytes());
            found.check(journalled, format!("{id}: not the journal's text"));
        }
    }
    for id in sent.keys() {
        found.check(false, format!("{id}: sent, and in no journal"));
    }
    found
}

async fn register(simulation: &Simulation, endpoints: &Endpoints) {
    let endpoint = Endpoint {
        endpoint: EndpointId::from("ep_1"),
        url: EndpointUrl::parse("https://receiver.example/").unwrap(),
        types: vec![Pattern::every()],
        scope: Scope::All,
        policy: RetryPolicy::Withings,
        description: None,
        created_ms: simulation.clock.now(),
        standing: Standing::Enabled,
    };
    endpoints.put(&endpoint).await.unwrap();
    let arn = &simulation.template.function("dispatcher").unwrap().environment["SEAL_ENDPOINTS_SECRET_ARN"];
    let sealer = sealer(&simulation.rim.aws, arn).await.unwrap();
    let secret = Secret::new(SigningSecret::draw(simulation.dice.as_ref()).reveal());
    let sealed = sealer.seal("ep_1", &secret, simulation.dice.as_ref()).unwrap();
    let secret = SealedSecret { number: 1, sealed: sealed.0, created: endpoint.created_ms, until: None };
    endpoints.add_secret(&endpoint.endpoint, &secret).await.unwrap();
}

async fn put_record(client: &afferent_store::Client, simulation: &Simulation, user: &str, id: &str) {
    let changed = simulation.clock.now();
    let json = format!(
        r#"{{"user":"{user}","record":"{id}","rev":1,"status":"final","kind":"body_weight","connection":"con_1",
            "synckind":"live","changed_ms":{},"change_bucket":"{}","value":81.25}}"#,
        changed.as_millis(),
        change_bucket(changed, &UserId::from(user))
    );
    let item = from_json(&json).unwrap();
    client.put_item().table_name("afferent-records").set_item(Some(item)).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_change_is_delivered_whatever_fails_doubles_or_dies_on_the_way() {
    // `make soak` asks for more.
    let seeds: u64 = std::env::var("SEEDS").map_or(4, |seeds| seeds.parse().unwrap());
    let mut all = Found::default();
    for seed in 1..=seeds {
        let found = play(seed).await;
        println!("seed {seed}: {found}");
        found.violations.iter().for_each(|violation| println!("    {violation}"));
        all.add(found);
    }
    println!("{seeds} seeds: {all}");
    assert!(all.violations.is_empty(), "{}", all.violations.join("; "));
}

#[tokio::test(start_paused = true)]
async fn fan_out_that_stands_still_for_thirty_hours_loses_no_change() {
    let simulation = Simulation::bare(Setup { ticks: Ticks::WhenDue, ..Setup::default() }).await.unwrap();
    let functions = Functions::start(&simulation.template, &simulation.rim).await.unwrap();
    for name in ["fanout", "keeper"] {
        let function = simulation.template.function(name).unwrap().name.clone();
        simulation.set(name, functions.handler(&function).unwrap());
    }
    let client = afferent_store::client(&simulation.rim.aws);
    simulation.resume("fanout");
    simulation.resume("keeper");
    put_record(&client, &simulation, "usr_0", "rec_before").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    simulation.pause("fanout");
    for hour in 0..30 {
        put_record(&client, &simulation, "usr_0", &format!("rec_{hour:02}")).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    simulation.resume("fanout");
    tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
    let events = Events::new(client, "afferent-events".to_owned());
    let After::Events(journal) = events.after(&UserId::from("usr_0"), 0, 1_000).await.unwrap() else {
        panic!("nothing expires in three days");
    };
    let records: BTreeSet<&str> = journal.iter().map(|event| event.record.as_str()).collect();
    assert_eq!((journal.len(), records.len()), (31, 31));
}
