//! What is held about a person beside records and events, as the items stand: for an export. Tokens and secrets lie in other
//! partitions than these; a text that is sealed would not leave here either.

use afferent_domain::id::{ConnectionId, EventId, NotificationId, UserId};
use aws_sdk_dynamodb::Client;
use futures_util::future::try_join_all;

use crate::StoreError;
use crate::connections::Connections;
use crate::deliveries::Deliveries;
use crate::duties::Owner;
use crate::item::{Item, Reading, n, s, to_json};
use crate::notifications::Notifications;

/// Attributes that never leave: of a sealed token pair, and what says nothing about the person.
const KEPT_BACK: [&str; 4] = ["access_token", "refresh_token", "due_shard", "due_ms"];

/// An item, told what it is by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// `user`, `connection`, `service`, `sweep`, `run`, `slice`, `doubt`, …; `notification`, `delivery`.
    pub name: String,
    /// The sort key, or the notification.
    pub item: String,
    /// The item as a JSON object.
    pub json: String,
}

/// Some of a partition, and the sort key to go on after.
pub type Held = (Vec<Holding>, Option<String>);

/// Where a page of notifications ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfterNotification {
    /// The last one.
    pub id: NotificationId,
    /// When it came, in milliseconds since the epoch.
    pub received_ms: i64,
}

impl Connections {
    /// Up to `limit` items of a user's own partition after the item `after`.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn held_of_user(&self, user: &UserId, after: Option<&str>, limit: u16) -> Result<Held, StoreError> {
        partition(&self.client, &self.table, ("owner", &format!("user#{user}")), "item", after, limit).await
    }

    /// Up to `limit` items of a connection after the item `after`: itself, what is known of its services, its runs.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn held_of_connection(
        &self,
        connection: &ConnectionId,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Held, StoreError> {
        let owner = Owner::Connection(connection.clone()).to_string();
        partition(&self.client, &self.table, ("owner", &owner), "item", after, limit).await
    }
}

impl Notifications {
    /// Up to `limit` notifications that wait for the person `userid` after `after`, the oldest first: no other is found by
    /// its person. Eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn held_for(
        &self,
        userid: &str,
        after: Option<&AfterNotification>,
        limit: u16,
    ) -> Result<(Vec<Holding>, Option<AfterNotification>), StoreError> {
        let start = after.map(|after| {
            Item::from([
                ("notification".to_owned(), s(after.id.as_str())),
                ("awaits".to_owned(), s(userid)),
                ("received_ms".to_owned(), n(after.received_ms)),
            ])
        });
        let (ids, next) = self.awaiting(userid, start, limit).await?;
        let held = try_join_all(ids.iter().map(async |id| {
            let get = self.client.get_item().table_name(&self.table).key("notification", s(id.as_str()));
            let item = get.send().await.map_err(StoreError::failed("GetItem"))?.item;
            let name = "notification".to_owned();
            Ok::<_, StoreError>(item.map(|item| Holding { name, item: id.to_string(), json: text(item) }))
        }));
        let held = held.await?.into_iter().flatten().collect();
        let next = next.map(|key| {
            let key = Reading::new("notifications", &key);
            let id = NotificationId::from(key.text("notification")?);
            Ok::<_, StoreError>(AfterNotification { id, received_ms: key.number("received_ms")? })
        });
        Ok((held, next.transpose()?))
    }
}

impl Deliveries {
    /// The deliveries of an event, without what each attempt met: that is the endpoint's.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn held_of_event(&self, event: &EventId) -> Result<Vec<Holding>, StoreError> {
        const PIECE: u16 = 200;
        let place = ("event", event.as_str());
        let (mut deliveries, mut after) = (Vec::new(), None::<String>);
        loop {
            let (held, next) = partition(&self.client, &self.table, place, "item", after.as_deref(), PIECE).await?;
            // The item of a delivery is its endpoint; those of its attempts have a number behind it.
            let some = held.into_iter().filter(|one| one.item == one.name);
            deliveries.extend(some.map(|one| Holding { name: "delivery".to_owned(), ..one }));
            after = next;
            if after.is_none() {
                return Ok(deliveries);
            }
        }
    }
}

async fn partition(
    client: &Client,
    table: &str,
    (partition, value): (&str, &str),
    sort: &str,
    after: Option<&str>,
    limit: u16,
) -> Result<Held, StoreError> {
    let start = after.map(|after| Item::from([(partition.to_owned(), s(value)), (sort.to_owned(), s(after))]));
    let page = client
        .query()
        .table_name(table)
        .key_condition_expression("#partition = :value")
        .expression_attribute_names("#partition", partition)
        .expression_attribute_values(":value", s(value))
        .limit(i32::from(limit.max(1)))
        .set_exclusive_start_key(start)
        .consistent_read(true)
        .send()
        .await
        .map_err(StoreError::failed("Query"))?;
    let place = |item: &Item| item.get(sort).and_then(|place| place.as_s().ok().cloned()).unwrap_or_default();
    let next = page.last_evaluated_key.as_ref().map(place);
    let held = page.items.unwrap_or_default().into_iter().map(|item| {
        let place = place(&item);
        Holding { name: place.split('#').next().unwrap_or_default().to_owned(), item: place, json: text(item) }
    });
    Ok((held.collect(), next))
}

fn text(mut item: Item) -> String {
    KEPT_BACK.iter().for_each(|name| drop(item.remove(*name)));
    to_json(&item)
}
