//! The program `afferent-local`: the stack on one machine, with a simulated Withings and a receiver beside it.

mod demo;
mod plant;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use afferent_local::Ports;
use afferent_play::scene::Plan;
use clap::{Args, Parser, Subcommand};

/// The stack on one machine, with a simulated Withings and a receiver beside it. Everything is on loopback.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts everything, plays a day of notifications, shows what happens, stays up.
    Run {
        #[command(flatten)]
        setting: Setting,
        /// Plays nothing; the control API of the simulated Withings does.
        #[arg(long)]
        quiet: bool,
        /// Milliseconds between two notifications of the day.
        #[arg(long, default_value_t = 700)]
        gap_ms: u64,
        /// Connects the person and nothing follows: no backfill, no sweeps.
        #[arg(long)]
        bare: bool,
    },
    /// Plays all sixteen categories once, prints a table, writes a report; fails if anything was lost.
    Demo {
        #[command(flatten)]
        setting: Setting,
        /// Where the report goes.
        #[arg(long, default_value = "target/demo/report.json")]
        report: PathBuf,
    },
    /// Only the simulated Withings with its sample person, whose day lies a day back. Prints its address and
    /// the person's userid as a line of JSON, and stays up.
    Withings {
        /// The port; 0 is any free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Puts a connection, endpoints and a key into the tables of a stack, and prints them as JSON. The person
    /// comes from WITHINGS_USERID, WITHINGS_ACCESS_TOKEN, WITHINGS_REFRESH_TOKEN and WITHINGS_TIMEZONE.
    Seed {
        /// Where the stack's AWS services are. Always given, so that nothing reaches AWS by accident.
        #[arg(long)]
        endpoint_url: String,
        /// The stack's name.
        #[arg(long, default_value = "afferent")]
        stack: String,
        /// The address of an endpoint that gets everything; may be given more than once.
        #[arg(long)]
        webhook: Vec<String>,
        /// Connects the person and nothing follows: no backfill, no sweeps.
        #[arg(long)]
        bare: bool,
    },
}

/// What both have in common.
#[derive(Args)]
struct Setting {
    /// The folder of the functions' programs; that of this program unless given.
    #[arg(long)]
    bootstraps: Option<PathBuf>,
    /// A folder that keeps everything, over a restart and over `kill -9`.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Port of the front door: ingest and API. 0 is any free one, here and below.
    #[arg(long, default_value_t = 0)]
    front_port: u16,
    /// Port of DynamoDB, its streams and Secrets Manager.
    #[arg(long, default_value_t = 0)]
    dynamodb_port: u16,
    /// Port of SQS.
    #[arg(long, default_value_t = 0)]
    sqs_port: u16,
    /// Port of the simulated Withings.
    #[arg(long, default_value_t = 0)]
    withings_port: u16,
    /// Port of the receiver of webhooks.
    #[arg(long, default_value_t = 0)]
    receiver_port: u16,
    /// Another Withings to call instead of the simulated one.
    #[arg(long, env = "WITHINGS_API_URL")]
    withings_url: Option<String>,
}

impl Setting {
    fn plan(self, bare: bool) -> std::io::Result<Plan> {
        let own = std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default();
        Ok(Plan {
            bootstraps: self.bootstraps.unwrap_or(own),
            data: self.data,
            ports: Ports { front: self.front_port, dynamodb: self.dynamodb_port, sqs: self.sqs_port },
            withings_port: self.withings_port,
            receiver_port: self.receiver_port,
            withings_url: self.withings_url.filter(|url| !url.is_empty()),
            bare,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let result = match Cli::parse().command {
        Command::Run { setting, quiet, gap_ms, bare } => run::run(setting, quiet, gap_ms, bare).await,
        Command::Demo { setting, report } => demo::demo(setting, &report).await,
        Command::Withings { port } => plant::withings(port).await,
        Command::Seed { endpoint_url, stack, webhook, bare } => {
            plant::seed(&endpoint_url, &stack, &webhook, bare).await
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Standard output, for people: the one place that prints.
#[expect(clippy::print_stdout, reason = "what this program says is its purpose")]
fn say(line: &str) {
    println!("{line}");
}

/// What a category brings, in a word.
fn category_name(appli: u16) -> &'static str {
    match appli {
        1 => "weight",
        2 => "temperature",
        4 => "blood pressure, SpO2",
        16 => "activity",
        44 => "sleep",
        46 => "profile",
        50 => "bed in",
        51 => "bed out",
        52 => "mat inflated",
        53 => "device without account",
        54 => "ECG",
        55 => "ECG failed",
        58 => "glucose",
        60 => "survey",
        61 => "stethoscope",
        62 => "heart rate variability",
        _ => "other",
    }
}
