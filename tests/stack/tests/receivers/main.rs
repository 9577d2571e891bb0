//! What receivers in Rust have: the libraries as published, and the snippets of `docs/delivery.md`, on what the stack
//! delivers.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod receiver;
mod replay;

use std::time::Duration;

use afferent_domain::Clock;
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_local::clock::SystemClock;
use afferent_local::network::{Reply, Seen};
use afferent_local::{FRONT_HOST, Setup};
use afferent_play::seed::Seeder;
use afferent_store::endpoints::{Endpoints, SealedSecret};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use serde_json::Value;
use stack_tests::Rig;
use withings_simulator::{Settings, sample};

const HOUR: Duration = Duration::from_secs(3600);

/// Categories with events of several kinds.
const CATEGORIES: [u16; 6] = [1, 4, 44, 50, 51, 54];

/// A secret that is nobody's.
const OTHER: &str = "whsec_b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI=";

/// A day of webhooks. The libraries look at the machine's clock, so the virtual one shows the same when they are sent,
/// or `ago` less.
async fn day(seed: u64, ago: Duration) -> (Rig, Vec<Seen>) {
    // The rig lets an hour pass before it begins.
    let epoch = SystemClock.now() - HOUR - ago;
    let rig = Rig::of(Setup { seed, epoch, ..Setup::default() }, Settings::default()).await;
    for category in CATEGORIES {
        sample::play(&rig.withings, &rig.person, category).unwrap();
    }
    rig.settle(Duration::from_secs(120)).await;
    let seen = rig.receiver.seen();
    assert!(seen.len() >= CATEGORIES.len(), "{}", seen.len());
    (rig, seen)
}

/// Whether each library takes it: `standardwebhooks`, then `svix`.
fn taken(secret: &str, headers: &HeaderMap, body: &[u8]) -> [bool; 2] {
    [
        standardwebhooks::Webhook::new(secret).unwrap().verify(body, headers).is_ok(),
        svix::webhooks::Webhook::new(secret).unwrap().verify(body, headers).is_ok(),
    ]
}

fn changed(headers: &HeaderMap, name: &'static str, value: &str) -> HeaderMap {
    let mut headers = headers.clone();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    headers
}

