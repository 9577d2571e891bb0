//! The journal sweep.

use std::time::Duration;

use afferent_domain::id::UserId;
use afferent_domain::record::change_bucket;
use afferent_local::Setup;
use afferent_local::dynamodb::Fault;
use afferent_store::item::{n, s};
use serde_json::{Value, json};

use crate::stack::{Stack, pass};

#[tokio::test(start_paused = true)]
async fn items_that_cannot_be_read_stop_no_other_record_and_no_other_user_from_being_swept() {
    let stack = Stack::start().await;
    let hour = Duration::from_secs(3600);
    stack.put_record("usr_0", "rec_0", hour).await;
    stack.put_record("usr_1", "rec_1", hour).await;
    // A record without a revision, in usr_1's bucket, and a journal of usr_0 whose head tells no number.
    let changed = stack.simulation.clock.now() - hour;
    let bucket = s(change_bucket(changed, &UserId::from("usr_1")));
    let (user, changed) = (s("usr_1"), n(changed.as_millis()));
    let record = [("user", user), ("record", s("rec_x")), ("change_bucket", bucket), ("changed_ms", changed)];
    stack.put_item("afferent-records", record.map(|(name, value)| (name.to_owned(), value)).into()).await;
    let head = [("journal".to_owned(), s("usr_0")), ("sequence".to_owned(), n(0))];
    stack.put_item("afferent-events", head.into()).await;
    let sweep = stack.daily().await["sweep"].clone();
    assert_eq!(sweep, json!({"compared": 2, "missing": 2, "unfit": 0, "complete": true}));
    assert!(stack.events.get(&UserId::from("usr_1"), 1).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn changes_that_the_stream_lost_get_their_event_their_delivery_and_their_message_from_the_sweep() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    stack.put_record("usr_1", "rec_1", Duration::from_secs(25 * 3600)).await;
    stack.put_record("usr_1", "rec_2", Duration::from_secs(3600)).await;
    stack.put_record("usr_1", "rec_fresh", Duration::from_secs(60)).await;
    let sweep = stack.daily().await["sweep"].clone();
    assert_eq!(sweep, json!({"compared": 2, "missing": 2, "unfit": 0, "complete": true}));
    assert_eq!(stack.messages("afferent-deliveries"), 2);
    let event = stack.events.get(&UserId::from("usr_1"), 1).await.unwrap().unwrap();
    assert_eq!(stack.deliveries.of_event(&event.id).await.unwrap().len(), 1);
    assert!(event.body.contains(r#""value":81.25"#));

    assert_eq!(stack.daily().await["sweep"]["missing"], 0);
    assert_eq!(stack.messages("afferent-deliveries"), 2, "what has its event is left alone");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_takes_longer_than_a_run_goes_on_in_the_next_until_it_is_through() {
    // The pages of 27 hours, each read and saved, take minutes at this pace.
    let stack = Stack::of(Setup { aws_latency_ms: (400, 400), ..Setup::default() }).await;
    for hour in 1..=25 {
        stack.put_record("usr_1", &format!("rec_{hour:02}"), Duration::from_secs(hour * 3600)).await;
    }
    let began = stack.now();
    let mut sweep = stack.daily().await["sweep"].clone();
    assert_eq!(sweep["complete"], false);
    assert!(stack.now().since(began) < Duration::from_secs(50), "it stops in time");
    let mut runs = 1;
    while sweep["complete"] == false {
        assert!(runs < 10, "{sweep}");
        sweep = stack.minute().await["sweep"].clone();
        runs += 1;
    }
    assert!(runs > 1);
    assert_eq!(sweep, json!({"compared": 25, "missing": 25, "unfit": 0, "complete": true}));
    assert_eq!(stack.events.head(&UserId::from("usr_1")).await.unwrap().unwrap().last, 25);
    assert_eq!(stack.minute().await["sweep"], Value::Null, "it is through");
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_stood_still_for_days_makes_up_for_them() {
    let stack = Stack::start().await;
    stack.daily().await;
    pass(3600).await;
    stack.put_record("usr_1", "rec_1", Duration::ZERO).await;
    pass(4 * 24 * 3600).await;
    assert_eq!(stack.daily().await["sweep"]["missing"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_pass_in_which_something_could_not_be_read_is_made_again() {
    let stack = Stack::start().await;
    stack.daily().await;
    stack.put_record("usr_1", "rec_1", Duration::ZERO).await;
    pass(24 * 3600).await;
    // The first bucket of the pass, more often than the SDK tries by itself.
    stack.simulation.dynamodb.faults().next(Fault::Failed, "Query", "by_change", 4);
    assert!(stack.keeper.handle(json!({"task": "daily"})).await.is_err());
    pass(24 * 3600).await;
    let sweep = stack.daily().await["sweep"].clone();
    assert_eq!(sweep["compared"], 1, "two days are compared: {sweep}");
}

#[tokio::test(start_paused = true)]
async fn also_the_very_first_pass_is_made_again_from_its_beginning() {
    let stack = Stack::start().await;
    stack.put_record("usr_1", "rec_1", Duration::from_secs(40 * 3600)).await;
    stack.simulation.dynamodb.faults().next(Fault::Failed, "Query", "by_change", 4 * 10_000);
    assert!(stack.keeper.handle(json!({"task": "daily"})).await.is_err());
    stack.simulation.dynamodb.faults().clear();
    pass(24 * 3600).await;
    let sweep = stack.daily().await["sweep"].clone();
    assert_eq!(sweep["missing"], 1, "two days are compared: {sweep}");
}

#[tokio::test(start_paused = true)]
async fn first_days_that_fail_whole_do_not_move_where_sweeping_begins() {
    let stack = Stack::start().await;
    stack.minute().await;
    pass(3600).await;
    stack.put_record("usr_1", "rec_1", Duration::ZERO).await;
    pass(5 * 24 * 3600).await;
    let sweep = stack.daily().await["sweep"].clone();
    assert_eq!(sweep["missing"], 1, "no daily task ran for five days: {sweep}");
}

#[tokio::test(start_paused = true)]
async fn two_keepers_at_once_sweep_once() {
    let stack = Stack::of(Setup { aws_latency_ms: (1, 20), ..Setup::default() }).await;
    for hour in 1..=5 {
        stack.put_record("usr_1", &format!("rec_{hour}"), Duration::from_secs(hour * 3600)).await;
    }
    tokio::join!(stack.daily(), stack.daily());
    let sweep = stack.minute().await["sweep"].clone();
    assert_eq!(sweep, Value::Null, "one of them was through with it");
    let head = stack.events.head(&UserId::from("usr_1")).await.unwrap().unwrap();
    assert_eq!(head.last, 5, "one event for each change");
}
