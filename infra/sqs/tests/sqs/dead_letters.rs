use local_sqs::{Draft, ErrorKind, Sqs};
use serde_json::{Value, json};

use crate::wire::call;
use crate::world::{bodies, counts, kind, pass, s, send, take, take_from, take_one, with_dead_letters, with_queue};

const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
const Q: &str = "arn:aws:sqs:us-east-1:000000000000:q";

/// Receives the message so often that it dies, and a last time, so that it is moved.
async fn kill(sqs: &Sqs, receives: u64) {
    for _ in 0..receives {
        take_one(sqs).await;
        pass(s(30)).await;
    }
    assert!(take(sqs).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_received_too_often_is_moved_by_the_next_receive() {
    let sqs = with_dead_letters(2);
    let id = send(&sqs, "poison");
    for _ in 0..2 {
        take_one(&sqs).await;
        pass(s(30)).await;
    }
    assert_eq!((counts(&sqs, "q"), counts(&sqs, "dead")), ((1, 0, 0), (0, 0, 0)), "not moved by time alone");
    assert!(take(&sqs).await.is_empty());
    assert_eq!((counts(&sqs, "q"), counts(&sqs, "dead")), ((0, 0, 0), (1, 0, 0)));
    let dead = take_from(&sqs, "dead").await.remove(0);
    assert_eq!(dead.message_id, id);
    assert_eq!(dead.system["SentTimestamp"], "1795219200000", "it keeps its age");
    assert_eq!(dead.system["DeadLetterQueueSourceArn"], Q);
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_buries_a_message_still_brings_the_living_ones() {
    let sqs = with_dead_letters(1);
    send(&sqs, "poison");
    take_one(&sqs).await;
    pass(s(30)).await;
    send(&sqs, "good");
    assert_eq!(bodies(&sqs).await, ["good"]);
    assert_eq!(counts(&sqs, "dead"), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn in_the_dead_letter_queue_the_retention_counts_from_the_first_sending() {
    let sqs = with_dead_letters(1);
    send(&sqs, "poison");
    kill(&sqs, 1).await;
    pass(s(345_600 - 31)).await;
    assert_eq!(counts(&sqs, "dead"), (1, 0, 0));
    pass(s(1)).await;
    assert_eq!(counts(&sqs, "dead"), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_redrive_policy_needs_an_existing_queue_and_a_count_from_1_to_1000() {
    let sqs = with_queue(&[]);
    for (arn, count) in [(DEAD, "1"), (Q, "0"), (Q, "1001"), (Q, "\"x\"")] {
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
        let refused = sqs.create_queue("other", &[("RedrivePolicy", &policy)]);
        assert_eq!(kind(refused), ErrorKind::InvalidParameterValue, "{policy}");
    }
    let as_text = format!(r#"{{"deadLetterTargetArn":"{Q}","maxReceiveCount":"5"}}"#);
    sqs.create_queue("other", &[("RedrivePolicy", &as_text)]).expect("AWS takes the count as text too");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_queue_knows_its_sources() {
    let sqs = with_dead_letters(3);
    let answer = call(&sqs, "ListDeadLetterSourceQueues", json!({ "QueueUrl": "dead" })).await;
    assert_eq!(answer, json!({ "queueUrls": ["http://local/000000000000/q"] }));
}

#[tokio::test(start_paused = true)]
async fn a_move_task_returns_messages_to_their_source_as_new_ones() {
    let sqs = with_dead_letters(1);
    let id = send(&sqs, "poison");
    kill(&sqs, 1).await;
    let started = call(&sqs, "StartMessageMoveTask", json!({ "SourceArn": DEAD })).await;
    assert!(started["TaskHandle"].is_string());
    let back = take_one(&sqs).await;
    assert_ne!(back.message_id, id);
    assert_eq!((back.receive_count(), back.system["SentTimestamp"].as_str()), (1, "1795219230000"));
    let listed = call(&sqs, "ListMessageMoveTasks", json!({ "SourceArn": DEAD })).await;
    assert_eq!(listed["Results"][0]["Status"], "COMPLETED");
    assert_eq!(listed["Results"][0]["ApproximateNumberOfMessagesMoved"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_to_a_dead_letter_queue_by_hand_has_no_way_back_but_may_go_elsewhere() {
    let sqs = with_dead_letters(1);
    sqs.send("dead", Draft::of("by hand")).unwrap();
    call(&sqs, "StartMessageMoveTask", json!({ "SourceArn": DEAD })).await;
    let listed = call(&sqs, "ListMessageMoveTasks", json!({ "SourceArn": DEAD })).await;
    assert_eq!(listed["Results"][0]["FailureReason"], "CouldNotDetermineMessageSource");
    assert_eq!(counts(&sqs, "dead"), (1, 0, 0));
    call(&sqs, "StartMessageMoveTask", json!({ "SourceArn": DEAD, "DestinationArn": Q })).await;
    assert_eq!(bodies(&sqs).await, ["by hand"]);
}

#[tokio::test(start_paused = true)]
async fn a_move_task_needs_a_dead_letter_queue() {
    let sqs = with_dead_letters(1);
    let refused: Value = call(&sqs, "StartMessageMoveTask", json!({ "SourceArn": Q })).await;
    assert_eq!(refused["__type"], "com.amazon.coral.service#InvalidParameterValueException");
    let unknown = call(&sqs, "StartMessageMoveTask", json!({ "SourceArn": format!("{Q}x") })).await;
    assert_eq!(unknown["__type"], "com.amazonaws.sqs#ResourceNotFoundException");
}
