//! `demo`: each category once, and what became of it; then endpoints that are not well.

mod guests;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use afferent_local::clock::SystemClock;
use afferent_play::scene::{Plan, Scene, SceneError};
use afferent_play::tally::Tally;
use afferent_play::world::World;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use withings_simulator::Outcome;
use withings_simulator::sample::CATEGORIES;

use crate::{Setting, category_name, say};

/// How long a category may take before what is not done counts as lost. The keeper looks every minute.
const PATIENCE: Duration = Duration::from_secs(150);

/// How often the tables are looked at.
const LOOK: Duration = Duration::from_millis(40);

/// How long nothing may change before a category is over: what a pull brings may be written piece by piece.
const QUIET: Duration = Duration::from_millis(500);

/// The same for the last one, whose calls to Withings come seconds apart.
const QUIET_LAST: Duration = Duration::from_secs(5);

/// The report.
#[derive(Debug, Serialize)]
struct Report {
    notifications: u64,
    records: u64,
    events: u64,
    deliveries: u64,
    delivered: u64,
    lost: u64,
    withings_calls: u64,
    withings_refused: u64,
    latency_ms: Latency,
    /// Records by kind.
    kinds: BTreeMap<String, u64>,
    categories: Vec<Row>,
    endpoints: Vec<guests::Row>,
}

/// From the notification to the webhook at the receiver.
#[derive(Debug, Serialize)]
struct Latency {
    p50: u64,
    p99: u64,
}

/// One category.
#[derive(Debug, Serialize)]
struct Row {
    appli: u16,
    answered: bool,
    calls: u64,
    records: u64,
    events: u64,
    webhooks: u64,
    /// Of the first webhook; none if there was none.
    latency_ms: Option<u64>,
    /// What did not come to its end, quarantined notifications, and the category itself if it brought nothing.
    lost: u64,
}

pub(crate) async fn demo(setting: Setting, report: &Path) -> Result<ExitCode, SceneError> {
    let scene = Scene::start(Plan { withings_url: None, ..setting.plan(true)? }).await?;
    say("appli  category                answered  calls  records  events  webhooks  first after");
    let Some(world) = &scene.world else { return Ok(ExitCode::FAILURE) };
    let before = scene.tally().await?;
    let mut latencies = Vec::new();
    let mut rows = Vec::new();
    for appli in CATEGORIES {
        let row = play(&scene, world, appli, &mut latencies).await?;
        let latency = row.latency_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        say(&format!(
            "{appli:>5}  {:<22}  {:<8}  {:>5}  {:>7}  {:>6}  {:>8}  {latency:>11}",
            category_name(appli),
            if row.answered { "200" } else { "no" },
            row.calls,
            row.records,
            row.events,
            row.webhooks,
        ));
        rows.push(row);
    }
    let mut said = sum_up(&scene, world, &before, rows, latencies).await?;
    said.endpoints = guests::play(&scene, world).await?;
    said.lost += said.endpoints.iter().map(|row| row.lost).sum::<u64>() + scene.tally().await?.open();
    write(&said, report)?;
    scene.stack.stop().await;
    Ok(if said.lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays one category and waits until all that follows from it is done.
async fn play(scene: &Scene, world: &World, appli: u16, latencies: &mut Vec<u64>) -> Result<Row, SceneError> {
    let before = scene.tally().await?;
    let (calls, webhooks) = (world.simulator.stats().calls, scene.receiver.received().len());
    let notified = SystemClock.now();
    world.play(appli)?;
    let end = Instant::now() + PATIENCE;
    let quiet = if CATEGORIES.last() == Some(&appli) { QUIET_LAST } else { QUIET };
    let (mut last, mut since) = (before, Instant::now());
    let (after, answered) = loop {
        sleep(LOOK).await;
        let after = scene.tally().await?;
        if after != last {
            (last, since) = (after, Instant::now());
        }
        let answered = world.simulator.notifications().iter().all(|one| one.outcome == Outcome::Delivered);
        let done = answered && after.notifications() > before.notifications() && after.open() == 0;
        if (done && since.elapsed() >= quiet) || Instant::now() > end {
            break (after, answered);
        }
    };
    let received = scene.receiver.received();
    let new = received[webhooks..].iter().filter(|one| one.verified);
    let after_notice = |at: Timestamp| u64::try_from(at.since(notified).as_millis()).unwrap_or(u64::MAX);
    let mut taken: Vec<u64> = new.map(|one| after_notice(one.at)).collect();
    taken.sort_unstable();
    latencies.extend(&taken);
    Ok(Row {
        appli,
        answered,
        calls: world.simulator.stats().calls - calls,
        records: after.revisions - before.revisions,
        events: after.events - before.events,
        webhooks: taken.len() as u64,
        latency_ms: taken.first().copied(),
        lost: after.open()
            + (after.quarantined - before.quarantined)
            + u64::from(!answered)
            + u64::from(taken.is_empty()),
    })
}

/// The report on the first part.
async fn sum_up(
    scene: &Scene,
    world: &World,
    before: &Tally,
    rows: Vec<Row>,
    mut latencies: Vec<u64>,
) -> Result<Report, SceneError> {
    let tally: Tally = scene.tally().await?;
    let stats = world.simulator.stats();
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get(latencies.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0);
    let accepted = stats.notifications.delivered;
    let lost: u64 = rows.iter().map(|row| row.lost).sum();
    let report = Report {
        notifications: accepted,
        records: tally.records,
        events: tally.events,
        deliveries: tally.deliveries,
        delivered: tally.delivered,
        lost: lost + accepted.abs_diff(tally.notifications() - before.notifications()) + stats.notifications.pending(),
        withings_calls: stats.calls,
        withings_refused: stats.refused,
        latency_ms: Latency { p50: at(50), p99: at(99) },
        kinds: scene.kinds().await?,
        categories: rows,
        endpoints: Vec::new(),
    };
    say(&format!(
        "\n{} notifications, {} records, {} events, {} deliveries, {} delivered, {} lost; {} calls to Withings, {} refused; \
         notification to webhook p50 {} ms, p99 {} ms",
        report.notifications,
        report.records,
        report.events,
        report.deliveries,
        report.delivered,
        report.lost,
        report.withings_calls,
        report.withings_refused,
        report.latency_ms.p50,
        report.latency_ms.p99,
    ));
    Ok(report)
}

fn write(report: &Report, path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let json = serde_json::to_string_pretty(report).map_err(std::io::Error::other)?;
    std::fs::write(path, json + "\n")?;
    say(&format!("\n{} lost; {}", report.lost, path.display()));
    Ok(())
}
