//! The time of each phase, after successes and after failures.

use std::time::Duration;

use afferent_http::{Call, Http, HttpError, Phases};
use futures_util::future::join_all;
use hostile::{Hostile, Kind};

use crate::{Known, client, timed, under};

/// Which phases were entered: look-up, connecting, first byte, body.
fn entered(phases: Phases) -> [bool; 4] {
    [phases.resolve, phases.connect, phases.first_byte, phases.body].map(|phase| phase.is_some())
}

#[tokio::test]
async fn a_first_call_has_every_phase_and_the_next_uses_its_connection() {
    let hostile = Hostile::start(Kind::ServerError).await.unwrap();
    let client = client(Known::new(&[("receiver.example", &[&["127.0.0.1"]])]));
    let url = under("receiver.example", &hostile.url);
    for phases in [[true, true, true, true], [false, false, true, true]] {
        let (call, stopwatch) = timed(&url);
        client.send(call).await.unwrap();
        assert_eq!(entered(stopwatch.read()), phases);
    }
    assert_eq!(hostile.connections(), 1);
}

#[tokio::test]
async fn an_address_needs_no_look_up() {
    let hostile = Hostile::start(Kind::ServerError).await.unwrap();
    let (call, stopwatch) = timed(&hostile.url);
    client(Known::new(&[])).send(call).await.unwrap();
    assert_eq!(entered(stopwatch.read()), [false, true, true, true]);
}

#[tokio::test]
async fn a_failed_call_was_in_the_phase_that_failed() {
    for (kind, phases) in [
        (Kind::Unresolvable, [true, false, false, false]),
        (Kind::Refused, [false, true, false, false]),
        (Kind::SelfSigned, [false, true, false, false]),
        (Kind::Silent, [false, true, true, false]),
        (Kind::SlowHeaders, [false, true, true, false]),
        (Kind::Trickle, [false, true, true, true]),
        (Kind::Gibberish, [false, true, true, false]),
    ] {
        let hostile = Hostile::start(kind).await.unwrap();
        let (call, stopwatch) = timed(&hostile.url);
        let call = Call { deadline: Duration::from_secs(2), ..call };
        client(Known::new(&[])).send(call).await.unwrap_err();
        assert_eq!(entered(stopwatch.read()), phases, "{kind:?}");
    }
}

#[tokio::test]
async fn the_phase_that_used_up_the_deadline_is_seen() {
    let (deadline, hostile) = (Duration::from_millis(500), Hostile::start(Kind::Silent).await.unwrap());
    let (call, stopwatch) = timed(&hostile.url);
    let error = client(Known::new(&[])).send(Call { deadline, ..call }).await.unwrap_err();
    let phases = stopwatch.read();
    assert_eq!(error, HttpError::Timeout);
    assert!(phases.first_byte.unwrap() + phases.connect.unwrap() >= deadline, "{phases:?}");
    assert_eq!(stopwatch.read(), phases, "it stands still");
}

#[tokio::test]
async fn what_is_refused_before_it_begins_has_no_phase() {
    let (call, stopwatch) = timed("https://10.0.0.1/");
    client(Known::new(&[])).send(call).await.unwrap_err();
    assert_eq!(stopwatch.read(), Phases::default());
}

#[tokio::test]
async fn calls_at_the_same_time_have_stopwatches_of_their_own() {
    let hostile = Hostile::start(Kind::ServerError).await.unwrap();
    let client = client(Known::new(&[("receiver.example", &[&["127.0.0.1"]])]));
    let url = under("receiver.example", &hostile.url);
    let calls = (0..20).map(|_| timed(&url)).map(|(call, stopwatch)| {
        let client = &client;
        async move { (client.send(call).await.unwrap().status, stopwatch.read()) }
    });
    for (status, phases) in join_all(calls).await {
        assert_eq!(status, 500);
        assert!(phases.first_byte.is_some() && phases.body.is_some(), "{phases:?}");
        assert_eq!(phases.connect.is_some(), phases.resolve.is_some(), "{phases:?}");
    }
}
