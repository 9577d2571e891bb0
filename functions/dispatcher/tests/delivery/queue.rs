//! Endpoints that are queues of the customer's own.

use afferent_domain::Timestamp;
use afferent_domain::delivery::{End, Try};
use afferent_domain::endpoint::{Destination, QueueUrl};
use afferent_domain::signature::verifies;
use afferent_store::deliveries::Outcome;
use local_sqs::{Failure, Operation, Receive};

use crate::stack::{Stack, pass};

/// A stack whose endpoint is the queue of this name.
async fn sending_to(name: &str) -> Stack {
    let stack = Stack::start().await;
    let place = &stack.simulation.template.place;
    let queue_url = QueueUrl::parse(&format!("{}/{}/{name}", place.sqs_url, place.account)).unwrap();
    stack.change("ep_1", |endpoint| endpoint.destination = Destination::Sqs { queue_url }).await;
    stack
}

#[tokio::test(start_paused = true)]
async fn a_customers_queue_gets_the_same_text_with_the_signature_in_message_attributes() {
    let stack = sending_to("records-of-a-customer").await;
    stack.simulation.sqs.create_queue("records-of-a-customer", &[]).unwrap();
    let key = stack.deliver("rec_1").await;
    pass(1).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
    let got = stack.simulation.sqs.receive("records-of-a-customer", Receive { max: 10, ..Receive::default() });
    let got = got.await.unwrap();
    assert_eq!(got.len(), 1);
    let attribute = |name: &str| got[0].attributes[name].string_value.clone().unwrap();
    assert_eq!((attribute("webhook-id"), attribute("type")), (key.event.to_string(), "body_weight.created".to_owned()));
    let at = Timestamp::from_secs(attribute("webhook-timestamp").parse().unwrap());
    let (body, signature) = (got[0].body.as_bytes(), attribute("webhook-signature"));
    assert!(verifies(&stack.secret, key.event.as_str(), at, body, &signature, stack.now()));
    let message = Outcome::Queued { message: got[0].message_id.clone() };
    assert_eq!(stack.attempts(&key).await[0].outcome, message);
    assert!(stack.health().await.last_success.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_not_there_is_the_fault_of_its_owner_and_is_tried_again() {
    let stack = sending_to("nowhere").await;
    let key = stack.deliver("rec_1").await;
    pass(2).await;
    let attempts = stack.attempts(&key).await;
    assert_eq!(attempts.len(), 2);
    let Outcome::Unanswered { error, fault } = &attempts[0].outcome else { panic!("nobody took it") };
    assert!(error.contains("Queue") && fault == "receiver", "{error}, {fault}");
    assert_eq!((stack.waiting(&key).await.at, stack.health().await.failed_tries), (Try::first(2), 2));
    stack.simulation.sqs.create_queue("nowhere", &[]).unwrap();
    pass(15).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
}

#[tokio::test(start_paused = true)]
async fn trouble_of_sqs_itself_is_one_try_and_does_not_count_against_the_customer() {
    let stack = sending_to("records-of-a-customer").await;
    stack.simulation.sqs.create_queue("records-of-a-customer", &[]).unwrap();
    let key = stack.deliver("rec_1").await;
    stack.simulation.sqs.fail_next(Operation::SendMessage, Failure::Refused, 2);
    pass(2).await;
    let attempts = stack.attempts(&key).await;
    assert_eq!(attempts.len(), 2, "the schedule alone sends again");
    for attempt in attempts {
        assert!(matches!(attempt.outcome, Outcome::Unanswered { fault, .. } if fault == "network"));
    }
    assert_eq!(stack.health().await.failed_tries, 0);
    pass(15).await;
    assert_eq!(stack.end(&key).await.0, End::Delivered);
}
