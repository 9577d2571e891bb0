//! The `records` table: the current state of every health record, and the public contract. Its stream is
//! where events come from.
//!
//! Key: `user`, `record`. An item has the very shape of the record's JSON (see [`crate::item`]).

use std::collections::HashMap;

use afferent_aws::Sends;
use afferent_domain::id::{RecordId, UserId};
use afferent_domain::record::{Record, Status};
use afferent_domain::service::Service;
use afferent_metrics::{Metric, count};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnValuesOnConditionCheckFailure};

use crate::StoreError;
use crate::item::{Item, Reading, from_json, n, s, to_json};

mod range;
mod shape;

pub use range::{Found, LOOK_BYTES, LOOKS, PAGE_BYTES, Range};
use shape::Shape;
pub use shape::{Text, escaped_len};

/// DynamoDB: at most 100 keys in a `BatchGetItem`.
pub(crate) const KEYS_PER_READ: usize = 100;

/// How often keys that DynamoDB left unprocessed are asked for again before it counts as a failure.
pub(crate) const READ_ROUNDS: usize = 8;

/// The table.
#[derive(Clone, Debug)]
pub struct Records {
    pub(crate) client: Client,
    pub(crate) table: String,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is stored.
    Stored,
    /// Somebody stored another revision since the record was read: read it again and compare.
    Overtaken,
}

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// The last record of the page.
    pub record: RecordId,
    /// Its `effective_ms`.
    pub effective_ms: i64,
}

/// What the index by service tells of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The record.
    pub record: RecordId,
    /// Its instant, or its period's beginning.
    pub effective_ms: i64,
    /// Its revision.
    pub rev: u32,
    /// Whether it is retracted.
    pub retracted: bool,
}

impl Records {
    /// The table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One record.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is no record.
    pub async fn get(&self, user: &UserId, record: &RecordId) -> Result<Option<Record>, StoreError> {
        let mut found = self.get_many(user, std::slice::from_ref(record)).await?;
        Ok(found.remove(record))
    }

    /// Those of the user's records that exist, by strongly consistent reads.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is no record.
    pub async fn get_many(&self, user: &UserId, records: &[RecordId]) -> Result<HashMap<RecordId, Record>, StoreError> {
        let sized = self.get_sized::<Record>(user, records).await?;
        Ok(sized.into_iter().map(|(id, (record, _))| (id, record)).collect())
    }

