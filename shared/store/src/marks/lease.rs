//! The pull lease of a mark: it is asked for, and given back with what was satisfied.

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::id::{ConnectionId, PullId};
use afferent_domain::mark::Entry;
use afferent_domain::service::Service;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::{Mark, OPERATION, Pulled, item, owner, read, shard};
use crate::StoreError;
use crate::connections::Connections;
use crate::item::{Item, n, s};

/// What came of asking for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// It is ours, and this is what there is to do.
    Taken(Mark),
    /// Another pull is under way, and will see the newest mark before it ends; or the service is left alone
    /// for a while after a failure.
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
#[derive(Clone, Debug)]
pub struct Ending {
    /// The entries that it satisfied.
    pub satisfied: Vec<Entry>,
    /// When the others are to be looked at again; `None` if there are none.
    pub due: Option<Timestamp>,
    /// The highest lane that the others are read in.
    pub lane: Lane,
    /// The new cursor, if it moved. What it covers is stored.
    pub cursor: Option<i64>,
    /// How far a read came that was cut short, for the next pull to go on from.
    pub progress: Option<String>,
    /// How often it failed in a row; while it is not 0 the service is left alone until `due`.
    pub failures: u32,
    /// How the reading went, if there was one.
    pub pulled: Option<Pulled>,
}

impl Default for Ending {
    fn default() -> Self {
        let (satisfied, due, cursor, progress) = (Vec::new(), None, None, None);
        Self { satisfied, due, lane: Lane::Live, cursor, progress, failures: 0, pulled: None }
    }
}

impl Connections {
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
            .update_expression(
                "SET lease_pull = :pull, lease_ms = :until, due_ms = :until, \
                 due_shard = if_not_exists(due_shard, :shard)",
            )
            .condition_expression(
                "attribute_exists(entries) AND (attribute_not_exists(lease_ms) OR lease_ms <= :now) \
                 AND (attribute_not_exists(not_before_ms) OR not_before_ms <= :now)",
            )
            .expression_attribute_values(":pull", s(pull.as_str()))
            .expression_attribute_values(":until", n(until.as_millis()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":shard", s(shard(connection, Lane::Live)))
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
        match self.strike(connection, service, pull, ending, None, Some(mark.count)).await? {
            Struck::Done(_) => return Ok(Release::Done),
            Struck::Lost => return Ok(Release::Lost),
            Struck::Newer => {}
        }
        match self.strike(connection, service, pull, ending, Some(until), None).await? {
            Struck::Done(item) => Ok(Release::Newer(read(&item)?)),
            Struck::Lost | Struck::Newer => Ok(Release::Lost),
        }
    }

    /// Writes an ending; with `keep` the lease stays until then.
    async fn strike(
        &self,
        connection: &ConnectionId,
        service: Service,
        pull: &PullId,
        ending: &Ending,
        keep: Option<Timestamp>,
        count: Option<u64>,
    ) -> Result<Struck, StoreError> {
        let satisfied: Vec<String> = ending.satisfied.iter().map(Entry::to_text).collect();
        let (mut set, mut remove) = (vec!["failures = :failures"], Vec::new());
        match keep {
            Some(_) => set.push("lease_ms = :due, due_ms = :due"),
            None => remove.push("lease_pull, lease_ms, fed_ms"),
        }
        match (keep, ending.due) {
            (Some(_), _) => {}
            (None, Some(_)) => set.push("due_ms = :due, due_shard = :shard"),
            (None, None) => remove.push("due_ms, due_shard, trace"),
        }
        // Only a failure parks: a mark that lacks nothing but time may be pulled for a new notification at once.
        match ending.due.filter(|_| ending.failures > 0 && keep.is_none()) {
            Some(_) => set.push("not_before_ms = :due"),
            None => remove.push("not_before_ms"),
        }
        let shard = (keep.is_none() && ending.due.is_some()).then(|| shard(connection, ending.lane));
        if ending.cursor.is_some() {
            set.push("cursor_s = :cursor");
        }
        if let Some(pulled) = &ending.pulled {
            set.push("pulled_ms = :pulled, pulled_as = :pulled_as, pulled_by = :pull");
            if pulled.is_ok() {
                set.push("read_ms = :pulled");
            }
        }
        match ending.progress {
            Some(_) => set.push("progress = :progress"),
            None => remove.push("progress"),
        }
        let mut expression = format!("SET {} REMOVE {}", set.join(", "), remove.join(", "));
        if !satisfied.is_empty() {
            expression.push_str(" DELETE entries :satisfied");
        }
        let mut update = self
            .update(&owner(connection), &item(service))
            .update_expression(expression)
            .condition_expression(match count {
                Some(_) => "lease_pull = :pull AND marks = :count",
                None => "lease_pull = :pull",
            })
            .expression_attribute_values(":pull", s(pull.as_str()))
            .expression_attribute_values(":failures", n(ending.failures))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if !satisfied.is_empty() {
            update = update.expression_attribute_values(":satisfied", AttributeValue::Ss(satisfied));
        }
        if let Some(count) = count {
            update = update.expression_attribute_values(":count", n(count));
        }
        if let Some(due) = keep.or(ending.due) {
            update = update.expression_attribute_values(":due", n(due.as_millis()));
        }
        if let Some(pulled) = &ending.pulled {
            update = update
                .expression_attribute_values(":pulled", n(pulled.at.as_millis()))
                .expression_attribute_values(":pulled_as", s(&pulled.result));
        }
        if let Some(cursor) = ending.cursor {
            update = update.expression_attribute_values(":cursor", n(cursor));
        }
        if let Some(shard) = shard {
            update = update.expression_attribute_values(":shard", s(shard));
        }
        if let Some(progress) = &ending.progress {
            update = update.expression_attribute_values(":progress", s(progress));
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
}

enum Struck {
    Done(Item),
    Newer,
    Lost,
}
