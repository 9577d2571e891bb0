//! Counts what AWS would bill for, while it is asked to: DynamoDB's read and write units as the engine reckons them,
//! requests to SQS by 64 KB, those of Lambda's own pollers included, and invocations with their duration.
//!
//! Not counted: what Lambda reads of a table's stream (AWS does not bill it), polls that bring nothing (they depend on
//! time, not on work), storage and traffic.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

/// SQS bills each 64 KB of a request's payload as one request.
const CHUNK: usize = 64 * 1024;

/// Lambda's poller receives at most ten messages at once, and deletes as many.
const BATCH: usize = 10;

/// What was used since [`Meter::start`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    /// Write units by table, those of its indexes included; a transaction's count twice.
    pub writes: BTreeMap<String, f64>,
    /// Read units by table and its indexes.
    pub reads: BTreeMap<String, f64>,
    /// The same units, of writes and reads, by what asked for them.
    pub uses: BTreeMap<Use, f64>,
    /// Requests to SQS by operation and the last word of the queue's name (`SendMessage pulls`).
    pub queues: BTreeMap<String, u64>,
    /// Invocations by function, and how long they took together.
    pub invocations: BTreeMap<String, (u64, Duration)>,
    /// Requests to Secrets Manager.
    pub secrets: u64,
}

/// What DynamoDB was asked for, as exactly as a request tells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The table.
    pub table: String,
    /// The operation, the kind of item (its sort key up to the first `#`) and, of an update, the first attribute that it
    /// names.
    pub request: String,
    /// The index, or `item` for the table itself.
    pub part: String,
}

/// The counter. Clones share it.
#[derive(Clone, Default)]
pub struct Meter(Arc<Mutex<Option<Bill>>>);

impl Meter {
    /// Begins to count, from nothing.
    pub fn start(&self) {
        *self.bill() = Some(Bill::default());
    }

    /// What was used since the start. Goes on counting from nothing.
    #[must_use]
    pub fn take(&self) -> Bill {
        self.bill().as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn bill(&self) -> std::sync::MutexGuard<'_, Option<Bill>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request to DynamoDB as the engine is to get it: it says what it used.
    pub(crate) fn asking<'a>(&self, operation: &str, body: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        if self.bill().is_none() || !is_billed(operation) {
            return body.into();
        }
        let Ok(Value::Object(mut request)) = serde_json::from_slice(body) else { return body.into() };
        request.insert("ReturnConsumedCapacity".to_owned(), "INDEXES".into());
        serde_json::to_vec(&request).map_or_else(|_| body.into(), Into::into)
    }

    /// What the engine says of it.
    pub(crate) fn dynamodb(&self, operation: &str, request: &[u8], status: u16, answer: &[u8]) {
        let Some(bill) = &mut *self.bill() else { return };
        if !is_billed(operation) {
            return;
        }
        let units = if is_write(operation) { &mut bill.writes } else { &mut bill.reads };
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let name = name(operation, &request);
        let mut note = |table: &str, part: &str, units: f64| {
            let used = Use { table: table.to_owned(), request: name.clone(), part: part.to_owned() };
            *bill.uses.entry(used).or_default() += units;
        };
        let used = match &answer["ConsumedCapacity"] {
            Value::Array(tables) => tables.clone(),
            Value::Null => Vec::new(),
            table => vec![table.clone()],
        };
        for used in &used {
            let table = used["TableName"].as_str().unwrap_or_default().to_owned();
            note(&table, "item", used["Table"]["CapacityUnits"].as_f64().unwrap_or_default());
            for (index, used) in used["GlobalSecondaryIndexes"].as_object().into_iter().flatten() {
                note(&table, index, used["CapacityUnits"].as_f64().unwrap_or_default());
            }
            *units.entry(table).or_default() += used["CapacityUnits"].as_f64().unwrap_or_default();
        }
        // A condition that does not hold is billed as a write, by the item that is there; of a small one that is one unit.
        let refused = ["ConditionalCheckFailedException", "TransactionCanceledException"];
        let kind = answer["__type"].as_str().unwrap_or_default();
        if status != 200 && is_write(operation) && refused.iter().any(|refused| kind.ends_with(refused)) {
            let table = request["TableName"].as_str().unwrap_or("(transactions)").to_owned();
            let items = request["TransactItems"].as_array().map_or(1, Vec::len);
            let each = if operation == "TransactWriteItems" { 2.0 } else { 1.0 };
            note(&table, "refused", each * items as f64);
            *units.entry(table).or_default() += each * items as f64;
        }
    }

    /// A request to SQS.
    pub(crate) fn sqs(&self, target: &str, body: &[u8]) {
        if self.bill().is_none() {
            return;
        }
        let operation = target.split_once('.').map_or(target, |(_, operation)| operation);
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        self.queue(operation, request["QueueUrl"].as_str().unwrap_or_default(), chunks(body.len()));
    }

    fn queue(&self, operation: &str, queue: &str, requests: u64) {
        let queue = queue.rsplit(['/', ':', '-']).next().unwrap_or_default();
        if let Some(bill) = &mut *self.bill() {
            *bill.queues.entry(format!("{operation} {queue}")).or_default() += requests;
        }
    }

    /// A request to Secrets Manager.
    pub(crate) fn secret(&self) {
        if let Some(bill) = &mut *self.bill() {
            bill.secrets += 1;
        }
    }

    /// An invocation that is over. With messages of a queue, what Lambda's poller asked of SQS is counted too.
    pub(crate) fn invocation(&self, function: &str, payload: &[u8], took: Duration) {
        if let Some(bill) = &mut *self.bill() {
            let (count, time) = bill.invocations.entry(function.to_owned()).or_default();
            *count += 1;
            *time += took;
        } else {
            return;
        }
        let event: Value = serde_json::from_slice(payload).unwrap_or_default();
        let records = event["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of_a_queue = |record: &Value| record["eventSource"] == "aws:sqs";
        if !records.first().is_some_and(of_a_queue) {
            return;
        }
        for batch in records.chunks(BATCH) {
            let size = batch.iter().filter_map(|record| record["body"].as_str()).map(str::len).sum();
            let queue = batch.first().and_then(|record| record["eventSourceARN"].as_str()).unwrap_or_default();
            self.queue("ReceiveMessage", queue, chunks(size));
            self.queue("DeleteMessageBatch", queue, 1);
        }
    }
}

/// What a request is called in [`Bill::uses`].
fn name(operation: &str, request: &Value) -> String {
    let key = [&request["Item"], &request["Key"]].into_iter().find(|key| key.is_object()).unwrap_or(&Value::Null);
    let kind = key["item"]["S"].as_str().unwrap_or_default();
    // Endpoints are items of the table `deliveries`: which one does not matter.
    let kind = kind.split_once('#').map_or(kind, |(kind, _)| kind);
    let kind = if kind.starts_with("ep_") { "endpoint" } else { kind };
    let expression = request["UpdateExpression"].as_str().unwrap_or_default();
    let first = expression.split([' ', ',']).nth(1).unwrap_or_default();
    let index = request["IndexName"].as_str().unwrap_or_default();
    let words = [operation, kind, index, first];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn chunks(bytes: usize) -> u64 {
    bytes.div_ceil(CHUNK).max(1) as u64
}

fn is_write(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems")
}

fn is_billed(operation: &str) -> bool {
    is_write(operation) || matches!(operation, "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems")
}
