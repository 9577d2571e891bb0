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
use workload::{Play, World};

/// Computing per invocation in milliseconds of wall time at 256 MB, which is a seventh of a processor: 2 ms of CPU, which is
/// more than any function was measured to need for one message (`docs/benchmarks.md`).
const CPU_MS: f64 = 14.0;

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Error> {
    let lines = logs::count();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let mut report = Report::default();
        let spaced = Play { people: 50, notifications: 500, apart: Duration::from_secs(60), records: 1 };
        report.add("one weight each, a minute apart (batches of one)", &World::measure(&spaced, &lines).await?);
        let crowded = Play { apart: Duration::ZERO, ..spaced };
        report.add("the same all at once (full batches)", &World::measure(&crowded, &lines).await?);
        let rich = Play { records: 5, ..spaced };
        report.add("five values in each measurement", &World::measure(&rich, &lines).await?);
        report.idle(&World::idle(&lines).await?);
        report.print();
        Ok(())
    })
}
