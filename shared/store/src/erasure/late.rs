//! Events that an erasure deleted, kept by their ids alone until its last pass: whoever was at work on one when it went
//! (a dispatcher in a try, `fanout` between the event and its deliveries, a job) may have written a delivery or an attempt
//! since, and those are found by the event's id and by nothing else. Items `late#<number of the first event>` of the
//! erasure, or of the connection whose data is erased. None stays for ever: where no last pass comes, the TTL takes it.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::event::Event;
use afferent_domain::id::EventId;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::StoreError;
use crate::connections::Connections;
use crate::duties::Owner;
use crate::item::{Reading, n, s};

const PREFIX: &str = "late#";

/// Longer than an erasure waits for Withings, and its passes take; and than a delivery of an event that is gone lives.
const KEPT: Duration = Duration::from_secs(60 * 24 * 3600);

/// Whether a sort key is of such an item.
pub(super) fn is_late(item: &str) -> bool {
    item.starts_with(PREFIX)
}

impl Connections {
    /// Keeps the ids of events that are about to be erased, of one journal and in its order.
    ///
    /// # Errors
    /// DynamoDB fails; then they must stay.
    pub async fn keep_late(&self, owner: &Owner, events: &[Event], now: Timestamp) -> Result<(), StoreError> {
        let Some(first) = events.first() else { return Ok(()) };
        let ids = events.iter().map(|event| event.id.as_str().to_owned()).collect();
        self.update(&owner.to_string(), &format!("{PREFIX}{:020}", first.sequence))
            // A run that died may have kept some of them already.
            .update_expression("SET expires_at = :expires ADD events :events")
            .expression_attribute_values(":expires", n((now + KEPT).as_secs()))
            .expression_attribute_values(":events", AttributeValue::Ss(ids))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed("UpdateItem"))
    }

    /// The first events that were kept, and the name by which they are forgotten; `None` when nothing is left.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn late(&self, owner: &Owner) -> Result<Option<(String, Vec<EventId>)>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#owner = :owner AND begins_with(#item, :prefix)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":owner", s(owner.to_string()))
            .expression_attribute_values(":prefix", s(PREFIX))
            .limit(1)
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let Some(item) = page.items().first() else { return Ok(None) };
        let reading = Reading::new("connections", item);
        let events = reading.set("events").into_iter().map(EventId::from).collect();
        Ok(Some((reading.text("item")?.to_owned(), events)))
    }

    /// Forgets what was kept under this name.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn forget_late(&self, owner: &Owner, name: &str) -> Result<(), StoreError> {
        self.erase_item(&owner.to_string(), name).await
    }
}
