use local_sqs::{Draft, ErrorKind, Failure, Operation, Receive};
use serde_json::json;

use crate::wire::call;
use crate::world::{counts, kind, pass, s, send, take, take_one, with_queue};

#[tokio::test(start_paused = true)]
async fn a_message_can_be_handed_out_again_although_it_is_in_flight() {
    let sqs = with_queue(&[]);
    sqs.duplicate_next("q", 1).unwrap();
    send(&sqs, "x");
    let (first, second) = (take_one(&sqs).await, take_one(&sqs).await);
    assert_eq!(first.message_id, second.message_id);
    assert_eq!((first.receive_count(), second.receive_count()), (1, 2));
    assert!(take(&sqs).await.is_empty(), "once more, not for ever");
    assert_eq!(counts(&sqs, "q"), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_finds_a_duplicate_at_once() {
    let sqs = with_queue(&[]);
    sqs.duplicate_next("q", 1).unwrap();
    send(&sqs, "x");
    take_one(&sqs).await;
    let start = tokio::time::Instant::now();
    let ask = Receive { wait_s: Some(20), ..Receive::default() };
    assert_eq!(sqs.receive("q", ask).await.unwrap().len(), 1);
    assert_eq!(start.elapsed(), s(0));
}

#[tokio::test(start_paused = true)]
async fn a_delete_can_be_forgotten() {
    let sqs = with_queue(&[]);
    sqs.forget_deletes("q", 1).unwrap();
    send(&sqs, "x");
    sqs.delete("q", &take_one(&sqs).await.receipt_handle).unwrap();
    pass(s(30)).await;
    sqs.delete("q", &take_one(&sqs).await.receipt_handle).unwrap();
    assert_eq!(counts(&sqs, "q"), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_did_nothing_and_one_whose_answer_was_lost_did_all() {
    let sqs = with_queue(&[]);
    sqs.fail_next(Operation::SendMessage, Failure::Refused, 2);
    sqs.fail_next(Operation::SendMessage, Failure::AnswerLost, 1);
    for _ in 0..3 {
        assert_eq!(kind(sqs.send("q", Draft::of("x"))), ErrorKind::InternalFailure);
    }
    assert_eq!(counts(&sqs, "q"), (1, 0, 0));
    sqs.send("q", Draft::of("y")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_entries_of_a_batch_can_fail_in_an_answer_that_says_200() {
    let sqs = with_queue(&[]);
    sqs.fail_next(Operation::SendMessageBatch, Failure::EntriesRefused, 1);
    let batch = json!({ "QueueUrl": "q", "Entries": [{ "Id": "a", "MessageBody": "x" }] });
    let answer = call(&sqs, "SendMessageBatch", batch.clone()).await;
    assert_eq!(answer["Failed"][0]["Id"], "a");
    assert_eq!(answer["Failed"][0]["SenderFault"], false);
    assert_eq!(call(&sqs, "SendMessageBatch", batch).await["Successful"][0]["Id"], "a");
}

#[tokio::test(start_paused = true)]
async fn out_of_reach_refuses_everything_until_it_is_healed() {
    let sqs = with_queue(&[]);
    sqs.out_of_reach(true);
    assert_eq!(kind(sqs.send("q", Draft::of("x"))), ErrorKind::ServiceUnavailable);
    let answer = sqs.handle("AmazonSQS.ListQueues", b"{}", "http://local").await;
    assert_eq!(answer.status, 503);
    sqs.heal();
    send(&sqs, "x");
}
