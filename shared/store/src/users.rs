//! Users: the people by the customer's own `reference_id`, and the directories in which they and their connections
//! are found. All in the `connections` table.
//!
//! | `owner` | `item` | holds |
//! |---|---|---|
//! | `user#<user>` | `user` | the reference, the time zone, when it was made |
//! | `user#<user>` | `connection#<connection>` | that it is the user's; nothing else |
//! | `user#<user>` | `link#<SHA-256>`, `state#<SHA-256>` | that such a one was made for the user |
//! | `_users` | `<user>` | the same as the first, in the order of the ids |
//! | `_connections` | `<connection>` | whose it is |
//!
//! A user's id is derived from the reference, so two makers of one user write the same items. What a connection says of
//! itself is at its own item, and nowhere here: a third copy would be one more that can be wrong.

use std::collections::HashMap;

use afferent_domain::Timestamp;
use afferent_domain::id::{ConnectionId, UserId};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Select, TransactWriteItem};
use futures_util::future::try_join_all;

use crate::StoreError;
use crate::connect::{OPERATION, refused};
use crate::connections::{Connection, Connections};
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";

/// The directory of users.
pub(crate) const USERS: &str = "_users";

/// The directory of connections.
pub(crate) const CONNECTIONS: &str = "_connections";

/// How many connections are read at once; one user seldom has more than two.
const PAGE: i32 = 100;

/// A person, as the customer names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Derived from the reference.
    pub id: UserId,
    /// What the customer calls the person.
    pub reference: String,
    /// The person's time zone (IANA), if the customer gave one.
    pub tz: Option<String>,
    /// When it was made here.
    pub created: Timestamp,
}

/// A user, and whether it was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The user.
    pub user: User,
    /// Whether this call made it.
    pub new: bool,
}

