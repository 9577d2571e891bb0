//! AWS JSON 1.0 as the SDKs speak it to SQS: `X-Amz-Target: AmazonSQS.<operation>` and a JSON body each way.

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::errors::{Error, ErrorKind, Result};
use crate::faults::{Operation, internal};
use crate::message::{Attribute, Attributes, Draft, md5_of_attributes, md5_of_body};
use crate::queues;
use crate::sqs::{Receive, Sqs, visibility};
use crate::state::State;
use crate::views::Received;
use crate::{batch, message};

/// An HTTP answer, without the HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/x-amz-json-1.0".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveMessage {
    queue_url: Option<String>,
    max_number_of_messages: Option<i64>,
    wait_time_seconds: Option<i64>,
    visibility_timeout: Option<i64>,
    attribute_names: Option<Vec<String>>,
    message_system_attribute_names: Option<Vec<String>>,
    message_attribute_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage {
    id: Option<String>,
    queue_url: Option<String>,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    message_attributes: Option<Attributes>,
    message_system_attributes: Option<Attributes>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
    /// The request's own trace header.
    #[serde(skip)]
    trace: Option<String>,
}

/// `DeleteMessage`, `ChangeMessageVisibility`, and the entries of their batches.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Handled {
    id: Option<String>,
    queue_url: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<T> {
    queue_url: Option<String>,
    entries: Option<Vec<T>>,
}

impl Sqs {
    /// Serves one call. `target` is the header `X-Amz-Target`, `base_url` what queue URLs begin with, such as
    /// `http://127.0.0.1:9324`. Errors are answers too.
    pub async fn handle(&self, target: &str, body: &[u8], base_url: &str) -> Answer {
        self.handle_traced(target, body, base_url, None).await
    }

    /// The same of a request with the header `X-Amzn-Trace-Id`: it becomes the `AWSTraceHeader` of what is sent without one
    /// (SQS developer guide, "Active tracing in Amazon SQS").
    pub async fn handle_traced(&self, target: &str, body: &[u8], base_url: &str, trace: Option<&str>) -> Answer {
        let result = match Operation::named(target) {
            Some(operation) => self.serve(operation, body, base_url, trace).await,
            None => Err(unknown_operation(target)),
        };
        match result {
            Ok(body) => Answer::json(200, &body),
            Err(error) => error.answer(),
        }
    }

    async fn serve(&self, operation: Operation, body: &[u8], base_url: &str, trace: Option<&str>) -> Result<Value> {
        let traced = |request| SendMessage { trace: trace.map(str::to_owned), ..request };
        match operation {
            Operation::ReceiveMessage => self.serve_receive(parse(body)?).await,
            Operation::SendMessage => {
                let request: SendMessage = parse(body)?;
                let queue = required(request.queue_url.clone(), "QueueUrl")?;
                self.call(operation, |state, now| send(state, &queue, traced(request), now))
            }
            Operation::DeleteMessage => {
                let request: Handled = parse(body)?;
                let queue = required(request.queue_url.clone(), "QueueUrl")?;
                self.call(operation, |state, now| delete(state, &queue, &request, now))
            }
            Operation::ChangeMessageVisibility => {
                let request: Handled = parse(body)?;
                let queue = required(request.queue_url.clone(), "QueueUrl")?;
                self.call(operation, |state, now| change_visibility(state, &queue, &request, now))
            }
            Operation::SendMessageBatch => {
                let limit = |entries: &[SendMessage]| {
                    let bytes: usize = entries.iter().map(|entry| draft(entry).bytes()).sum();
                    if bytes <= message::MAX_BYTES {
                        return Ok(());
                    }
                    let message = format!(
                        "Batch requests cannot be longer than {} bytes. You have sent {bytes} bytes.",
                        message::MAX_BYTES
                    );
                    Err(Error::new(ErrorKind::BatchRequestTooLong, message))
                };
                let one = |state: &mut State, queue: &str, entry, now| send(state, queue, traced(entry), now);
                self.serve_batch(operation, parse(body)?, |entry: &SendMessage| entry.id.clone(), limit, one)
            }
            Operation::DeleteMessageBatch => {
                let one = |state: &mut State, queue: &str, entry: Handled, now| delete(state, queue, &entry, now);
                self.serve_batch(operation, parse(body)?, |entry: &Handled| entry.id.clone(), |_| Ok(()), one)
            }
            Operation::ChangeMessageVisibilityBatch => {
                let one =
                    |state: &mut State, queue: &str, entry: Handled, now| change_visibility(state, queue, &entry, now);
                self.serve_batch(operation, parse(body)?, |entry: &Handled| entry.id.clone(), |_| Ok(()), one)
            }
            _ => {
                let request = parse(body)?;
                self.call(operation, |state, now| queues::serve(state, operation, request, base_url, now))
            }
        }
    }

    fn serve_batch<T>(
        &self,
        operation: Operation,
        request: Batch<T>,
        id: impl Fn(&T) -> Option<String>,
        limit: impl Fn(&[T]) -> Result<()>,
        mut one: impl FnMut(&mut State, &str, T, Timestamp) -> Result<Value>,
    ) -> Result<Value> {
        let queue = required(request.queue_url, "QueueUrl")?;
        let entries = request.entries.unwrap_or_default();
        self.call(operation, |state, now| {
            state.queue(&queue, now)?;
            let ids = batch::check(entries.iter().map(id))?;
            limit(&entries)?;
            let work = |entry| if state.entries_refused { Err(internal()) } else { one(state, &queue, entry, now) };
            Ok(batch::answer(ids.into_iter().zip(entries.into_iter().map(work))))
        })
    }

