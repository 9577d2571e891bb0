//! `local-sqs`: SQS on one machine, as a program. Prints its address as one line of JSON, then serves until
//! it is interrupted.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use afferent_domain::{Clock, Timestamp};
use clap::Parser;
use local_sqs::{Config, Sqs, router};

/// SQS on one machine, for development and tests.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 9324)]
    port: u16,
    /// File that keeps the queues over restarts; without it they are kept in memory only.
    #[arg(long)]
    store: Option<PathBuf>,
    /// Most messages in flight per queue.
    #[arg(long, default_value_t = 120_000)]
    in_flight_limit: usize,
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let config = Config { in_flight_limit: arguments.in_flight_limit, ..Config::default() };
    let sqs = match &arguments.store {
        Some(path) => Sqs::open_configured(path, Arc::new(SystemClock), config)?,
        None => Sqs::configured(Arc::new(SystemClock), config),
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = tokio::net::TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    writeln!(std::io::stdout(), "{}", serde_json::json!({ "url": url }))?;
    std::io::stdout().flush()?;
    let stop = async {
        // If the signal cannot be heard, the default action still ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        served = axum::serve(listener, router(Arc::new(sqs))) => served?,
        () = stop => {}
    }
    Ok(())
}
