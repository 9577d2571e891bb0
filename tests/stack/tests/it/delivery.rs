//! Delivery on Withings' schedule.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::End;
use afferent_local::network::Reply;
use stack_tests::Rig;
use withings_simulator::sample;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// When each cycle of two tries began, from the tries of one delivery.
fn cycles(tries: &[Timestamp]) -> Vec<Timestamp> {
    tries.chunks(2).map(|pair| pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn a_dead_endpoint_is_tried_ten_times_on_withings_schedule_and_then_the_delivery_is_exhausted() {
    let rig = Rig::start(1).await;
    rig.receiver.always(Reply::Status(500));
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    tokio::time::sleep(Duration::from_secs(7 * HOUR)).await;
    let tries: Vec<Timestamp> = rig.receiver.seen().iter().map(|seen| seen.at).collect();
    assert_eq!(tries.len(), 10);
    let starts = cycles(&tries);
    let waits: Vec<u64> = starts.windows(2).map(|pair| pair[1].since(pair[0]).as_secs()).collect();
    let ranges = [
        (10, 12),
        (MINUTE + MINUTE, MINUTE + 10 * MINUTE + 2),
        (HOUR + 2 * MINUTE, HOUR + 20 * MINUTE + 2),
        (4 * HOUR + 3 * MINUTE, 4 * HOUR + 30 * MINUTE + 2),
    ];
    for (wait, (least, most)) in waits.iter().zip(ranges) {
        assert!((least..=most).contains(wait), "{wait} s is not in {least}..={most}");
    }
    let (found, _) = rig.tables.deliveries.of_endpoint(&rig.registered.endpoint, None, 10).await.unwrap();
    assert_eq!(found.iter().map(|listed| listed.state.as_str()).collect::<Vec<_>>(), [End::Exhausted.as_str()]);
    assert_eq!(rig.tables.deliveries.attempts(&found[0].key).await.unwrap().len(), 10);
    let dead = rig.stack.sqs.queues().into_iter().filter(|queue| queue.name.ends_with("-dead"));
    assert_eq!(dead.map(|queue| queue.visible).sum::<usize>(), 0, "exhausted is a state, not a dead letter");
}

#[tokio::test(start_paused = true)]
async fn every_try_carries_the_same_webhook_id_and_a_timestamp_of_its_own() {
    let rig = Rig::start(2).await;
    rig.receiver.next([Reply::Status(503), Reply::Reset, Reply::Status(500)]);
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    let tally = rig.settle(Duration::from_secs(HOUR)).await;
    assert_eq!(tally.delivered, 1);
    let header = |name: &str| -> Vec<String> {
        let seen = rig.receiver.seen();
        seen.iter().map(|seen| seen.request.headers()[name].to_str().unwrap().to_owned()).collect()
    };
    let (ids, times) = (header("webhook-id"), header("webhook-timestamp"));
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| id == &ids[0]));
    assert_ne!(times[0], times[3]);
}

#[tokio::test(start_paused = true)]
async fn a_message_delivered_twice_is_one_webhook() {
    let rig = Rig::start(3).await;
    rig.stack.sqs.duplicate_next(&rig.name("deliveries"), 5).unwrap();
    rig.stack.sqs.duplicate_next(&rig.name("pulls"), 5).unwrap();
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    let tally = rig.settle(Duration::from_secs(HOUR)).await;
    assert_eq!((tally.records, tally.revisions, tally.events), (1, 1, 1));
    assert_eq!(rig.receiver.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_answers_with_a_redirect_has_taken_it_and_is_not_followed() {
    let rig = Rig::start(4).await;
    let elsewhere = vec![("location", "http://elsewhere.example/".to_owned())];
    rig.receiver.always(Reply::Full(302, elsewhere, bytes::Bytes::new()));
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    let tally = rig.settle(Duration::from_secs(HOUR)).await;
    assert_eq!((tally.delivered, rig.receiver.seen().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_fails_alone_and_ends_in_the_dead_letter_queue() {
    let rig = Rig::start(5).await;
    rig.stack.sqs.send(&rig.name("deliveries"), local_sqs::Draft::of("{not json")).unwrap();
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    assert_eq!(rig.settle(Duration::from_secs(HOUR)).await.delivered, 1);
    tokio::time::sleep(Duration::from_secs(3 * HOUR)).await;
    let queues = rig.stack.sqs.queues();
    let dead = queues.iter().find(|queue| queue.name == rig.name("deliveries-dead")).unwrap();
    assert_eq!(dead.visible, 1);
}
