//! Every try at its time, for every policy, held on the queue and parked in the table.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{End, Key, Place, State, Waiting};
use afferent_domain::id::EndpointId;
use afferent_domain::schedule::{Custom, RetryPolicy};
use afferent_local::network::{Receiver, Reply};
use afferent_local::{Setup, Ticks};
use futures_util::future::join_all;
use local_sqs::{Draft, Receive};
use stack_tests::fleet::{Fleet, pass};

/// How late a try may be.
const LATE: Duration = Duration::from_secs(1);

/// What a wait may be longer than the policy says: what the tables take between the end of a try and its place in the
/// table.
const WRITTEN: Duration = Duration::from_millis(300);

fn policies() -> Vec<(&'static str, RetryPolicy)> {
    let custom = |waits: &[u32]| RetryPolicy::Custom(Custom::new(waits.to_vec()).unwrap());
    vec![
        ("ep_withings", RetryPolicy::Withings),
        ("ep_standard", RetryPolicy::StandardWebhooks),
        ("ep_short", custom(&[1, 2, 3, 89, 91, 89, 91])),
        ("ep_long", custom(&[900, 901, 86_400, 1])),
        ("ep_once", custom(&[])),
    ]
}

fn setup(parameters: &[(&str, &str)]) -> Setup {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Setup { seed: 41, ticks: Ticks::WhenDue, aws_latency_ms: (5, 40), parameters, ..Setup::default() }
}

/// One wait of a delivery.
struct Seen {
    place: Place,
    late: Duration,
}

async fn waiting_for(fleet: &Fleet, key: &Key, cycle: u16) -> Waiting {
    loop {
        match fleet.deliveries.get(key).await.unwrap().unwrap().state {
            State::Waiting(waiting) if waiting.at.cycle == cycle => return waiting,
            State::Waiting(_) => pass(Duration::from_millis(50)).await,
            State::Ended { end, reason, .. } => panic!("it ended before cycle {cycle}: {end:?}, {reason}"),
        }
    }
}

/// Follows a delivery that always fails to its end.
async fn follow(fleet: &Fleet, key: &Key, policy: &RetryPolicy, receiver: &Receiver) -> Vec<Seen> {
    let mut all = Vec::new();
    for cycle in 2..=policy.cycles() {
        let waiting = waiting_for(fleet, key, cycle).await;
        let before = receiver.seen().len();
        assert_eq!(before, usize::from((cycle - 1) * policy.tries()), "{} in cycle {cycle}", key.endpoint);
        let (_, last) = fleet.deliveries.attempts(key).await.unwrap().pop().unwrap();
        let (drawn, bounds) =
            (waiting.next.since(last.at + last.duration), policy.wait_after(cycle - 1).unwrap().bounds());
        assert!(*bounds.start() <= drawn && drawn <= *bounds.end() + WRITTEN, "{drawn:?} is not in {bounds:?}");
        pass(waiting.next.since(fleet.now())).await;
        let at = loop {
            match receiver.seen().get(before) {
                Some(seen) => break seen.at,
                None if fleet.now() > waiting.next + LATE + LATE => {
                    panic!("{}: no try of cycle {cycle}, {waiting:?}", key.endpoint)
                }
                None => pass(Duration::from_millis(20)).await,
            }
        };
        assert!(at >= waiting.next, "{}: {at} is before {}", key.endpoint, waiting.next);
        all.push(Seen { place: waiting.place, late: at.since(waiting.next) });
    }
    // Until the last cycle has ended.
    pass(Duration::from_secs(5)).await;
    assert_eq!(receiver.seen().len(), usize::from(policy.cycles() * policy.tries()));
    assert!(receiver.seen().iter().all(|seen| seen.request.headers()["webhook-id"] == key.event.as_str()), "one id");
    let state = fleet.deliveries.get(key).await.unwrap().unwrap().state;
    assert!(matches!(state, State::Ended { end: End::Exhausted, .. }), "{state:?}");
    all
}

/// Every policy at once; the waits of each.
async fn all_policies(fleet: &Fleet) -> Vec<Vec<Seen>> {
    let mut receivers = Vec::new();
    for (id, policy) in policies() {
        receivers.push(fleet.endpoint(id, Reply::Status(500), |endpoint| endpoint.policy = policy).await);
    }
    fleet.record("rec_1").await;
    pass(Duration::from_millis(300)).await;
    let event = loop {
        let journalled: Vec<(_, Timestamp)> = fleet.journalled().await.into_iter().collect();
        match journalled.into_iter().next() {
            Some((event, _)) => break event,
            None => pass(Duration::from_millis(50)).await,
        }
    };
    let policies = policies();
    let follows = policies.iter().zip(&receivers).map(|((id, policy), receiver)| {
        let key = Key { event: event.clone(), endpoint: EndpointId::from(*id) };
        async move { follow(fleet, &key, policy, receiver).await }
    });
    join_all(follows).await
}

fn latest(waits: &[Vec<Seen>]) -> Duration {
    waits.iter().flatten().map(|seen| seen.late).max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_try_of_every_policy_comes_within_a_second_of_its_due_time() {
    let fleet = Fleet::start(setup(&[])).await;
    let waits = all_policies(&fleet).await;
    println!("the latest try: {:?} after its time", latest(&waits));
    let (held, parked): (Vec<&Seen>, Vec<&Seen>) = waits.iter().flatten().partition(|seen| seen.place == Place::Held);
    assert!(held.len() > 15 && !parked.is_empty(), "{} held, {} parked", held.len(), parked.len());
    assert!(latest(&waits) <= LATE, "{:?}", latest(&waits));
}

#[tokio::test(start_paused = true)]
async fn near_the_limit_of_messages_in_flight_parked_tries_come_as_exactly() {
    let fleet = Fleet::start(setup(&[("InFlightLimit", "4")])).await;
    // Somebody else's messages, in flight for hours.
    fleet.stack.pause("dispatcher");
    for number in 0..5 {
        fleet.stack.sqs.send(&fleet.queue(), Draft::of(number.to_string())).unwrap();
    }
    let ask = Receive { max: 10, visibility_s: Some(43_000), ..Receive::default() };
    assert_eq!(fleet.stack.sqs.receive(&fleet.queue(), ask).await.unwrap().len(), 5);
    fleet.stack.resume("dispatcher");
    let waits = all_policies(&fleet).await;
    println!("the latest try, mostly parked: {:?} after its time", latest(&waits));
    let parked = |endpoint: usize| waits[endpoint].iter().filter(|seen| seen.place == Place::Parked).count();
    assert!(parked(0) >= 3 && parked(1) >= 8 && parked(2) >= 1, "{} {} {}", parked(0), parked(1), parked(2));
    assert!(latest(&waits) <= LATE, "{:?}", latest(&waits));
}
