//! Functions and what wakes them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::TemplateError;
use super::reader::Reader;
use super::scope::{Scope, kind, scalar};

/// One `AWS::Serverless::Function`.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name in the template.
    pub logical: String,
    /// Its name, which begins with the stack's.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The program it runs: the last folder of `CodeUri`, as `cargo lambda build` names it.
    pub binary: String,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Memory in MB.
    pub memory_mb: u32,
    /// Its environment variables.
    pub environment: BTreeMap<String, String>,
    /// What wakes it.
    pub sources: Vec<Source>,
    /// Whether it has a function URL.
    pub has_url: bool,
    /// The least severe level that it logs (`LoggingConfig.ApplicationLogLevel`).
    pub log_level: Option<String>,
    /// How many invocations may run at once (`ReservedConcurrentExecutions`).
    pub reserved_concurrency: Option<u32>,
}

/// What wakes a function.
#[derive(Clone, Debug)]
pub enum Source {
    /// Messages of a queue.
    Queue(QueueSource),
    /// Records of a table's stream.
    Stream(StreamSource),
    /// The clock.
    Schedule(Schedule),
}

/// An event source mapping of a queue.
#[derive(Clone, Debug)]
pub struct QueueSource {
    /// The queue's ARN.
    pub queue_arn: String,
    /// At most so many messages in one invocation.
    pub batch_size: u32,
    /// How long to gather messages before invoking with a batch that is not full.
    pub batching_window: Duration,
    /// How many invocations at once, 2 to 1,000.
    pub max_concurrency: Option<u32>,
    /// Whether the answer names the messages that failed (`ReportBatchItemFailures`).
    pub partial_responses: bool,
}

/// An event source mapping of a stream.
#[derive(Clone, Debug)]
pub struct StreamSource {
    /// The table's name.
    pub table: String,
    /// The stream's ARN.
    pub stream_arn: String,
    /// At most so many records in one invocation.
    pub batch_size: u32,
    /// Whether to begin with the oldest record there is (`TRIM_HORIZON`), else with the next (`LATEST`).
    pub from_horizon: bool,
    /// Whether a batch that ends in an error is split in two.
    pub bisect: bool,
    /// How often a batch is tried again; `None` without bound.
    pub max_retries: Option<u32>,
    /// How old a record may be to be tried; `None` without bound.
    pub max_age: Option<Duration>,
    /// Whether the answer names the record to go on from (`ReportBatchItemFailures`).
    pub partial_responses: bool,
    /// The ARN of the queue that hears of records given up.
    pub on_failure_arn: Option<String>,
}

/// A `Schedule` or `ScheduleV2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The name of the event in the template.
    pub name: String,
    /// The time between two invocations.
    pub every: Duration,
    /// What the function is invoked with.
    pub input: String,
}

const READ: &[&str] = &[
    "CodeUri",
    "Environment",
    "Events",
    "FunctionName",
    "FunctionUrlConfig",
    "LoggingConfig",
    "MemorySize",
    "ReservedConcurrentExecutions",
    "Timeout",
];
const SKIPPED: &[&str] = &[
    "Architectures",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "DeploymentPreference",
    "Description",
    "Handler",
    "Layers",
    "PermissionsBoundary",
    "Policies",
    "RecursiveLoop",
    "Role",
    "Runtime",
    "RuntimeManagementConfig",
    "Tags",
    "Tracing",
    "VersionDescription",
];

/// Reads one function; what it does not say, `Globals` says.
pub(super) fn read(
    scope: &Scope<'_>,
    logical: &str,
    resource: &Value,
    globals: &Value,
) -> Result<Function, TemplateError> {
    let mut properties = globals.clone();
    overlay(&mut properties, &resource["Properties"]);
    let at = format!("Resources.{logical}.Properties");
    let reader = Reader::new(scope, at.clone(), &properties, READ, SKIPPED)?;
    let code = reader.text("CodeUri")?;
    let binary = code.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let mut environment = BTreeMap::new();
    for (name, value) in reader.get("Environment.Variables").and_then(Value::as_object).into_iter().flatten() {
        let text = scalar(value).ok_or_else(|| reader.error("Environment.Variables", "should hold texts"))?;
        environment.insert(name.clone(), text);
    }
    let mut sources = Vec::new();
    for (name, event) in properties["Events"].as_object().into_iter().flatten() {
        sources.extend(source(scope, format!("{at}.Events.{name}"), name, event)?);
    }
    Ok(Function {
        logical: logical.to_owned(),
        name: scope.name(logical, resource)?,
        arn: scope.arn(logical, resource)?,
        binary,
        timeout: seconds(reader.number_in("Timeout", 1, 900, 3)?),
        memory_mb: whole(reader.number_in("MemorySize", 128, 10_240, 128)?),
        environment,
        sources,
        has_url: reader.get("FunctionUrlConfig").is_some(),
        log_level: reader.optional_text("LoggingConfig.ApplicationLogLevel")?,
        reserved_concurrency: reader.number("ReservedConcurrentExecutions")?.map(whole),
    })
}

/// The name or ARN of the function that an `AWS::Lambda::Url` leads to.
pub(super) fn of_url(scope: &Scope<'_>, logical: &str, resource: &Value) -> Result<String, TemplateError> {
    let at = format!("Resources.{logical}.Properties");
    let skipped = &["AuthType", "Cors", "InvokeMode", "Qualifier"];
    Reader::new(scope, at, &resource["Properties"], &["TargetFunctionArn"], skipped)?.text("TargetFunctionArn")
}

