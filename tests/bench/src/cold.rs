//! Cold starts, sizes, memory, and what one notification costs `ingest`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use afferent_local::Stack;
use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::process::{RuntimeApi, usage};
use crate::report::{Report, median};
use crate::{Error, FUNCTIONS};

/// Those that read their secrets before their first event; the others read none, or only when one is needed.
const READ_SECRETS: [&str; 2] = ["fetcher", "dispatcher"];

/// Starts per program; the median counts.
const STARTS: usize = 100;

/// Notifications for the CPU figure, after some to warm up.
const NOTIFICATIONS: usize = 2_000;

/// The callback secret of the benchmark's stack.
const SECRET: &str = "bench-callback-secret";

/// Values for the template's parameters without defaults.
pub(crate) fn parameters() -> BTreeMap<String, String> {
    let digest = ring::digest::digest(&ring::digest::SHA256, SECRET.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    [
        ("CallbackSecretSha256", hex.as_str()),
        ("WithingsClientId", "benchclient"),
        ("WithingsClientSecret", "benchsecret"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

pub(crate) async fn measure(stack: &Stack, programs: &Path, report: &mut Report) -> Result<(), Error> {
    let bare = environment(stack, "hello");
    let hello = start(&programs.join("hello"), &bare, &http_event("GET", "/", "")).await?;
    report.note("init of a bare lambda_http hello", hello.init, "ms");
    report.note("cold start of a bare lambda_http hello", hello.cold, "ms");
    let (mut ingest, mut total) = (f64::INFINITY, 0.0);
    for function in FUNCTIONS {
        let environment = environment(stack, function);
        let program = programs.join(function);
        let Start { init, cold } = start(&program, &environment, &event(function)).await?;
        let secrets = if READ_SECRETS.contains(&function) { ", its secrets read" } else { "" };
        report.note(format!("init of {function}{secrets}"), init, "ms");
        report.note(format!("cold start of {function}"), cold, "ms");
        let name = format!("cold start of {function}, in hellos");
        match function {
            "ingest" => {
                ingest = cold;
                report.at_most(name, cold / hello.cold, "x", 2.0);
            }
            _ => report.note(name, cold / hello.cold, "x"),
        }
        if function == "api" {
            report.at_most("cold start of api, in those of ingest", cold / ingest, "x", 2.0);
        }
        let zip = zipped(&program)?;
        total += zip;
        report.at_most(format!("zip of {function}"), zip, "MB", 3.0);
    }
    report.note("zips of all six", total, "MB");
    notifications(stack, programs, report).await
}

/// How long a program takes to start, in milliseconds: medians of [`STARTS`].
struct Start {
    /// From the process's start until it asks for its first event: what Lambda calls the init phase.
    init: f64,
    /// From the process's start to its first answer.
    cold: f64,
}

async fn start(program: &Path, environment: &BTreeMap<String, String>, event: &str) -> Result<Start, Error> {
    let (mut inits, mut colds) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut api = RuntimeApi::start().await?;
        let began = Instant::now();
        let _child = api.spawn(program, environment)?;
        let (answered, status) = api.invoke(event).await?;
        if status != 202 {
            return Err(format!("{} answered with an error", program.display()).into());
        }
        // It asked before it answered.
        let asked = api.ready().await?;
        inits.push(asked.duration_since(began).as_secs_f64() * 1e3);
        colds.push(answered.duration_since(began).as_secs_f64() * 1e3);
    }
    Ok(Start { init: median(&mut inits), cold: median(&mut colds) })
}

async fn notifications(stack: &Stack, programs: &Path, report: &mut Report) -> Result<(), Error> {
    let mut api = RuntimeApi::start().await?;
    let child = api.spawn(&programs.join("ingest"), &environment(stack, "ingest"))?;
    api.ready().await?;
    let body = "userid=90001001&startdate=1789625129&enddate=1789625130&appli=1";
    let event = http_event("POST", &format!("/withings/{SECRET}"), body);
    for _ in 0..100 {
        api.invoke(&event).await?;
    }
    let before = usage(&child)?;
    for _ in 0..NOTIFICATIONS {
        api.invoke(&event).await?;
    }
    let after = usage(&child)?;
    let cpu = (after.cpu - before.cpu).as_secs_f64() * 1e3 / NOTIFICATIONS as f64;
    report.at_most("CPU of ingest per accepted notification", cpu, "ms", 0.5);
    report.at_most("peak memory of ingest", after.peak_mb, "MB", 15.0);
    Ok(())
}

/// As the local stack sets it, with TLS as on AWS: a function that finds only `http://` endpoints would skip
/// setting it up.
pub(crate) fn environment(stack: &Stack, function: &str) -> BTreeMap<String, String> {
    let roots = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/aws/roots/amazon.pem");
    let set = [
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_CA_BUNDLE", roots),
        ("AWS_ENDPOINT_URL", &*stack.addresses.dynamodb),
        ("AWS_ENDPOINT_URL_SQS", &*stack.addresses.sqs),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_NAME", function),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    let mut environment = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    if let Some(function) = stack.template.function(function) {
        BTreeMap::extend(&mut environment, function.environment.clone());
    }
    environment
}

/// An event that the function answers without work of its own.
fn event(function: &str) -> String {
    match function {
        "ingest" => http_event("HEAD", &format!("/withings/{SECRET}"), ""),
        "api" => http_event("GET", "/v1/health", ""),
        // Its least work: a look at empty due indexes.
        "keeper" => r#"{"task":"minute"}"#.to_owned(),
        _ => r#"{"Records":[]}"#.to_owned(),
    }
}

/// A function URL's event (payload version 2.0).
fn http_event(method: &str, path: &str, body: &str) -> String {
    serde_json::json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/x-www-form-urlencoded"},
        "requestContext": {
            "accountId": "anonymous", "apiId": "bench", "domainName": "bench.lambda-url.us-east-1.on.aws",
            "domainPrefix": "bench", "requestId": "bench", "routeKey": "$default", "stage": "$default",
            "time": "21/Nov/2026:12:00:00 +0000", "timeEpoch": 1_795_262_400_000_i64,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench"},
        },
        "body": body, "isBase64Encoded": false,
    })
    .to_string()
}

/// The size of the program in a zip, in MB.
fn zipped(program: &Path) -> Result<f64, Error> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(&std::fs::read(program)?)?;
    Ok(deflate.finish()?.len() as f64 / 1e6)
}
