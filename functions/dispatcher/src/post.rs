//! One try: the signed POST, or the message to the customer's queue, and what is kept of it.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Clock;
use afferent_domain::delivery::{Key, Try};
use afferent_domain::endpoint::{Destination, EndpointUrl};
use afferent_domain::event::Event;
use afferent_domain::excerpt::Sent;
use afferent_domain::id::EventId;
use afferent_domain::payload::Payload;
use afferent_domain::reply::Reply;
use afferent_domain::signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use afferent_function::{Rim, trace};
use afferent_http::{Call, Fault, Http, HttpError, Stopwatch};
use afferent_metrics::{Metric, count, observe_ms};
use afferent_store::deliveries::{Attempt, Outcome, Phases};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Request};

use crate::answer;
use crate::queue::Queues;
use crate::receiver::{Receiver, Seals};

/// How much of an answer's body is read, in bytes; 2 KiB of it are kept.
const BODY_LIMIT: usize = 64 * 1024;

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("Afferent/", env!("CARGO_PKG_VERSION"));

/// What is sent: the same in every try.
pub(crate) struct Parcel {
    pub(crate) id: EventId,
    pub(crate) event_type: String,
    pub(crate) body: Bytes,
}

impl Parcel {
    /// As much of the event as the endpoint wants; `None` if its text cannot be read.
    pub(crate) fn of(event: &Event, payload: &Payload) -> Option<Self> {
        let body = payload.of(&event.event_type, &event.body)?;
        Some(Self { id: event.id.clone(), event_type: event.event_type.clone(), body: body.into() })
    }
}

/// What signs one try: the id is that of the event, the time that of the try.
pub(crate) struct Signature {
    pub(crate) at_s: String,
    pub(crate) value: String,
}

/// A try that was made.
pub(crate) struct Done {
    /// For the log.
    pub(crate) attempt: Attempt,
    /// For what follows.
    pub(crate) reply: Reply,
    /// Whether the receiver is to blame, if it did not succeed.
    pub(crate) is_receivers_fault: bool,
}

/// What makes tries.
pub(crate) struct Sender {
    http: Arc<dyn Http>,
    queues: Queues,
    clock: Arc<dyn Clock>,
    /// How long one may take.
    pub(crate) deadline: Duration,
}

impl Sender {
    pub(crate) fn new(rim: &Rim, deadline: Duration) -> Self {
        let (http, clock) = (Arc::clone(&rim.endpoints), Arc::clone(&rim.clock));
        Self { http, queues: Queues::new(&rim.aws, deadline), clock, deadline }
    }

    /// Makes one try. Nothing about the endpoint can make this fail: whatever happens is the attempt's outcome.
    pub(crate) async fn attempt(&self, receiver: &Receiver, seals: &Seals, parcel: &Parcel, made: Try) -> Done {
        trace::Span::new(trace::Kind::Client, "attempt").around(self.traced(receiver, seals, parcel, made)).await
    }

    async fn traced(&self, receiver: &Receiver, seals: &Seals, parcel: &Parcel, made: Try) -> Done {
        trace::tell("event", &parcel.id);
        trace::tell("endpoint", &receiver.endpoint.endpoint);
        trace::tell("cycle", made.cycle);
        trace::tell("try", made.number);
        let at = self.clock.now();
        let value = sign(&seals.secrets, parcel.id.as_str(), at, &parcel.body);
        let signature = Signature { at_s: at.as_secs().to_string(), value };
        let (outcome, reply, phases) = match &receiver.endpoint.destination {
            Destination::Http { url } => self.post(url, seals, parcel, &signature).await,
            Destination::Sqs { queue_url } => {
                let outcome = self.queues.send(queue_url, parcel, &signature).await;
                let taken = matches!(outcome, Outcome::Queued { .. });
                (outcome, if taken { Reply::Taken } else { Reply::Nothing }, Phases::default())
            }
        };
        let is_receivers_fault = match &outcome {
            Outcome::Unanswered { fault, .. } => {
                trace::failed();
                fault == Fault::Receiver.as_str()
            }
            Outcome::Answered { status, .. } => {
                trace::tell("http.response.status_code", status);
                true
            }
            Outcome::Queued { .. } => true,
        };
        let duration = self.clock.now().since(at);
        count(Metric::Attempts, 1);
        observe_ms(Metric::AttemptDuration, duration);
        let attempt = Attempt { at, cycle: made.cycle, number: made.number, duration, phases, outcome };
        Done { attempt, reply, is_receivers_fault }
    }

