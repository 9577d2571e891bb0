//! `make bench`: the numbers that the project promises, measured in one run on this machine, as a table and as
//! `target/bench.json`. Ratios travel between machines; milliseconds do not. `bench delivery` measures that part alone;
//! the parts are `cold`, `api`, `delivery`, `latency` and `budget`.

mod api;
mod cold;
mod delivery;
mod flow;
mod process;
mod report;

use std::path::PathBuf;

use afferent_local::{Options, Stack};
use mimalloc::MiMalloc;
use report::Report;

/// As in the program `api`, whose handler is measured in this process; the other functions are measured as they are built.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The functions, as their programs are called.
const FUNCTIONS: [&str; 6] = ["ingest", "fetcher", "fanout", "dispatcher", "keeper", "api"];

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Error> {
    let programs = std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default();
    let only = std::env::args().nth(1);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let mut report = Report::default();
    let real = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    real.block_on(async {
        let mut options = Options::new(&programs);
        options.schedules = false;
        options.parameters = cold::parameters();
        let stack = Stack::start(options).await?;
        if wanted("cold") {
            cold::measure(&stack, &programs, &mut report).await?;
        }
        if wanted("api") {
            api::measure(&stack, &mut report).await?;
        }
        if wanted("delivery") {
            delivery::measure(&stack, &programs, &mut report).await?;
        }
        stack.stop().await;
        if wanted("latency") { flow::latency(&programs, &mut report).await } else { Ok(()) }
    })?;
    // Virtual time wants a runtime of its own, whose clock stands still.
    let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    if wanted("budget") {
        paused.block_on(flow::budget(&mut report));
    }
    report.print();
    report.write(&PathBuf::from("target/bench.json"))
}
