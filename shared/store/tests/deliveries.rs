//! Deliveries against a DynamoDB.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, KEPT, Key, LEASE, LOOK_AHEAD, OVERDUE, Place, State, Try, WaitsFor};
use afferent_domain::id::{EndpointId, EventId, UserId};
use afferent_domain::trace::Trace;
use afferent_local::dynamodb::Fault;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::deliveries::{Again, Attempt, Claim, Claimed, Deliveries, Due, Kept, Outcome, Phases, Rest};
use afferent_store::item::s;

async fn table() -> (Simulation, Deliveries) {
    let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
    let client = afferent_store::client(&simulation.rim.aws);
    (simulation, Deliveries::new(client, "afferent-deliveries".to_owned()))
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

/// What waits for the second cycle.
fn rest(place: Place, next: Timestamp) -> Rest {
    let (at, waits_for) = (Try::first(2), WaitsFor::Schedule);
    Rest { place, at, next, waits_for, kept_back: None, attempts: 2 }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_put_once_and_a_second_put_changes_nothing() {
    let (simulation, deliveries) = table().await;
    let now = simulation.clock.now();
    assert!(deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap());
    take(&deliveries, "evt_1", now).await;
    assert!(!deliveries.put_if_absent(&delivery("evt_1", now + secs(5))).await.unwrap());
    let stored = deliveries.get(&key("evt_1")).await.unwrap().unwrap();
    assert_eq!((stored.created, stored.claims), (now, 1));
}

#[tokio::test(start_paused = true)]
async fn a_live_lease_keeps_others_out_and_a_dead_one_is_overtaken_for_good() {
    let (simulation, deliveries) = table().await;
    let now = simulation.clock.now();
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    let first = take(&deliveries, "evt_1", now).await;
    assert_eq!(deliveries.claim(&key("evt_1"), now + secs(1)).await.unwrap(), Claim::NotYet(now + LEASE));
    let second = take(&deliveries, "evt_1", now + LEASE).await;
    assert_eq!(deliveries.end(&first, End::Delivered, "late", (1, None), now).await.unwrap(), Kept::Overtaken);
    assert_eq!(deliveries.wait(&first, rest(Place::Held, now)).await.unwrap(), Kept::Overtaken);
    assert_eq!(deliveries.end(&second, End::Delivered, "in time", (1, None), now + LEASE).await.unwrap(), Kept::Yes);
    assert_eq!(deliveries.claim(&key("evt_1"), now + secs(100)).await.unwrap(), Claim::Over);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_waits_is_free_again_at_its_time_and_not_before() {
    let (simulation, deliveries) = table().await;
    let now = simulation.clock.now();
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    let claimed = take(&deliveries, "evt_1", now).await;
    deliveries.wait(&claimed, rest(Place::Held, now + secs(10))).await.unwrap();
    assert_eq!(deliveries.claim(&key("evt_1"), now + secs(9)).await.unwrap(), Claim::NotYet(now + secs(10)));
    let claimed = take(&deliveries, "evt_1", now + secs(10)).await;
    assert_eq!((claimed.waiting.at, claimed.delivery.attempts), (Try::first(2), 2));
    assert_eq!(deliveries.claim(&key("evt_none"), now).await.unwrap(), Claim::Gone);
}

/// What the keeper finds at `at`: what is overdue, and what is parked and due soon.
async fn due(deliveries: &Deliveries, at: Timestamp) -> Vec<Due> {
    let shard = key("evt_1").due_shard();
    let mut found = deliveries.overdue(&shard, at - OVERDUE, 10).await.unwrap();
    found.extend(deliveries.parked(&shard, at - OVERDUE, at + LOOK_AHEAD, 10).await.unwrap());
    found
}

#[tokio::test(start_paused = true)]
async fn the_due_index_holds_every_delivery_from_its_creation_until_its_end() {
    let (simulation, deliveries) = table().await;
    let now = simulation.clock.now();
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    assert!(due(&deliveries, now).await.is_empty(), "its message was just sent");
    assert_eq!(due(&deliveries, now + OVERDUE).await.len(), 1, "nobody came for it");
    let claimed = take(&deliveries, "evt_1", now).await;
    deliveries.wait(&claimed, rest(Place::Parked, now + secs(1_000))).await.unwrap();
    assert!(due(&deliveries, now + secs(1_000 - 91)).await.is_empty());
    let found = due(&deliveries, now + secs(1_000 - 90)).await;
    assert_eq!(found, [Due { key: key("evt_1"), due: now + secs(1_000), parked: true, trace: None }]);

    let again = now + secs(1_000);
    assert_eq!(deliveries.woken(&key("evt_1"), now + secs(999), again).await.unwrap(), Kept::Overtaken);
    assert_eq!(deliveries.woken(&key("evt_1"), now + secs(1_000), again).await.unwrap(), Kept::Yes);
    assert!(due(&deliveries, again).await.is_empty(), "a message is on its way");
    let claimed = take(&deliveries, "evt_1", again).await;
    deliveries.end(&claimed, End::Exhausted, "every try failed", (4, None), again).await.unwrap();
    assert!(due(&deliveries, again + secs(100_000)).await.is_empty());
    let State::Ended { end, reason, at } = deliveries.get(&key("evt_1")).await.unwrap().unwrap().state else {
        panic!("it ended");
    };
    assert_eq!((end, reason.as_str(), at), (End::Exhausted, "every try failed", again));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_of_some_deliveries_is_the_oldest_that_waits_and_naming_one_twice_does_no_harm() {
    let (simulation, deliveries) = table().await;
    let first = simulation.clock.now();
    for event in ["evt_1", "evt_2"] {
        deliveries.put_if_absent(&delivery(event, simulation.clock.now())).await.unwrap();
        tokio::time::sleep(secs(60)).await;
    }
    let asked = ["evt_2", "evt_1", "evt_1", "evt_none"].map(key);
    assert_eq!(deliveries.oldest_since(&asked).await.unwrap(), Some(first));
    deliveries.cancel(&key("evt_1"), "for a test", simulation.clock.now()).await.unwrap();
    assert_eq!(deliveries.oldest_since(&asked).await.unwrap(), Some(first + secs(60)));
    assert_eq!(deliveries.oldest_since(&[]).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_breaker_keeps_back_is_due_when_it_expires_and_until_then_only_its_endpoint_shows_it() {
    let (simulation, deliveries) = table().await;
    let now = simulation.clock.now();
    let ep = EndpointId::from("ep_1");
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    let claimed = take(&deliveries, "evt_1", now).await;
    let expires = now + secs(250_000);
    let kept_back = Rest {
        at: Try { cycle: 1, number: 2 },
        waits_for: WaitsFor::Breaker,
        kept_back: Some(expires),
        ..rest(Place::Parked, now + secs(60))
    };
    assert_eq!(deliveries.wait(&claimed, kept_back).await.unwrap(), Kept::Yes);
    assert!(due(&deliveries, now + secs(60)).await.is_empty() && due(&deliveries, expires).await.is_empty());
    assert!(deliveries.kept_back(&ep, expires - secs(1), 10).await.unwrap().is_empty());
    let found = deliveries.kept_back(&ep, expires, 10).await.unwrap();
    assert_eq!(found, [Due { key: key("evt_1"), due: expires, parked: true, trace: None }]);
    assert!(deliveries.kept_back(&EndpointId::from("ep_2"), expires, 10).await.unwrap().is_empty());

    // Once it is woken it is among the others, at the try that it stopped at.
    let look_again = now + secs(300);
    assert_eq!(deliveries.woken(&key("evt_1"), expires, look_again).await.unwrap(), Kept::Yes);
    assert!(deliveries.kept_back(&ep, expires, 10).await.unwrap().is_empty());
    assert_eq!(due(&deliveries, look_again + OVERDUE).await.len(), 1);
    let claimed = take(&deliveries, "evt_1", now + secs(60)).await;
    assert_eq!((claimed.waiting.at, claimed.waiting.waits_for), (Try { cycle: 1, number: 2 }, WaitsFor::Breaker));
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_ends_what_waits_and_leaves_what_is_held_or_over() {
    let (simulation, deliveries) = table().await;
    let now = simulation.clock.now();
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    let claimed = take(&deliveries, "evt_1", now).await;
    assert!(!deliveries.cancel(&key("evt_1"), "it is gone", now + secs(1)).await.unwrap(), "somebody holds it");
    deliveries.wait(&claimed, rest(Place::Held, now + secs(100))).await.unwrap();
    assert!(deliveries.cancel(&key("evt_1"), "it is gone", now + secs(2)).await.unwrap());
    assert!(!deliveries.cancel(&key("evt_1"), "another reason", now + secs(3)).await.unwrap());
    assert!(!deliveries.cancel(&key("evt_none"), "it is gone", now).await.unwrap(), "and makes nothing");
    let State::Ended { end, reason, .. } = deliveries.get(&key("evt_1")).await.unwrap().unwrap().state else {
        panic!("it ended");
    };
    assert_eq!((end, reason.as_str()), (End::Cancelled, "it is gone"));
    assert_eq!(deliveries.end(&claimed, End::Delivered, "late", (1, None), now).await.unwrap(), Kept::Overtaken);
    assert!(deliveries.get(&key("evt_none")).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_ended_can_begin_anew_with_every_try_and_is_due_again() {
    let (simulation, deliveries) = table().await;
    let now = simulation.clock.now();
    assert_eq!(deliveries.again(&key("evt_1"), now).await.unwrap(), Again::Gone);
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    assert_eq!(deliveries.again(&key("evt_1"), now).await.unwrap(), Again::Waits);
    let first = take(&deliveries, "evt_1", now).await;
    assert_eq!(deliveries.again(&key("evt_1"), now).await.unwrap(), Again::Waits, "somebody holds it");
    deliveries.end(&first, End::Exhausted, "every try failed", (10, None), now).await.unwrap();

    let later = now + secs(86_400);
    assert_eq!(deliveries.again(&key("evt_1"), later).await.unwrap(), Again::Yes);
    assert_eq!(deliveries.again(&key("evt_1"), later).await.unwrap(), Again::Waits, "once is enough");
    let anew = deliveries.get(&key("evt_1")).await.unwrap().unwrap();
    assert_eq!((anew.created, anew.since, anew.attempts), (now, later, 10), "the log goes on");
    assert_eq!(due(&deliveries, later + OVERDUE).await.len(), 1, "should its message be lost");
    let second = take(&deliveries, "evt_1", later).await;
    assert_eq!(second.waiting.at, Try::first(1));
    assert_eq!(deliveries.end(&first, End::Cancelled, "late", (1, None), later).await.unwrap(), Kept::Overtaken);
    // Its TTL went with its end, and comes with the next one.
    tokio::time::sleep(KEPT + secs(7_200)).await;
    simulation.dynamodb.sweep().unwrap();
    assert!(deliveries.get(&key("evt_1")).await.unwrap().is_some());
    deliveries.end(&second, End::Delivered, "200", (11, None), simulation.clock.now()).await.unwrap();
    tokio::time::sleep(KEPT + secs(7_200)).await;
    simulation.dynamodb.sweep().unwrap();
    assert!(deliveries.get(&key("evt_1")).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn deliveries_made_in_the_same_millisecond_are_all_listed_page_by_page_from_either_end() {
    let (simulation, deliveries) = table().await;
    let now = simulation.clock.now();
    for number in 0..25 {
        deliveries.put_if_absent(&delivery(&format!("evt_{number}"), now)).await.unwrap();
    }
    deliveries.put_if_absent(&delivery("evt_late", now + secs(60))).await.unwrap();
    let ep = EndpointId::from("ep_1");
    let (mut newest, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = deliveries.of_endpoint(&ep, after.as_ref(), 7).await.unwrap();
        newest.extend(page.into_iter().map(|one| one.key.event));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((newest.len(), newest[0].as_str()), (26, "evt_late"));
    assert_eq!(newest.iter().collect::<BTreeSet<_>>().len(), 26);

    let (mut between, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = deliveries.made_between(&ep, now, now + secs(60), after.as_ref(), 7).await.unwrap();
        between.extend(page.into_iter().map(|one| one.key.event));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(between.iter().collect::<BTreeSet<_>>().len(), 25, "the end is no part of a time");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_cannot_be_read_hides_no_other_wherever_a_page_ends() {
    let (simulation, deliveries) = table().await;
    let (client, now) = (afferent_store::client(&simulation.rim.aws), simulation.clock.now());
    for number in 0..12 {
        let (event, created) = (format!("evt_{number:02}"), now + secs(number));
        deliveries.put_if_absent(&delivery(&event, created)).await.unwrap();
        // All but the first, a middle and the last: whole pages of them too.
        if ![0, 6, 11].contains(&number) {
            let remove = client.update_item().table_name("afferent-deliveries");
            let remove = remove.key("event", s(event)).key("item", s("ep_1")).update_expression("REMOVE #state");
            remove.expression_attribute_names("#state", "state").send().await.unwrap();
        }
    }
    let ep = EndpointId::from("ep_1");
    for limit in 1..=13 {
        for oldest_first in [true, false] {
            let (mut found, mut after) = (Vec::new(), None);
            for _ in 0..=13 {
                let (page, next) = match oldest_first {
                    true => deliveries.made_between(&ep, now, now + secs(60), after.as_ref(), limit).await.unwrap(),
                    false => deliveries.of_endpoint(&ep, after.as_ref(), limit).await.unwrap(),
                };
                found.extend(page.into_iter().map(|one| one.key.event.to_string()));
                after = next;
                if after.is_none() {
                    break;
                }
            }
            found.sort();
            assert_eq!((found, after), (["evt_00", "evt_06", "evt_11"].map(str::to_owned).into(), None), "{limit}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_only_attempt_of_a_delivery_stands_in_its_own_item_and_reads_like_any_other() {
    let (simulation, deliveries) = table().await;
    let now = simulation.clock.now();
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    let outcome = Outcome::Queued { message: "a-b-c".to_owned() };
    let (duration, phases) = (Duration::from_millis(12), Phases::default());
    let attempt = Attempt { at: now, cycle: 1, number: 1, duration, phases, outcome };
    let claimed = take(&deliveries, "evt_1", now).await;
    simulation.dynamodb.faults().next(Fault::AnswerLost, "UpdateItem", ":reason", 1);
    let end = || deliveries.end(&claimed, End::Delivered, "taken", (1, Some(&attempt)), now);
    assert_eq!(end().await.unwrap(), Kept::Yes, "the same write, sent twice by the SDK");
    assert_eq!(end().await.unwrap(), Kept::Overtaken, "by somebody else");
    let other = Attempt { at: now + secs(1), ..attempt.clone() };
    let late = deliveries.end(&claimed, End::Delivered, "late", (1, Some(&other)), now).await.unwrap();
    assert_eq!(late, Kept::Overtaken);
    assert_eq!(deliveries.attempts(&key("evt_1")).await.unwrap(), [(1, attempt.clone())]);
    assert_eq!(deliveries.again(&key("evt_1"), now).await.unwrap(), Again::Yes);
    assert_eq!(deliveries.log(&key("evt_1"), 2, &other).await.unwrap(), 2);
    assert_eq!(deliveries.attempts(&key("evt_1")).await.unwrap(), [(1, attempt), (2, other)]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_left_behind_by_a_lost_claim_is_kept_beside_the_later_ones() {
    let (simulation, deliveries) = table().await;
    let now = simulation.clock.now();
    deliveries.put_if_absent(&delivery("evt_1", now)).await.unwrap();
    let attempt = |status| Attempt {
        at: now,
        cycle: 1,
        number: 1,
        duration: Duration::from_millis(12),
        phases: Phases { first_byte: Some(Duration::from_millis(11)), ..Phases::default() },
        outcome: Outcome::Answered {
            status,
            headers: vec!["retry-after: 5".to_owned()],
            excerpt: "no".to_owned(),
            truncated: status == 500,
        },
    };
    let unanswered = Outcome::Unanswered { error: "timeout".to_owned(), fault: "receiver".to_owned() };
    let broken = Attempt { at: now + LEASE, outcome: unanswered, phases: Phases::default(), ..attempt(0) };
    let queued = Outcome::Queued { message: "a-b-c".to_owned() };
    let queued = Attempt { at: now + LEASE + LEASE, outcome: queued, ..broken.clone() };
    assert_eq!(deliveries.log(&key("evt_1"), 1, &attempt(500)).await.unwrap(), 1);
    assert_eq!(deliveries.log(&key("evt_1"), 1, &attempt(500)).await.unwrap(), 1, "the same write, sent twice");
    assert_eq!(deliveries.log(&key("evt_1"), 1, &broken).await.unwrap(), 2);
    assert_eq!(deliveries.log(&key("evt_1"), 3, &queued).await.unwrap(), 3);
    assert_eq!(deliveries.attempts(&key("evt_1")).await.unwrap(), [(1, attempt(500)), (2, broken), (3, queued)]);
    assert_eq!(deliveries.of_event(&EventId::from("evt_1")).await.unwrap().len(), 1, "attempts are no deliveries");
    let (listed, next) = deliveries.of_endpoint(&EndpointId::from("ep_1"), None, 10).await.unwrap();
    assert_eq!((listed.len(), next), (1, None));
    assert_eq!((&listed[0].key, listed[0].state.as_str(), listed[0].created), (&key("evt_1"), "queued", now));
}

#[tokio::test(start_paused = true)]
async fn a_trace_is_kept_over_every_wait_and_the_due_index_shows_it() {
    let (simulation, deliveries) = table().await;
    let (now, trace) = (simulation.clock.now(), Trace::new(7, 1));
    deliveries.put_if_absent(&Delivery { trace, ..delivery("evt_1", now) }).await.unwrap();
    for place in [Place::Held, Place::Parked] {
        let claimed = take(&deliveries, "evt_1", now).await;
        assert_eq!(claimed.delivery.trace, trace);
        deliveries.wait(&claimed, rest(place, now)).await.unwrap();
    }
    assert_eq!(deliveries.get(&key("evt_1")).await.unwrap().unwrap().trace, trace);
    let due = deliveries.parked(&key("evt_1").due_shard(), now, now + secs(1), 10).await.unwrap();
    assert_eq!(due.iter().map(|due| due.trace).collect::<Vec<_>>(), [trace]);
}
