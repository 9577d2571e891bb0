//! The program `afferent`.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use afferent_function::{SystemClock, SystemDice};
use afferent_operator::{Cli, Failure, Tool};
use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if json => told(&failure.to_json()),
        Err(failure) => told(&format!("afferent: {failure}")),
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let mut tool = Tool {
        http: Arc::new(afferent_http::Client::new()?),
        variable: Box::new(|name| std::env::var(name).ok().filter(|value| !value.is_empty())),
        aws: None,
        clock: Arc::new(SystemClock),
        dice: Arc::new(SystemDice::default()),
        out: Box::new(std::io::stdout()),
        bars: std::io::stderr().is_terminal(),
    };
    tool.run(cli).await
}

fn told(line: &str) -> ExitCode {
    // Whoever closed the other end does not want to know.
    drop(writeln!(std::io::stderr(), "{line}"));
    ExitCode::FAILURE
}
