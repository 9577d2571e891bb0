use std::sync::Arc;

use local_sqs::{Draft, ErrorKind, Receive};
use tokio::time::Instant;

use crate::world::{bodies, kind, ms, pass, s, send, take, take_one, with_queue};

fn long(seconds: i64) -> Receive {
    Receive { max: 10, wait_s: Some(seconds), ..Receive::default() }
}

#[tokio::test(start_paused = true)]
async fn a_receive_gives_one_message_unless_asked_for_more_and_never_more_than_ten() {
    let sqs = with_queue(&[]);
    (0..15).for_each(|i| drop(send(&sqs, &i.to_string())));
    assert_eq!(sqs.receive("q", Receive::default()).await.unwrap().len(), 1);
    assert_eq!(take(&sqs).await.len(), 10);
    assert_eq!(take(&sqs).await.len(), 4);
    for max in [0, 11, -1] {
        let ask = Receive { max, ..Receive::default() };
        assert_eq!(kind(sqs.receive("q", ask).await), ErrorKind::InvalidParameterValue);
    }
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_the_order_in_which_they_became_visible() {
    let sqs = with_queue(&[]);
    sqs.send("q", Draft { delay_s: Some(2), ..Draft::of("third") }).unwrap();
    send(&sqs, "first");
    pass(s(1)).await;
    send(&sqs, "second");
    pass(s(1)).await;
    assert_eq!(bodies(&sqs).await, ["first", "second", "third"]);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_of_an_empty_queue_ends_after_its_wait() {
    let sqs = with_queue(&[]);
    let start = Instant::now();
    assert!(sqs.receive("q", long(20)).await.unwrap().is_empty());
    assert_eq!(start.elapsed(), s(20));
    for wait in [21, -1] {
        assert_eq!(kind(sqs.receive("q", long(wait)).await), ErrorKind::InvalidParameterValue);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_wait_of_its_own_a_receive_waits_as_long_as_the_queue_says() {
    let sqs = with_queue(&[("ReceiveMessageWaitTimeSeconds", "7")]);
    let start = Instant::now();
    assert!(sqs.receive("q", Receive::default()).await.unwrap().is_empty());
    assert_eq!(start.elapsed(), s(7));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_returns_at_once_when_a_message_is_sent() {
    let sqs = Arc::new(with_queue(&[]));
    let start = Instant::now();
    let receiver = tokio::spawn({
        let sqs = sqs.clone();
        async move { (sqs.receive("q", long(20)).await.unwrap().len(), start.elapsed()) }
    });
    pass(ms(1500)).await;
    send(&sqs, "x");
    assert_eq!(receiver.await.unwrap(), (1, ms(1500)));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_returns_at_the_instant_a_message_becomes_visible() {
    let sqs = with_queue(&[("VisibilityTimeout", "3")]);
    send(&sqs, "x");
    take_one(&sqs).await;
    let start = Instant::now();
    assert_eq!(sqs.receive("q", long(20)).await.unwrap().len(), 1);
    assert_eq!(start.elapsed(), s(3));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_hears_when_a_visibility_timeout_is_cut_short() {
    let sqs = Arc::new(with_queue(&[("VisibilityTimeout", "100")]));
    send(&sqs, "x");
    let handle = take_one(&sqs).await.receipt_handle;
    let start = Instant::now();
    let receiver = tokio::spawn({
        let sqs = sqs.clone();
        async move { (sqs.receive("q", long(20)).await.unwrap().len(), start.elapsed()) }
    });
    pass(s(2)).await;
    sqs.change_visibility("q", &handle, 1).unwrap();
    assert_eq!(receiver.await.unwrap(), (1, s(3)));
}

#[tokio::test(start_paused = true)]
async fn one_message_wakes_one_of_two_receivers_and_the_other_waits_on() {
    let sqs = Arc::new(with_queue(&[]));
    let poll = |sqs: Arc<local_sqs::Sqs>| tokio::spawn(async move { sqs.receive("q", long(5)).await.unwrap().len() });
    let (first, second) = (poll(sqs.clone()), poll(sqs.clone()));
    pass(s(1)).await;
    send(&sqs, "x");
    assert_eq!(first.await.unwrap() + second.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_poller_sleeps_until_the_next_message_is_visible_and_wakes_once() {
    let sqs = with_queue(&[("VisibilityTimeout", "14400")]);
    send(&sqs, "parked");
    take_one(&sqs).await;
    let start = Instant::now();
    let news = sqs.changed("q").unwrap();
    sqs.wait_until_visible("q").await.unwrap();
    assert_eq!(start.elapsed(), s(14_400));
    assert!(!news.has_changed().unwrap(), "nothing but the passing of time woke it");
    assert_eq!(bodies(&sqs).await, ["parked"]);
}

#[tokio::test(start_paused = true)]
async fn a_poller_of_an_empty_queue_hears_of_the_first_message() {
    let sqs = Arc::new(with_queue(&[]));
    assert_eq!(sqs.next_visible_at("q"), Ok(None));
    let poller = tokio::spawn({
        let sqs = sqs.clone();
        async move { sqs.wait_until_visible("q").await }
    });
    pass(s(86_400)).await;
    assert!(!poller.is_finished());
    send(&sqs, "x");
    assert_eq!(poller.await.unwrap(), Ok(()));
}
