//! One try: the signed POST, and what is kept of it.

use afferent_domain::delivery::{DEADLINE, Key, Try};
use afferent_domain::endpoint::Endpoint;
use afferent_domain::event::Event;
use afferent_domain::excerpt::excerpt;
use afferent_domain::signature::{ID_HEADER, SIGNATURE_HEADER, SigningSecret, TIMESTAMP_HEADER, sign};
use afferent_domain::{Clock, Timestamp};
use afferent_http::{Call, Http, HttpError};
use afferent_store::deliveries::{Attempt, Outcome};
use bytes::Bytes;
use http::{Request, header};

/// How much of an answer's body is read, in bytes; 2 KiB of it are kept.
const BODY_LIMIT: usize = 64 * 1024;

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("Afferent/", env!("CARGO_PKG_VERSION"));

/// Makes one try. Nothing about the endpoint can make this fail: whatever happens is the attempt's outcome.
pub(crate) async fn attempt(
    http: &dyn Http,
    clock: &dyn Clock,
    endpoint: &Endpoint,
    secrets: &[SigningSecret],
    event: &Event,
    made: Try,
) -> Attempt {
    let at = clock.now();
    let outcome = match request(endpoint, secrets, event, at) {
        Err(_) => Outcome::Unanswered { error: class(HttpError::Request).to_owned() },
        Ok(request) => match http.send(Call { request, deadline: DEADLINE, body_limit: BODY_LIMIT }).await {
            Ok(answer) => Outcome::Answered {
                status: answer.status.as_u16(),
                excerpt: excerpt(&answer.body),
                truncated: answer.truncated,
            },
            Err(error) => Outcome::Unanswered { error: class(error).to_owned() },
        },
    };
    Attempt { at, cycle: made.cycle, number: made.number, duration: clock.now().since(at), outcome }
}

/// The signed request. The timestamp is that of this try, the id that of the event.
fn request(
    endpoint: &Endpoint,
    secrets: &[SigningSecret],
    event: &Event,
    at: Timestamp,
) -> Result<Request<Bytes>, http::Error> {
    let signature = sign(secrets, event.id.as_str(), at, event.body.as_bytes());
    Request::post(endpoint.url.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, USER_AGENT)
        .header(ID_HEADER, event.id.as_str())
        .header(TIMESTAMP_HEADER, at.as_secs())
        .header(SIGNATURE_HEADER, signature)
        .body(Bytes::from(event.body.clone()))
}

/// The status that came back, if any.
pub(crate) fn status(attempt: &Attempt) -> Option<u16> {
    match &attempt.outcome {
        Outcome::Answered { status, .. } => Some(*status),
        Outcome::Unanswered { .. } => None,
    }
}

/// The error's class, as the log of attempts shows it to the endpoint's owner.
fn class(error: HttpError) -> &'static str {
    match error {
        HttpError::Resolve => "resolve",
        HttpError::Connect => "connect",
        HttpError::Tls => "tls",
        HttpError::Timeout => "timeout",
        HttpError::Broken => "broken",
        HttpError::Request => "request",
    }
}

/// The one log line of an attempt.
pub(crate) fn tell(key: &Key, number: u32, attempt: &Attempt) {
    let error = match &attempt.outcome {
        Outcome::Answered { .. } => None,
        Outcome::Unanswered { error } => Some(error.as_str()),
    };
    tracing::info!(
        event = key.event.as_str(),
        endpoint = key.endpoint.as_str(),
        attempt = number,
        cycle = attempt.cycle,
        r#try = attempt.number,
        status = status(attempt),
        error,
        duration_ms = u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
        "a webhook was sent"
    );
}