    async fn post(
        &self,
        url: &EndpointUrl,
        seals: &Seals,
        parcel: &Parcel,
        signature: &Signature,
    ) -> (Outcome, Reply, Phases) {
        let Some(request) = request(url, seals, parcel, signature) else {
            return (unanswered(HttpError::Request), Reply::Nothing, Phases::default());
        };
        let stopwatch = Arc::new(Stopwatch::new());
        let watched = Some(Arc::clone(&stopwatch));
        let call = Call { request, deadline: self.deadline, body_limit: BODY_LIMIT, stopwatch: watched };
        let answered = self.http.send(call).await;
        let afferent_http::Phases { resolve, connect, first_byte, body } = stopwatch.read();
        let phases = Phases { resolve, connect, first_byte, body };
        match answered {
            Ok(answer) => {
                let sent = Sent { id: parcel.id.as_str(), body: &parcel.body, headers: &seals.headers };
                (answer::outcome(&answer, &sent), answer::reply(&answer, self.clock.now()), phases)
            }
            Err(error) => (unanswered(error), Reply::Nothing, phases),
        }
    }
}

fn unanswered(error: HttpError) -> Outcome {
    let class = error.class();
    // The rule's own text names no address, and its owner can do something about it.
    let error_text = if let HttpError::Refused(rule) = error { format!("{class}: {rule}") } else { class.to_owned() };
    Outcome::Unanswered { error: error_text, fault: error.fault().as_str().to_owned() }
}

/// The signed request. Its owner's headers come first, so that none of them replaces one of ours.
fn request(url: &EndpointUrl, seals: &Seals, parcel: &Parcel, signature: &Signature) -> Option<Request<Bytes>> {
    let mut headers = HeaderMap::new();
    for (name, value) in seals.headers.iter() {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(ID_HEADER, HeaderValue::from_str(parcel.id.as_str()).ok()?);
    headers.insert(TIMESTAMP_HEADER, HeaderValue::from_str(&signature.at_s).ok()?);
    headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(&signature.value).ok()?);
    // W3C Trace Context. No part of what is signed; and if its owner has set one, that stays.
    if let Some(trace) = trace::carried() {
        headers.entry("traceparent").or_insert(HeaderValue::from_str(&trace.traceparent()).ok()?);
    }
    let mut request = Request::post(url.as_str()).body(parcel.body.clone()).ok()?;
    *request.headers_mut() = headers;
    Some(request)
}

/// The one log line of an attempt.
pub(crate) fn tell(key: &Key, number: u32, attempt: &Attempt, probe: bool) {
    let (status, error, fault) = match &attempt.outcome {
        Outcome::Answered { status, .. } => (Some(*status), None, None),
        Outcome::Queued { .. } => (None, None, None),
        Outcome::Unanswered { error, fault } => (None, Some(error.as_str()), Some(fault.as_str())),
    };
    tracing::info!(
        event = key.event.as_str(),
        endpoint = key.endpoint.as_str(),
        attempt = number,
        cycle = attempt.cycle,
        r#try = attempt.number,
        probe,
        trace = trace::id(),
        status,
        error,
        fault,
        duration_ms = millis(attempt.duration),
        resolve_ms = attempt.phases.resolve.map(millis),
        connect_ms = attempt.phases.connect.map(millis),
        first_byte_ms = attempt.phases.first_byte.map(millis),
        body_ms = attempt.phases.body.map(millis),
        "a webhook was sent"
    );
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
