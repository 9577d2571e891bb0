//! `make cost`: what a workload would cost on AWS.
//!
//! A workload is played on the whole stack under virtual time, and what AWS would bill for is counted: DynamoDB's units,
//! requests to SQS, invocations and their duration, log bytes. What is left after the same span without the workload is
//! taken away is divided by the notifications of the workload. Prices: `prices.rs`.
//!
//! Durations are virtual: each call takes what [`workload`] says that it takes on AWS, and computing takes what [`CPU_MS`] says.

mod logs;
mod prices;
mod report;
mod workload;

use std::time::Duration;

use report::Report;
use workload::{Play, What, World};

/// Computing per invocation in milliseconds of wall time at 256 MB, which is a seventh of a processor: 2 ms of CPU, which is
/// more than any function was measured to need for one message (`docs/benchmarks.md`).
const CPU_MS: f64 = 14.0;

/// How many people a workload has, and how many notifications.
const PEOPLE: usize = 300;

/// Withings' allowance, in calls a minute.
const LIMIT: u32 = 120;

/// Sizes that are compared, with the limit scaled: the last one takes half an hour, and is measured with `FULL=1`.
const SIZES: [(usize, u32); 3] = [(1_000, 120), (3_000, 360), (50_000, 6_000)];

fn full() -> bool {
    std::env::var("FULL").is_ok_and(|full| full == "1")
}

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Error> {
    let lines = logs::count();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let mut report = Report::default();
        let spaced = Play {
            people: PEOPLE,
            notifications: PEOPLE,
            apart: Duration::from_secs(5),
            what: What::Values(1),
            limit: LIMIT,
        };
        let one = World::measure(&spaced, &lines).await?;
        report.add("one weight each, five seconds apart (batches of one)", &one);
        let crowded = Play { people: PEOPLE / 6, apart: Duration::ZERO, ..spaced };
        report.add("the same all at once, six of each person (full batches)", &World::measure(&crowded, &lines).await?);
        let rich = World::measure(&Play { what: What::Values(5), ..spaced }, &lines).await?;
        report.add("five values in each measurement", &rich);
        report.further("a further record with its event and delivery, in the same measurement", &one, &rich, 4.0);
        let day = Play { people: PEOPLE / 4, notifications: PEOPLE / 4, apart: Duration::from_secs(20), ..spaced };
        let series = World::measure(&Play { what: What::Series, ..day }, &lines).await?;
        report.add("ten changed hours of series", &series);
        for (people, limit) in SIZES.into_iter().take(if full() { SIZES.len() } else { 2 }) {
            let used = World::measure(&Play { people, limit, ..spaced }, &lines).await?;
            report.add(&format!("one weight each, of {people} people, {limit} calls a minute"), &used);
        }
        report.idle(&World::idle(&lines).await?);
        report.print();
        Ok(())
    })
}
