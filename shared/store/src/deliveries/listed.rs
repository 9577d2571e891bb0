//! The deliveries of one endpoint, by when they were made.
//!
//! The index holds keys and no state: a state in it would cost a write with every end of a delivery, and lists are rare. So
//! each page reads its states from the items.

use std::collections::HashMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::Key;
use afferent_domain::id::{EndpointId, EventId};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::{Deliveries, TABLE};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};
use crate::records::{KEYS_PER_READ, READ_ROUNDS};

const BY_ENDPOINT: &str = "by_endpoint";

/// A delivery as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub key: Key,
    /// Its state, as the table writes it.
    pub state: String,
    /// When it was made.
    pub created: Timestamp,
}

/// A place in a list: after this delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it was made.
    pub created: Timestamp,
    /// Its event.
    pub event: EventId,
}

impl Deliveries {
    /// The deliveries to one endpoint, the newest first, at most `limit`, and the place to go on from if there may be
    /// more. Which there are is said by an index that may be a moment behind; how they stand is said by the items. An entry that cannot be read is logged and left out: it must not hide the
    /// others. So a page may be empty and not the last.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn of_endpoint(
        &self,
        endpoint: &EndpointId,
        after: Option<&Place>,
        limit: u16,
    ) -> Result<(Vec<Listed>, Option<Place>), StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_ENDPOINT)
            .key_condition_expression("endpoint = :endpoint")
            .expression_attribute_values(":endpoint", s(endpoint.as_str()))
            .scan_index_forward(false);
        page(self, endpoint, query, after, limit).await
    }

    /// The deliveries to one endpoint made from `since` on and before `until`, the oldest first, at most `limit`, and
    /// the place to go on from if there may be more. An entry that cannot be read is left out, as above.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn made_between(
        &self,
        endpoint: &EndpointId,
        since: Timestamp,
        until: Timestamp,
        after: Option<&Place>,
        limit: u16,
    ) -> Result<(Vec<Listed>, Option<Place>), StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_ENDPOINT)
            .key_condition_expression("endpoint = :endpoint AND created_ms BETWEEN :since AND :until")
            .expression_attribute_values(":endpoint", s(endpoint.as_str()))
            .expression_attribute_values(":since", n(since.as_millis()))
            .expression_attribute_values(":until", n(until.as_millis() - 1));
        page(self, endpoint, query, after, limit).await
    }
}

async fn page(
    deliveries: &Deliveries,
    endpoint: &EndpointId,
    query: QueryFluentBuilder,
    after: Option<&Place>,
    limit: u16,
) -> Result<(Vec<Listed>, Option<Place>), StoreError> {
    let start = after.map(|place| {
        Item::from([
            ("event".to_owned(), s(place.event.as_str())),
            ("item".to_owned(), s(endpoint.as_str())),
            ("endpoint".to_owned(), s(endpoint.as_str())),
            ("created_ms".to_owned(), n(place.created.as_millis())),
        ])
    });
    let query = query.set_exclusive_start_key(start).limit(i32::from(limit.max(1)));
    let answer = query.send().await.map_err(StoreError::failed("Query"))?;
    let mut stands = deliveries.stands(answer.items()).await?;
    let all = answer.items().iter().filter_map(|item| {
        let event = item.get("event").and_then(|event| event.as_s().ok())?;
        // Deleted since: a list does not show it, and nobody has anything to do for it.
        let item = stands.remove(event)?;
        read(endpoint, &item).map_err(|error| leave_out(&item, &error)).ok()
    });
    let all = all.collect();
    // By the keys, not by the last entry that could be read: the place moves on whatever is in between.
    let next = answer.last_evaluated_key().map(place).transpose()?;
    Ok((all, next))
}

impl Deliveries {
    /// What a list shows of these items of the index, by event: each as it stands now, however far the index is behind.
    async fn stands(&self, found: &[Item]) -> Result<HashMap<String, Item>, StoreError> {
        const OPERATION: &str = "BatchGetItem";
        let key = |item: &Item| {
            let part = |name: &str| Some((name.to_owned(), item.get(name)?.clone()));
            Some(Item::from([part("event")?, part("item")?]))
        };
        let keys: Vec<Item> = found.iter().filter_map(key).collect();
        let mut stands = HashMap::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_PER_READ) {
            let mut keys = keys.to_vec();
            for round in 0.. {
                let wanted = KeysAndAttributes::builder()
                    .set_keys(Some(keys))
                    .consistent_read(true)
                    .projection_expression("event, #item, #state, created_ms")
                    .expression_attribute_names("#item", "item")
                    .expression_attribute_names("#state", "state");
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.table, wanted.build().map_err(StoreError::unbuilt(OPERATION))?)
                    .send()
                    .await
                    .map_err(StoreError::failed(OPERATION))?;
                for item in answer.responses.unwrap_or_default().into_values().flatten() {
                    let event = Reading::new(TABLE, &item).text("event")?.to_owned();
                    stands.insert(event, item);
                }
                keys = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys).collect();
                if keys.is_empty() {
                    break;
                }
                if round == READ_ROUNDS {
                    return Err(StoreError::Failed { operation: OPERATION, cause: "keys stay unprocessed".into() });
                }
                tokio::time::sleep(Duration::from_millis(50 << round)).await;
            }
        }
        Ok(stands)
    }
}

fn leave_out(item: &Item, error: &StoreError) {
    let entry = Reading::new(TABLE, item);
    let (event, item) = (entry.maybe_text("event"), entry.maybe_text("item"));
    tracing::error!(%error, event, item, "an entry of an endpoint's deliveries cannot be read");
}

fn place(key: &Item) -> Result<Place, StoreError> {
    let key = Reading::new(TABLE, key);
    Ok(Place { created: Timestamp::from_millis(key.number("created_ms")?), event: key.text("event")?.into() })
}

fn read(endpoint: &EndpointId, item: &Item) -> Result<Listed, StoreError> {
    let item = Reading::new(TABLE, item);
    Ok(Listed {
        key: Key { event: item.text("event")?.into(), endpoint: endpoint.clone() },
        state: item.text("state")?.to_owned(),
        created: Timestamp::from_millis(item.number("created_ms")?),
    })
}