#[tokio::test(start_paused = true)]
async fn the_published_libraries_take_every_request_as_it_came_and_no_other() {
    let (rig, seen) = day(301, Duration::ZERO).await;
    let secret = rig.registered.secret.reveal();
    for Seen { request, .. } in seen {
        let (headers, body) = (request.headers(), request.body());
        assert_eq!(taken(&secret, headers, body), [true; 2]);
        let mut other = body.to_vec();
        other[body.len() / 2] ^= 1;
        let at: i64 = headers["webhook-timestamp"].to_str().unwrap().parse().unwrap();
        assert_eq!(taken(&secret, headers, &other), [false; 2], "a changed byte");
        assert_eq!(taken(OTHER, headers, body), [false; 2], "another secret");
        assert_eq!(taken(&secret, &changed(headers, "webhook-id", "evt_other"), body), [false; 2], "another id");
        let earlier = (at - 60).to_string();
        assert_eq!(taken(&secret, &changed(headers, "webhook-timestamp", &earlier), body), [false; 2], "another time");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_six_minutes_old_or_early_is_refused() {
    let late = Duration::from_secs(6 * 60);
    let (rig, seen) = day(302, late + Duration::from_secs(120)).await;
    let secret = rig.registered.secret.reveal();
    for Seen { request, .. } in seen {
        assert_eq!(taken(&secret, request.headers(), request.body()), [false; 2]);
        let right = svix::webhooks::Webhook::new(&secret).unwrap();
        assert!(right.verify_ignoring_timestamp(request.body(), request.headers()).is_ok(), "it is its age alone");
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_secret_is_replaced_either_verifies_and_afterwards_only_the_new_one() {
    const OVERLAP: Duration = Duration::from_secs(60);
    let epoch = SystemClock.now() - HOUR;
    let rig = Rig::of(Setup { seed: 305, epoch, ..Setup::default() }, Settings::default()).await;
    let stack = &rig.stack;
    let (id, now) = (&rig.registered.endpoint, stack.clock.now());
    let endpoints = Endpoints::new(rig.client.clone(), rig.name("endpoints"));
    let key = format!("{}/seal-endpoints", stack.template.place.stack);
    let sealer = afferent_secrets::sealer(&stack.rim.aws, &key).await.unwrap();
    let second = SigningSecret::draw(&*stack.dice);
    let sealed = sealer.seal(id.as_str(), &Secret::new(second.reveal()), &*stack.dice).unwrap().0;
    assert!(endpoints.add_secret(id, &SealedSecret { number: 2, sealed, created: now, until: None }).await.unwrap());
    assert!(endpoints.end_secret(id, 1, now + OVERLAP).await.unwrap());

    let signed = async |category| {
        rig.receiver.clear();
        sample::play(&rig.withings, &rig.person, category).unwrap();
        rig.settle(OVERLAP / 2).await;
        rig.receiver.seen()[0].request.clone()
    };
    let (first, second) = (rig.registered.secret.reveal(), second.reveal());
    let both = signed(50).await;
    tokio::time::sleep(OVERLAP).await;
    let one = signed(51).await;
    for (request, by_first) in [(both, true), (one, false)] {
        assert_eq!(taken(&first, request.headers(), request.body()), [by_first; 2]);
        assert_eq!(taken(&second, request.headers(), request.body()), [true; 2]);
        assert_eq!(taken(OTHER, request.headers(), request.body()), [false; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_documented_receiver_takes_each_event_once_and_each_record_in_its_newest_state() {
    let (rig, seen) = day(303, Duration::ZERO).await;
    let mut inbox = receiver::Inbox::new(&rig.registered.secret.reveal()).unwrap();
    for Seen { request, .. } in seen.iter().rev().chain(&seen) {
        assert_eq!(inbox.receive(request.headers(), request.body()), StatusCode::NO_CONTENT);
        assert_eq!(inbox.receive(request.headers(), b"{}"), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(inbox.seen.len(), seen.len());
    let newest = |mut event: Value, rev: u64| {
        event["id"] = format!("evt_{rev}").into();
        event["data"]["record"]["rev"] = rev.into();
        event
    };
    let event: Value = serde_json::from_slice(seen[0].request.body()).unwrap();
    let record = event["data"]["record"]["record"].as_str().unwrap().to_owned();
    inbox.take(newest(event.clone(), 7));
    inbox.take(newest(event, 6));
    assert_eq!(inbox.records[&record].0, 7, "an older revision that comes later changes nothing");
}

#[tokio::test(start_paused = true)]
async fn the_documented_replay_brings_what_a_dead_receiver_missed() {
    let (rig, _) = day(304, Duration::ZERO).await;
    let mut inbox = receiver::Inbox::new(&rig.registered.secret.reveal()).unwrap();
    rig.receiver.always(Reply::Status(500));
    let seeder = Seeder::new(&rig.stack.rim, &rig.stack.template.place.stack);
    let key = seeder.key("receiver").await.unwrap();
    let get = async |path: String| -> Result<(u16, Vec<u8>), serde_json::Error> {
        let request = Request::builder().method(Method::GET).uri(format!("https://{FRONT_HOST}{path}"));
        let request = request.header("authorization", format!("Bearer {key}")).body(Bytes::new()).unwrap();
        let answer = rig.stack.request(request).await;
        Ok((answer.status().as_u16(), answer.body().to_vec()))
    };
    let events = replay::events_after(rig.connection.user.as_str(), 0, get).await.unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event["sequence"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(events.len() >= CATEGORIES.len());
    events.into_iter().for_each(|event| inbox.take(event));
    assert_eq!(inbox.seen.len(), numbers.len());
}

#[tokio::test(start_paused = true)]
async fn a_replay_from_before_the_oldest_event_goes_on_at_the_oldest() {
    let gone = |path: String| async move {
        let page: (u16, &[u8]) = match &*path {
            "/v1/users/usr_1/events?after=3&limit=100" => (410, br#"{"oldest":9}"#),
            "/v1/users/usr_1/events?after=8&limit=100" => (200, br#"{"events":[{"id":"evt_9"}],"next":"9"}"#),
            _ => (200, br#"{"events":[],"next":null}"#),
        };
        Ok::<_, serde_json::Error>((page.0, page.1.to_vec()))
    };
    let events = replay::events_after("usr_1", 3, gone).await.unwrap();
    assert_eq!(events, [serde_json::json!({"id": "evt_9"})]);
}

#[test]
fn the_snippets_here_are_those_of_the_page() {
    let page = include_str!("../../../../docs/delivery.md");
    for (name, text) in [("receiver.rs", include_str!("receiver.rs")), ("replay.rs", include_str!("replay.rs"))] {
        let shown = format!("<!-- snippet: {name} -->\n```rust\n{text}```\n");
        assert!(page.contains(&shown), "docs/delivery.md does not have {name} as it is here");
    }
}

/// A wait as the page writes it.
fn words(wait: Duration) -> String {
    match wait.as_secs() {
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[test]
fn the_page_says_the_numbers_of_the_code() {
    use afferent_domain::address::DEFAULT_PORTS;
    use afferent_domain::endpoint::LONGEST_OVERLAP;
    use afferent_domain::filter::Users;
    use afferent_domain::payload::Payload;
    use afferent_domain::rate::Rate;
    use afferent_domain::reply::{CONTROL_HEADER, LONGEST_RETRY_AFTER};
    use afferent_domain::schedule::RetryPolicy;
    use afferent_domain::{delivery, health};

    const DAY: Duration = Duration::from_secs(24 * 3600);
    let page = include_str!("../../../../docs/delivery.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let waits = |policy: RetryPolicy| {
        (1..).map_while(|cycle| policy.wait_after(cycle)).map(|wait| wait.bounds()).collect::<Vec<_>>()
    };
    let standard: Vec<String> =
        waits(RetryPolicy::StandardWebhooks).iter().map(|bounds| words(*bounds.start())).collect();
    let (least, most): (Vec<u64>, Vec<u64>) = waits(RetryPolicy::Withings)
        .iter()
        .map(|bounds| (bounds.start().as_secs() / 60, bounds.end().as_secs() / 60))
        .unzip();
    assert_eq!((&*least, &*most), (&[0, 2, 62, 243][..], &[0, 11, 80, 270][..]), "then the page's schedule is another");
    let ports = DEFAULT_PORTS.replace(',', " and ");
    for said in [
        "after 10 s; 1 min and 1 to 10 min; 1 h and 2 to 20 min; 4 h and 3 to 30 min".to_owned(),
        format!("{}, and up to a tenth more", standard.join(", ")),
        format!("has {} seconds by default", delivery::DEADLINE.as_secs()),
        format!("the ports {ports}"),
        format!("a list of at most {}", Users::MOST),
        format!("(0 to {} days, as its owner says)", LONGEST_OVERLAP.as_secs() / DAY.as_secs()),
        format!("After at least {} failed tries over at least a minute", health::OPENING_TRIES),
        format!("After **{} days** without a success", health::PATIENCE.as_secs() / DAY.as_secs()),
        format!("**`{CONTROL_HEADER}`**"),
    ] {
        assert!(page.contains(&said), "docs/delivery.md does not say: {said}");
    }
    let shown = |form: &'static str| {
        assert!(page.contains(form), "docs/delivery.md does not show {form}");
        form
    };
    assert!(serde_json::from_str::<Rate>(shown(r#"{"requests": 10, "per_s": 1}"#)).is_ok());
    assert!(serde_json::from_str::<RetryPolicy>(shown(r#"{"custom": {"waits_s": [5, 300]}}"#)).is_ok());
    assert!(serde_json::from_str::<Payload>(shown(r#"{"fields": {"body_weight.*": ["value", "unit"]}}"#)).is_ok());
    // These are there in words.
    assert_eq!((health::OPENING_TIME, health::FIRST_PROBE), (Duration::from_secs(60), Duration::from_secs(60)));
    assert_eq!((health::LONGEST_PROBE, health::WARNINGS), (Duration::from_secs(15 * 60), 4));
    assert_eq!((LONGEST_RETRY_AFTER, delivery::LIFE), (HOUR * 4, DAY * 3));
}
