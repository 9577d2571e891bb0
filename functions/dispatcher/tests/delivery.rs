//! The dispatcher on the simulated stack: real SDK, virtual time, scripted receivers.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, Key, Place, State};
use afferent_domain::endpoint::{Endpoint, EndpointUrl, Standing};
use afferent_domain::event::Draft;
use afferent_domain::filter::{Pattern, Scope};
use afferent_domain::id::{EndpointId, UserId};
use afferent_domain::schedule::RetryPolicy;
use afferent_domain::secret::Secret;
use afferent_domain::signature::{SigningSecret, verifies};
use afferent_local::dynamodb::Fault;
use afferent_local::network::{Receiver, Reply, Seen};
use afferent_local::{Functions, Setup, Simulation, Ticks};
use afferent_secrets::sealer;
use afferent_store::deliveries::{Deliveries, Outcome};
use afferent_store::endpoints::{Endpoints, SealedSecret};
use afferent_store::events::Events;
use local_sqs::Receive;

struct Stack {
    simulation: Simulation,
    events: Events,
    deliveries: Deliveries,
    endpoints: Endpoints,
    secret: SigningSecret,
    receiver: Receiver,
}

impl Stack {
    /// The dispatcher alone, with one endpoint `ep_1` at a receiver that answers 200.
    async fn start() -> Self {
        let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
        let functions = Functions::start(&simulation.template, &simulation.rim).await.unwrap();
        let function = simulation.template.function("dispatcher").unwrap().clone();
        simulation.set("dispatcher", functions.handler(&function.name).unwrap());
        simulation.resume("dispatcher");
        let client = afferent_store::client(&simulation.rim.aws);
        let stack = Self {
            events: Events::new(client.clone(), "afferent-events".to_owned()),
            deliveries: Deliveries::new(client.clone(), "afferent-deliveries".to_owned()),
            endpoints: Endpoints::new(client, "afferent-endpoints".to_owned()),
            secret: SigningSecret::draw(simulation.dice.as_ref()),
            receiver: Receiver::new(Arc::clone(&simulation.clock)),
            simulation,
        };
        stack.simulation.network.put("receiver.example", Arc::new(stack.receiver.clone()));
        stack.endpoint("ep_1", "receiver.example", RetryPolicy::Withings).await;
        stack
    }

    async fn endpoint(&self, id: &str, host: &str, policy: RetryPolicy) {
        let endpoint = Endpoint {
            endpoint: EndpointId::from(id),
            url: EndpointUrl::parse(&format!("https://{host}/hook")).unwrap(),
            types: vec![Pattern::every()],
            scope: Scope::All,
            policy,
            description: None,
            created_ms: self.simulation.clock.now(),
            standing: Standing::Enabled,
        };
        self.endpoints.put(&endpoint).await.unwrap();
        let arn = &self.simulation.template.function("dispatcher").unwrap().environment["SEAL_ENDPOINTS_SECRET_ARN"];
        let sealer = sealer(&self.simulation.rim.aws, arn).await.unwrap();
        let sealed = sealer.seal(id, &Secret::new(self.secret.reveal()), self.simulation.dice.as_ref()).unwrap();
        let secret = SealedSecret { number: 1, sealed: sealed.0, created: endpoint.created_ms, until: None };
        self.endpoints.add_secret(&endpoint.endpoint, &secret).await.unwrap();
    }

