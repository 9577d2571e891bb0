//! Deliveries and endpoints against a DynamoDB.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, Key, LEASE, LOOK_AHEAD, OVERDUE, Place, State};
use afferent_domain::endpoint::{Endpoint, EndpointUrl, Health, Standing};
use afferent_domain::filter::{Pattern, Scope};
use afferent_domain::id::{EndpointId, EventId, UserId};
use afferent_domain::schedule::RetryPolicy;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::deliveries::{Attempt, Claim, Claimed, Deliveries, Kept, Outcome};
use afferent_store::endpoints::{Endpoints, SealedSecret};
use afferent_store::item::s;

async fn tables() -> (Simulation, Deliveries, Endpoints) {
    let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
    let client = afferent_store::client(&simulation.rim.aws);
    let deliveries = Deliveries::new(client.clone(), "afferent-deliveries".to_owned());
    (simulation, deliveries, Endpoints::new(client, "afferent-endpoints".to_owned()))
}

fn key(event: &str) -> Key {
    Key { event: EventId::from(event), endpoint: EndpointId::from("ep_1") }
}

fn delivery(event: &str, now: Timestamp) -> Delivery {
    Delivery::new(key(event), UserId::from("usr_1"), 7, "ecg.created".to_owned(), now)
}

async fn take(deliveries: &Deliveries, event: &str, now: Timestamp) -> Claimed {
    match deliveries.claim(&key(event), now).await.unwrap() {
        Claim::Taken(claimed) => *claimed,
        other => panic!("it should be free: {other:?}"),
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_put_once_and_a_second_put_changes_nothing() {
    let (simulation, deliveries, _) = tables().await;
    let now = simulation.clock.now();
    assert!(deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap());
    take(&deliveries, "evt_1", now).await;
    assert!(!deliveries.put_if_absent(&delivery("evt_1", now + secs(5))).await.unwrap());
    let stored = deliveries.get(&key("evt_1")).await.unwrap().unwrap();
    assert_eq!((stored.created, stored.claims), (now, 1));
}

#[tokio::test(start_paused = true)]
async fn a_live_lease_keeps_others_out_and_a_dead_one_is_overtaken_for_good() {
    let (simulation, deliveries, _) = tables().await;
    let now = simulation.clock.now();
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    let first = take(&deliveries, "evt_1", now).await;
    assert_eq!(deliveries.claim(&key("evt_1"), now + secs(1)).await.unwrap(), Claim::NotYet(now + LEASE));
    let second = take(&deliveries, "evt_1", now + LEASE).await;
    assert_eq!(deliveries.end(&first, End::Delivered, "late", 1, now).await.unwrap(), Kept::Overtaken);
    assert_eq!(deliveries.wait(&first, Place::Held, 2, now, 1).await.unwrap(), Kept::Overtaken);
    assert_eq!(deliveries.end(&second, End::Delivered, "in time", 1, now + LEASE).await.unwrap(), Kept::Yes);
    assert_eq!(deliveries.claim(&key("evt_1"), now + secs(100)).await.unwrap(), Claim::Over);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_waits_is_free_again_at_its_time_and_not_before() {
    let (simulation, deliveries, _) = tables().await;
    let now = simulation.clock.now();
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    let claimed = take(&deliveries, "evt_1", now).await;
    deliveries.wait(&claimed, Place::Held, 2, now + secs(10), 2).await.unwrap();
    assert_eq!(deliveries.claim(&key("evt_1"), now + secs(9)).await.unwrap(), Claim::NotYet(now + secs(10)));
    let claimed = take(&deliveries, "evt_1", now + secs(10)).await;
    assert_eq!((claimed.cycle, claimed.delivery.attempts), (2, 2));
    assert_eq!(deliveries.claim(&key("evt_none"), now).await.unwrap(), Claim::Gone);
}

#[tokio::test(start_paused = true)]
async fn the_due_index_holds_every_delivery_from_its_creation_until_its_end() {
    let (simulation, deliveries, _) = tables().await;
    let now = simulation.clock.now();
    let shard = key("evt_1").due_shard();
    let due = |at: Timestamp| {
        let (deliveries, shard) = (deliveries.clone(), shard.clone());
        async move { deliveries.due(&shard, at - OVERDUE, at + LOOK_AHEAD, 10).await.unwrap() }
    };
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    assert!(due(now).await.is_empty(), "its message was just sent");
    assert_eq!(due(now + OVERDUE).await.len(), 1, "nobody came for it");
    let claimed = take(&deliveries, "evt_1", now).await;
    deliveries.wait(&claimed, Place::Parked, 2, now + secs(1_000), 2).await.unwrap();
    assert!(due(now + secs(1_000 - 91)).await.is_empty());
    let found = due(now + secs(1_000 - 90)).await;
    assert_eq!((found[0].key.clone(), found[0].due), (key("evt_1"), now + secs(1_000)));

    let again = now + secs(1_000);
    assert_eq!(deliveries.woken(&key("evt_1"), now + secs(999), again).await.unwrap(), Kept::Overtaken);
    assert_eq!(deliveries.woken(&key("evt_1"), now + secs(1_000), again).await.unwrap(), Kept::Yes);
    assert!(due(again).await.is_empty(), "a message is on its way");
    let claimed = take(&deliveries, "evt_1", again).await;
    deliveries.end(&claimed, End::Exhausted, "every try failed", 4, again).await.unwrap();
    assert!(due(again + secs(100_000)).await.is_empty());
    let State::Ended { end, reason, at } = deliveries.get(&key("evt_1")).await.unwrap().unwrap().state else {
        panic!("it ended");
    };
    assert_eq!((end, reason.as_str(), at), (End::Exhausted, "every try failed", again));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_left_behind_by_a_lost_claim_is_kept_beside_the_later_ones() {
    let (simulation, deliveries, _) = tables().await;
    let now = simulation.clock.now();
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    let attempt = |status| Attempt {
        at: now,
        cycle: 1,
        number: 1,
        duration: Duration::from_millis(12),
        outcome: Outcome::Answered { status, excerpt: "no".to_owned(), truncated: status == 500 },
    };
    let broken =
        Attempt { at: now + LEASE, outcome: Outcome::Unanswered { error: "timeout".to_owned() }, ..attempt(0) };
    assert_eq!(deliveries.log(&key("evt_1"), 1, &attempt(500)).await.unwrap(), 1);
    assert_eq!(deliveries.log(&key("evt_1"), 1, &attempt(500)).await.unwrap(), 1, "the same write, sent twice");
    assert_eq!(deliveries.log(&key("evt_1"), 1, &broken).await.unwrap(), 2);
    assert_eq!(deliveries.attempts(&key("evt_1")).await.unwrap(), [(1, attempt(500)), (2, broken)]);
    assert_eq!(deliveries.of_event(&EventId::from("evt_1")).await.unwrap().len(), 1, "attempts are no deliveries");
    let listed = deliveries.of_endpoint(&EndpointId::from("ep_1"), now + secs(1), 10).await.unwrap();
    assert_eq!(listed, [(key("evt_1"), "queued".to_owned(), now)]);
}

fn endpoint(id: &str, scope: Scope, now: Timestamp) -> Endpoint {
    Endpoint {
        endpoint: EndpointId::from(id),
        url: EndpointUrl::parse("https://example.org/hook").unwrap(),
        types: vec![Pattern::every()],
        scope,
        policy: RetryPolicy::StandardWebhooks,
        description: Some("ours".to_owned()),
        created_ms: now,
        standing: Standing::Enabled,
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_comes_back_whole_with_its_secrets_and_its_health() {
    let (simulation, _, endpoints) = tables().await;
    let now = simulation.clock.now();
    let id = EndpointId::from("ep_1");
    let one = endpoint("ep_1", Scope::All, now);
    endpoints.put(&one).await.unwrap();
    let secret = SealedSecret { number: 1, sealed: "1.abc".to_owned(), created: now, until: Some(now + secs(60)) };
    assert!(endpoints.add_secret(&id, &secret).await.unwrap());
    assert!(!endpoints.add_secret(&id, &secret).await.unwrap(), "a secret is never overwritten");
    endpoints.count_exhausted(&id, now).await.unwrap();
    endpoints.count_exhausted(&id, now + secs(5)).await.unwrap();
    let whole = endpoints.whole(&id).await.unwrap().unwrap();
    assert_eq!((whole.endpoint, whole.secrets), (one, vec![secret.clone()]));
    assert_eq!((whole.health.failing_since, whole.health.exhausted_in_a_row), (Some(now), 2));
    assert!(secret.signs(now) && !secret.signs(now + secs(60)));

    let healthy = Health::default().after_success(now).unwrap();
    endpoints.put_health(&id, &healthy).await.unwrap();
    assert_eq!(endpoints.whole(&id).await.unwrap().unwrap().health, healthy);
    let disabled = Standing::Disabled { reason: "asked to".to_owned(), since_ms: now };
    assert!(endpoints.set_standing(&id, &disabled).await.unwrap());
    assert_eq!(endpoints.get(&id).await.unwrap().unwrap().standing, disabled);
    assert!(!endpoints.set_standing(&EndpointId::from("ep_none"), &disabled).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_found_by_whose_events_they_want_and_one_that_cannot_be_read_stops_no_other() {
    let (simulation, _, endpoints) = tables().await;
    let now = simulation.clock.now();
    let anna = Scope::User(UserId::from("usr_a"));
    endpoints.put(&endpoint("ep_all", Scope::All, now)).await.unwrap();
    endpoints.put(&endpoint("ep_anna", anna.clone(), now)).await.unwrap();
    let broken = afferent_store::client(&simulation.rim.aws).put_item().table_name("afferent-endpoints");
    broken.item("endpoint", s("ep_broken")).item("item", s("endpoint")).item("scope", s("_all")).send().await.unwrap();
    let ids = |found: Vec<Endpoint>| found.into_iter().map(|one| one.endpoint.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(endpoints.of_scope(&Scope::All).await.unwrap()), ["ep_all"]);
    assert_eq!(ids(endpoints.of_scope(&anna).await.unwrap()), ["ep_anna"]);
    assert_eq!(endpoints.all().await.unwrap().len(), 2);
}
