use std::sync::Mutex;

use afferent_http::{Answer, Sending};
use http::{HeaderMap, StatusCode};

use super::*;
use crate::Class;

/// Answers every call alike, and remembers what was sent.
struct Wire {
    answer: Result<&'static str, HttpError>,
    sent: Mutex<Vec<Call>>,
}

impl Http for Wire {
    fn send(&self, call: Call) -> Sending<'_> {
        self.sent.lock().unwrap().push(call);
        let answer = self.answer.map(|body| Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            truncated: false,
        });
        Box::pin(std::future::ready(answer))
    }
}

fn wire(answer: Result<&'static str, HttpError>) -> (Arc<Wire>, Client) {
    let wire = Arc::new(Wire { answer, sent: Mutex::new(Vec::new()) });
    (wire.clone(), Client::new(wire, "https://withings.example/"))
}

const DEADLINE: Duration = Duration::from_secs(30);
const REQUEST: Request = Request::new("/measure", "getmeas", Auth::Bearer);

#[tokio::test]
async fn a_call_is_one_post_with_a_form_and_the_token_in_the_header() {
    let (wire, client) = wire(Ok(r#"{"status":0,"body":[]}"#));
    let request = REQUEST.with("lastupdate", 5).page(300);
    let body = client.call(&request, Some(&Secret::new("token")), DEADLINE).await.unwrap();
    assert!(!body.page().unwrap().more);
    let sent = wire.sent.lock().unwrap();
    assert_eq!(sent.len(), 1);
    let (call, request) = (&sent[0], &sent[0].request);
    assert_eq!((call.deadline, call.body_limit), (DEADLINE, BODY_LIMIT));
    assert_eq!(request.method(), http::Method::POST);
    assert_eq!(request.uri(), "https://withings.example/measure");
    assert_eq!(request.headers()["authorization"], "Bearer token");
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(&request.body()[..], b"action=getmeas&lastupdate=5&offset=300");
    assert!(!format!("{call:?}").contains("Bearer token"));
}

#[tokio::test]
async fn a_failure_is_not_sent_again() {
    let (wire, client) = wire(Err(HttpError::Timeout));
    let error = client.call(&REQUEST, Some(&Secret::new("token")), DEADLINE).await.unwrap_err();
    assert_eq!((error, error.class()), (Error::Transport(HttpError::Timeout), Class::Retry));
    assert_eq!(wire.sent.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let (wire, client) = wire(Ok("{}"));
    for token in [None, Some(Secret::new("line\nbreak"))] {
        let error = client.call(&REQUEST, token.as_ref(), DEADLINE).await.unwrap_err();
        assert_eq!(error.class(), Class::Invalid);
    }
    assert!(wire.sent.lock().unwrap().is_empty());
}
