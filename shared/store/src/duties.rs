//! Duties: items of the `connections` table that are due, leased by whoever does them.
//!
//! The item's key is the owner's and the duty's own ([`Duty`]). As long as it exists it is in the due index:
//! under the lease's end while somebody works on it, under its due time else. What a duty keeps beside that
//! is its own module's.

use std::fmt;
use std::str::FromStr;

use afferent_domain::Timestamp;
use afferent_domain::duty::Duty;
use afferent_domain::id::{ConnectionId, ErasureId, PullId};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::StoreError;
use crate::connections::{AccountKey, Connections, refused};
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";

/// Whose duty it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A connection's.
    Connection(ConnectionId),
    /// An account's.
    Account(AccountKey),
    /// An application's, by its client id.
    Application(String),
    /// An erasure's.
    Erasure(ErasureId),
}

/// The partition key of its item.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(id) => write!(f, "connection#{id}"),
            Self::Account(account) => account.fmt(f),
            Self::Application(client_id) => write!(f, "app#{client_id}"),
            Self::Erasure(id) => write!(f, "erasure#{id}"),
        }
    }
}

/// The text names no owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such owner")]
pub struct UnknownOwner;

impl FromStr for Owner {
    type Err = UnknownOwner;

    fn from_str(text: &str) -> Result<Self, UnknownOwner> {
        match text.split_once('#') {
            Some(("connection", id)) => Ok(Self::Connection(ConnectionId::from(id))),
            Some(("app", client_id)) => Ok(Self::Application(client_id.to_owned())),
            Some(("erasure", id)) => Ok(Self::Erasure(ErasureId::from(id))),
            Some(("account", key)) => match key.split('#').collect::<Vec<_>>().as_slice() {
                [application, region, userid] => Ok(Self::Account(AccountKey {
                    application: (*application).to_owned(),
                    region: (*region).to_owned(),
                    userid: (*userid).to_owned(),
                })),
                _ => Err(UnknownOwner),
            },
            _ => Err(UnknownOwner),
        }
    }
}

/// Which duty of whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DutyKey {
    /// Whose.
    pub owner: Owner,
    /// Which.
    pub duty: Duty,
}

/// Something that is due: a mark or a duty, as the index names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueItem {
    /// The partition key.
    pub owner: String,
    /// The sort key.
    pub item: String,
    /// Since when.
    pub due: Timestamp,
}

/// What came of asking for a duty.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// It is ours until the lease ends; this is its item.
    Yes(Item),
    /// Somebody else has it, or it is not due yet.
    Held,
    /// It is done, and gone.
    Gone,
}

/// How work on a duty ends.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// It is done; the item goes.
    Done,
    /// It is due again; these attributes are set.
    Again {
        /// When.
        due: Timestamp,
        /// What is kept, by name.
        set: Vec<(&'static str, AttributeValue)>,
    },
    /// It is not due any more until somebody calls it; the item stays.
    Rest,
}

