//! The second part of the demo: endpoints that are not well, in compressed time. Their waits are a second or two, and
//! the keeper's minute passes whenever there is something to wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use afferent_aws::{Service, cause};
use afferent_domain::contact::EmailAddress;
use afferent_domain::endpoint::{Destination, QueueUrl};
use afferent_domain::filter::Pattern;
use afferent_domain::id::EndpointId;
use afferent_domain::job::{Job, State};
use afferent_domain::payload::{ALWAYS, Payload};
use afferent_domain::schedule::{Custom, RetryPolicy};
use afferent_domain::signature::{SigningSecret, verifies};
use afferent_domain::{Clock, Timestamp};
use afferent_local::clock::SystemClock;
use afferent_play::receiver::{Manner, Receiver};
use afferent_play::scene::{Scene, SceneError};
use afferent_play::world::World;
use afferent_registry::{New, Span};
use serde::Serialize;
use tokio::time::{Instant, sleep};
use withings_simulator::Outcome;

use super::PATIENCE;
use crate::say;

/// What happens to the person meanwhile: blood pressure and glucose. Four events: one warning each, and not so many
/// failed tries that a breaker could open on a slow machine.
const CATEGORIES: [u16; 2] = [4, 58];

/// How long between two of the keeper's minutes.
const MINUTE: Duration = Duration::from_secs(2);

/// Who is told that the dead endpoint fails.
const CONTACT: &str = "owner@customer.example";

/// An endpoint of the second part.
struct Guest {
    name: &'static str,
    id: EndpointId,
    secret: SigningSecret,
    place: Place,
    /// Whether it must have everything in the end.
    takes_all: bool,
}

enum Place {
    Server(Receiver),
    Queue(String),
}

/// What became of one endpoint.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    endpoint: &'static str,
    /// Events that it should have.
    events: u64,
    /// Requests that it got, or messages.
    tries: u64,
    /// Deliveries by how they ended, or by how they wait.
    deliveries: BTreeMap<String, u64>,
    /// Letters about it.
    letters: u64,
    /// What a recovery sent again.
    recovered: u64,
    /// What is not at its end, ended without a reason, or was delivered and is not there.
    pub(super) lost: u64,
}

/// Plays it, and says what became of everyone.
pub(super) async fn play(scene: &Scene, world: &World) -> Result<Vec<Row>, SceneError> {
    say("\nendpoints that are not well, in compressed time");
    let guests = invite(scene).await?;
    let since = SystemClock.now();
    for appli in CATEGORIES {
        world.play(appli)?;
    }
    let [_, dead, ..] = &guests[..] else { return Ok(Vec::new()) };
    let warned = || scene.stack.mail.sent().iter().any(|letter| letter.to == CONTACT);
    let taken = || world.simulator.notifications().iter().all(|one| one.outcome == Outcome::Delivered);
    until(scene, async || Ok(taken() && warned() && settled(scene, &guests, since).await?)).await?;

    if let Place::Server(server) = &dead.place {
        server.behave(Manner::Takes);
    }
    let job = scene.registry.recover(&dead.id, Span::since(since - Duration::from_secs(1))).await?;
    let now = async || Ok::<Job, SceneError>(scene.registry.job(&dead.id, &job.job).await?);
    until(scene, async || Ok(now().await?.state != State::Running && settled(scene, &guests, since).await?)).await?;
    let recovered = now().await?.progress.matched;

    let mut rows = Vec::new();
    say("endpoint    events  tries  letters  recovered  lost  deliveries");
    for guest in &guests {
        let mut row = judge(scene, guest, since).await?;
        if guest.id == dead.id {
            row.recovered = recovered;
            row.lost += u64::from(row.letters == 0) + u64::from(recovered == 0);
        }
        let ended: Vec<String> = row.deliveries.iter().map(|(state, count)| format!("{count} {state}")).collect();
        say(&format!(
            "{:<10}  {:>6}  {:>5}  {:>7}  {:>9}  {:>4}  {}",
            row.endpoint,
            row.events,
            row.tries,
            row.letters,
            row.recovered,
            row.lost,
            ended.join(", "),
        ));
        rows.push(row);
    }
    for letter in scene.stack.mail.sent() {
        say(&format!("letter to {}: {}", letter.to, letter.subject));
    }
    Ok(rows)
}

/// Registers everyone.
async fn invite(scene: &Scene) -> Result<Vec<Guest>, SceneError> {
    let waits =
        |waits_s: &[u32]| Custom::new(waits_s.to_vec()).map_or_else(|_| RetryPolicy::default(), RetryPolicy::Custom);
    let mut guests = Vec::new();
    for (name, manner, policy, payload) in [
        ("recovering", Manner::Fails { status: 500, times: 5 }, waits(&[1, 1, 2]), Payload::Full),
        ("dead", Manner::Refuses(503), waits(&[1, 1]), Payload::Full),
        ("gone", Manner::Refuses(410), waits(&[1, 1]), Payload::Full),
        ("thin", Manner::Takes, RetryPolicy::default(), Payload::Thin),
    ] {
        let server = Receiver::start(0, Arc::new(SystemClock)).await?;
        server.behave(manner);
        let mut new = records_only(New::at(&server.url())?);
        (new.policy, new.payload, new.description) = (policy, payload, Some(name.to_owned()));
        new.contact = (name == "dead").then(|| EmailAddress::parse(CONTACT).ok()).flatten();
        let (endpoint, secret) = scene.registry.register(new).await?;
        server.trust(secret.clone());
        let (id, place, takes_all) = (endpoint.endpoint, Place::Server(server), name != "gone");
        guests.push(Guest { name, id, secret, place, takes_all });
    }
    let sqs = aws_sdk_sqs::Client::new(&scene.aws.config(Service::Sqs));
    let made = sqs.create_queue().queue_name("customer-health-data").send().await;
    let url = made.map_err(|error| std::io::Error::other(cause(&error)))?.queue_url.unwrap_or_default();
    let queue_url = QueueUrl::parse(&url).map_err(std::io::Error::other)?;
    let (endpoint, secret) = scene.registry.register(records_only(New::of(Destination::Sqs { queue_url }))).await?;
    guests.push(Guest { name: "queue", id: endpoint.endpoint, secret, place: Place::Queue(url), takes_all: true });
    Ok(guests)
}

