//! What a notification may use: a unit more is noticed here, and not on the bill. `make cost` says what all of it costs.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::time::Duration;

use cost::logs;
use cost::units::{Kind, Used};
use cost::workload::{Play, What};

const PEOPLE: usize = 8;

const PLAY: Play = Play {
    people: PEOPLE,
    endpoints: 1,
    notifications: PEOPLE,
    apart: Duration::from_secs(5),
    what: What::Values(1),
    quiet: Duration::ZERO,
    limit: 120,
};

const PULLS: [&str; 3] = ["DeleteMessageBatch pulls", "ReceiveMessage pulls", "SendMessage pulls"];
const DELIVERIES: [&str; 3] =
    ["DeleteMessageBatch deliveries", "ReceiveMessage deliveries", "SendMessageBatch deliveries"];

async fn used(play: Play) -> Used {
    let (lines, _counting) = logs::count();
    play.measure(&lines).await.unwrap()
}

/// The lines of a kind that are more than nothing.
fn lines(used: &Used, kind: Kind) -> Vec<(&str, f64)> {
    let lines = used.units.0.iter().filter(|((of, _), amount)| *of == kind && amount.abs() > 0.001);
    lines.map(|((_, what), amount)| (what.as_str(), *amount)).collect()
}

/// Compares what was used with what may be; both more and less is told, so that what is saved is kept.
fn exactly(used: &Used, kind: Kind, may: &[(&str, f64)]) {
    let lines = lines(used, kind);
    let as_it_may = |(may, is): (&(&str, f64), &(&str, f64))| may.0 == is.0 && (may.1 - is.1).abs() < 0.05;
    let same = may.len() == lines.len() && may.iter().zip(&lines).all(as_it_may);
    assert!(same, "{kind:?} of a notification: {lines:?}, and not {may:?}. By request: {:#?}", used.uses);
}

/// The same where chance has a part in how many come together: at most so much, and no line that is not named.
fn at_most(used: &Used, kind: Kind, may: &[(&str, f64)]) {
    let lines = lines(used, kind);
    let most = |what: &str| may.iter().find(|may| may.0 == what).map_or(0.0, |may| may.1);
    let kept = lines.iter().all(|(what, amount)| *amount <= most(what) + 1e-6);
    assert!(kept, "{kind:?} of a notification: {lines:?}, and at most {may:?}. By request: {:#?}", used.uses);
    assert!(!lines.is_empty(), "nothing was counted of {kind:?}");
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_brings_one_record_uses_so_many_units_and_no_more() {
    let used = used(PLAY).await;
    let writes = [
        ("connections", 6.0),
        ("deliveries", 6.0),
        // The last success, once a minute at most.
        ("endpoints", 1.0 / PEOPLE as f64),
        ("events", 3.0),
        ("notifications", 2.0),
        ("records", 4.0),
    ];
    exactly(&used, Kind::Writes, &writes);
    exactly(&used, Kind::Reads, &[("connections", 1.0), ("endpoints", 2.0), ("events", 3.0), ("records", 2.0)]);
    exactly(&used, Kind::Queue, &PULLS.map(|request| (request, 1.0)));
    exactly(&used, Kind::FairQueue, &DELIVERIES.map(|request| (request, 1.0)));
    exactly(&used, Kind::Invocations, &[("dispatcher", 1.0), ("fanout", 1.0), ("fetcher", 1.0), ("ingest", 1.0)]);
    // 574 and 2,026 of them. A line has hundreds, so no line more fits in.
    at_most(&used, Kind::Log, &[("", 620.0)]);
    at_most(&used, Kind::Metrics, &[("", 2_150.0)]);
    assert_eq!(lines(&used, Kind::Secrets), []);
}

#[tokio::test(start_paused = true)]
async fn in_full_batches_it_uses_what_it_shares_and_no_unit_more() {
    // As `make cost` plays it: with fewer people the batches are others.
    let six = Play { people: 20, notifications: 120, apart: Duration::ZERO, ..PLAY };
    let used = used(six).await;
    let writes = [
        ("connections", 1.9),
        ("deliveries", 6.05),
        ("endpoints", 0.1),
        ("events", 2.6),
        ("notifications", 2.8),
        ("records", 4.05),
    ];
    at_most(&used, Kind::Writes, &writes);
    at_most(&used, Kind::Reads, &[("connections", 2.3), ("endpoints", 0.5), ("events", 2.6), ("records", 2.05)]);
    let pulls = [("DeleteMessageBatch pulls", 0.2), ("ReceiveMessage pulls", 0.2), ("SendMessage pulls", 1.0)];
    at_most(&used, Kind::Queue, &pulls);
    at_most(&used, Kind::FairQueue, &DELIVERIES.map(|request| (request, 0.25)));
    at_most(&used, Kind::Invocations, &[("dispatcher", 0.25), ("fanout", 0.15), ("fetcher", 0.2), ("ingest", 1.0)]);
    at_most(&used, Kind::Log, &[("", 420.0)]);
    at_most(&used, Kind::Metrics, &[("", 600.0)]);
}

#[tokio::test(start_paused = true)]
async fn ten_changed_hours_of_series_use_so_many_units_and_none_more() {
    let day = Play { people: 2, notifications: 2, apart: Duration::from_secs(20), what: What::Series, ..PLAY };
    let used = used(day).await;
    let writes = [
        ("connections", 26.5),
        ("deliveries", 306.5),
        ("endpoints", 2.0),
        ("events", 127.5),
        ("notifications", 2.5),
        ("records", 290.5),
    ];
    at_most(&used, Kind::Writes, &writes);
    at_most(&used, Kind::Reads, &[("connections", 1.5), ("endpoints", 10.5), ("events", 106.5), ("records", 56.5)]);
    at_most(&used, Kind::Queue, &PULLS.map(|request| (request, 1.0)));
    at_most(&used, Kind::FairQueue, &DELIVERIES.map(|request| (request, 7.5)));
    let invocations = [("dispatcher", 7.5), ("fanout", 3.5), ("fetcher", 1.0), ("ingest", 1.0)];
    at_most(&used, Kind::Invocations, &invocations);
    at_most(&used, Kind::Log, &[("", 16_900.0)]);
    at_most(&used, Kind::Metrics, &[("", 6_300.0)]);
}
