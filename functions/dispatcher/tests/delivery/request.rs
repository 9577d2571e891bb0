//! What is sent, and the bounds of one try.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::End;
use afferent_domain::endpoint::Headers;
use afferent_domain::id::UserId;
use afferent_domain::payload::Payload;
use afferent_domain::signature::{SigningSecret, verifies};
use afferent_local::network::{Reply, Seen};
use afferent_store::deliveries::Outcome;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use crate::stack::{Stack, ep_1, header, pass};

fn signed_by(secret: &SigningSecret, seen: &Seen) -> bool {
    let at = Timestamp::from_secs(header(seen, "webhook-timestamp").parse().unwrap());
    let (id, signatures) = (header(seen, "webhook-id"), header(seen, "webhook-signature"));
    verifies(secret, id, at, seen.request.body(), signatures, seen.at)
}

fn payload(json: &str) -> Payload {
    serde_json::from_str(json).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_secret_that_is_valid_signs_and_one_that_has_ended_does_not() {
    let stack = Stack::start().await;
    let (next, ended) = (SigningSecret::draw(&*stack.simulation.dice), SigningSecret::draw(&*stack.simulation.dice));
    stack.add_secret("ep_1", 2, &next, Some(stack.now() + Duration::from_secs(60))).await;
    stack.add_secret("ep_1", 3, &ended, Some(stack.now())).await;
    stack.deliver("rec_1").await;
    pass(1).await;
    let seen = &stack.receiver.seen()[0];
    assert!(signed_by(&stack.secret, seen) && signed_by(&next, seen) && !signed_by(&ended, seen));
    assert_eq!(header(seen, "webhook-signature").split(' ').count(), 2);
    pass(60).await;
    stack.deliver("rec_2").await;
    pass(1).await;
    assert!(!signed_by(&next, &stack.receiver.seen()[1]));
}

#[tokio::test(start_paused = true)]
async fn a_thin_payload_says_which_record_changed_and_is_signed_as_it_is_sent() {
    let stack = Stack::start().await;
    stack.change("ep_1", |endpoint| endpoint.payload = Payload::Thin).await;
    stack.deliver("rec_1").await;
    pass(1).await;
    let seen = &stack.receiver.seen()[0];
    let body: Value = serde_json::from_slice(seen.request.body()).unwrap();
    assert_eq!((&body["data"]["record"]["record"], &body["data"]["record"]["value"]), (&"rec_1".into(), &Value::Null));
    assert!(signed_by(&stack.secret, seen));
}

#[tokio::test(start_paused = true)]
async fn a_payload_of_fields_holds_what_is_listed_digit_by_digit() {
    let stack = Stack::start().await;
    let fields = payload(r#"{"fields":{"body_weight.*":["value"]}}"#);
    stack.change("ep_1", |endpoint| endpoint.payload = fields).await;
    stack.deliver("rec_1").await;
    pass(1).await;
    let seen = &stack.receiver.seen()[0];
    let text = std::str::from_utf8(seen.request.body()).unwrap();
    assert!(text.contains(r#""value":81.25"#) && !text.contains("con_1\",\"changed"), "{text}");
    assert!(signed_by(&stack.secret, seen));
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_text_cannot_be_cut_is_not_sent_whole() {
    let stack = Stack::start().await;
    stack.change("ep_1", |endpoint| endpoint.payload = Payload::Thin).await;
    let key = stack.store("rec_1", "ep_1").await;
    let client = afferent_store::client(&stack.simulation.rim.aws);
    client
        .update_item()
        .table_name("afferent-events")
        .key("journal", AttributeValue::S(UserId::from("usr_1").as_str().to_owned()))
        .key("sequence", AttributeValue::N("1".to_owned()))
        .update_expression("SET body = :body REMOVE packed")
        .expression_attribute_values(":body", AttributeValue::S("81.25".to_owned()))
        .send()
        .await
        .unwrap();
    stack.send(&key);
    pass(1).await;
    assert_eq!(stack.end(&key).await, (End::Cancelled, "its event cannot be read".to_owned()));
    assert_eq!((stack.requests(), stack.left()), (0, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn headers_of_the_owners_own_go_with_every_try_beside_ours() {
    let stack = Stack::start().await;
    let given = [("Authorization", "Bearer abc"), ("X-Tenant", "7")];
    let headers = Headers::new(given.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    stack.endpoints.put_headers(&ep_1(), Some(&stack.seal("ep_1", headers.to_json()))).await.unwrap();
    stack.receiver.next([Reply::Status(500)]);
    stack.deliver("rec_1").await;
    pass(1).await;
    let seen = stack.receiver.seen();
    assert_eq!(seen.len(), 2);
    for seen in &seen {
        assert_eq!((header(seen, "authorization"), header(seen, "x-tenant")), ("Bearer abc", "7"));
        assert!(header(seen, "user-agent").starts_with("Afferent/"));
        assert!(signed_by(&stack.secret, seen));
    }
}

#[tokio::test(start_paused = true)]
async fn every_try_of_a_traced_delivery_says_its_trace_beside_what_is_signed_and_an_owners_own_stays() {
    let stack = Stack::start().await;
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let deliver = async |record: &str| {
        let key = stack.store(record, "ep_1").await;
        client
            .update_item()
            .table_name("afferent-deliveries")
            .key("event", AttributeValue::S(key.event.to_string()))
            .key("item", AttributeValue::S(key.endpoint.to_string()))
            .update_expression("SET trace = :trace")
            .expression_attribute_values(
                ":trace",
                AttributeValue::S("5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8".to_owned()),
            )
            .send()
            .await
            .unwrap();
        stack.send(&key);
        pass(1).await;
    };
    stack.receiver.next([Reply::Status(500)]);
    deliver("rec_1").await;
    let headers = Headers::new([("Traceparent".to_owned(), "mine".to_owned())]).unwrap();
    stack.endpoints.put_headers(&ep_1(), Some(&stack.seal("ep_1", headers.to_json()))).await.unwrap();
    deliver("rec_2").await;
    let seen = stack.receiver.seen();
    let told: Vec<&str> = seen.iter().map(|seen| header(seen, "traceparent")).collect();
    let trace = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
    assert_eq!(told, [trace, trace, "mine"]);
    assert!(seen.iter().all(|seen| signed_by(&stack.secret, seen)));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_costs_the_deadline_of_the_whole_try() {
    let stack = Stack::set("DeliveryDeadlineSeconds", "4").await;
    stack.receiver.always(Reply::Trickle(Duration::from_millis(100)));
    let key = stack.deliver("rec_1").await;
    pass(9).await;
    let attempts = stack.attempts(&key).await;
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        assert_eq!(attempt.duration, Duration::from_secs(4));
        assert!(matches!(attempt.outcome, Outcome::Unanswered { error, .. } if error == "timeout"));
        assert_eq!(attempt.phases.body, Some(Duration::from_secs(4)), "the answer began, and never ended");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_huge_answer_little_is_read_and_less_is_kept() {
    let stack = Stack::start().await;
    stack.receiver.next([Reply::Huge(1 << 30)]);
    let key = stack.deliver("rec_1").await;
    pass(1).await;
    let Outcome::Answered { status, excerpt, truncated, .. } = stack.attempts(&key).await.remove(0).outcome else {
        panic!("it answered")
    };
    assert_eq!((status, truncated, stack.end(&key).await.0), (200, true, End::Delivered));
    assert!(excerpt.len() <= 2_048, "{}", excerpt.len());
}

#[tokio::test(start_paused = true)]
async fn the_log_says_why_nothing_came_back_whose_fault_it_is_and_how_long_each_phase_lasted() {
    let stack = Stack::start().await;
    stack.receiver.next([Reply::Refused, Reply::Tls, Reply::Unresolved, Reply::Reset]);
    let key = stack.deliver("rec_1").await;
    pass(20).await;
    let attempts = stack.attempts(&key).await;
    let said: Vec<(String, String)> = attempts
        .iter()
        .filter_map(|attempt| match &attempt.outcome {
            Outcome::Unanswered { error, fault } => Some((error.clone(), fault.clone())),
            _ => None,
        })
        .collect();
    let expected = ["connect", "tls", "resolve", "broken"].map(|error| (error.to_owned(), "receiver".to_owned()));
    assert_eq!(said, expected);
    assert_eq!(attempts[2].phases.connect, None, "it did not come so far");
    assert!(attempts[3].phases.first_byte.is_some());
}