impl Connections {
    /// Makes the user of this reference, or finds it. A time zone that is given replaces the one there was.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn make_user(&self, reference: &str, tz: Option<&str>, now: Timestamp) -> Result<Made, StoreError> {
        let user = UserId::derive(&[reference]);
        let known = self.user(&user).await?;
        let new = known.is_none();
        if let Some(known) = known
            && (tz.is_none() || known.tz.as_deref() == tz)
        {
            if self.erasing(&user).await?.is_some() {
                return Err(StoreError::Erasing);
            }
            return Ok(Made { user: known, new: false });
        }
        let writes = self.user_writes(&user, reference, tz, now)?;
        if self.transact(writes).await?.is_none() {
            return Err(self.why_refused(&user).await);
        }
        let user = self.user(&user).await?.ok_or(StoreError::Conflict { operation: OPERATION })?;
        // Of two makers at once both may say that it was there; never both that it was not.
        Ok(Made { new: new && user.created == now, user })
    }

    /// The two items of a user.
    pub(crate) fn user_writes(
        &self,
        user: &UserId,
        reference: &str,
        tz: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut expression =
            "SET #user = :user, #reference = :reference, created_ms = if_not_exists(created_ms, :now)".to_owned();
        let mut values: Vec<(&'static str, AttributeValue)> =
            vec![(":user", s(user.as_str())), (":reference", s(reference)), (":now", n(now.as_millis()))];
        if let Some(tz) = tz {
            expression.push_str(", tz = :tz");
            values.push((":tz", s(tz)));
        }
        Ok(vec![
            self.nobody_erases(user)?,
            self.write(&format!("user#{user}"), "user", &expression, values.clone())?,
            self.write(USERS, user.as_str(), &expression, values)?,
        ])
    }

    /// The two items by which a connection is found.
    pub(crate) fn directory_writes(&self, connection: &Connection) -> Result<[TransactWriteItem; 2], StoreError> {
        let expression = "SET #user = :user, #connection = :connection";
        let values = || vec![(":user", s(connection.user.as_str())), (":connection", s(connection.id.as_str()))];
        Ok([
            self.write(
                &format!("user#{}", connection.user),
                &format!("connection#{}", connection.id),
                expression,
                values(),
            )?,
            self.write(CONNECTIONS, connection.id.as_str(), expression, values())?,
        ])
    }

    /// One user.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn user(&self, user: &UserId) -> Result<Option<User>, StoreError> {
        self.item(&format!("user#{user}"), "user").await?.as_ref().map(read).transpose()
    }

    /// Up to `limit` users after `after`, in the order of their ids, and the one to go on after.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn users(&self, after: Option<&UserId>, limit: u16) -> Result<(Vec<User>, Option<UserId>), StoreError> {
        let (items, next) = self.directory(USERS, after.map(UserId::as_str), limit).await?;
        Ok((items.iter().map(read).collect::<Result<_, _>>()?, next.map(UserId::from)))
    }

    /// The connections of a user, in the order of their ids: all of them, because an erasure goes by this list.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn of_user(&self, user: &UserId) -> Result<Vec<Connection>, StoreError> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let query = self.connections_of(user, None).limit(PAGE).set_exclusive_start_key(start);
            let page = query.send().await.map_err(StoreError::failed("Query"))?;
            found.extend(self.found(page.items()).await?);
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Up to `limit` connections of a user in the order of their ids, from `from` on, and the one that follows them.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn some_of_user(
        &self,
        user: &UserId,
        from: Option<&ConnectionId>,
        limit: u16,
    ) -> Result<(Vec<Connection>, Option<ConnectionId>), StoreError> {
        let query = self.connections_of(user, from).limit(i32::from(limit) + 1);
        let page = query.send().await.map_err(StoreError::failed("Query"))?;
        let (entries, following) = page.items().split_at(page.items().len().min(usize::from(limit)));
        let id = |entry| Reading::new(TABLE, entry).text("connection").map(ConnectionId::from);
        Ok((self.found(entries).await?, following.first().map(id).transpose()?))
    }

    /// How many connections a user has, up to `most`.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn count_of_user(&self, user: &UserId, most: u16) -> Result<u16, StoreError> {
        let query = self.connections_of(user, None).select(Select::Count).limit(i32::from(most));
        let page = query.send().await.map_err(StoreError::failed("Query"))?;
        Ok(u16::try_from(page.count).unwrap_or(most))
    }

    /// Asks for the entries of a user's connections, in the order of their ids, from `from` on.
    fn connections_of(&self, user: &UserId, from: Option<&ConnectionId>) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            // `$` is the character after `#`.
            .key_condition_expression("#owner = :owner AND #item BETWEEN :from AND :end")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":owner", s(format!("user#{user}")))
            .expression_attribute_values(":from", s(format!("connection#{}", from.map_or("", ConnectionId::as_str))))
            .expression_attribute_values(":end", s("connection$"))
            .consistent_read(true)
    }

    /// Up to `limit` connections of all users after `after`, in the order of their ids, and the one to go on after.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn all(
        &self,
        after: Option<&ConnectionId>,
        limit: u16,
    ) -> Result<(Vec<Connection>, Option<ConnectionId>), StoreError> {
        let (items, next) = self.directory(CONNECTIONS, after.map(ConnectionId::as_str), limit).await?;
        Ok((self.found(&items).await?, next.map(ConnectionId::from)))
    }

    /// The connections that entries name. One that is erased meanwhile is left out.
    async fn found(&self, entries: &[Item]) -> Result<Vec<Connection>, StoreError> {
        let ids: Vec<ConnectionId> = entries
            .iter()
            .map(|entry| Reading::new(TABLE, entry).text("connection").map(ConnectionId::from))
            .collect::<Result<_, _>>()?;
        Ok(try_join_all(ids.iter().map(|id| self.get(id))).await?.into_iter().flatten().collect())
    }

    async fn directory(
        &self,
        directory: &str,
        after: Option<&str>,
        limit: u16,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let start =
            after.map(|after| HashMap::from([("owner".to_owned(), s(directory)), ("item".to_owned(), s(after))]));
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(directory))
            .limit(i32::from(limit.max(1)))
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let next = page.last_evaluated_key.as_ref().and_then(|key| key.get("item")?.as_s().ok().cloned());
        Ok((page.items.unwrap_or_default(), next))
    }

    /// Deletes what is kept of a user as a user: the entry of the directory, the reference, and the links and states
    /// that were made for the user. Connections stay, but are not found by the user any more. How many items there were.
    ///
    /// # Errors
    /// DynamoDB fails; then it is to be done again.
    pub async fn forget_user(&self, user: &UserId) -> Result<u64, StoreError> {
        let own = format!("user#{user}");
        let mut gone = 0;
        for item in self.items_under(&own).await? {
            if let Some((what @ ("link" | "state"), _)) = item.split_once('#') {
                self.delete(&item, what).await?;
                gone += 1;
            }
            self.delete(&own, &item).await?;
            gone += 1;
        }
        self.delete(USERS, user.as_str()).await?;
        Ok(gone + 1)
    }

    /// The sort keys of an owner.
    async fn items_under(&self, owner: &str) -> Result<Vec<String>, StoreError> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("#owner = :owner")
                .projection_expression("#item")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_names("#item", "item")
                .expression_attribute_values(":owner", s(owner))
                .set_exclusive_start_key(start)
                .consistent_read(true)
                .send()
                .await
                .map_err(StoreError::failed("Query"))?;
            found.extend(page.items().iter().filter_map(|item| item.get("item")?.as_s().ok().cloned()));
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    async fn delete(&self, owner: &str, item: &str) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).key("owner", s(owner)).key("item", s(item));
        delete.send().await.map(drop).map_err(StoreError::failed("DeleteItem"))
    }

    /// Sends a transaction, again while it meets other writers; `None` if a condition of it failed.
    ///
    /// # Errors
    /// DynamoDB fails, or others keep writing; then nothing is stored.
    pub(crate) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Option<()>, StoreError> {
        for round in 0..crate::connect::ROUNDS {
            let sent = self.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
            let Err(error) = sent else { return Ok(Some(())) };
            match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) if refused(canceled) => {
                    return Ok(None);
                }
                Some(TransactWriteItemsError::TransactionCanceledException(canceled))
                    if crate::connect::conflict(canceled) => {}
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => {}
                _ => return Err(StoreError::failed(OPERATION)(error)),
            }
            tokio::time::sleep(std::time::Duration::from_millis(25 << round)).await;
        }
        Err(StoreError::Conflict { operation: OPERATION })
    }
}

fn read(item: &Item) -> Result<User, StoreError> {
    let reading = Reading::new(TABLE, item);
    Ok(User {
        id: UserId::from(reading.text("user")?),
        reference: reading.text("reference")?.to_owned(),
        tz: reading.maybe_text("tz").map(str::to_owned),
        created: Timestamp::from_millis(reading.number("created_ms")?),
    })
}
