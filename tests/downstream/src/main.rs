//! Follows the stream of records and prints a line for each change. No values are printed: they are health data.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodbstreams::Config;
use aws_sdk_dynamodbstreams::config::{BehaviorVersion, Region};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use clap::Parser;
use stream_reader::{Checkpoint, Client, Reader, stream_of};

/// AWS: a shard may be read five times a second (`GetRecords`).
const PAUSE: Duration = Duration::from_millis(250);

/// Follows the stream of records of a stack on this machine.
#[derive(Debug, Parser)]
struct Options {
    /// DynamoDB's address. Only this is ever spoken to, with made-up credentials.
    #[arg(long, env = "AFFERENT_DYNAMODB_URL")]
    endpoint_url: String,
    /// The name of the stack (its table is <stack>-records).
    #[arg(long, default_value = "afferent")]
    stack: String,
    /// Where it is kept how far this reader is; it goes on from there.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// End after so many changes.
    #[arg(long)]
    until_count: Option<usize>,
    /// End after so many seconds; a failure if the count is not reached.
    #[arg(long)]
    timeout: Option<u64>,
}

/// A client for one machine. On AWS: `Client::new(&aws_config::load_from_env().await)`.
fn client(endpoint_url: &str) -> Client {
    let https = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint_url)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "made up"))
        .http_client(https)
        .build();
    Client::from_conf(config)
}

async fn follow(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let client = client(&options.endpoint_url);
    let stream = stream_of(&client, &format!("{}-records", options.stack)).await?;
    let file = options.checkpoint.as_deref();
    let checkpoint = file.map(Checkpoint::load).transpose()?.unwrap_or_default();
    let mut reader = Reader::new(client, stream, checkpoint);
    let save = |reader: &Reader| file.map_or(Ok(()), |path: &Path| reader.checkpoint().save(path));
    let mut seen = 0;
    loop {
        let changes = reader.read().await?;
        for change in &changes {
            writeln!(std::io::stdout(), "{change}")?;
            reader.handled(change);
            seen += 1;
            if options.until_count == Some(seen) {
                return Ok(save(&reader)?);
            }
        }
        save(&reader)?;
        if changes.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let limit = options.timeout.map_or(Duration::MAX, Duration::from_secs);
    match tokio::time::timeout(limit, follow(&options)).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
        Err(_) if options.until_count.is_none() => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
