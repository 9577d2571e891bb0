//! The simulation's network keeps to the contract of the port: deadline, limit, rule, phases.
#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::address::{Forbidden, Reach, Special};
use afferent_http::{Answer, Call, Http, HttpError, Phases, Stopwatch};
use afferent_local::clock::{SeededDice, VirtualClock};
use afferent_local::network::{Network, Receiver, Reply};
use bytes::Bytes;
use http::{Request, Uri};
use tokio::time::Instant;

const URL: &str = "https://receiver.example/hook";
const DEADLINE: Duration = Duration::from_secs(10);
const LIMIT: usize = 64 * 1024;

fn network() -> (Arc<Network>, Receiver) {
    let receiver = Receiver::new(Arc::new(VirtualClock::starting_at(afferent_domain::Timestamp::from_secs(1))));
    let network = Network::new(Arc::new(SeededDice::new(1)));
    network.put("receiver.example", Arc::new(receiver.clone()));
    (network, receiver)
}

async fn send(network: &Network, url: &str) -> (Result<Answer, HttpError>, Phases) {
    let request = Request::post(url).body(Bytes::new()).unwrap();
    let stopwatch = Arc::new(Stopwatch::new());
    let call = Call { request, deadline: DEADLINE, body_limit: LIMIT, stopwatch: Some(Arc::clone(&stopwatch)) };
    (network.send(call).await, stopwatch.read())
}

const fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn whatever_a_receiver_does_ends_at_the_deadline_in_the_phase_that_it_was_in() {
    let (network, receiver) = network();
    let phases = |resolve, connect, first_byte, body| Phases { resolve, connect, first_byte, body };
    for (reply, error, expected) in [
        (Reply::Hang, HttpError::Timeout, phases(seconds(0), seconds(0), seconds(10), None)),
        (Reply::Trickle(DEADLINE / 10), HttpError::Timeout, phases(seconds(0), seconds(0), seconds(0), seconds(10))),
        (Reply::Reset, HttpError::Broken, phases(seconds(0), seconds(0), seconds(0), None)),
        (Reply::Refused, HttpError::Connect, phases(seconds(0), seconds(0), None, None)),
        (Reply::Tls, HttpError::Tls, phases(seconds(0), seconds(0), None, None)),
        (Reply::Unresolved, HttpError::Resolve, phases(seconds(0), None, None, None)),
        (
            Reply::After(Duration::from_secs(3), Box::new(Reply::Refused)),
            HttpError::Connect,
            phases(seconds(0), seconds(3), None, None),
        ),
    ] {
        receiver.next([reply.clone()]);
        let begun = Instant::now();
        let (answer, phases) = send(&network, URL).await;
        assert_eq!((answer.unwrap_err(), phases), (error, expected), "{reply:?}");
        assert!(begun.elapsed() <= DEADLINE, "{reply:?}");
    }
    assert_eq!((receiver.sent().len(), receiver.seen().len()), (7, 3), "not all came in");
}

#[tokio::test(start_paused = true)]
async fn of_a_body_that_could_fill_the_memory_only_the_limit_is_made() {
    let (network, receiver) = network();
    receiver.next([Reply::Huge(1 << 40), Reply::Huge(LIMIT as u64), Reply::Trickle(Duration::from_micros(1))]);
    for truncated in [true, false, true] {
        let answer = send(&network, URL).await.0.unwrap();
        assert_eq!((answer.body.len(), answer.truncated), (LIMIT, truncated));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_may_come_to_stand_for_an_address_inside() {
    let (network, receiver) = network();
    let url: Uri = URL.parse().unwrap();
    assert_eq!(network.check(&url).await, Ok(()));
    let inside: IpAddr = "10.0.0.1".parse().unwrap();
    network.set_addresses("receiver.example", &["8.8.8.8".parse().unwrap(), inside]);
    let refused = HttpError::Refused(Forbidden::Address(Special::Private));
    assert_eq!(network.check(&url).await, Err(refused));
    assert_eq!(send(&network, URL).await.0.unwrap_err(), refused);
    assert!(receiver.sent().is_empty());
    network.set_reach(Reach::parse("10.0.0.0/8", "").unwrap());
    assert_eq!(send(&network, URL).await.0.unwrap().status, 200);
    network.set_addresses("receiver.example", &[]);
    assert_eq!(send(&network, URL).await.0.unwrap_err(), HttpError::Resolve);
}

#[tokio::test(start_paused = true)]
async fn the_rule_holds_for_the_url_before_anything_else() {
    let (network, receiver) = network();
    network.put("10.0.0.1", Arc::new(receiver.clone()));
    for (url, why) in [
        ("http://receiver.example/", Forbidden::Plain),
        ("https://receiver.example:22/", Forbidden::Port),
        ("https://10.0.0.1/", Forbidden::Address(Special::Private)),
    ] {
        let (answer, phases) = send(&network, url).await;
        assert_eq!((answer.unwrap_err(), phases), (HttpError::Refused(why), Phases::default()));
    }
    network.set_addresses("nobody.example", &["8.8.8.8".parse().unwrap()]);
    assert_eq!(send(&network, "https://nobody.example/").await.0.unwrap_err(), HttpError::Connect);
    assert_eq!(send(&network, "https://unknown.example/").await.0.unwrap_err(), HttpError::Resolve);
}

#[tokio::test(start_paused = true)]
async fn the_ways_there_and_back_count_for_the_first_byte() {
    let (network, _) = network();
    network.set_latency(2_000, 2_000);
    let (answer, phases) = send(&network, URL).await;
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!((phases.connect, phases.first_byte, phases.body), (seconds(0), seconds(4), seconds(0)));
}
