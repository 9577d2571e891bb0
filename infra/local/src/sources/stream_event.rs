//! Stream records in the shape that Lambda hands them to a function, and the notice about those given up.

use afferent_domain::Timestamp;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::dynamodb;
use crate::template::StreamSource;

/// Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB": the record as `GetRecords` gives it, and
/// the stream's ARN. (`userIdentity` is written in lower case there.)
pub(super) fn batch(records: &[Value], stream_arn: &str) -> Bytes {
    let records: Vec<Value> = records
        .iter()
        .map(|record| {
            let mut record = record.clone();
            record["eventSourceARN"] = stream_arn.into();
            record
        })
        .collect();
    json!({"Records": records}).to_string().into()
}

pub(super) fn sequence_number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}

pub(super) fn created(record: &Value) -> Option<Timestamp> {
    dynamodb::created(record)
}

/// Why records were given up, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenUp {
    Retries,
    Age,
}

impl GivenUp {
    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Retries => "RetryAttemptsExhausted",
            Self::Age => "RecordAgeExceeded",
        }
    }
}

/// Lambda Developer Guide, "Retain discarded batches": positions only, never the records themselves.
pub(super) fn notice(
    source: &StreamSource,
    function_arn: &str,
    records: &[Value],
    why: GivenUp,
    invocations: u32,
    now: Timestamp,
) -> String {
    let arrival = |record: Option<&Value>| record.and_then(created).unwrap_or(now).to_string();
    let position = |record: Option<&Value>| record.map(sequence_number).unwrap_or_default().to_owned();
    json!({
        "requestContext": {
            "requestId": format!("{}-{invocations}", position(records.first())),
            "functionArn": format!("{function_arn}:$LATEST"),
            "condition": why.condition(),
            "approximateInvokeCount": invocations,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": now.to_string(),
        "DDBStreamBatchInfo": {
            "shardId": dynoxide::streams::shard_id(&source.table),
            "startSequenceNumber": position(records.first()),
            "endSequenceNumber": position(records.last()),
            "approximateArrivalOfFirstRecord": arrival(records.first()),
            "approximateArrivalOfLastRecord": arrival(records.last()),
            "batchSize": records.len(),
            "streamArn": source.stream_arn,
        },
    })
    .to_string()
}
