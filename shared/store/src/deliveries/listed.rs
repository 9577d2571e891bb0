//! The deliveries of one endpoint, by when they were made.

use afferent_domain::Timestamp;
use afferent_domain::delivery::Key;
use afferent_domain::id::{EndpointId, EventId};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;

use super::{Deliveries, TABLE};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

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
    /// more. The index may be a moment behind. An entry that cannot be read is logged and left out: it must not hide the
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
        page(endpoint, query, after, limit).await
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
        page(endpoint, query, after, limit).await
    }
}

async fn page(
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
    let all =
        answer.items().iter().filter_map(|item| read(endpoint, item).map_err(|error| leave_out(item, &error)).ok());
    // By the keys, not by the last entry that could be read: the place moves on whatever is in between.
    let next = answer.last_evaluated_key().map(place).transpose()?;
    Ok((all.collect(), next))
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