    async fn serve_receive(&self, request: ReceiveMessage) -> Result<Value> {
        let queue = required(request.queue_url, "QueueUrl")?;
        let ask = Receive {
            max: request.max_number_of_messages.unwrap_or(1),
            wait_s: request.wait_time_seconds,
            visibility_s: request.visibility_timeout,
        };
        let mut system = request.message_system_attribute_names.unwrap_or_default();
        system.extend(request.attribute_names.unwrap_or_default());
        let names = request.message_attribute_names.unwrap_or_default();
        let received = self.receive(&queue, ask).await?;
        if received.is_empty() {
            return Ok(json!({}));
        }
        let messages: Vec<Value> = received.into_iter().map(|message| written(message, &system, &names)).collect();
        Ok(json!({ "Messages": messages }))
    }
}

fn send(state: &mut State, queue: &str, request: SendMessage, now: Timestamp) -> Result<Value> {
    if request.message_deduplication_id.is_some() {
        let reason = "The request includes a parameter that is not valid for this queue type.";
        return Err(Error::value(
            "MessageDeduplicationId",
            request.message_deduplication_id.unwrap_or_default(),
            reason,
        ));
    }
    let system = request.message_system_attributes.clone().unwrap_or_default();
    if let Some(name) = system.keys().find(|name| *name != "AWSTraceHeader") {
        let message = format!("The message system attribute '{name}' is not one that senders can set.");
        return Err(Error::new(ErrorKind::InvalidParameterValue, message));
    }
    let draft = draft(&request);
    let mut answer = Map::new();
    answer.insert("MD5OfMessageBody".into(), md5_of_body(&draft.body).into());
    if let Some(md5) = md5_of(&draft.attributes) {
        answer.insert("MD5OfMessageAttributes".into(), md5.into());
    }
    if let Some(md5) = md5_of(&system) {
        answer.insert("MD5OfMessageSystemAttributes".into(), md5.into());
    }
    answer.insert("MessageId".into(), state.send(queue, draft, now)?.into());
    Ok(answer.into())
}

fn draft(request: &SendMessage) -> Draft {
    Draft {
        body: request.message_body.clone().unwrap_or_default(),
        delay_s: request.delay_seconds,
        attributes: request.message_attributes.clone().unwrap_or_default(),
        group: request.message_group_id.clone(),
        trace: request
            .message_system_attributes
            .as_ref()
            .and_then(|system| system.get("AWSTraceHeader"))
            .cloned()
            .or_else(|| request.trace.clone().map(Attribute::string)),
    }
}

fn delete(state: &mut State, queue: &str, request: &Handled, now: Timestamp) -> Result<Value> {
    let handle = required(request.receipt_handle.clone(), "ReceiptHandle")?;
    state.queue(queue, now)?.delete(&handle)?;
    Ok(json!({}))
}

fn change_visibility(state: &mut State, queue: &str, request: &Handled, now: Timestamp) -> Result<Value> {
    let queue = state.queue(queue, now)?;
    let handle = required(request.receipt_handle.clone(), "ReceiptHandle")?;
    let timeout = visibility(request.visibility_timeout.ok_or_else(|| Error::missing("VisibilityTimeout"))?)?;
    queue.change_visibility(&handle, Duration::from_secs(timeout), now)?;
    Ok(json!({}))
}

/// A received message as its receiver asked for it. The attributes' MD5 covers those that are returned.
fn written(message: Received, system: &[String], names: &[String]) -> Value {
    let mut answer = Map::new();
    let wanted = |name: &str| system.iter().any(|asked| asked == "All" || asked == name);
    let chosen: BTreeMap<&String, &String> = message.system.iter().filter(|(name, _)| wanted(name)).collect();
    if !chosen.is_empty() {
        answer.insert("Attributes".into(), json!(chosen));
    }
    let attributes: BTreeMap<&str, &Attribute> = message
        .attributes
        .iter()
        .filter(|(name, _)| names.iter().any(|asked| asks_for(asked, name)))
        .map(|(name, attribute)| (name.as_str(), attribute))
        .collect();
    if let Some(md5) = md5_of_attributes(attributes.iter().map(|(name, attribute)| (*name, *attribute))) {
        answer.insert("MD5OfMessageAttributes".into(), md5.into());
        answer.insert("MessageAttributes".into(), json!(attributes));
    }
    answer.insert("MD5OfBody".into(), message.md5_of_body().into());
    answer.insert("MessageId".into(), message.message_id.into());
    answer.insert("ReceiptHandle".into(), message.receipt_handle.into());
    answer.insert("Body".into(), message.body.into());
    answer.into()
}

/// `All`, `.*`, a name, or a prefix and `.*` (AWS: `ReceiveMessage`, `MessageAttributeNames`).
fn asks_for(asked: &str, name: &str) -> bool {
    asked == "All" || asked == name || asked.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
}

fn md5_of(attributes: &Attributes) -> Option<String> {
    md5_of_attributes(attributes.iter().map(|(name, attribute)| (name.as_str(), attribute)))
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Error::new(ErrorKind::Serialization, error.to_string()))
}

pub(crate) fn required<T>(value: Option<T>, parameter: &str) -> Result<T> {
    value.ok_or_else(|| Error::missing(parameter))
}

fn unknown_operation(target: &str) -> Error {
    let operation = target.rsplit('.').next().unwrap_or(target);
    match operation {
        "AddPermission" | "RemovePermission" | "CancelMessageMoveTask" => {
            let message = format!("{operation} is not supported here.");
            Error::new(ErrorKind::UnsupportedOperation, message)
        }
        _ => {
            let message = format!("SQS has no operation '{operation}'. Only the AWS JSON protocol is served.");
            Error::new(ErrorKind::UnknownOperation, message)
        }
    }
}