    /// The same, each with the bytes of its JSON.
    async fn get_sized<T: Shape>(
        &self,
        user: &UserId,
        records: &[RecordId],
    ) -> Result<HashMap<RecordId, (T, usize)>, StoreError> {
        const OPERATION: &str = "BatchGetItem";
        let mut found = HashMap::new();
        for ids in records.chunks(KEYS_PER_READ) {
            let mut keys: Vec<Item> = ids
                .iter()
                .map(|id| HashMap::from([("user".to_owned(), s(user.as_str())), ("record".to_owned(), s(id.as_str()))]))
                .collect();
            for round in 0.. {
                let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.table, wanted.map_err(StoreError::unbuilt(OPERATION))?)
                    .send()
                    .await
                    .map_err(StoreError::failed(OPERATION))?;
                for item in answer.responses.unwrap_or_default().into_values().flatten() {
                    let (record, size) = T::read(&item)?;
                    found.insert(record.record().clone(), (record, size));
                }
                keys = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys).collect();
                if keys.is_empty() {
                    break;
                }
                if round == READ_ROUNDS {
                    return Err(StoreError::Failed { operation: OPERATION, cause: "keys stay unprocessed".into() });
                }
                tokio::time::sleep(std::time::Duration::from_millis(50 << round)).await;
            }
        }
        Ok(found)
    }

    /// A page of the user's records: of one kind the newest first, else all in the order of their ids. Goes on
    /// after the record that `after` names. Of one kind it is eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is no record.
    pub async fn page(
        &self,
        user: &UserId,
        kind: Option<&str>,
        after: Option<&After>,
        limit: u16,
    ) -> Result<(Vec<Record>, Option<After>), StoreError> {
        let query = self.client.query().table_name(&self.table).limit(i32::from(limit));
        let query = match kind {
            None => query
                .key_condition_expression("#user = :user")
                .expression_attribute_names("#user", "user")
                .expression_attribute_values(":user", s(user.as_str())),
            Some(kind) => query
                .index_name("by_kind")
                .key_condition_expression("user_kind = :user_kind")
                .expression_attribute_values(":user_kind", s(format!("{user}#{kind}")))
                .scan_index_forward(false),
        };
        let start = after.map(|after| {
            let mut key =
                Item::from([("user".to_owned(), s(user.as_str())), ("record".to_owned(), s(after.record.as_str()))]);
            if let Some(kind) = kind {
                key.insert("user_kind".to_owned(), s(format!("{user}#{kind}")));
                key.insert("effective_ms".to_owned(), n(after.effective_ms));
            }
            key
        });
        let answer = query.set_exclusive_start_key(start).send().await.map_err(StoreError::failed("Query"))?;
        let records = answer.items().iter().map(from_item).collect::<Result<Vec<_>, _>>()?;
        let next = answer.last_evaluated_key.as_ref().and(records.last());
        let next = next.map(|last| After { record: last.record.clone(), effective_ms: last.effective_ms });
        Ok((records, next))
    }

    /// Which records of a service the user has whose `effective_ms` lies from `from_ms` to `to_ms`, both included,
    /// in the order of time (backwards if `newest_first`), at most `most`. Eventually consistent, and retracted
    /// ones are among them.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn of_service(
        &self,
        user: &UserId,
        service: Service,
        (from_ms, to_ms): (i64, i64),
        newest_first: bool,
        most: usize,
    ) -> Result<Vec<Known>, StoreError> {
        let (mut known, mut start) = (Vec::new(), None);
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("by_service")
                .key_condition_expression("user_service = :service AND effective_ms BETWEEN :from AND :to")
                .expression_attribute_values(":service", s(format!("{user}#{service}")))
                .expression_attribute_values(":from", n(from_ms))
                .expression_attribute_values(":to", n(to_ms))
                .scan_index_forward(!newest_first)
                .set_limit(i32::try_from(most.saturating_sub(known.len())).ok())
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(StoreError::failed("Query"))?;
            for item in answer.items() {
                known.push(read_known(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() || known.len() >= most {
                return Ok(known);
            }
        }
    }

    /// Stores a revision, on the condition that the one before it is the stored one (for revision 1: that
    /// there is none).
    ///
    /// # Errors
    /// DynamoDB fails, or the item is over its 400 KB.
    pub async fn put(&self, record: &Record) -> Result<Written, StoreError> {
        const OPERATION: &str = "PutItem";
        let put = self.client.put_item().table_name(&self.table).set_item(Some(to_item(record)?));
        let put = if record.rev == 1 {
            put.condition_expression("attribute_not_exists(#record)").expression_attribute_names("#record", "record")
        } else {
            put.condition_expression("rev = :before").expression_attribute_values(":before", n(record.rev - 1))
        };
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let sends = Sends::default();
        match put.customize().interceptor(sends.clone()).send().await {
            Ok(_) => {}
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    let ours = |item: &Item| {
                        let reading = Reading::new("records", item);
                        let stored = (reading.maybe_number("rev"), reading.maybe_number("changed_ms"));
                        stored == (Some(record.rev), Some(record.changed_ms))
                            && reading.maybe_text("digest") == Some(record.digest.as_str())
                    };
                    if !(sends.are_many() && refused.item().is_some_and(ours)) {
                        return Ok(Written::Overtaken);
                    }
                }
                _ => return Err(StoreError::failed(OPERATION)(error)),
            },
        }
        let metric = match record.status {
            Status::EnteredInError => Metric::RecordsRetracted,
            _ if record.rev == 1 => Metric::RecordsCreated,
            _ => Metric::RecordsRevised,
        };
        count(metric, 1);
        Ok(Written::Stored)
    }
}

fn read_known(item: &Item) -> Result<Known, StoreError> {
    let reading = Reading::new("records", item);
    Ok(Known {
        record: RecordId::from(reading.text("record")?),
        effective_ms: reading.number("effective_ms")?,
        rev: reading.number("rev")?,
        retracted: reading.text("status")? == "entered-in-error",
    })
}

/// The item of a record.
///
/// # Errors
/// The record was read for a view ([`Range::lean`]): it has blanks, and must not take the place of the one that is stored.
pub fn to_item(record: &Record) -> Result<Item, StoreError> {
    if record.digest.is_empty() {
        let cause = "the record was read for a view, and is not whole".into();
        return Err(StoreError::Failed { operation: "PutItem", cause });
    }
    let json = serde_json::to_string(record).and_then(|json| from_json(&json));
    json.map_err(|error| StoreError::Failed { operation: "PutItem", cause: error.to_string() })
}

/// The record of an item. The error tells where in the item's JSON reading stopped, and no value.
///
/// # Errors
/// The item is no record that this version can read.
pub fn from_item(item: &Item) -> Result<Record, StoreError> {
    Reading::new("records", item).known()?;
    read_record(&to_json(item))
}

fn read_record(json: &str) -> Result<Record, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Item {
        table: "records",
        attribute: format!("at column {} ({:?})", error.column(), error.classify()),
    })
}

fn wrong(attribute: &str) -> StoreError {
    StoreError::Item { table: "records", attribute: attribute.to_owned() }
}
