//! The program `afferent`.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use afferent_function::{SystemClock, SystemDice};
use afferent_operator::{Cli, Tool};
use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let http = match afferent_http::Client::new() {
        Ok(http) => http,
        Err(error) => return failed(&error),
    };
    let mut tool = Tool {
        http: Arc::new(http),
        variable: Box::new(|name| std::env::var(name).ok().filter(|value| !value.is_empty())),
        aws: None,
        clock: Arc::new(SystemClock),
        dice: Arc::new(SystemDice::default()),
        out: Box::new(std::io::stdout()),
        bars: std::io::stderr().is_terminal(),
    };
    match tool.run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    // Whoever closed the other end does not want to know.
    drop(writeln!(std::io::stderr(), "afferent: {error}"));
    ExitCode::FAILURE
}
