//! Each operation of the AWS JSON protocol, handed to dynoxide.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::heat::Touched;
use super::{DynamoDb, DynoxideError, mends};

/// The answer to one request of the AWS JSON protocol.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: Vec<u8>,
}

impl Answer {
    pub(super) fn error(status: u16, kind: &str, message: &str) -> Self {
        let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": message});
        Self { status, body: body.to_string().into_bytes() }
    }
}

impl DynamoDb {
    /// Answers one request: `target` is the header `x-amz-target`, such as `DynamoDB_20120810.PutItem`.
    /// Blocks while SQLite works.
    #[must_use]
    pub fn handle(&self, target: &str, body: &[u8]) -> Answer {
        self.answer(target, body, true)
    }

    /// The same for the simulation itself, which AWS has no part of: nothing is metered.
    pub(crate) fn peek(&self, target: &str, body: &[u8]) -> Answer {
        self.answer(target, body, false)
    }

    fn answer(&self, target: &str, body: &[u8], metered: bool) -> Answer {
        let operation = target.split_once('.').map_or(target, |(_, operation)| operation);
        let fault = self.faults().take(operation, body);
        if let Some(answer) = fault.as_ref().and_then(|fault| fault.instead(operation, body)) {
            return answer;
        }
        let body = mends::inward(operation, body, &self.inner.region);
        let answer = if metered {
            let touched = self.heat().touched(operation, &body);
            let before = self.images(&touched);
            let answer = self.dispatch(operation, &self.meter().asking(operation, &body));
            self.meter().dynamodb(operation, &body, answer.status, &answer.body);
            if !touched.is_empty() {
                self.heat().note(&touched, &before, &self.images(&touched), answer.status, &answer.body);
            }
            answer
        } else {
            self.dispatch(operation, &body)
        };
        if answer.status == 200 {
            self.announce(operation, &body);
        }
        match fault {
            Some(fault) => fault.after(),
            None => mends::outward(operation, answer, &self.inner.region, self.now()),
        }
    }

    fn images(&self, touched: &[Touched]) -> Vec<Value> {
        let get = |one: &Touched| self.dispatch("GetItem", one.get().to_string().as_bytes());
        touched.iter().map(|one| serde_json::from_slice(&get(one).body).unwrap_or_default()).collect()
    }

    /// Wakes those who wait for writes to the tables that the request named.
    fn announce(&self, operation: &str, body: &[u8]) {
        match operation {
            "PutItem" | "UpdateItem" | "DeleteItem" => {
                #[derive(serde::Deserialize)]
                struct Named {
                    #[serde(rename = "TableName")]
                    table: String,
                }
                if let Ok(Named { table }) = serde_json::from_slice(body) {
                    self.written(&table);
                }
            }
            "BatchWriteItem"
            | "TransactWriteItems"
            | "ExecuteStatement"
            | "ExecuteTransaction"
            | "BatchExecuteStatement" => self.all_written(),
            _ => {}
        }
    }

    fn dispatch(&self, operation: &str, body: &[u8]) -> Answer {
        let db = &self.inner.database;
        match operation {
            "BatchExecuteStatement" => answer(body, |request| db.batch_execute_statement(request)),
            "BatchGetItem" => answer(body, |request| db.batch_get_item(request)),
            "BatchWriteItem" => answer(body, |request| db.batch_write_item(request)),
            "CreateTable" => answer(body, |request| db.create_table(request)),
            "DeleteItem" => answer(body, |request| db.delete_item(request)),
            "DeleteTable" => answer(body, |request| db.delete_table(request)),
            "DescribeStream" => answer(body, |request| db.describe_stream(request)),
            "DescribeTable" => answer(body, |request| db.describe_table(request)),
            "DescribeTimeToLive" => answer(body, |request| db.describe_time_to_live(request)),
            "ExecuteStatement" => answer(body, |request| db.execute_statement(request)),
            "ExecuteTransaction" => answer(body, |request| db.execute_transaction(request)),
            "GetItem" => answer(body, |request| db.get_item(request)),
            "GetRecords" => answer(body, |request| db.get_records(request)),
            "GetShardIterator" => answer(body, |request| db.get_shard_iterator(request)),
            "ListStreams" => answer(body, |request| db.list_streams(request)),
            "ListTables" => answer(body, |request| db.list_tables(request)),
            "ListTagsOfResource" => answer(body, |request| db.list_tags_of_resource(request)),
            "PutItem" => answer(body, |request| db.put_item(request)),
            "Query" => answer(body, |request| db.query(request)),
            "Scan" => answer(body, |request| db.scan(request)),
            "TagResource" => done(body, |request| db.tag_resource(request)),
            "TransactGetItems" => answer(body, |request| db.transact_get_items(request)),
            "TransactWriteItems" => answer(body, |request| db.transact_write_items(request)),
            "UntagResource" => done(body, |request| db.untag_resource(request)),
            "UpdateItem" => answer(body, |request| db.update_item(request)),
            "UpdateTable" => answer(body, |request| db.update_table(request)),
            "UpdateTimeToLive" => answer(body, |request| db.update_time_to_live(request)),
            "DescribeEndpoints" => Answer { status: 200, body: br#"{"Endpoints":[]}"#.to_vec() },
            _ => Answer {
                status: 400,
                body: br#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#.to_vec(),
            },
        }
    }
}

fn answer<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Answer {
    let result = serde_json::from_slice(body).map_err(|error| refused(&error.to_string())).and_then(operation);
    match result.and_then(|answer| {
        serde_json::to_vec(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
    }) {
        Ok(body) => Answer { status: 200, body },
        Err(error) => Answer { status: error.status_code(), body: error.to_json().into_bytes() },
    }
}

fn done<Q: DeserializeOwned, A>(body: &[u8], operation: impl FnOnce(Q) -> Result<A, DynoxideError>) -> Answer {
    answer(body, |request| operation(request).map(|_| Value::Object(Default::default())))
}

/// dynoxide marks what it finds wrong while parsing by a prefix of the message, and maps it in a module that
/// is private; this is that mapping.
fn refused(message: &str) -> DynoxideError {
    let bare = |text: &str| text.rsplit_once(" at line ").map_or(text, |(text, _)| text).to_owned();
    for marker in ["VALIDATION_AS_READ:", "VALIDATION_REQUEST:", "VALIDATION:"] {
        if let Some(text) = message.strip_prefix(marker) {
            return DynoxideError::ValidationException(bare(text));
        }
    }
    for marker in ["SERIALIZATION_AS_READ:", "SERIALIZATION:"] {
        if let Some(text) = message.strip_prefix(marker) {
            return DynoxideError::SerializationException(bare(text));
        }
    }
    const OURS: [&str; 5] =
        ["missing field", "unknown variant", "invalid type: null", "empty AttributeValue", "Supplied AttributeValue"];
    if OURS.iter().any(|part| message.contains(part)) {
        DynoxideError::ValidationException(bare(message))
    } else {
        DynoxideError::SerializationException(bare(message))
    }
}
