//! Where dynoxide's answers differ from AWS's, and what is done about it.
//!
//! - A write that changes nothing leaves a record in its stream; on AWS it leaves none.
//! - The `userIdentity` of a deletion by TTL is written as Lambda writes it (`principalId`); the streams API
//!   writes `PrincipalId`.
//! - A shard id may be shorter than 28 characters, which boto3 refuses.
//! - ARNs name the region `dynoxide`.
//! - A stream never forgets; on AWS it does after 24 hours.

use std::borrow::Cow;

use afferent_domain::Timestamp;
use serde_json::Value;

use super::operations::Answer;
use super::streams::RETENTION;

const SHORT_SHARD: &str = "shardId-00000001-";
const LONG_SHARD: &str = "shardId-00000000000000000001-";

/// Operations whose requests or answers hold ARNs or shard ids and nobody's data.
fn names_resources(operation: &str) -> bool {
    matches!(
        operation,
        "CreateTable"
            | "DeleteTable"
            | "DescribeStream"
            | "DescribeTable"
            | "GetShardIterator"
            | "ListStreams"
            | "ListTagsOfResource"
            | "TagResource"
            | "UntagResource"
            | "UpdateTable"
    )
}

fn arns(region: &str) -> (String, String) {
    ("arn:aws:dynamodb:dynoxide:".to_owned(), format!("arn:aws:dynamodb:{region}:"))
}

/// A request, in dynoxide's words.
pub(super) fn inward<'a>(operation: &str, body: &'a [u8], region: &str) -> Cow<'a, [u8]> {
    if !names_resources(operation) {
        return Cow::Borrowed(body);
    }
    let (theirs, ours) = arns(region);
    let text = String::from_utf8_lossy(body).replace(&ours, &theirs).replace(LONG_SHARD, SHORT_SHARD);
    Cow::Owned(text.into_bytes())
}

/// An answer, in AWS's words.
pub(super) fn outward(operation: &str, answer: Answer, region: &str, now: Timestamp) -> Answer {
    if operation == "GetRecords" && answer.status == 200 {
        return records(answer, region, now);
    }
    if !names_resources(operation) {
        return answer;
    }
    let (theirs, ours) = arns(region);
    let text = String::from_utf8_lossy(&answer.body).replace(&theirs, &ours).replace(SHORT_SHARD, LONG_SHARD);
    Answer { status: answer.status, body: text.into_bytes() }
}

fn records(answer: Answer, region: &str, now: Timestamp) -> Answer {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
    if let Some(records) = body["Records"].as_array_mut() {
        records.retain(|record| is_change(record) && !is_forgotten(record, now));
        for record in records {
            record["awsRegion"] = region.into();
            if let Some(identity) = record.get_mut("userIdentity") {
                *identity = serde_json::json!({"PrincipalId": identity["principalId"], "Type": identity["type"]});
            }
        }
    }
    Answer { status: answer.status, body: body.to_string().into_bytes() }
}

/// Whether the record tells of a change. Without both images one cannot know.
pub(super) fn is_change(record: &Value) -> bool {
    let image = |name: &str| record["dynamodb"].get(name);
    match (image("OldImage"), image("NewImage")) {
        (Some(old), Some(new)) => old != new,
        _ => true,
    }
}

/// Whether AWS would have trimmed the record.
pub(super) fn is_forgotten(record: &Value, now: Timestamp) -> bool {
    created(record).is_some_and(|created| created + RETENTION < now)
}

/// When the change was made, to the second.
pub(super) fn created(record: &Value) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    record["dynamodb"]["ApproximateCreationDateTime"].as_f64().map(|secs| Timestamp::from_secs(secs as i64))
}
