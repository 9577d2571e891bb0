//! Deliveries and their attempts. What is due, how often it was tried and who holds it stands here,
//! written with conditions; the message on the queue is only an alarm.
//!
//! A *claim* is a conditional write: the delivery waits, its time has come, and no lease is live. It raises
//! the fencing number `claims`, and every later write of the claim asks for that number, so a claim that
//! was overtaken changes nothing. A claim touches no index key, so it costs one write.

mod attempt;
mod claim;
mod due;
mod items;
mod listed;

use std::time::Duration;

use afferent_aws::Sends;
use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, KEPT, Key, Place, Try, WaitsFor};
use afferent_domain::id::EventId;
use afferent_metrics::{Metric, count};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

pub use attempt::{Attempt, Outcome, Phases};
pub use claim::{Claim, Claimed, Kept, Rest};
pub use due::Due;
use items::{read, write};
pub use listed::{Listed, Place as ListPlace};

use crate::StoreError;
use crate::item::{Item, n, s};

const TABLE: &str = "deliveries";

/// What came of sending a delivery again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It had ended, and begins anew: its message is to be sent.
    Yes,
    /// It has not ended, and will be tried by itself.
    Waits,
    /// There is no such delivery.
    Gone,
}

/// The table `deliveries`.
#[derive(Clone, Debug)]
pub struct Deliveries {
    pub(crate) client: Client,
    pub(crate) table: String,
    kept: Duration,
}

impl Deliveries {
    /// The table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, kept: KEPT }
    }

    /// The same table, whose deliveries are kept for so long after they ended.
    #[must_use]
    pub fn keeping(self, kept: Duration) -> Self {
        Self { kept, ..self }
    }

    /// Writes a delivery if there is none of its key. Says whether it did.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn put_if_absent(&self, delivery: &Delivery) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(delivery, self.kept)))
            .condition_expression("attribute_not_exists(event)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let sends = Sends::default();
        let put = match put.customize().interceptor(sends.clone()).send().await {
            Ok(_) => true,
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    let created = n(delivery.created.as_millis());
                    sends.are_many() && refused.item().is_some_and(|item| item.get("created_ms") == Some(&created))
                }
                _ => return Err(StoreError::failed("PutItem")(error)),
            },
        };
        count(Metric::DeliveriesCreated, usize::from(put));
        Ok(put)
    }

    /// Ends a delivery that waits and that nobody holds. `false` if it is over, or held: whoever holds it sees that its
    /// endpoint is gone.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn cancel(&self, key: &Key, reason: &str, now: Timestamp) -> Result<bool, StoreError> {
        let update = self
            .update(key)
            .update_expression(
                "SET #state = :state, reason = :reason, ended_ms = :now, expires_at = :expires \
                 REMOVE due_shard, due_ms, lease_ms",
            )
            .condition_expression("attribute_exists(due_ms) AND lease_ms <= :now")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", s(End::Cancelled.as_str()))
            .expression_attribute_values(":reason", s(reason))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":expires", n((now + self.kept).as_secs()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let sends = Sends::default();
        let updated = update.customize().interceptor(sends.clone()).send().await;
        let cancelled = match refused_by(&updated) {
            Some(item) if sends.are_many() && is_ended(item, End::Cancelled, now) => true,
            _ => kept(updated)? == Kept::Yes,
        };
        count(Metric::DeliveriesCancelled, usize::from(cancelled));
        Ok(cancelled)
    }

    /// Begins a delivery anew that ended, however it did: the same event, the same id, every try of the policy.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn again(&self, key: &Key, now: Timestamp) -> Result<Again, StoreError> {
        let first = Try::first(1);
        let update = self
            .update(key)
            .update_expression(
                "SET #state = :queued, next_ms = :now, due_ms = :now, since_ms = :now, due_shard = :shard, \
                 #cycle = :cycle, #try = :try, waits_for = :schedule, lease_ms = :none, wakes = :none \
                 REMOVE reason, ended_ms, expires_at ADD claims :one",
            )
            .condition_expression("attribute_exists(event) AND attribute_not_exists(due_ms)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#cycle", "cycle")
            .expression_attribute_names("#try", "try")
            .expression_attribute_values(":queued", s(Place::Queued.as_str()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":shard", s(key.due_shard()))
            .expression_attribute_values(":cycle", n(first.cycle))
            .expression_attribute_values(":try", n(first.number))
            .expression_attribute_values(":schedule", s(WaitsFor::Schedule.as_str()))
            .expression_attribute_values(":none", n(0))
            // A late write of the life before must not meet its own number.
            .expression_attribute_values(":one", n(1))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let sends = Sends::default();
        let again = match update.customize().interceptor(sends.clone()).send().await {
            Ok(_) => Again::Yes,
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => match refused.item() {
                    Some(item) if sends.are_many() && item.get("since_ms") == Some(&n(now.as_millis())) => Again::Yes,
                    Some(_) => Again::Waits,
                    None => Again::Gone,
                },
                _ => return Err(StoreError::failed("UpdateItem")(error)),
            },
        };
        count(Metric::DeliveriesRevived, usize::from(again == Again::Yes));
        Ok(again)
    }

    /// One delivery.
    ///
    /// # Errors
    /// DynamoDB failed, or the item is not one of ours.
    pub async fn get(&self, key: &Key) -> Result<Option<Delivery>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("event", s(key.event.as_str()))
            .key("item", s(key.endpoint.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("GetItem"))?;
        answer.item.as_ref().map(read).transpose()
    }

    /// The deliveries of one event, without their attempts.
    ///
    /// # Errors
    /// DynamoDB failed, or an item is not one of ours.
    pub async fn of_event(&self, event: &EventId) -> Result<Vec<Delivery>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("event = :event")
            .expression_attribute_values(":event", s(event.as_str()))
            .into_paginator()
            .send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(StoreError::failed("Query"))?;
            let deliveries = page.items().iter().filter(|item| item.contains_key("state"));
            all.extend(deliveries.map(read).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(all)
    }

    fn update(&self, key: &Key) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("event", s(key.event.as_str()))
            .key("item", s(key.endpoint.as_str()))
    }
}

type Updated = Result<aws_sdk_dynamodb::operation::update_item::UpdateItemOutput, SdkError<UpdateItemError>>;

/// The item that a condition was refused by.
fn refused_by(updated: &Updated) -> Option<&Item> {
    match updated.as_ref().err()?.as_service_error()? {
        UpdateItemError::ConditionalCheckFailedException(refused) => refused.item(),
        _ => None,
    }
}

/// Whether the item says that its delivery ended so, and then.
fn is_ended(item: &Item, end: End, at: Timestamp) -> bool {
    item.get("state") == Some(&s(end.as_str())) && item.get("ended_ms") == Some(&n(at.as_millis()))
}

fn kept(updated: Updated) -> Result<Kept, StoreError> {
    match updated {
        Ok(_) => Ok(Kept::Yes),
        Err(error) if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) => {
            Ok(Kept::Overtaken)
        }
        Err(error) => Err(StoreError::failed("UpdateItem")(error)),
    }
}
