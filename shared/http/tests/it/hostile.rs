//! What each of the hostile receivers is to the client: an error of the right class and fault, or an answer like any
//! other, in bounded time, with bounded reading.

use std::time::Duration;

use afferent_http::{Answer, Call, Fault, Http, HttpError};
use hostile::{Hostile, INSIDE, Kind, UNPACKED};

use crate::{Known, LIMIT, call, client};

/// Short, for those that would never end.
const SHORT: Duration = Duration::from_millis(500);

async fn meet(kind: Kind) -> (Hostile, Result<Answer, HttpError>) {
    let hostile = Hostile::start(kind).await.unwrap();
    let endless = matches!(kind, Kind::Silent | Kind::Trickle | Kind::SlowHeaders | Kind::Continues);
    let mut call = call(&hostile.url);
    if endless {
        call = Call { deadline: SHORT, ..call };
    }
    let answer = client(Known::new(&[])).send(call).await;
    (hostile, answer)
}

/// The class of the error, or the status.
fn expected(kind: Kind) -> Result<u16, HttpError> {
    match kind {
        Kind::Refused => Err(HttpError::Connect),
        Kind::ResetAfterAccept | Kind::ResetMidBody | Kind::EndlessHeaders | Kind::Gibberish => Err(HttpError::Broken),
        Kind::SelfSigned | Kind::Garbage => Err(HttpError::Tls),
        Kind::Unresolvable => Err(HttpError::Resolve),
        Kind::Silent | Kind::Trickle | Kind::SlowHeaders | Kind::Continues => Err(HttpError::Timeout),
        Kind::Huge | Kind::GzipBomb => Ok(200),
        Kind::ServerError => Ok(500),
        Kind::TooManyRequests => Ok(429),
        Kind::RedirectLoop => Ok(302),
        Kind::RedirectInside => Ok(307),
    }
}

#[tokio::test]
async fn each_way_to_misbehave_is_named_for_what_it_is_and_is_the_receivers_fault() {
    for kind in Kind::ALL {
        let (hostile, answer) = meet(kind).await;
        let found = answer.as_ref().map(|answer| answer.status.as_u16()).map_err(|error| *error);
        assert_eq!(found, expected(kind), "{kind:?}");
        if let Err(error) = answer {
            assert_eq!(error.fault(), Fault::Receiver, "{kind:?}");
        }
        assert!(hostile.connections() <= 1, "{kind:?} was called once");
        assert!(hostile.heads().len() <= 1, "{kind:?} was sent one request");
    }
}

#[tokio::test]
async fn a_body_is_read_to_the_limit_and_its_sender_cut_off() {
    let (hostile, answer) = meet(Kind::Huge).await;
    let answer = answer.unwrap();
    assert_eq!((answer.body.len(), answer.truncated), (LIMIT, true));
    // What lies in the system's buffers between two sockets of one machine was written, and never read.
    assert!(hostile.written() < 64 * 1024 * 1024, "{} bytes were taken from the sender", hostile.written());
}

#[tokio::test]
async fn a_body_stays_as_it_came_and_nothing_packed_is_asked_for() {
    let (hostile, answer) = meet(Kind::GzipBomb).await;
    let answer = answer.unwrap();
    assert_eq!((answer.body.len(), answer.truncated), (LIMIT, true));
    assert!(answer.body.starts_with(&[0x1f, 0x8b]), "it is still packed");
    assert!(hostile.written() < UNPACKED / 100, "the bomb is one");
    let head = hostile.heads()[0].to_ascii_lowercase();
    assert!(!head.contains("accept-encoding"), "{head}");
}

/// That it ends at the deadline is above.
#[tokio::test]
async fn during_a_flood_of_interim_answers_the_others_are_answered() {
    let flooding = Hostile::start(Kind::Continues).await.unwrap();
    let (healthy, client) = (Hostile::start(Kind::ServerError).await.unwrap(), client(Known::new(&[])));
    let answered = async {
        while flooding.written() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        client.send(call(&healthy.url)).await.map(|answer| answer.status.as_u16())
    };
    tokio::select! {
        answer = client.send(call(&flooding.url)) => panic!("the flood ended: {:?}", answer.unwrap_err()),
        status = answered => assert_eq!(status, Ok(500)),
    }
}

#[tokio::test]
async fn redirects_are_answers_and_are_not_followed() {
    let (looping, answer) = meet(Kind::RedirectLoop).await;
    assert_eq!(answer.unwrap().headers["location"], looping.url.as_str());
    assert_eq!(looping.heads().len(), 1);
    let (_inside, answer) = meet(Kind::RedirectInside).await;
    assert_eq!(answer.unwrap().headers["location"], INSIDE);
}

#[tokio::test]
async fn a_receiver_that_is_overloaded_can_say_for_how_long() {
    let (_hostile, answer) = meet(Kind::TooManyRequests).await;
    let answer = answer.unwrap();
    assert_eq!((&answer.headers["retry-after"], &answer.body[..]), (&"120".parse().unwrap(), &b"slow down"[..]));
}
