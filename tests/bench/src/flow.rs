//! How fast a notification becomes a webhook, and how much of the allowance is used.

use std::path::Path;
use std::time::Duration;

use afferent_domain::Clock;
use afferent_domain::budget::Lane;
use afferent_local::Ports;
use afferent_local::clock::SystemClock;
use afferent_play::scene::{Plan, Scene};
use stack_tests::load::{RUSH, backfill, rush, saturate};
use tokio::time::sleep;

use crate::Error;
use crate::report::{Report, percentile};

/// Notifications whose way is timed, after some to warm up.
const NOTIFICATIONS: usize = 200;

/// How many calls a long backlog and a rush are.
const LONG: usize = 10_000;

/// The category whose one measure is one record, one event, one webhook.
const TEMPERATURE: u16 = 2;

pub(crate) async fn latency(programs: &Path, report: &mut Report) -> Result<(), Error> {
    let ports = Ports { front: 0, dynamodb: 0, sqs: 0 };
    let plan = Plan {
        bootstraps: programs.to_owned(),
        data: None,
        ports,
        withings_port: 0,
        receiver_port: 0,
        withings_url: None,
        // A backfill beside it would take slots of the budget and time of the machine.
        bare: true,
    };
    let scene = Scene::start(plan).await?;
    let world = scene.world.as_ref().ok_or("there is no simulated Withings")?;
    let mut samples = Vec::new();
    for number in 0..NOTIFICATIONS + 10 {
        let before = scene.receiver.received().len();
        let notified = SystemClock.now();
        world.play(TEMPERATURE)?;
        let received = loop {
            sleep(Duration::from_millis(1)).await;
            if let Some(one) = scene.receiver.received().get(before) {
                break one.at;
            }
        };
        if number >= 10 {
            samples.push(received.since(notified).as_secs_f64() * 1e3);
        }
        // An idle stack each time, within the budget: 120 calls in 60 s.
        sleep(Duration::from_millis(550)).await;
    }
    report.at_most("notification to webhook, p50", percentile(&mut samples, 50), "ms", 50.0);
    report.at_most("notification to webhook, p99", percentile(&mut samples, 99), "ms", 200.0);
    scene.stack.stop().await;
    Ok(())
}

/// Ten virtual minutes of greedy callers in three processes; a long backlog with live work beside it; a rush of live
/// work beside greedy lower lanes. Calls of 50 to 2,000 ms.
pub(crate) async fn budget(report: &mut Report) {
    let load = saturate(1, 120, 3, Duration::from_secs(600)).await;
    report.at_least("budget used at saturation, of its bound", load.share(), "", 0.99);
    report.at_most("calls that the simulated Withings refused", load.refused as f64, "calls", 0.0);
    report.note("calls in ten minutes at saturation", load.sent.len() as f64, "calls");
    let load = backfill(1, LONG, 30).await;
    report.at_least("budget used by a backlog of 10,000, of its bound", load.share(), "", 0.97);
    report.at_most("calls refused meanwhile", load.refused as f64, "calls", 0.0);
    let wait = load.wait(Lane::Live, 99).as_secs_f64();
    report.at_most("live call beside it, 30 a minute, p99", wait, "s", 5.0);
    let load = rush(1, LONG).await;
    let stretch = load.stretch(Lane::Live, load.began + RUSH, Duration::from_secs(5));
    report.at_most("a rush of 10,000 live calls, of the time without others", stretch, "", 1.2);
    report.at_most("calls refused meanwhile", load.refused as f64, "calls", 0.0);
}
