use crate::world::{bodies, pass, s, send, send_in_group, take, with_queue};

#[tokio::test(start_paused = true)]
async fn a_group_with_a_backlog_in_flight_is_served_after_the_quiet_ones() {
    let sqs = with_queue(&[]);
    (0..40).for_each(|i| send_in_group(&sqs, "loud", &format!("loud {i}")));
    for _ in 0..3 {
        take(&sqs).await;
    }
    pass(s(1)).await;
    send_in_group(&sqs, "quiet", "quiet");
    send(&sqs, "alone");
    let next = bodies(&sqs).await;
    assert_eq!(next[..3], ["quiet", "alone", "loud 30"]);
    assert_eq!(next.len(), 10, "the noisy group is served too, only later");
}

#[tokio::test(start_paused = true)]
async fn groups_do_not_block_each_other_and_keep_no_order_beyond_arrival() {
    let sqs = with_queue(&[]);
    for (group, body) in [("a", "1"), ("b", "2"), ("a", "3")] {
        send_in_group(&sqs, group, body);
    }
    assert_eq!(bodies(&sqs).await, ["1", "2", "3"], "two of one group at once: it is no FIFO queue");
}
