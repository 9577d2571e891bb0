//! The operations on queues, as the wire has them: make, list, describe, tag, purge, move, delete.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::attributes::{is_known, unknown};
use crate::errors::{Error, ErrorKind, Result};
use crate::faults::Operation;
use crate::state::State;
use crate::wire::required;

/// Most tags of a queue (AWS: "Queue quotas").
const MAX_TAGS: usize = 50;

/// All parameters of all these operations: no two of them give one name two meanings.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Request {
    queue_url: Option<String>,
    queue_name: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
    attribute_names: Option<Vec<String>>,
    #[serde(alias = "tags")]
    tags: Option<BTreeMap<String, String>>,
    tag_keys: Option<Vec<String>>,
    queue_name_prefix: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
    source_arn: Option<String>,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
}

pub(crate) fn serve(
    state: &mut State,
    operation: Operation,
    request: Request,
    base_url: &str,
    now: Timestamp,
) -> Result<Value> {
    let url = |state: &State, name: &str| format!("{}/{}/{name}", base_url.trim_end_matches('/'), state.config.account);
    let queue = || required(request.queue_url.clone(), "QueueUrl");
    match operation {
        Operation::CreateQueue => {
            let name = required(request.queue_name, "QueueName")?;
            let tags = request.tags.unwrap_or_default();
            check_tags(&tags)?;
            state.create(&name, &request.attributes.unwrap_or_default(), tags, now)?;
            Ok(json!({ "QueueUrl": url(state, &name) }))
        }
        Operation::GetQueueUrl => {
            let name = required(request.queue_name, "QueueName")?;
            state.queue(&name, now)?;
            Ok(json!({ "QueueUrl": url(state, &name) }))
        }
        Operation::ListQueues => {
            let prefix = request.queue_name_prefix.unwrap_or_default();
            let names = state.queues.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
            let (names, next) = page(names, request.max_results, request.next_token.as_deref())?;
            let urls: Vec<String> = names.iter().map(|name| url(state, name)).collect();
            Ok(with_token(json!({ "QueueUrls": urls }), next))
        }
        Operation::ListDeadLetterSourceQueues => {
            let name = state.queue(&queue()?, now)?.name.clone();
            let arn = state.arn(&name);
            let names = state
                .queues
                .values()
                .filter(|queue| queue.settings.redrive.as_ref().is_some_and(|redrive| redrive.target == arn))
                .map(|queue| queue.name.clone())
                .collect();
            let (names, next) = page(names, request.max_results, request.next_token.as_deref())?;
            let urls: Vec<String> = names.iter().map(|name| url(state, name)).collect();
            Ok(with_token(json!({ "queueUrls": urls }), next))
        }
        Operation::GetQueueAttributes => {
            attributes(state, &queue()?, &request.attribute_names.unwrap_or_default(), now)
        }
        Operation::SetQueueAttributes => {
            let given = required(request.attributes.clone(), "Attributes")?;
            state.set_attributes(&queue()?, &given, now)?;
            Ok(json!({}))
        }
        Operation::DeleteQueue => {
            state.delete_queue(&queue()?, now)?;
            Ok(json!({}))
        }
        Operation::PurgeQueue => {
            state.purge(&queue()?, now)?;
            Ok(json!({}))
        }
        Operation::TagQueue => {
            let new = required(request.tags.clone(), "Tags")?;
            let mut tags = state.queue(&queue()?, now)?.tags.clone();
            tags.extend(new);
            check_tags(&tags)?;
            state.change_row(&queue()?, now, |queue| queue.tags = tags)?;
            Ok(json!({}))
        }
        Operation::UntagQueue => {
            let keys = required(request.tag_keys.clone(), "TagKeys")?;
            state.change_row(&queue()?, now, |queue| queue.tags.retain(|key, _| !keys.contains(key)))?;
            Ok(json!({}))
        }
        Operation::ListQueueTags => {
            let tags = &state.queue(&queue()?, now)?.tags;
            Ok(if tags.is_empty() { json!({}) } else { json!({ "Tags": tags }) })
        }
        Operation::StartMessageMoveTask => {
            let source = required(request.source_arn, "SourceArn")?;
            let rate = request.max_number_of_messages_per_second;
            let handle = state.move_messages(&source, request.destination_arn, rate, now)?;
            Ok(json!({ "TaskHandle": handle }))
        }
        Operation::ListMessageMoveTasks => {
            tasks(state, &required(request.source_arn, "SourceArn")?, request.max_results)
        }
        _ => Err(Error::new(ErrorKind::UnsupportedOperation, format!("{operation:?} is not supported here."))),
    }
}

