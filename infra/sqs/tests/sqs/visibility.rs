use local_sqs::{ErrorKind, Receive};

use crate::world::{bodies, counts, kind, ms, pass, s, send, take, take_one, with_queue};

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_deleted_returns_after_its_visibility_timeout() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    let first = take_one(&sqs).await;
    assert_eq!(counts(&sqs, "q"), (0, 1, 0));
    pass(s(30) - ms(1)).await;
    assert!(take(&sqs).await.is_empty());
    pass(ms(1)).await;
    let second = take_one(&sqs).await;
    assert_eq!(second.receive_count(), 2);
    assert_eq!(second.message_id, first.message_id);
    assert_ne!(second.receipt_handle, first.receipt_handle);
    let first_received = |message: &local_sqs::Received| message.system["ApproximateFirstReceiveTimestamp"].clone();
    assert_eq!(first_received(&second), first_received(&first));
}

#[tokio::test(start_paused = true)]
async fn a_receive_may_bring_its_own_visibility_timeout_from_0_s_to_12_h() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    let ask = |visibility| Receive { max: 10, wait_s: Some(0), visibility_s: Some(visibility) };
    assert_eq!(sqs.receive("q", ask(0)).await.unwrap().len(), 1, "once, although visible again at once");
    assert_eq!(sqs.receive("q", ask(43_200)).await.unwrap().len(), 1);
    pass(s(43_199)).await;
    assert!(take(&sqs).await.is_empty());
    pass(s(1)).await;
    assert_eq!(take(&sqs).await.len(), 1);
    for visibility in [-1, 43_201] {
        assert_eq!(kind(sqs.receive("q", ask(visibility)).await), ErrorKind::InvalidParameterValue);
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_visibility_counts_from_the_call() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    let handle = take_one(&sqs).await.receipt_handle;
    pass(s(20)).await;
    sqs.change_visibility("q", &handle, 100).unwrap();
    pass(s(99)).await;
    assert!(take(&sqs).await.is_empty());
    pass(s(1)).await;
    assert_eq!(take(&sqs).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn zero_makes_a_message_visible_at_once() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    sqs.change_visibility("q", &take_one(&sqs).await.receipt_handle, 0).unwrap();
    assert_eq!(bodies(&sqs).await, ["x"]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_visibility_holds_for_this_receive_only() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    sqs.change_visibility("q", &take_one(&sqs).await.receipt_handle, 1000).unwrap();
    pass(s(1000)).await;
    take_one(&sqs).await;
    pass(s(30)).await;
    assert_eq!(take(&sqs).await.len(), 1, "back to the queue's own 30 s");
}

#[tokio::test(start_paused = true)]
async fn more_than_12_hours_after_the_receive_is_an_error_and_changes_nothing() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    let handle = take_one(&sqs).await.receipt_handle;
    pass(ms(1)).await;
    assert_eq!(kind(sqs.change_visibility("q", &handle, 43_200)), ErrorKind::InvalidParameterValue);
    sqs.change_visibility("q", &handle, 43_199).unwrap();
    pass(s(43_199)).await;
    let handle = take_one(&sqs).await.receipt_handle;
    sqs.change_visibility("q", &handle, 43_200).expect("a new receive has 12 h of its own");
    let refused = sqs.change_visibility("q", &handle, 43_201).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidParameterValue);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_cannot_add_up_to_more_than_12_hours() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    let handle = take_one(&sqs).await.receipt_handle;
    for _ in 0..43 {
        sqs.change_visibility("q", &handle, 1000).unwrap();
        pass(s(999)).await;
    }
    let refused = sqs.change_visibility("q", &handle, 1000).unwrap_err();
    assert!(refused.message.contains("beyond the limit [43200 seconds]"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn the_visibility_of_a_message_that_is_not_in_flight_cannot_be_changed() {
    let sqs = with_queue(&[("VisibilityTimeout", "5")]);
    send(&sqs, "x");
    let handle = take_one(&sqs).await.receipt_handle;
    pass(s(5)).await;
    assert_eq!(kind(sqs.change_visibility("q", &handle, 5)), ErrorKind::MessageNotInflight);
    let newer = take_one(&sqs).await.receipt_handle;
    assert_eq!(kind(sqs.change_visibility("q", &handle, 5)), ErrorKind::InvalidParameterValue, "superseded");
    sqs.delete("q", &newer).unwrap();
    assert_eq!(kind(sqs.change_visibility("q", &newer, 5)), ErrorKind::InvalidParameterValue, "deleted");
    assert_eq!(kind(sqs.change_visibility("q", "bogus", 5)), ErrorKind::ReceiptHandleIsInvalid);
}
