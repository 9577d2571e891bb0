//! Marks, leases and cursors: the item `service#<service>` of a connection, in the `connections` table.
//!
//! The item is in the due index as long as it is dirty: under the lease's end while a pull is under way,
//! under a due time else. So a pull that dies with its lease is woken by `keeper` when the lease ends.

use afferent_domain::Timestamp;
use afferent_domain::id::{ConnectionId, PullId};
use afferent_domain::mark::Entry;
use afferent_domain::service::Service;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::StoreError;
use crate::connections::{Connections, refused};
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";
const OPERATION: &str = "UpdateItem";

/// How many partitions the due index is spread over.
pub const DUE_SHARDS: u8 = 10;

/// The mark as a pull finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The notifications to satisfy.
    pub entries: Vec<Entry>,
    /// Rises with every notification; tells whether another came meanwhile.
    pub count: u64,
    /// The greatest `modified` (epoch seconds) whose rows are stored.
    pub cursor: Option<i64>,
}

/// What came of asking for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// It is ours, and this is what there is to do.
    Taken(Mark),
    /// Another pull is under way; it will see the newest mark before it ends.
    Held,
    /// There is nothing to do: another pull satisfied it.
    Clean,
}

/// What came of giving the lease back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// It is given back.
    Done,
    /// Another notification came meanwhile. The lease is still ours, and this is the mark now.
    Newer(Mark),
    /// The lease ran out and somebody else has it.
    Lost,
}

/// How a pull ends.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// The entries that it satisfied.
    pub satisfied: Vec<Entry>,
    /// When the others are to be looked at again; `None` if there are none.
    pub due: Option<Timestamp>,
    /// The new cursor, if it moved. What it covers is stored.
    pub cursor: Option<i64>,
}

/// A mark that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The connection.
    pub connection: ConnectionId,
    /// The service.
    pub service: Service,
    /// Since when.
    pub due: Timestamp,
}