fn attributes(state: &mut State, queue: &str, asked: &[String], now: Timestamp) -> Result<Value> {
    if let Some(name) = asked.iter().find(|name| !is_known(name)) {
        return Err(unknown(name));
    }
    let name = state.queue(queue, now)?.name.clone();
    let arn = state.arn(&name);
    let queue = state.queue(queue, now)?;
    let measured = [
        ("ApproximateNumberOfMessages", queue.visible().to_string()),
        ("ApproximateNumberOfMessagesDelayed", queue.delayed().to_string()),
        ("ApproximateNumberOfMessagesNotVisible", queue.in_flight().to_string()),
        ("CreatedTimestamp", queue.created.as_secs().to_string()),
        ("LastModifiedTimestamp", queue.modified.as_secs().to_string()),
        ("QueueArn", arn),
    ];
    let settings = queue.settings.text().iter().map(|(name, value)| (name.as_str(), value.clone()));
    let wanted = |name: &str| asked.iter().any(|asked| asked == "All" || asked == name);
    let all: Map<String, Value> = settings
        .chain(measured)
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
}

fn tasks(state: &State, source: &str, max: Option<i64>) -> Result<Value> {
    if state.name_of_arn(source).is_none() {
        let message = "The resource that you specified doesn't exist.";
        return Err(Error::new(ErrorKind::ResourceNotFound, message));
    }
    let max = match max.unwrap_or(1) {
        max @ 1..=10 => usize::try_from(max).unwrap_or(1),
        max => return Err(Error::value("MaxResults", max, "Must be between 1 and 10.")),
    };
    let newest = state.tasks.iter().rev().filter(|task| task.source == source).take(max);
    let written = newest.map(|task| {
        let mut entry = json!({
            "SourceArn": task.source,
            "Status": if task.moved == task.to_move { "COMPLETED" } else { "FAILED" },
            "ApproximateNumberOfMessagesMoved": task.moved,
            "ApproximateNumberOfMessagesToMove": task.to_move,
            "StartedTimestamp": task.started.as_millis(),
        });
        if let Some(destination) = &task.destination {
            entry["DestinationArn"] = destination.as_str().into();
        }
        if let Some(rate) = task.rate {
            entry["MaxNumberOfMessagesPerSecond"] = rate.into();
        }
        if task.moved != task.to_move {
            entry["FailureReason"] = "CouldNotDetermineMessageSource".into();
        }
        entry
    });
    Ok(json!({ "Results": written.collect::<Vec<_>>() }))
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<()> {
    if tags.len() > MAX_TAGS {
        let message = format!("Too many tags: a queue has at most {MAX_TAGS}.");
        return Err(Error::new(ErrorKind::InvalidParameterValue, message));
    }
    match tags.iter().find(|(key, value)| !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256) {
        Some((key, _)) => Err(Error::value("Tags", key, "A key has 1 to 128 characters, a value at most 256.")),
        None => Ok(()),
    }
}

/// One page of sorted names, and the token of the next: the last name of this one. Without `MaxResults` there
/// is one page of at most 1,000 and no token (AWS: `ListQueues`).
fn page(names: Vec<String>, max: Option<i64>, after: Option<&str>) -> Result<(Vec<String>, Option<String>)> {
    let size = match max.unwrap_or(1000) {
        size @ 1..=1000 => usize::try_from(size).unwrap_or(1000),
        size => return Err(Error::value("MaxResults", size, "Must be between 1 and 1000.")),
    };
    let mut rest = names.into_iter().filter(|name| after.is_none_or(|after| name.as_str() > after));
    let names: Vec<String> = rest.by_ref().take(size).collect();
    let next = names.last().filter(|_| max.is_some() && rest.next().is_some()).cloned();
    Ok((names, next))
}

fn with_token(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    answer
}
