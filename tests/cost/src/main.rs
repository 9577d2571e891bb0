//! `make cost`: what a workload would cost on AWS.
//!
//! A workload is played on the whole stack under virtual time, and what AWS would bill for is counted: DynamoDB's units,
//! requests to SQS, invocations and their duration, log bytes. What is left after the same span without the workload is
//! taken away is divided by the notifications of the workload. It fails where an aim is not reached. With names, only
//! those parts.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use cost::Error;
use cost::logs::{self, Lines};
use cost::month::days;
use cost::report::Report;
use cost::request::request;
use cost::units::{Kind, Used};
use cost::workload::{Play, What, idle};

/// How many people a workload has, and how many notifications.
const PEOPLE: usize = 120;

/// Longer than an access token lives.
const OUTLIVED: Duration = Duration::from_secs(4 * 3_600);

/// Sizes that are compared, with the limit scaled: connecting the last one's people takes some minutes, and is done with
/// `FULL=1`.
const SIZES: [(usize, u16); 3] = [(1_000, 120), (3_000, 360), (50_000, 6_000)];

/// What can be played by itself.
const PARTS: [&str; 4] = ["further", "series", "sizes", "month"];

/// One weight of each person, five seconds apart.
const SPACED: Play = Play {
    people: PEOPLE,
    endpoints: 1,
    notifications: PEOPLE,
    apart: Duration::from_secs(5),
    what: What::Values(1),
    quiet: Duration::ZERO,
    limit: 120,
};

fn main() -> Result<ExitCode, Error> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|name| !PARTS.contains(&name.as_str())) {
        return Err(format!("there is no part {unknown}, but {}", PARTS.join(", ")).into());
    }
    let (lines, _counting) = logs::count();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(all(&lines, &wanted))
}

#[expect(clippy::print_stdout, reason = "the tables are this program's purpose")]
async fn all(lines: &Lines, wanted: &[String]) -> Result<ExitCode, Error> {
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    let mut report = Report::new();
    let name = "one weight each, five seconds apart (batches of one)";
    let one = measure(lines, name, SPACED).await?;
    report.workload(name, &one);
    let name = "the same all at once, six of each person (full batches)";
    let full = measure(lines, name, Play { people: PEOPLE / 6, apart: Duration::ZERO, ..SPACED }).await?;
    report.workload(name, &full);
    report.aims(&one, &full);
    report.apart(&one);
    print!("{}", report.take());
    if is_wanted("further") {
        further(lines, &one, &mut report).await?;
        print!("{}", report.take());
    }
    if is_wanted("series") {
        let name = "ten changed hours of series";
        let day = Play { people: PEOPLE / 4, notifications: PEOPLE / 4, apart: Duration::from_secs(20), ..SPACED };
        report.workload(name, &measure(lines, name, Play { what: What::Series, ..day }).await?);
        print!("{}", report.take());
    }
    if is_wanted("month") {
        month(lines, &one, &mut report).await?;
        print!("{}", report.take());
    }
    if is_wanted("sizes") {
        sizes(lines, &mut report).await?;
        print!("{}", report.take());
    }
    if report.missed().is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nNot kept:\n  {}", report.missed().join("\n  "));
    Ok(ExitCode::FAILURE)
}

async fn measure(lines: &Lines, name: &str, play: Play) -> Result<Used, Error> {
    let began = Instant::now();
    let used = play.measure(lines).await?;
    tell(name, &used, began);
    Ok(used)
}

#[expect(clippy::print_stderr, reason = "it takes minutes, and whoever waits wants to see it go on")]
fn tell(name: &str, used: &Used, began: Instant) {
    eprintln!("{name}: {:.1} $ a million, {:.0} s", used.units.dollars() * 1e6, began.elapsed().as_secs_f64());
}

/// What one more of something adds.
async fn further(lines: &Lines, one: &Used, report: &mut Report) -> Result<(), Error> {
    let alone = Play { endpoints: 0, ..SPACED };
    let nobody = measure(lines, "one weight, no endpoint", alone).await?;
    let rich = measure(lines, "five values, no endpoint", Play { what: What::Values(5), ..alone }).await?;
    let two = measure(lines, "one weight, two endpoints", Play { endpoints: 2, ..SPACED }).await?;
    let of_event = |kind: Kind, what: &str| match kind {
        Kind::Invocations | Kind::Time => what == "fanout",
        _ => what == "events",
    };
    let more = "in the same measurement";
    report.further(&format!("A further record {more}"), &rich, &nobody, 4.0, |kind, what| !of_event(kind, what));
    report.further(&format!("Its event {more}"), &rich, &nobody, 4.0, of_event);
    report.further("A further delivery, to another endpoint", &two, one, 1.0, |_, _| true);
    let name = "a notification told once more, which brings nothing";
    report.workload(name, &measure(lines, name, Play { what: What::Again, ..SPACED }).await?);
    let began = Instant::now();
    let asked = request(lines).await?;
    tell("a request to the API", &asked, began);
    report.single("A request to the API, for 100 records of a person", &asked.units);
    Ok(())
}

/// A month, by its parts: notifications, refreshes, sweeps, and a stack at rest.
async fn month(lines: &Lines, one: &Used, report: &mut Report) -> Result<(), Error> {
    let dead = measure(lines, "one weight each, whose token has died", Play { quiet: OUTLIVED, ..SPACED }).await?;
    if (dead.refreshes - 1.0).abs() > 0.001 {
        return Err(format!("{} refreshes of a notification, and not one", dead.refreshes).into());
    }
    let refresh = dead.units.less(&one.units);
    report.single("A refresh, where a notification meets a token that has died", &refresh);
    let began = Instant::now();
    let idle = idle(lines).await?;
    let days = days(lines, &idle).await?;
    tell("days of a person with notifications", &days.living, began);
    report.at_rest(&days.resting);
    let at_rest = report.idle(&idle)?;
    report.month(one, &refresh, &days, at_rest)
}

/// Whether a notification uses the same however many people there are.
async fn sizes(lines: &Lines, report: &mut Report) -> Result<(), Error> {
    let full_run = std::env::var("FULL").is_ok_and(|full| full == "1");
    let (played, left) = SIZES.split_at(if full_run { SIZES.len() } else { SIZES.len() - 1 });
    let mut sizes = Vec::new();
    for (people, limit) in played.iter().copied() {
        let name = format!("one weight each, of {people} people, {limit} calls a minute");
        sizes.push((people, measure(lines, &name, Play { people, limit, ..SPACED }).await?));
    }
    report.equal(&sizes, &left.iter().map(|(people, _)| *people).collect::<Vec<_>>());
    Ok(())
}