    /// Journals an event about `record` and stores its delivery to `endpoint`; sends nothing.
    async fn store(&self, record: &str, endpoint: &str) -> Key {
        let now = self.simulation.clock.now();
        let draft = Draft::of_record(&format!(
            r#"{{"user":"usr_1","record":"{record}","rev":1,"status":"final","kind":"body_weight",
                "connection":"con_1","synckind":"live","changed_ms":{},"value":81.25}}"#,
            now.as_millis()
        ))
        .unwrap();
        let user = UserId::from("usr_1");
        let event = self.events.append(&user, vec![draft], now, self.simulation.dice.as_ref()).await.unwrap().remove(0);
        let key = Key { event: event.event, endpoint: EndpointId::from(endpoint) };
        let delivery = Delivery::new(key.clone(), user, event.sequence, event.event_type, now);
        self.deliveries.put_if_absent(&delivery).await.unwrap();
        key
    }

    fn send(&self, key: &Key) {
        let message = afferent_queue::Delivery { event: key.event.clone(), endpoint: key.endpoint.clone() };
        self.send_text(message.to_body());
    }

    fn send_text(&self, body: String) {
        let draft = local_sqs::Draft { body, group: Some("ep_1".to_owned()), ..local_sqs::Draft::default() };
        self.simulation.sqs.send("afferent-deliveries", draft).unwrap();
    }

    async fn state(&self, key: &Key) -> State {
        self.deliveries.get(key).await.unwrap().unwrap().state
    }

    async fn end(&self, key: &Key) -> (End, String) {
        match self.state(key).await {
            State::Ended { end, reason, .. } => (end, reason),
            State::Waiting(waiting) => panic!("it has not ended: {waiting:?}"),
        }
    }

    /// Messages on the queue, whether visible or not, and in its dead-letter queue.
    fn left(&self) -> (usize, usize) {
        let count = |name: &str| self.simulation.sqs.messages(name, 1_000).unwrap().len();
        (count("afferent-deliveries"), count("afferent-deliveries-dead"))
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.request.headers()[name].to_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_delivery_arrives_signed_with_the_exact_text_of_the_journal_and_leaves_the_queue() {
    let stack = Stack::start().await;
    let key = stack.store("rec_1", "ep_1").await;
    stack.send(&key);
    pass(1).await;
    let seen = stack.receiver.seen();
    assert_eq!(seen.len(), 1);
    let request = &seen[0].request;
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/hook"));
    assert_eq!(header(&seen[0], "content-type"), "application/json");
    assert!(header(&seen[0], "user-agent").starts_with("Afferent/"));
    assert_eq!(header(&seen[0], "webhook-id"), key.event.as_str());
    let at = Timestamp::from_secs(header(&seen[0], "webhook-timestamp").parse().unwrap());
    let signatures = header(&seen[0], "webhook-signature");
    assert!(verifies(&stack.secret, key.event.as_str(), at, request.body(), signatures, stack.simulation.clock.now()));
    let event = stack.events.get(&UserId::from("usr_1"), 1).await.unwrap().unwrap();
    assert_eq!(request.body(), event.body.as_bytes());

    assert_eq!(stack.end(&key).await.0, End::Delivered);
    assert_eq!(stack.deliveries.attempts(&key).await.unwrap().len(), 1);
    assert_eq!(stack.left(), (0, 0));
    let health = stack.endpoints.whole(&key.endpoint).await.unwrap().unwrap().health;
    assert!(health.last_success.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_always_fails_gets_ten_tries_at_the_times_of_the_schedule_and_then_it_is_exhausted() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Status(503));
    let key = stack.store("rec_1", "ep_1").await;
    stack.send(&key);
    pass(6 * 3600 + 120).await;

    let attempts = stack.deliveries.attempts(&key).await.unwrap();
    let tries: Vec<(u16, u16)> = attempts.iter().map(|(_, attempt)| (attempt.cycle, attempt.number)).collect();
    assert_eq!(tries, [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2), (5, 1), (5, 2)]);
    let seen = stack.receiver.seen();
    assert!(seen.iter().all(|seen| header(seen, "webhook-id") == key.event.as_str()), "one id for every try");
    let gaps: Vec<u64> = seen
        .chunks(2)
        .map(|cycle| cycle[0].at)
        .collect::<Vec<_>>()
        .windows(2)
        .map(|pair| pair[1].since(pair[0]).as_secs())
        .collect();
    for (gap, (least, most)) in gaps.iter().zip([(10, 10), (120, 660), (3_720, 4_800), (14_580, 16_200)]) {
        // An alarm rings in whole seconds, rounded up.
        assert!((least..=most + 1).contains(gap), "{gaps:?}");
    }
    assert_eq!(stack.end(&key).await, (End::Exhausted, "every try failed".to_owned()));
    assert_eq!(stack.left(), (0, 0), "exhausted is no dead letter");
    let health = stack.endpoints.whole(&key.endpoint).await.unwrap().unwrap().health;
    assert_eq!(health.exhausted_in_a_row, 1);
}

