//! What a notification may use: a unit more is noticed here, and not on the bill. `make cost` says what all of it costs.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::time::Duration;

use cost::logs::Lines;
use cost::units::{Kind, Used};
use cost::workload::{Play, What};

const PEOPLE: usize = 8;

const PLAY: Play = Play {
    people: PEOPLE,
    endpoints: 1,
    notifications: PEOPLE,
    apart: Duration::from_secs(5),
    what: What::Values(1),
    limit: 120,
};

async fn used(play: Play) -> Used {
    play.measure(&Lines::default()).await.unwrap()
}

/// Compares what was used with what may be; both more and less is told, so that what is saved is kept.
fn compare(used: &Used, kind: Kind, may: &[(&str, f64)]) {
    let lines = used.units.0.iter().filter(|((of, _), amount)| *of == kind && amount.abs() > 0.001);
    let lines: Vec<(&str, f64)> = lines.map(|((_, what), amount)| (what.as_str(), *amount)).collect();
    let as_it_may = |(may, is): (&(&str, f64), &(&str, f64))| may.0 == is.0 && (may.1 - is.1).abs() < 0.05;
    let same = may.len() == lines.len() && may.iter().zip(&lines).all(as_it_may);
    assert!(same, "{kind:?} of a notification: {lines:?}, and not {may:?}. By request: {:#?}", used.uses);
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
    compare(&used, Kind::Writes, &writes);
    compare(&used, Kind::Invocations, &[("dispatcher", 1.0), ("fanout", 1.0), ("fetcher", 1.0), ("ingest", 1.0)]);
}