impl Connections {
    /// Marks the service of the connection dirty. Doing it again for the same notification only counts again.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn mark(
        &self,
        connection: &ConnectionId,
        service: Service,
        entry: &Entry,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        self.update(&owner(connection), &item(service))
            .update_expression(
                "SET due_shard = :shard, due_ms = if_not_exists(due_ms, :due) ADD entries :entry, marks :one",
            )
            .expression_attribute_values(":shard", s(shard(connection)))
            .expression_attribute_values(":due", n(due.as_millis()))
            .expression_attribute_values(":entry", AttributeValue::Ss(vec![entry.to_text()]))
            .expression_attribute_values(":one", n(1))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed(OPERATION))
    }

    /// Asks for the pull lease until `until`.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn lease(
        &self,
        connection: &ConnectionId,
        service: Service,
        pull: &PullId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let result = self
            .update(&owner(connection), &item(service))
            .update_expression("SET lease_pull = :pull, lease_ms = :until, due_ms = :until, due_shard = :shard")
            .condition_expression("attribute_exists(entries) AND (attribute_not_exists(lease_ms) OR lease_ms <= :now)")
            .expression_attribute_values(":pull", s(pull.as_str()))
            .expression_attribute_values(":until", n(until.as_millis()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":shard", s(shard(connection)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(answer) => Ok(Lease::Taken(read(&answer.attributes.unwrap_or_default())?)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(found)) => {
                    let dirty = found.item().is_some_and(|item| item.contains_key("entries"));
                    Ok(if dirty { Lease::Held } else { Lease::Clean })
                }
                _ => Err(StoreError::failed(OPERATION)(error)),
            },
        }
    }

    /// Gives the lease back, unless another notification came since `mark` was read: then the lease stays
    /// (until `until`), and the new mark is the answer. The satisfied entries are struck out either way.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn release(
        &self,
        connection: &ConnectionId,
        service: Service,
        pull: &PullId,
        mark: &Mark,
        ending: &Ending,
        until: Timestamp,
    ) -> Result<Release, StoreError> {
        let set = match (ending.due, ending.cursor) {
            (None, None) => "REMOVE lease_pull, lease_ms, due_ms, due_shard",
            (Some(_), None) => "SET due_ms = :due REMOVE lease_pull, lease_ms",
            (None, Some(_)) => "SET cursor_s = :cursor REMOVE lease_pull, lease_ms, due_ms, due_shard",
            (Some(_), Some(_)) => "SET due_ms = :due, cursor_s = :cursor REMOVE lease_pull, lease_ms",
        };
        match self.strike(connection, service, pull, ending, set, Some(mark.count)).await? {
            Struck::Done(_) => return Ok(Release::Done),
            Struck::Lost => return Ok(Release::Lost),
            Struck::Newer => {}
        }
        let keep = match ending.cursor {
            None => "SET lease_ms = :due, due_ms = :due",
            Some(_) => "SET lease_ms = :due, due_ms = :due, cursor_s = :cursor",
        };
        let ending = Ending { due: Some(until), ..ending.clone() };
        match self.strike(connection, service, pull, &ending, keep, None).await? {
            Struck::Done(item) => Ok(Release::Newer(read(&item)?)),
            Struck::Lost | Struck::Newer => Ok(Release::Lost),
        }
    }

    async fn strike(
        &self,
        connection: &ConnectionId,
        service: Service,
        pull: &PullId,
        ending: &Ending,
        expression: &str,
        count: Option<u64>,
    ) -> Result<Struck, StoreError> {
        let satisfied: Vec<String> = ending.satisfied.iter().map(Entry::to_text).collect();
        let delete = if satisfied.is_empty() { "" } else { " DELETE entries :satisfied" };
        let mut update = self
            .update(&owner(connection), &item(service))
            .update_expression(format!("{expression}{delete}"))
            .condition_expression(match count {
                Some(_) => "lease_pull = :pull AND marks = :count",
                None => "lease_pull = :pull",
            })
            .expression_attribute_values(":pull", s(pull.as_str()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if !satisfied.is_empty() {
            update = update.expression_attribute_values(":satisfied", AttributeValue::Ss(satisfied));
        }
        if let Some(count) = count {
            update = update.expression_attribute_values(":count", n(count));
        }
        if let Some(due) = ending.due {
            update = update.expression_attribute_values(":due", n(due.as_millis()));
        }
        if let Some(cursor) = ending.cursor {
            update = update.expression_attribute_values(":cursor", n(cursor));
        }
        match update.send().await {
            Ok(answer) => Ok(Struck::Done(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(found)) => {
                    let holder = found.item().and_then(|item| item.get("lease_pull")?.as_s().ok());
                    Ok(if holder.is_some_and(|holder| holder == pull.as_str()) { Struck::Newer } else { Struck::Lost })
                }
                _ => Err(StoreError::failed(OPERATION)(error)),
            },
        }
    }

    /// Moves the due time of a mark that nobody holds, so that it is woken once and not at every look.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn postpone(&self, due: &Due, until: Timestamp) -> Result<bool, StoreError> {
        let result = self
            .update(&owner(&due.connection), &item(due.service))
            .update_expression("SET due_ms = :until")
            .condition_expression("due_ms = :was")
            .expression_attribute_values(":until", n(until.as_millis()))
            .expression_attribute_values(":was", n(due.due.as_millis()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if refused(&error) => Ok(false),
            Err(error) => Err(StoreError::failed(OPERATION)(error)),
        }
    }

    /// The marks of shard `shard` (below [`DUE_SHARDS`]) that are due by `until`, the oldest first, at most `most`.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn due(&self, shard: u8, until: Timestamp, most: i32) -> Result<Vec<Due>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_due")
            .key_condition_expression("due_shard = :shard AND due_ms <= :until")
            .expression_attribute_values(":shard", s(format!("{shard:02}")))
            .expression_attribute_values(":until", n(until.as_millis()))
            .limit(most)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        Ok(answer.items().iter().filter_map(read_due).collect())
    }
}

enum Struck {
    Done(Item),
    Newer,
    Lost,
}

fn owner(connection: &ConnectionId) -> String {
    format!("connection#{connection}")
}

fn item(service: Service) -> String {
    format!("service#{}", service.name())
}

fn shard(connection: &ConnectionId) -> String {
    let sum = connection.as_str().bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{:02}", sum % u32::from(DUE_SHARDS))
}

fn read(item: &Item) -> Result<Mark, StoreError> {
    let reading = Reading::new(TABLE, item);
    Ok(Mark {
        entries: reading.set("entries").iter().filter_map(|text| Entry::from_text(text)).collect(),
        count: reading.number("marks")?,
        cursor: reading.maybe_number("cursor_s"),
    })
}

fn read_due(item: &Item) -> Option<Due> {
    let reading = Reading::new(TABLE, item);
    Some(Due {
        connection: ConnectionId::from(reading.maybe_text("owner")?.strip_prefix("connection#")?),
        service: reading.maybe_text("item")?.strip_prefix("service#")?.parse().ok()?,
        due: Timestamp::from_millis(reading.maybe_number("due_ms")?),
    })
}
