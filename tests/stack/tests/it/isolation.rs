//! What endpoints that do not work cost those that do.

use std::collections::HashMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, Key};
use afferent_domain::health::OPENING_TIME;
use afferent_domain::id::{EndpointId, EventId};
use afferent_local::network::{Receiver, Reply};
use afferent_local::{Setup, Ticks};
use bytes::Bytes;
use stack_tests::fleet::{Fleet, pass};
use stack_tests::load::percentile;

const HEALTHY: usize = 90;

/// A record comes so often, and each goes to every endpoint.
const EVERY: Duration = Duration::from_secs(4);

const RECORDS: usize = 40;

/// The ways in which an endpoint is dead.
fn dead() -> [Reply; 10] {
    let later = |seconds, status| Reply::After(Duration::from_secs(seconds), Box::new(Reply::Status(status)));
    let asking = Reply::Full(429, vec![("retry-after", "1".to_owned())], Bytes::new());
    [
        Reply::Hang,
        Reply::Reset,
        Reply::Refused,
        Reply::Tls,
        Reply::Unresolved,
        Reply::Trickle(Duration::from_secs(1)),
        Reply::Status(500),
        asking,
        later(9, 500),
        later(3, 503),
    ]
}

/// Two tries that meet their deadlines, and what is around them.
const ROUND: Duration = Duration::from_secs(21);

fn ok() -> Reply {
    Reply::After(Duration::from_millis(50), Box::new(Reply::Status(200)))
}

async fn fleet(seed: u64) -> Fleet {
    let setup = Setup { seed, ticks: Ticks::WhenDue, aws_latency_ms: (3, 15), ..Setup::default() };
    let fleet = Fleet::start(setup).await;
    fleet.stack.network.set_latency(10, 40);
    fleet
}

/// When each event was journalled that each of these got, and how long after that it arrived.
fn waits(journalled: &HashMap<EventId, Timestamp>, receivers: &[Receiver]) -> Vec<(Timestamp, Duration)> {
    let mut waits = Vec::new();
    for receiver in receivers {
        let mut first: HashMap<EventId, Timestamp> = HashMap::new();
        for seen in receiver.seen() {
            let id = EventId::from(seen.request.headers()["webhook-id"].to_str().unwrap());
            first.entry(id).or_insert(seen.at);
        }
        assert_eq!(first.len(), journalled.len(), "every event has arrived");
        waits.extend(first.iter().map(|(event, at)| (journalled[event], at.since(journalled[event]))));
    }
    waits
}

/// The waits of the healthy endpoints, while ten others do this.
async fn beside(others: [Reply; 10]) -> Vec<Duration> {
    let fleet = fleet(51).await;
    let mut healthy = Vec::new();
    for number in 0..HEALTHY {
        healthy.push(fleet.endpoint(&format!("ep_{number}"), ok(), |_| {}).await);
    }
    for (number, reply) in others.into_iter().enumerate() {
        fleet.endpoint(&format!("ep_other_{number}"), reply, |_| {}).await;
    }
    for number in 0..RECORDS {
        fleet.record(&format!("rec_{number}")).await;
        pass(EVERY).await;
    }
    pass(Duration::from_secs(60)).await;
    waits(&fleet.journalled().await, &healthy).into_iter().map(|(_, wait)| wait).collect()
}

#[tokio::test(start_paused = true)]
async fn ten_dead_endpoints_of_a_hundred_make_the_others_wait_no_longer() {
    let alone = beside([(); 10].map(|()| ok())).await;
    let crowded = beside(dead()).await;
    assert_eq!((alone.len(), crowded.len()), (HEALTHY * RECORDS, HEALTHY * RECORDS));
    let (without, with) = (percentile(alone.clone(), 99), percentile(crowded.clone(), 99));
    let (half_without, half_with) = (percentile(alone, 50), percentile(crowded, 50));
    println!("p50 {half_without:?} and beside ten dead {half_with:?}; p99 {without:?} and {with:?}");
    assert!(with <= without.mul_f64(1.5), "{with:?} beside ten dead, {without:?} without");
}

#[tokio::test(start_paused = true)]
async fn live_traffic_goes_on_beside_thousands_of_deliveries_to_an_endpoint_that_hangs() {
    let fleet = fleet(52).await;
    let mut healthy = Vec::new();
    for number in 0..10 {
        healthy.push(fleet.endpoint(&format!("ep_{number}"), ok(), |_| {}).await);
    }
    fleet.endpoint("ep_dead", Reply::Hang, |endpoint| endpoint.types.clear()).await;
    fleet.record("rec_first").await;
    pass(Duration::from_secs(2)).await;
    let event = fleet.events.get(&Fleet::user(), 1).await.unwrap().unwrap();
    let began = fleet.now();
    for number in 0..3_000 {
        // Each is the delivery of an event of its own; what they would hold is the same.
        let key = Key { event: EventId::from(format!("evt_{number}").as_str()), endpoint: EndpointId::from("ep_dead") };
        let delivery = Delivery::new(key, Fleet::user(), event.sequence, event.event_type.clone(), fleet.now());
        fleet.deliver(&delivery).await;
    }
    for number in 0..60 {
        fleet.record(&format!("rec_{number}")).await;
        pass(Duration::from_secs(2)).await;
    }
    pass(Duration::from_secs(60)).await;
    let waits = waits(&fleet.journalled().await, &healthy);
    let all: Vec<Duration> = waits.iter().map(|(_, wait)| *wait).collect();
    let open = began + OPENING_TIME + ROUND;
    let later: Vec<Duration> = waits.iter().filter(|(at, _)| *at > open).map(|(_, wait)| *wait).collect();
    let (longest, half, most) = (percentile(all.clone(), 100), percentile(all, 50), percentile(later, 99));
    println!("beside an endpoint that hangs: p50 {half:?}, longest {longest:?}; p99 with its breaker open {most:?}");
    // Until its breaker opens, its tries take every dispatcher there is for a round; then the queue gives the others
    // their turn first.
    assert!(half <= Duration::from_secs(1) && longest <= ROUND, "{half:?}, {longest:?}");
    assert!(most <= Duration::from_secs(1), "{most:?}");
}
