//! Reading a table's stream from within the process, as its event source does.

use std::time::Duration;

use afferent_domain::Timestamp;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use serde_json::Value;

use super::{DynamoDb, DynoxideError, mends};

/// How long a record stays in its stream. AWS: DynamoDB Developer Guide, "Change data capture for DynamoDB Streams".
pub const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// Where to read on in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// With the oldest record there is.
    Horizon,
    /// After the record of this sequence number.
    After(String),
}

/// Some records of a stream.
#[derive(Debug, Clone)]
pub struct Page {
    /// The records, in order, as `GetRecords` gives them.
    pub records: Vec<Value>,
    /// Where to read on: also after records that are not shown because they changed nothing or are too old.
    pub next: Position,
    /// Whether nothing at all was behind the position.
    pub at_end: bool,
}

impl DynamoDb {
    /// Up to `limit` records after `position`. The stream has one shard.
    ///
    /// # Errors
    /// The table is not there or has no stream.
    pub fn records(&self, table: &str, position: &Position, limit: usize) -> Result<Page, DynoxideError> {
        let (kind, sequence_number) = match position {
            Position::Horizon => ("TRIM_HORIZON", None),
            Position::After(number) => ("AFTER_SEQUENCE_NUMBER", Some(number.clone())),
        };
        let database = &self.inner.database;
        let iterator = database.get_shard_iterator(GetShardIteratorRequest {
            stream_arn: format!("arn:aws:dynamodb:local:0:table/{table}/stream/local"),
            shard_id: dynoxide::streams::shard_id(table),
            shard_iterator_type: kind.to_owned(),
            sequence_number,
        })?;
        let shard_iterator = iterator.shard_iterator.unwrap_or_default();
        let answer = database.get_records(GetRecordsRequest { shard_iterator, limit: Some(limit) })?;
        let next = match answer.records.last() {
            None => position.clone(),
            Some(last) => Position::After(last.dynamodb.sequence_number.clone()),
        };
        let at_end = answer.records.is_empty();
        let to_json = |error: serde_json::Error| DynoxideError::InternalServerError(error.to_string());
        let records: Result<Vec<Value>, _> = answer.records.iter().map(serde_json::to_value).collect();
        let mut records = records.map_err(to_json)?;
        let now = self.now();
        records.retain(|record| mends::is_change(record) && !mends::is_forgotten(record, now));
        for record in &mut records {
            record["awsRegion"] = self.inner.region.as_str().into();
        }
        Ok(Page { records, next, at_end })
    }

    /// The position behind every record there is now.
    ///
    /// # Errors
    /// The table is not there or has no stream.
    pub fn end(&self, table: &str) -> Result<Position, DynoxideError> {
        let mut position = Position::Horizon;
        loop {
            let page = self.records(table, &position, 1000)?;
            if page.at_end {
                return Ok(position);
            }
            position = page.next;
        }
    }
}

/// When a record's change was made, to the second.
#[must_use]
pub(crate) fn created(record: &Value) -> Option<Timestamp> {
    mends::created(record)
}
