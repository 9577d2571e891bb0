use local_sqs::ErrorKind;

use crate::world::{counts, kind, pass, s, send, take_from, take_one, with_queue};

#[tokio::test(start_paused = true)]
async fn a_deleted_message_does_not_return() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    let handle = take_one(&sqs).await.receipt_handle;
    sqs.delete("q", &handle).unwrap();
    pass(s(60)).await;
    assert_eq!(counts(&sqs, "q"), (0, 0, 0));
    assert_eq!(sqs.delete("q", &handle), Ok(()), "twice is once");
}

#[tokio::test(start_paused = true)]
async fn the_latest_handle_deletes_even_after_its_timeout() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    let handle = take_one(&sqs).await.receipt_handle;
    pass(s(31)).await;
    sqs.delete("q", &handle).unwrap();
    assert_eq!(counts(&sqs, "q"), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_older_handle_is_answered_with_success_and_deletes_nothing() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    let old = take_one(&sqs).await.receipt_handle;
    pass(s(30)).await;
    take_one(&sqs).await;
    sqs.delete("q", &old).unwrap();
    assert_eq!(counts(&sqs, "q"), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handle_of_no_receive_or_of_another_queue_is_invalid() {
    let sqs = with_queue(&[]);
    sqs.create_queue("other", &[]).unwrap();
    assert_eq!(kind(sqs.delete("q", "bogus")), ErrorKind::ReceiptHandleIsInvalid);
    sqs.send("other", local_sqs::Draft::of("x")).unwrap();
    let foreign = take_from(&sqs, "other").await.remove(0).receipt_handle;
    assert_eq!(kind(sqs.delete("q", &foreign)), ErrorKind::ReceiptHandleIsInvalid);
}