/// An endpoint that is not told of the others.
fn records_only(new: New) -> New {
    let verbs = ["*.created", "*.updated", "*.deleted"];
    New { types: verbs.iter().filter_map(|verb| Pattern::parse(verb).ok()).collect(), ..new }
}

/// Lets minutes pass until something holds, and still does a minute later; or for as long as anything may take.
async fn until(scene: &Scene, holds: impl AsyncFn() -> Result<bool, SceneError>) -> Result<(), SceneError> {
    let (end, mut before) = (Instant::now() + PATIENCE, false);
    while Instant::now() < end {
        let now = holds().await?;
        if now && before {
            break;
        }
        before = now;
        scene.minute().await?;
        sleep(MINUTE).await;
    }
    Ok(())
}

/// How many records changed since then, as the journals have it.
async fn changes(scene: &Scene, since: Timestamp) -> Result<u64, SceneError> {
    let mut changes = 0;
    for user in scene.users() {
        let entries = scene.tables.entries(&user).await?;
        changes += entries.iter().filter(|one| one.at >= since && one.about.is_none() && !one.test).count() as u64;
    }
    Ok(changes)
}

/// Whether all is journalled, and every delivery of everyone at its end.
async fn settled(scene: &Scene, guests: &[Guest], since: Timestamp) -> Result<bool, SceneError> {
    let changes = changes(scene, since).await?;
    if changes == 0 || scene.tally().await?.open() > 0 {
        return Ok(false);
    }
    for guest in guests {
        let deliveries = scene.tables.deliveries_to(&guest.id).await?;
        let missing = guest.takes_all && (deliveries.len() as u64) < changes;
        if missing || deliveries.iter().any(|one| ["queued", "held", "parked"].contains(&one.state.as_str())) {
            return Ok(false);
        }
    }
    let gone = guests.iter().filter(|guest| !guest.takes_all);
    for guest in gone {
        if scene.registry.get(&guest.id).await?.endpoint.is_enabled() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn judge(scene: &Scene, guest: &Guest, since: Timestamp) -> Result<Row, SceneError> {
    let events = changes(scene, since).await?;
    let (tries, arrived) = match &guest.place {
        Place::Server(server) => {
            let received = server.received();
            let thin = |attributes: &[String]| attributes.iter().all(|name| ALWAYS.contains(&name.as_str()));
            let right = received.iter().filter(|one| one.verified && one.status < 300);
            let right = right.filter(|one| guest.name != "thin" || thin(&one.attributes));
            (received.len() as u64, right.map(|one| one.id.clone()).collect())
        }
        Place::Queue(url) => consume(scene, url, &guest.secret).await?,
    };
    let (mut deliveries, mut lost) = (BTreeMap::<String, u64>::new(), 0);
    for listed in scene.tables.deliveries_to(&guest.id).await? {
        let shown = scene.registry.delivery(&listed.key.event, &guest.id).await?;
        // Every end has a reason, and what is delivered has arrived.
        let ended = shown.reason.as_deref().is_some_and(|reason| !reason.is_empty());
        let delivered = shown.state == "delivered";
        let fine =
            ended && (!delivered || arrived.contains(listed.key.event.as_str())) && (delivered || !guest.takes_all);
        lost += u64::from(!fine);
        *deliveries.entry(shown.state).or_default() += 1;
    }
    if guest.takes_all {
        lost += events.abs_diff(deliveries.values().sum());
    } else {
        lost += u64::from(scene.registry.get(&guest.id).await?.endpoint.is_enabled());
    }
    let about = |text: &str| text.contains(guest.id.as_str());
    let letters = scene.stack.mail.sent().iter().filter(|letter| about(&letter.text)).count() as u64;
    lost += u64::from(!guest.takes_all && letters == 0);
    Ok(Row { endpoint: guest.name, events, tries, deliveries, letters, recovered: 0, lost })
}

/// What is in a customer's queue: how many messages, and the events whose signature is right.
async fn consume(scene: &Scene, url: &str, secret: &SigningSecret) -> Result<(u64, BTreeSet<String>), SceneError> {
    let sqs = aws_sdk_sqs::Client::new(&scene.aws.config(Service::Sqs));
    let (mut count, mut events) = (0, BTreeSet::new());
    loop {
        let received = sqs.receive_message().queue_url(url).max_number_of_messages(10).message_attribute_names("All");
        let received = received.send().await.map_err(|error| std::io::Error::other(cause(&error)))?;
        if received.messages().is_empty() {
            return Ok((count, events));
        }
        for message in received.messages() {
            count += 1;
            let attributes = message.message_attributes();
            let text = |name: &str| attributes.and_then(|all| all.get(name)?.string_value()).unwrap_or_default();
            let at = Timestamp::from_secs(text("webhook-timestamp").parse().unwrap_or_default());
            let (id, body) = (text("webhook-id"), message.body().unwrap_or_default());
            // However long it lay in the queue.
            if verifies(secret, id, at, body.as_bytes(), text("webhook-signature"), at) {
                events.insert(id.to_owned());
            }
        }
    }
}
