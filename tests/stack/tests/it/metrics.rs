//! What is counted is what happened: the sums of the metrics are those of the tables, and what goes wrong shows.

use std::time::Duration;

use afferent_domain::budget::Lane;
use afferent_local::dynamodb::Fault;
use afferent_local::network::Reply;
use afferent_local::{Setup, Ticks};
use afferent_metrics::{Consumer, DIMENSION, Kept, Metric};
use serde_json::Value;
use stack_tests::Rig;
use withings_simulator::{Settings, sample};

const HOUR: Duration = Duration::from_secs(3600);

/// The sums of these, in their order.
fn sums<const N: usize>(kept: &Kept, metrics: [Metric; N]) -> [u64; N] {
    metrics.map(|metric| kept.sum(metric))
}

fn revisions(kept: &Kept) -> u64 {
    sums(kept, [Metric::RecordsCreated, Metric::RecordsRevised, Metric::RecordsRetracted]).iter().sum()
}

/// Every line that was written.
fn lines(kept: &Kept) -> Vec<Value> {
    kept.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_sums_of_a_day_are_what_the_tables_hold() {
    let rig = Rig::start(31).await;
    let kept = &*rig.stack.metrics;
    let (before, told) = (rig.settle(HOUR).await, kept.sum(Metric::EventsAppended));
    for appli in [1, 4, 16, 44] {
        sample::play(&rig.withings, &rig.person, appli).unwrap();
        tokio::time::sleep(4 * HOUR).await;
    }
    let userid = rig.person.userid;
    let now = rig.stack.clock.now().as_secs();
    for body in ["userid=999999&appli=1&startdate=1&enddate=2", &format!("userid={userid}&date={now}&appli=50")] {
        assert!(rig.post(body).await.status().is_success());
    }
    rig.settle(HOUR).await;
    // The line of an invocation is written when it ends, which may be some time after the tables are at rest.
    tokio::time::sleep(HOUR).await;
    let tally = rig.tally().await;

    let accepted = tally.notifications() - before.notifications();
    assert_eq!(sums(kept, [Metric::NotificationsReceived, Metric::NotificationsAccepted]), [accepted; 2]);
    let ended = [Metric::NotificationsSatisfied, Metric::NotificationsRecorded, Metric::NotificationsQuarantined];
    assert_eq!(sums(kept, ended), [tally.satisfied, tally.recorded, tally.quarantined]);
    assert_eq!(accepted, tally.satisfied + tally.recorded + tally.quarantined + tally.waiting);
    assert!(tally.satisfied > 3 && tally.recorded == 1 && tally.quarantined == 1, "{tally:?}");

    assert_eq!(revisions(kept), tally.revisions - before.revisions);
    assert_eq!(kept.sum(Metric::EventsAppended) - told, tally.events - before.events);
    assert_eq!(kept.sum(Metric::DeliveriesDelivered), tally.delivered);
    assert_eq!(kept.sum(Metric::DeliveriesCreated), tally.deliveries);
    assert_eq!(kept.sum(Metric::Attempts), rig.receiver.seen().len() as u64);
    assert_eq!(kept.values(Metric::DeliveryAge), tally.delivered);

    let calls = rig.withings.stats().calls;
    assert_eq!(kept.sum(Metric::Calls), calls);
    assert_eq!(kept.values(Metric::CallDuration), calls);
    let by_lane: u64 = Lane::ALL.iter().map(|lane| kept.sum(Metric::BudgetUsed(*lane))).sum();
    let by_service: u64 = Metric::all()
        .into_iter()
        .filter(|metric| matches!(metric, Metric::CallsOf(_)))
        .map(|metric| kept.sum(metric))
        .sum();
    assert_eq!((by_lane, by_service), (calls, calls));
    assert_eq!(sums(kept, [Metric::PullsFailed, Metric::Refusals, Metric::RecordsUnfit]), [0; 3]);
    assert_eq!(kept.sum(Metric::ColdStarts), 5, "each function but the API was at work");
}

#[tokio::test(start_paused = true)]
async fn a_line_has_one_dimension_ids_as_texts_beside_it_and_no_value_of_a_measurement() {
    let rig = Rig::start(32).await;
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    rig.settle(HOUR).await;
    let records = rig.tables.records.page(&rig.connection.user, None, None, 100).await.unwrap().0;
    assert!(!records.is_empty());
    for line in lines(&rig.stack.metrics) {
        let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert_eq!(directives.len(), 1);
        assert_eq!(directives[0]["Dimensions"], serde_json::json!([[DIMENSION]]));
        assert_eq!(line[DIMENSION], rig.stack.template.place.stack.as_str());
        // Whatever is not a metric is a text, and a text is an id or the function's name.
        let others = line.as_object().unwrap().iter().filter(|(name, _)| Metric::of(name).is_none());
        for (name, value) in others.filter(|(name, _)| !matches!(name.as_str(), "_aws" | DIMENSION)) {
            let text = value.as_str().unwrap();
            assert!(name == "function" || (name == "notification" && text.starts_with("ntf_")), "{name}: {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn when_nothing_happens_the_heart_beats_each_minute_and_the_gauges_are_at_zero() {
    let rig = Rig::of(Setup { seed: 33, ticks: Ticks::Every, ..Setup::default() }, Settings::default()).await;
    rig.settle(HOUR).await;
    let kept = &*rig.stack.metrics;
    let before = kept.sum(Metric::KeeperMinutes);
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!(kept.sum(Metric::KeeperMinutes) - before, 2 * 60);
    let days = kept.sum(Metric::KeeperDays);
    rig.stack.invoke("keeper", r#"{"task":"daily"}"#).await.unwrap();
    assert_eq!(kept.sum(Metric::KeeperDays) - days, 1);
    for gauge in [
        Metric::PullsOverdue,
        Metric::OldestPullAge,
        Metric::DeliveriesOverdue,
        Metric::OldestUndeliveredAge,
        Metric::OldestWaitingAge,
        Metric::ParkedNow,
        Metric::BreakersOpen,
        Metric::InFlight,
        Metric::Unaccounted,
        Metric::QuarantinedToday,
    ] {
        assert_eq!(kept.last(gauge), Some(0), "{gauge:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_another_program_uses_up_shows_as_limits_that_were_hit_and_pulls_that_failed() {
    let settings = Settings { limit: 2, ..Settings::default() };
    // What would go on being read without end is left out.
    let off = ["SweepUpdates", "SweepRecent", "SweepMonth", "SweepEverything"].map(|tier| (tier, "off"));
    let parameters = off.iter().chain(&[("BackfillDays", "0")]);
    let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let rig = Rig::of(Setup { seed: 34, parameters, ..Setup::default() }, settings).await;
    for appli in [1, 4, 16, 44] {
        sample::play(&rig.withings, &rig.person, appli).unwrap();
    }
    tokio::time::sleep(HOUR).await;
    // The line of an invocation is written when it ends: the sums are compared when nothing goes on any more.
    rig.withings.configure(|settings| settings.limit = 120);
    rig.settle(2 * HOUR).await;
    tokio::time::sleep(HOUR).await;
    let (kept, stats) = (&*rig.stack.metrics, rig.withings.stats());
    assert!(stats.refused > 0);
    assert_eq!(kept.sum(Metric::LimitsHit), stats.refused);
    assert_eq!(kept.sum(Metric::Refusals), stats.refused + stats.duplicate_refused);
    assert!(kept.sum(Metric::PullsFailed) > 0);
}

/// What an alarm takes a release back by, of each function that reads a queue or the stream.
fn failed(kept: &Kept) -> [u64; 3] {
    sums(kept, Consumer::ALL.map(Metric::BatchesFailed))
}

#[tokio::test(start_paused = true)]
async fn a_function_that_cannot_handle_a_message_shows_as_a_batch_that_failed_and_the_others_do_not() {
    let rig = Rig::start(36).await;
    let kept = &*rig.stack.metrics;
    assert_eq!(failed(kept), [0; 3]);
    // As of a release whose role lacks a permission: every message that must be stored fails.
    let dice = std::sync::Arc::clone(&rig.stack.dice);
    rig.stack.dynamodb.faults().sometimes(Fault::Failed, "", &rig.name("notifications"), 1_000, dice);
    for appli in [1, 4, 16, 44] {
        sample::play(&rig.withings, &rig.person, appli).unwrap();
    }
    tokio::time::sleep(HOUR / 6).await;
    let [fetcher, fanout, dispatcher] = failed(kept);
    assert!(fetcher >= 1 && kept.sum(Metric::NotificationsAccepted) == 0, "{fetcher}");
    assert_eq!([fanout, dispatcher], [0; 2]);
    rig.stack.dynamodb.faults().clear();
    rig.settle(2 * HOUR).await;
    tokio::time::sleep(HOUR).await;
    assert!(kept.sum(Metric::NotificationsAccepted) >= 4, "they came again");
}

#[tokio::test(start_paused = true)]
async fn waiting_on_purpose_is_no_failure_whether_held_or_parked() {
    let rig = Rig::start(37).await;
    let kept = &*rig.stack.metrics;
    rig.receiver.always(Reply::Status(500));
    for appli in [1, 4, 16, 44] {
        sample::play(&rig.withings, &rig.person, appli).unwrap();
    }
    tokio::time::sleep(8 * HOUR).await;
    assert!(kept.sum(Metric::DeliveriesHeld) > 0, "some waited on the queue");
    assert!(kept.sum(Metric::DeliveriesParked) > 0, "and some in the table");
    assert!(kept.sum(Metric::DeliveriesExhausted) + kept.sum(Metric::BreakersOpened) > 0);
    assert_eq!(failed(kept), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_endpoint_shows_as_waits_as_an_exhausted_delivery_and_many_of_them_as_an_open_breaker() {
    let rig = Rig::start(35).await;
    let kept = &*rig.stack.metrics;
    rig.receiver.always(Reply::Status(500));
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    tokio::time::sleep(7 * HOUR).await;
    assert_eq!(sums(kept, [Metric::Attempts, Metric::DeliveriesHeld, Metric::DeliveriesExhausted]), [10, 4, 1]);
    assert_eq!(sums(kept, [Metric::DeliveriesDelivered, Metric::DeliveriesParked, Metric::BreakersOpened]), [0; 3]);
    assert_eq!(kept.values(Metric::RetryLateness), 4);
    assert!(kept.highest(Metric::RetryLateness).unwrap() < 1_000, "each was tried when it was due");

    for appli in [1, 4, 16, 44] {
        sample::play(&rig.withings, &rig.person, appli).unwrap();
    }
    tokio::time::sleep(HOUR).await;
    assert_eq!(kept.sum(Metric::BreakersOpened), 1);
    assert!(kept.sum(Metric::DeliveriesParked) > 0);
    assert_eq!(kept.last(Metric::BreakersOpen), Some(1));
    assert!(kept.last(Metric::ParkedNow) > Some(0), "what it keeps back is parked");
    assert!(kept.last(Metric::OldestWaitingAge) > Some(1_800), "for the better part of an hour, and nothing is late");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_what_is_refused_at_the_door_and_what_aws_throttles_is_counted() {
    let rig = Rig::start(36).await;
    let kept = &*rig.stack.metrics;
    rig.stack.sqs.send(&rig.name("deliveries"), local_sqs::Draft::of("{not json")).unwrap();
    rig.stack.sqs.send(&rig.name("pulls"), local_sqs::Draft::of("{not json")).unwrap();
    let url = format!("https://{}/withings/wrong", afferent_local::FRONT_HOST);
    assert_eq!(rig.request(http::Method::POST, &url, b"userid=1&appli=1").await.status(), 404);
    tokio::time::sleep(HOUR).await;
    assert!(kept.sum(Metric::PoisonMessages) >= 2);
    assert_eq!(failed(kept).map(|batches| batches > 0), [true, false, true]);
    assert_eq!(kept.sum(Metric::NotificationsRefused), 1);
    assert_eq!(kept.sum(Metric::Throttled), 0);
    rig.stack.dynamodb.faults().next(Fault::Throttled, "PutItem", "", 2);
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    rig.settle(HOUR).await;
    assert_eq!(kept.sum(Metric::Throttled), 2);
}