impl Connections {
    /// Adds a duty that is due at `due`, with attributes of its own. `false`, and nothing changed, if it is there
    /// already.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn add_duty(
        &self,
        key: &DutyKey,
        due: Timestamp,
        attributes: Vec<(&'static str, AttributeValue)>,
    ) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(duty_item(key, due, attributes)))
            .condition_expression("attribute_not_exists(#item)")
            .expression_attribute_names("#item", "item");
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(false)
            }
            Err(error) => Err(StoreError::failed("PutItem")(error)),
        }
    }

    /// Whether there is such a duty.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn has_duty(&self, key: &DutyKey) -> Result<bool, StoreError> {
        Ok(self.item(&key.owner.to_string(), &key.duty.to_string()).await?.is_some())
    }

    /// Makes a duty due at `due`, whether it was there or not, unless somebody is at work on it. What it keeps
    /// stays.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn call_duty(&self, key: &DutyKey, due: Timestamp) -> Result<bool, StoreError> {
        let owner = key.owner.to_string();
        let result = self
            .update(&owner, &key.duty.to_string())
            .update_expression("SET due_ms = :due, due_shard = :shard")
            .condition_expression("attribute_not_exists(lease_ms) AND (attribute_not_exists(due_ms) OR due_ms > :due)")
            .expression_attribute_values(":due", n(due.as_millis()))
            .expression_attribute_values(":shard", s(key.duty.family().shard(&owner)))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if refused(&error) => Ok(false),
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }

    /// Asks for the duty until `until`. One that is due later than `now` is held.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn take_duty(
        &self,
        key: &DutyKey,
        holder: &PullId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Taken, StoreError> {
        let result = self
            .update(&key.owner.to_string(), &key.duty.to_string())
            .update_expression("SET lease_pull = :holder, lease_ms = :until, due_ms = :until")
            .condition_expression(
                "attribute_exists(due_ms) AND (attribute_not_exists(lease_ms) OR lease_ms <= :now) \
                 AND (due_ms <= :now OR fed_ms <= :now)",
            )
            .expression_attribute_values(":holder", s(holder.as_str()))
            .expression_attribute_values(":until", n(until.as_millis()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(answer) => Ok(Taken::Yes(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(found)) => {
                    Ok(if found.item().is_some() { Taken::Held } else { Taken::Gone })
                }
                _ => Err(StoreError::failed("UpdateItem")(error)),
            },
        }
    }

    /// Ends the work of `holder` on a duty. `false` if the lease ran out and somebody else has it: then nothing
    /// is changed.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn end_duty(&self, key: &DutyKey, holder: &PullId, end: End) -> Result<bool, StoreError> {
        let (owner, item) = (key.owner.to_string(), key.duty.to_string());
        match end {
            End::Done => {
                let delete = self
                    .client
                    .delete_item()
                    .table_name(&self.table)
                    .key("owner", s(owner))
                    .key("item", s(item))
                    .condition_expression("lease_pull = :holder")
                    .expression_attribute_values(":holder", s(holder.as_str()));
                match delete.send().await {
                    Ok(_) => Ok(true),
                    Err(error)
                        if error
                            .as_service_error()
                            .is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
                    {
                        Ok(false)
                    }
                    Err(error) => Err(StoreError::failed("DeleteItem")(error)),
                }
            }
            End::Rest => {
                let update = self
                    .update(&owner, &item)
                    .update_expression("REMOVE due_ms, due_shard, lease_pull, lease_ms, fed_ms")
                    .condition_expression("lease_pull = :holder")
                    .expression_attribute_values(":holder", s(holder.as_str()));
                match update.send().await {
                    Ok(_) => Ok(true),
                    Err(error) if refused(&error) => Ok(false),
                    Err(error) => Err(StoreError::failed("UpdateItem")(error)),
                }
            }
            End::Again { due, set } => {
                let mut update = self
                    .update(&owner, &item)
                    .condition_expression("lease_pull = :holder")
                    .expression_attribute_values(":holder", s(holder.as_str()))
                    .expression_attribute_values(":due", n(due.as_millis()));
                let mut expression = "SET due_ms = :due".to_owned();
                for (place, (name, value)) in set.into_iter().enumerate() {
                    expression.push_str(&format!(", #k{place} = :v{place}"));
                    update = update
                        .expression_attribute_names(format!("#k{place}"), name)
                        .expression_attribute_values(format!(":v{place}"), value);
                }
                let update = update.update_expression(expression + " REMOVE lease_pull, lease_ms, fed_ms");
                match update.send().await {
                    Ok(_) => Ok(true),
                    Err(error) if refused(&error) => Ok(false),
                    Err(error) => Err(StoreError::failed("UpdateItem")(error)),
                }
            }
        }
    }

    /// What is due by `until` in a partition of the index, the oldest first, at most `most`.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn due(&self, shard: &str, until: Timestamp, most: i32) -> Result<Vec<DueItem>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_due")
            .key_condition_expression("due_shard = :shard AND due_ms <= :until")
            .expression_attribute_values(":shard", s(shard))
            .expression_attribute_values(":until", n(until.as_millis()))
            .limit(most)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        Ok(answer.items().iter().filter_map(read_due).collect())
    }

    /// Moves the due time of something that nobody holds, so that it is woken once and not at every look.
    /// Whoever the message reaches may still take it at once. `false` if it was taken, moved or done meanwhile.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn postpone(&self, due: &DueItem, until: Timestamp) -> Result<bool, StoreError> {
        let result = self
            .update(&due.owner, &due.item)
            .update_expression("SET due_ms = :until, fed_ms = :was")
            .condition_expression("due_ms = :was")
            .expression_attribute_values(":until", n(until.as_millis()))
            .expression_attribute_values(":was", n(due.due.as_millis()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if refused(&error) => Ok(false),
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }
}

/// The item of a duty that nobody holds.
pub(crate) fn duty_item(key: &DutyKey, due: Timestamp, attributes: Vec<(&'static str, AttributeValue)>) -> Item {
    let owner = key.owner.to_string();
    let mut item: Item = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    item.insert("due_shard".to_owned(), s(key.duty.family().shard(&owner)));
    item.insert("due_ms".to_owned(), n(due.as_millis()));
    item.insert("item".to_owned(), s(key.duty.to_string()));
    item.insert("owner".to_owned(), s(owner));
    item
}

fn read_due(item: &Item) -> Option<DueItem> {
    let reading = Reading::new(TABLE, item);
    Some(DueItem {
        owner: reading.maybe_text("owner")?.to_owned(),
        item: reading.maybe_text("item")?.to_owned(),
        due: Timestamp::from_millis(reading.maybe_number("due_ms")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_reads_back_as_it_was_written() {
        let account =
            AccountKey { application: "app".to_owned(), region: "eu".to_owned(), userid: "90001001".to_owned() };
        for owner in [
            Owner::Connection(ConnectionId::from("con_1")),
            Owner::Account(account),
            Owner::Application("client".to_owned()),
            Owner::Erasure(ErasureId::from("ers_1")),
        ] {
            assert_eq!(owner.to_string().parse(), Ok(owner));
        }
        for text in ["", "con_1", "account#app#eu", "table#1"] {
            assert_eq!(text.parse::<Owner>(), Err(UnknownOwner), "{text}");
        }
    }
}
