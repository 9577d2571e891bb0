//! The due index: what waits, by when something should happen.

use std::collections::HashSet;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Key, Place, kept_back_shard};
use afferent_domain::id::EndpointId;
use afferent_domain::trace::Trace;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::{Deliveries, Kept, TABLE, kept};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

const BY_DUE: &str = "by_due";

/// A delivery as the due index shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub key: Key,
    /// When something should have happened.
    pub due: Timestamp,
    /// Whether it is parked: then nobody holds it, and it has no message.
    pub parked: bool,
    /// The trace that its next message carries.
    pub trace: Option<Trace>,
}

impl Deliveries {
    /// What of one shard was due by `overdue`, the longest ago first, at most `most`. The index may be a moment behind.
    /// An entry that cannot be read is logged and left out: it must not stop the others.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn overdue(&self, shard: &str, overdue: Timestamp, most: usize) -> Result<Vec<Due>, StoreError> {
        let query =
            self.shard(shard, "due_ms <= :overdue").expression_attribute_values(":overdue", n(overdue.as_millis()));
        first(query.limit(page(most)), most).await
    }

    /// What of one shard is parked and due after `from` up to `ahead`, the next first, at most `most`.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn parked(
        &self,
        shard: &str,
        from: Timestamp,
        ahead: Timestamp,
        most: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let query = self
            .shard(shard, "due_ms BETWEEN :from AND :ahead")
            .filter_expression("#state = :parked")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":parked", s(Place::Parked.as_str()))
            .expression_attribute_values(":from", n(from.as_millis()))
            .expression_attribute_values(":ahead", n(ahead.as_millis()));
        first(query, most).await
    }

    /// What the breaker of `endpoint` keeps back, as far as it expires by `until`, the oldest first, at most `most`.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn kept_back(
        &self,
        endpoint: &EndpointId,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let query = self
            .shard(&kept_back_shard(endpoint), "due_ms <= :until")
            .expression_attribute_values(":until", n(until.as_millis()));
        first(query.limit(page(most)), most).await
    }

    /// What of one shard has its turn last, whatever it waits for, the furthest off first, at most `most`.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn furthest(&self, shard: &str, most: usize) -> Result<Vec<Due>, StoreError> {
        let query = self.shard(shard, "due_ms > :ever").expression_attribute_values(":ever", n(0));
        first(query.scan_index_forward(false).limit(page(most)), most).await
    }

    /// When the oldest of these deliveries began its life, of those that have not ended; `None` if there is none. Half a
    /// read unit each, and it may be a moment behind: for a gauge, so what DynamoDB does not get to is left out.
    ///
    /// # Errors
    /// DynamoDB failed, or more than a hundred were asked for.
    pub async fn oldest_since(&self, keys: &[Key]) -> Result<Option<Timestamp>, StoreError> {
        const OPERATION: &str = "BatchGetItem";
        // Asked for twice, all would be refused: one that is moving from a shard to another is in both for a moment.
        let mut seen = HashSet::new();
        let keys = keys.iter().filter(|key| seen.insert(*key));
        let keys = keys.map(|key| {
            Item::from([("event".to_owned(), s(key.event.as_str())), ("item".to_owned(), s(key.endpoint.as_str()))])
        });
        let keys: Vec<Item> = keys.collect();
        if keys.is_empty() {
            return Ok(None);
        }
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).projection_expression("since_ms, due_ms");
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.table, wanted.build().map_err(StoreError::unbuilt(OPERATION))?)
            .send()
            .await
            .map_err(StoreError::failed(OPERATION))?;
        let items: Vec<Item> = answer.responses.unwrap_or_default().into_values().flatten().collect();
        let waiting = items.iter().filter(|item| item.contains_key("due_ms"));
        let since = waiting.filter_map(|item| Reading::new(TABLE, item).maybe_number("since_ms"));
        Ok(since.min().map(Timestamp::from_millis))
    }

    /// Notes that a message was sent for a waiting delivery: it is queued, in the index among what falls due by itself,
    /// and not looked at before `look_again`. Does nothing if its due time is no longer `due`.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn woken(&self, key: &Key, due: Timestamp, look_again: Timestamp) -> Result<Kept, StoreError> {
        let update = self
            .update(key)
            .update_expression("SET #state = :queued, due_shard = :shard, due_ms = :again ADD wakes :one")
            .condition_expression("due_ms = :due")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":queued", s(Place::Queued.as_str()))
            .expression_attribute_values(":shard", s(key.due_shard()))
            .expression_attribute_values(":again", n(look_again.as_millis()))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":due", n(due.as_millis()));
        kept(update.send().await)
    }

    fn shard(&self, shard: &str, condition: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(BY_DUE)
            .key_condition_expression(format!("due_shard = :shard AND {condition}"))
            .expression_attribute_values(":shard", s(shard))
    }
}

/// No more is read, and paid for, than is wanted.
fn page(most: usize) -> i32 {
    i32::try_from(most.clamp(1, 1_000)).unwrap_or(1_000)
}

async fn first(query: QueryFluentBuilder, most: usize) -> Result<Vec<Due>, StoreError> {
    let mut items = query.into_paginator().items().send();
    let mut all = Vec::new();
    while all.len() < most {
        let Some(item) = items.next().await else { break };
        let item = item.map_err(StoreError::failed("Query"))?;
        let entry = Reading::new(TABLE, &item);
        match read(entry) {
            Ok(due) => all.push(due),
            Err(error) => {
                let (event, item) = (entry.maybe_text("event"), entry.maybe_text("item"));
                tracing::error!(%error, event, item, "an entry of the due index cannot be read");
            }
        }
    }
    Ok(all)
}

fn read(entry: Reading<'_>) -> Result<Due, StoreError> {
    let key = Key { event: entry.text("event")?.into(), endpoint: entry.text("item")?.into() };
    let parked = entry.maybe_text("state") == Some(Place::Parked.as_str());
    let trace = entry.maybe_text("trace").and_then(Trace::of_item);
    Ok(Due { key, due: Timestamp::from_millis(entry.number("due_ms")?), parked, trace })
}
