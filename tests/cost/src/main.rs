//! `make cost`: what a workload would cost on AWS.
//!
//! A workload is played on the whole stack under virtual time, and what AWS would bill for is counted: DynamoDB's units,
//! requests to SQS, invocations and their duration, log bytes. What is left after the same span without the workload is
//! taken away is divided by the notifications of the workload. It fails where an aim is not reached.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use cost::report::Report;
use cost::units::{Kind, Used};
use cost::workload::{Play, What, idle};
use cost::{Error, logs};

/// How many people a workload has, and how many notifications.
const PEOPLE: usize = 120;

/// Sizes that are compared, with the limit scaled: the last one takes half an hour, and is measured with `FULL=1`.
const SIZES: [(usize, u16); 3] = [(1_000, 120), (3_000, 360), (50_000, 6_000)];

fn main() -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(all())
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the tables are this program's purpose")]
async fn all() -> Result<ExitCode, Error> {
    let lines = logs::count();
    let measure = async |name: &str, play: Play| -> Result<Used, Error> {
        let began = Instant::now();
        let used = play.measure(&lines).await?;
        eprintln!("{name}: {:.1} $, {:.0} s", used.units.dollars() * 1e6, began.elapsed().as_secs_f64());
        Ok(used)
    };
    let spaced = Play {
        people: PEOPLE,
        endpoints: 1,
        notifications: PEOPLE,
        apart: Duration::from_secs(5),
        what: What::Values(1),
        limit: 120,
    };
    let mut report = Report::new();

    let name = "one weight each, five seconds apart (batches of one)";
    let one = measure(name, spaced).await?;
    report.workload(name, &one);
    let name = "the same all at once, six of each person (full batches)";
    let full = measure(name, Play { people: PEOPLE / 6, apart: Duration::ZERO, ..spaced }).await?;
    report.workload(name, &full);
    report.aims(&one, &full);
    print!("{}", report.take());

    let alone = Play { endpoints: 0, ..spaced };
    let nobody = measure("one weight, no endpoint", alone).await?;
    let rich = measure("five values, no endpoint", Play { what: What::Values(5), ..alone }).await?;
    let two = measure("one weight, two endpoints", Play { endpoints: 2, ..spaced }).await?;
    let of_event = |kind: Kind, what: &str| match kind {
        Kind::Invocations | Kind::Time => what == "fanout",
        _ => what == "events",
    };
    let more = "in the same measurement";
    report.further(&format!("A further record {more}"), &rich, &nobody, 4.0, |kind, what| !of_event(kind, what));
    report.further(&format!("Its event {more}"), &rich, &nobody, 4.0, of_event);
    report.further("A further delivery, to another endpoint", &two, &one, 1.0, |_, _| true);
    print!("{}", report.take());

    let name = "ten changed hours of series";
    let day = Play { people: PEOPLE / 4, notifications: PEOPLE / 4, apart: Duration::from_secs(20), ..spaced };
    report.workload(name, &measure(name, Play { what: What::Series, ..day }).await?);
    print!("{}", report.take());

    let full_run = std::env::var("FULL").is_ok_and(|full| full == "1");
    let mut sizes = Vec::new();
    for (people, limit) in SIZES.into_iter().take(if full_run { SIZES.len() } else { 2 }) {
        let name = format!("one weight each, of {people} people, {limit} calls a minute");
        sizes.push((people, measure(&name, Play { people, limit, ..spaced }).await?));
    }
    report.equal(&sizes);
    report.months(&idle(&lines).await?, &one, one.metrics)?;
    println!("{}", report.take());
    if report.missed().is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("Not kept:\n  {}", report.missed().join("\n  "));
    Ok(ExitCode::FAILURE)
}