#[tokio::test(start_paused = true)]
async fn every_try_comes_within_a_second_of_its_due_time() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Reset);
    let key = stack.store("rec_1", "ep_1").await;
    stack.send(&key);
    for _ in 0..4 {
        // Let the cycle end, and read when the next one falls due.
        pass(2).await;
        let State::Waiting(waiting) = stack.state(&key).await else { panic!("cycles are left") };
        assert_eq!(waiting.place, Place::Held);
        let before = stack.receiver.seen().len();
        pass(waiting.next.since(stack.simulation.clock.now()).as_secs() + 2).await;
        let at = stack.receiver.seen()[before].at;
        assert!(at >= waiting.next && at.since(waiting.next) <= Duration::from_secs(1), "{at:?} {waiting:?}");
    }
    pass(2).await;
    assert_eq!(stack.end(&key).await.0, End::Exhausted);
    let (_, attempt) = stack.deliveries.attempts(&key).await.unwrap().remove(9);
    assert_eq!(attempt.outcome, Outcome::Unanswered { error: "broken".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_recovers_gets_the_event_at_the_next_try_with_the_same_id() {
    let stack = Stack::start().await;
    stack.receiver.next([Reply::Status(500), Reply::Status(500), Reply::Status(500)]);
    let key = stack.store("rec_1", "ep_1").await;
    stack.send(&key);
    pass(60).await;
    assert_eq!(stack.receiver.seen().len(), 4);
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn doubled_messages_deliver_once_and_leave_the_queue_when_the_delivery_has_ended() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::After(Duration::from_secs(3), Box::new(Reply::Status(200))));
    let key = stack.store("rec_1", "ep_1").await;
    (0..3).for_each(|_| stack.send(&key));
    pass(2).await;
    stack.send(&key);
    pass(300).await;
    assert_eq!(stack.receiver.seen().len(), 1);
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_during_a_wait_neither_tries_early_nor_removes_the_alarm() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Status(500));
    let key = stack.store("rec_1", "ep_1").await;
    stack.send(&key);
    // Into the wait before the third cycle, of two minutes and more.
    pass(30).await;
    assert_eq!(stack.receiver.seen().len(), 4);
    stack.send(&key);
    pass(60).await;
    assert_eq!(stack.receiver.seen().len(), 4, "it is not time");
    assert_eq!(stack.left().0, 2, "both messages wait");
    stack.receiver.always(Reply::Status(200));
    pass(700).await;
    assert_eq!(stack.receiver.seen().len(), 5);
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_dies_in_the_middle_of_a_try_leaves_a_delivery_that_is_tried_again() {
    let stack = Stack::start().await;
    stack.receiver.next([Reply::Hang]);
    let key = stack.store("rec_1", "ep_1").await;
    stack.send(&key);
    pass(3).await;
    stack.simulation.pause("dispatcher");
    stack.simulation.resume("dispatcher");
    pass(400).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_fails_alone_and_ends_in_the_dead_letter_queue() {
    let stack = Stack::start().await;
    let key = stack.store("rec_1", "ep_1").await;
    stack.send_text("poison".to_owned());
    stack.send(&key);
    pass(1).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    pass(20 * 200).await;
    assert_eq!(stack.left(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_to_an_endpoint_that_is_disabled_or_gone_is_cancelled_without_a_request() {
    let stack = Stack::start().await;
    let (disabled, gone) = (stack.store("rec_1", "ep_1").await, stack.store("rec_2", "ep_none").await);
    let standing = Standing::Disabled { reason: "asked to".to_owned(), since_ms: Timestamp::default() };
    stack.endpoints.set_standing(&disabled.endpoint, &standing).await.unwrap();
    stack.send(&disabled);
    stack.send(&gone);
    pass(1).await;
    assert_eq!(stack.end(&disabled).await, (End::Cancelled, "the endpoint is disabled: asked to".to_owned()));
    assert_eq!(stack.end(&gone).await, (End::Cancelled, "the endpoint was deleted".to_owned()));
    assert!(stack.receiver.seen().is_empty());
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_secret_cannot_be_unsealed_waits_for_the_operator_and_expires_at_its_age() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoints.get(&EndpointId::from("ep_1")).await.unwrap().unwrap();
    let shut = Endpoint { endpoint: EndpointId::from("ep_shut"), ..endpoint };
    stack.endpoints.put(&shut).await.unwrap();
    let secret = SealedSecret { number: 1, sealed: "9.none".to_owned(), created: shut.created_ms, until: None };
    stack.endpoints.add_secret(&shut.endpoint, &secret).await.unwrap();
    let key = stack.store("rec_1", "ep_shut").await;
    stack.send(&key);
    pass(2 * 24 * 3600).await;
    assert!(matches!(stack.state(&key).await, State::Waiting(_)), "it may yet be mended");
    pass(24 * 3600 + 1).await;
    stack.send(&key);
    pass(1).await;
    assert_eq!(stack.end(&key).await, (End::Expired, "it is older than its retry policy allows".to_owned()));
    assert!(stack.receiver.seen().is_empty());
    assert_eq!(stack.left(), (0, 1), "the first message was given up, the last one is done");
}

#[tokio::test(start_paused = true)]
async fn a_redirect_succeeds_for_withings_fails_for_standard_webhooks_and_is_never_followed() {
    let stack = Stack::start().await;
    stack.endpoint("ep_2", "receiver.example", RetryPolicy::StandardWebhooks).await;
    let to = vec![("location", "https://elsewhere.example/".to_owned())];
    stack.receiver.always(Reply::Full(302, to, bytes::Bytes::new()));
    let (withings, standard) = (stack.store("rec_1", "ep_1").await, stack.store("rec_2", "ep_2").await);
    stack.send(&withings);
    stack.send(&standard);
    pass(2).await;
    assert_eq!(stack.end(&withings).await.0, End::Delivered);
    assert!(matches!(stack.state(&standard).await, State::Waiting(waiting) if waiting.cycle == 2));
    assert_eq!(stack.receiver.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_costs_its_deadline_and_the_others_of_the_batch_are_delivered() {
    let stack = Stack::start().await;
    let hanging = Receiver::new(Arc::clone(&stack.simulation.clock));
    hanging.always(Reply::Hang);
    stack.simulation.network.put("hanging.example", Arc::new(hanging));
    stack.endpoint("ep_2", "hanging.example", RetryPolicy::Withings).await;
    let (slow, fast) = (stack.store("rec_1", "ep_2").await, stack.store("rec_2", "ep_1").await);
    stack.send(&slow);
    stack.send(&fast);
    pass(1).await;
    assert_eq!(stack.end(&fast).await.0, End::Delivered, "it waits for no other");
    pass(21).await;
    let attempts = stack.deliveries.attempts(&slow).await.unwrap();
    assert_eq!(attempts.len(), 2);
    for (_, attempt) in attempts {
        assert_eq!(attempt.outcome, Outcome::Unanswered { error: "timeout".to_owned() });
        assert_eq!(attempt.duration, Duration::from_secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_an_answer_is_short_and_holds_no_token() {
    let stack = Stack::start().await;
    let body = format!("bad token {} {}", "a".repeat(40), "x ".repeat(100_000));
    stack.receiver.next([Reply::Full(400, Vec::new(), body.into())]);
    let key = stack.store("rec_1", "ep_1").await;
    stack.send(&key);
    pass(1).await;
    let (_, attempt) = stack.deliveries.attempts(&key).await.unwrap().remove(0);
    let Outcome::Answered { status, excerpt, truncated } = attempt.outcome else { panic!("it answered") };
    assert_eq!((status, truncated), (400, true));
    assert!(excerpt.starts_with("bad token [redacted] x ") && excerpt.len() <= 2_048);
}

#[tokio::test(start_paused = true)]
async fn trouble_with_the_tables_costs_a_try_nothing_and_the_message_comes_again() {
    let stack = Stack::start().await;
    let key = stack.store("rec_1", "ep_1").await;
    // More often than the SDK tries by itself.
    stack.simulation.dynamodb.faults().next(Fault::Failed, "Query", "afferent-endpoints", 4);
    stack.send(&key);
    pass(400).await;
    assert_eq!(stack.receiver.seen().len(), 1);
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    assert_eq!(stack.left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn near_the_cap_of_messages_in_flight_a_long_wait_is_parked_and_its_message_goes() {
    let stack = Stack::start().await;
    stack.receiver.always(Reply::Status(500));
    let key = stack.store("rec_1", "ep_1").await;
    // Somebody else's messages, in flight for hours.
    stack.simulation.pause("dispatcher");
    for number in 0..30_000 {
        stack.send_text(number.to_string());
    }
    let ask = Receive { max: 10, visibility_s: Some(40_000), ..Receive::default() };
    for _ in 0..3_000 {
        stack.simulation.sqs.receive("afferent-deliveries", ask).await.unwrap();
    }
    stack.simulation.resume("dispatcher");
    stack.send(&key);
    pass(60).await;
    assert!(matches!(stack.state(&key).await, State::Waiting(waiting) if waiting.place == Place::Held));
    pass(700).await;
    let State::Waiting(waiting) = stack.state(&key).await else { panic!("two cycles are left") };
    assert_eq!((waiting.place, waiting.cycle), (Place::Parked, 4), "an hour is a long wait");
    let left = || stack.simulation.sqs.messages("afferent-deliveries", 40_000).unwrap().len();
    assert_eq!(left(), 30_000);
    stack.send(&key);
    pass(1).await;
    assert_eq!(left(), 30_000, "a duplicate goes too, for the keeper has the alarm");
}
