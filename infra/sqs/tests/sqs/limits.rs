use local_sqs::{ErrorKind, Receive};
use tokio::time::Instant;

use crate::world::{counts, kind, pass, s, send, take, with_limit};

fn short() -> Receive {
    Receive { max: 10, wait_s: Some(0), ..Receive::default() }
}

fn long() -> Receive {
    Receive { wait_s: Some(20), ..short() }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_limit_are_handed_out() {
    let sqs = with_limit(3, &[]);
    (0..5).for_each(|i| drop(send(&sqs, &i.to_string())));
    assert_eq!(take(&sqs).await.len(), 3);
    assert_eq!(counts(&sqs, "q"), (2, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_a_short_poll_is_told_so_and_a_long_poll_hears_nothing() {
    let sqs = with_limit(1, &[("VisibilityTimeout", "600")]);
    send(&sqs, "in flight");
    send(&sqs, "waiting");
    take(&sqs).await;
    assert_eq!(kind(sqs.receive("q", short()).await), ErrorKind::OverLimit);
    let start = Instant::now();
    assert_eq!(sqs.receive("q", long()).await, Ok(Vec::new()));
    assert_eq!(start.elapsed(), s(20));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_at_the_limit_goes_on_when_one_lands() {
    let sqs = with_limit(1, &[("VisibilityTimeout", "5")]);
    send(&sqs, "first");
    let handle = take(&sqs).await.remove(0).receipt_handle;
    send(&sqs, "second");
    let start = Instant::now();
    let (received, deleted) = tokio::join!(sqs.receive("q", long()), async {
        pass(s(2)).await;
        sqs.delete("q", &handle)
    });
    assert_eq!(deleted, Ok(()));
    assert_eq!(received.unwrap()[0].body, "second");
    assert_eq!(start.elapsed(), s(2), "room was made after 2 s");
}

#[tokio::test(start_paused = true)]
async fn delayed_messages_are_not_in_flight() {
    let sqs = with_limit(1, &[("DelaySeconds", "5")]);
    (0..3).for_each(|i| drop(send(&sqs, &i.to_string())));
    assert_eq!(sqs.receive("q", short()).await, Ok(Vec::new()));
    pass(s(5)).await;
    assert_eq!(take(&sqs).await.len(), 1);
}
