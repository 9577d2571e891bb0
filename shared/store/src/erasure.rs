//! What erasing a person's data needs of the tables: pages of keys, and plain deletes. Deleting is no retraction: a
//! record that goes leaves the stream as a removal, of which no event is made.

mod late;
mod person;
mod receipt;
mod remains;

pub use person::{Begun, Ended};
pub use receipt::{erasure_attributes, read_erasure};
pub use remains::Remains;

use afferent_domain::event::Event;
use afferent_domain::id::{ConnectionId, EventId, NotificationId, RecordId, UserId};
use aws_sdk_dynamodb::Client;

use crate::StoreError;
use crate::connections::Connections;
use crate::deliveries::Deliveries;
use crate::duties::Owner;
use crate::events::Events;
use crate::events::items::read_event;
use crate::item::{Item, Reading, n, s};
use crate::notifications::Notifications;
use crate::records::Records;

/// A record, as far as erasing it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasable {
    /// Which.
    pub record: RecordId,
    /// What brought it.
    pub connection: ConnectionId,
    /// What it is.
    pub kind: String,
}

impl Records {
    /// A page of a user's records after `after`, in the order of their ids, and whether there are more.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is no record.
    pub async fn erasable(
        &self,
        user: &UserId,
        after: Option<&RecordId>,
        limit: u16,
    ) -> Result<(Vec<Erasable>, bool), StoreError> {
        let start = after.map(|after| keyed([("user", user.as_str()), ("record", after.as_str())]));
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#user = :user")
            .projection_expression("#record, #connection, #kind")
            .expression_attribute_names("#user", "user")
            .expression_attribute_names("#record", "record")
            .expression_attribute_names("#connection", "connection")
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_values(":user", s(user.as_str()))
            .limit(i32::from(limit.max(1)))
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let read = |item: &Item| {
            let reading = Reading::new("records", item);
            Ok(Erasable {
                record: reading.text("record")?.into(),
                connection: reading.text("connection")?.into(),
                kind: reading.text("kind")?.to_owned(),
            })
        };
        let records = page.items().iter().map(read).collect::<Result<_, StoreError>>()?;
        Ok((records, page.last_evaluated_key.is_some()))
    }

    /// Deletes a record with all that it says.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn erase(&self, user: &UserId, record: &RecordId) -> Result<(), StoreError> {
        delete(&self.client, &self.table, keyed([("user", user.as_str()), ("record", record.as_str())])).await
    }
}

impl Events {
    /// Up to `limit` events of a journal after number `after`, gaps or none.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn erasable(&self, user: &UserId, after: u64, limit: u16) -> Result<Vec<Event>, StoreError> {
        let query = self.behind(user, after).limit(i32::from(limit.max(1)));
        let page = query.send().await.map_err(StoreError::failed("Query"))?;
        page.items().iter().map(|item| read_event(user, item)).collect()
    }

    /// Deletes an event. Its marker stays until its TTL, and holds ids only: without it the change could get
    /// another event.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn erase(&self, event: &Event) -> Result<(), StoreError> {
        let mut key = keyed([("journal", event.user.as_str())]);
        key.insert("sequence".to_owned(), n(event.sequence));
        delete(&self.client, &self.table, key).await
    }
}

impl Deliveries {
    /// Deletes the deliveries of an event with their attempts; how many items there were.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn erase_of(&self, event: &EventId) -> Result<u64, StoreError> {
        let mut erased = 0;
        for item in items_of(&self.client, &self.table, ("event", event.as_str()), "item").await? {
            delete(&self.client, &self.table, keyed([("event", event.as_str()), ("item", &item)])).await?;
            erased += 1;
        }
        Ok(erased)
    }
}

impl Notifications {
    /// Deletes a notification.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn erase(&self, id: &NotificationId) -> Result<(), StoreError> {
        delete(&self.client, &self.table, keyed([("notification", id.as_str())])).await
    }
}

impl Connections {
    /// Deletes what is kept about a connection (marks, cursors, anchors, runs, duties), but for the connection itself,
    /// which says that it has ended, the duty of erasing, and what that keeps for its last pass; how many items there were.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn erase_rest(&self, connection: &ConnectionId) -> Result<u64, StoreError> {
        let owner = Owner::Connection(connection.clone()).to_string();
        self.erase_under(&owner, |item| item != "connection" && item != "erasure" && !late::is_late(item)).await
    }

    /// Deletes those items of an owner whose sort keys `goes` names; how many there were.
    async fn erase_under(&self, owner: &str, goes: impl Fn(&str) -> bool) -> Result<u64, StoreError> {
        let mut erased = 0;
        for item in items_of(&self.client, &self.table, ("owner", owner), "item").await? {
            if goes(&item) {
                self.erase_item(owner, &item).await?;
                erased += 1;
            }
        }
        Ok(erased)
    }

    async fn erase_item(&self, owner: &str, item: &str) -> Result<(), StoreError> {
        delete(&self.client, &self.table, keyed([("owner", owner), ("item", item)])).await
    }
}

/// The sort keys of a partition.
async fn items_of(
    client: &Client,
    table: &str,
    (partition, value): (&str, &str),
    sort: &str,
) -> Result<Vec<String>, StoreError> {
    let (mut found, mut start) = (Vec::new(), None);
    loop {
        let page = client
            .query()
            .table_name(table)
            .key_condition_expression("#partition = :value")
            .projection_expression("#sort")
            .expression_attribute_names("#partition", partition)
            .expression_attribute_names("#sort", sort)
            .expression_attribute_values(":value", s(value))
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let texts = page.items().iter().filter_map(|item| item.get(sort)?.as_s().ok().cloned());
        found.extend(texts);
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(found);
        }
    }
}

async fn delete(client: &Client, table: &str, key: Item) -> Result<(), StoreError> {
    let delete = client.delete_item().table_name(table).set_key(Some(key)).send();
    delete.await.map(drop).map_err(StoreError::failed("DeleteItem"))
}

fn keyed<const N: usize>(texts: [(&str, &str); N]) -> Item {
    texts.into_iter().map(|(name, text)| (name.to_owned(), s(text))).collect()
}