/// SAM: a function's maps are added to those of `Globals`, everything else replaces.
fn overlay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                overlay(base.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

fn source(scope: &Scope<'_>, at: String, name: &str, event: &Value) -> Result<Option<Source>, TemplateError> {
    let properties = &event["Properties"];
    Ok(match kind(event) {
        "SQS" => queue_source(scope, at, properties)?.map(Source::Queue),
        "DynamoDB" => stream_source(scope, at, properties)?.map(Source::Stream),
        "Schedule" | "ScheduleV2" => schedule(scope, at, name, properties)?.map(Source::Schedule),
        kind => return Err(TemplateError::new(at, format!("the local stack has no event source {kind}"))),
    })
}

/// Limits: Lambda API Reference, `CreateEventSourceMapping`.
fn queue_source(scope: &Scope<'_>, at: String, properties: &Value) -> Result<Option<QueueSource>, TemplateError> {
    const READ: &[&str] =
        &["BatchSize", "Enabled", "FunctionResponseTypes", "MaximumBatchingWindowInSeconds", "Queue", "ScalingConfig"];
    let reader = Reader::new(scope, at, properties, READ, &["MetricsConfig", "Tags"])?;
    let max_concurrency = match reader.get("ScalingConfig.MaximumConcurrency") {
        None => None,
        Some(_) => Some(whole(reader.number_in("ScalingConfig.MaximumConcurrency", 2, 1000, 2)?)),
    };
    let source = QueueSource {
        queue_arn: reader.text("Queue")?,
        batch_size: whole(reader.number_in("BatchSize", 1, 10_000, 10)?),
        batching_window: seconds(reader.number_in("MaximumBatchingWindowInSeconds", 0, 300, 0)?),
        max_concurrency,
        partial_responses: partial(&reader)?,
    };
    if source.batch_size > 10 && source.batching_window.is_zero() {
        return Err(reader.error("BatchSize", "over 10 needs a batching window of at least 1 s"));
    }
    Ok(reader.flag("Enabled", true)?.then_some(source))
}

fn stream_source(scope: &Scope<'_>, at: String, properties: &Value) -> Result<Option<StreamSource>, TemplateError> {
    const READ: &[&str] = &[
        "BatchSize",
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "Enabled",
        "FunctionResponseTypes",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "StartingPosition",
        "Stream",
    ];
    let reader = Reader::new(scope, at, properties, READ, &["MetricsConfig", "ParallelizationFactor", "Tags"])?;
    let stream_arn = reader.text("Stream")?;
    let table = stream_arn.split('/').nth(1).ok_or_else(|| reader.error("Stream", "is no stream's ARN"))?;
    let from_horizon = match reader.text("StartingPosition")?.as_str() {
        "TRIM_HORIZON" => true,
        "LATEST" => false,
        _ => return Err(reader.error("StartingPosition", "should be TRIM_HORIZON or LATEST")),
    };
    let retries = reader.number_in("MaximumRetryAttempts", -1, 10_000, -1)?;
    let age = match reader.number_in("MaximumRecordAgeInSeconds", -1, 604_800, -1)? {
        -1 => None,
        age @ 60.. => Some(seconds(age)),
        _ => return Err(reader.error("MaximumRecordAgeInSeconds", "should be -1 or at least 60")),
    };
    let source = StreamSource {
        table: table.to_owned(),
        from_horizon,
        batch_size: whole(reader.number_in("BatchSize", 1, 10_000, 100)?),
        bisect: reader.flag("BisectBatchOnFunctionError", false)?,
        max_retries: u32::try_from(retries).ok(),
        max_age: age,
        partial_responses: partial(&reader)?,
        on_failure_arn: reader.optional_text("DestinationConfig.OnFailure.Destination")?,
        stream_arn,
    };
    Ok(reader.flag("Enabled", true)?.then_some(source))
}

fn schedule(scope: &Scope<'_>, at: String, name: &str, properties: &Value) -> Result<Option<Schedule>, TemplateError> {
    const READ: &[&str] = &["Enabled", "Input", "Schedule", "ScheduleExpression", "State"];
    const SKIPPED: &[&str] = &[
        "DeadLetterConfig",
        "Description",
        "FlexibleTimeWindow",
        "Name",
        "PermissionsBoundary",
        "RetryPolicy",
        "RoleArn",
    ];
    let reader = Reader::new(scope, at, properties, READ, SKIPPED)?;
    let property = if reader.get("Schedule").is_some() { "Schedule" } else { "ScheduleExpression" };
    let every = rate(&reader.text(property)?)
        .ok_or_else(|| reader.error(property, "should be rate(<number> minute|hour|day, or its plural)"))?;
    let on = reader.flag("Enabled", true)? && reader.optional_text("State")?.as_deref() != Some("DISABLED");
    let input = reader.optional_text("Input")?.unwrap_or_else(|| "{}".to_owned());
    Ok(on.then_some(Schedule { name: name.to_owned(), every, input }))
}

/// EventBridge Scheduler User Guide, "Rate-based schedules".
fn rate(expression: &str) -> Option<Duration> {
    let (number, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let number: u64 = number.trim().parse().ok().filter(|number| *number > 0)?;
    let unit = match unit.trim() {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number * unit))
}

fn partial(reader: &Reader) -> Result<bool, TemplateError> {
    let types = reader.list("FunctionResponseTypes")?;
    match types.iter().find(|kind| kind.as_str() != Some("ReportBatchItemFailures")) {
        None => Ok(!types.is_empty()),
        Some(_) => Err(reader.error("FunctionResponseTypes", "should hold ReportBatchItemFailures")),
    }
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(number.unsigned_abs())
}

fn whole(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
