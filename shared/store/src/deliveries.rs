//! Deliveries and their attempts. What is due, how often it was tried and who holds it stands here,
//! written with conditions; the message on the queue is only an alarm.
//!
//! A *claim* is a conditional write: the delivery waits, its time has come, and no lease is live. It raises
//! the fencing number `claims`, and every later write of the claim asks for that number, so a claim that
//! was overtaken changes nothing. A claim touches no index key, so it costs one write.

mod attempt;
mod due;
mod items;
mod listed;

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{
    Delivery, End, KEPT, Key, LEASE, Look, Place, State, Try, Waiting, WaitsFor, kept_back_shard,
};
use afferent_domain::id::EventId;
use afferent_metrics::{Metric, count};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

pub use attempt::{Attempt, Outcome, Phases};
use attempt::{FIRST, fields, holds};
pub use due::Due;
use items::{read, write};
pub use listed::{Listed, Place as ListPlace};

use crate::StoreError;
use crate::item::{Item, n, s};

const TABLE: &str = "deliveries";

/// A delivery that this caller holds until the lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The delivery, as the claim found it.
    pub delivery: Delivery,
    /// What it waited for, and the try that falls due.
    pub waiting: Waiting,
    /// Until when it is ours.
    pub lease_until: Timestamp,
}

/// What a claim leaves behind when the delivery must wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Where its alarm is.
    pub place: Place,
    /// The try that comes next.
    pub at: Try,
    /// Before this it may not be made.
    pub next: Timestamp,
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// When it expires, if an open breaker keeps it back: until then the due index shows it to nobody.
    pub kept_back: Option<Timestamp>,
    /// Attempts in the log.
    pub attempts: u32,
    /// The trace that its next message carries; `None` leaves the one that is stored.
    pub trace: Option<String>,
}

/// What a claim got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The delivery is ours.
    Taken(Box<Claimed>),
    /// Someone holds it, or it is not time.
    NotYet(Timestamp),
    /// It waits in the table for longer than the keeper looks ahead.
    Parked,
    /// It ended.
    Over,
    /// There is no such delivery (any more).
    Gone,
}

/// Whether a write of a claim took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It did.
    Yes,
    /// The claim was overtaken: another one, or a cancellation, came after it.
    Overtaken,
}

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
            .send()
            .await;
        match put {
            Ok(_) => {
                count(Metric::DeliveriesCreated, 1);
                Ok(true)
            }
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::failed("PutItem")(error)),
        }
    }

    /// Takes the delivery for the length of [`LEASE`], if it waits, is due and is held by nobody.
    ///
    /// # Errors
    /// DynamoDB failed, or the item is not one of ours.
    pub async fn claim(&self, key: &Key, now: Timestamp) -> Result<Claim, StoreError> {
        let claim = self
            .update(key)
            .update_expression("SET lease_ms = :lease ADD claims :one")
            .condition_expression("#state IN (:queued, :held, :parked) AND next_ms <= :now AND lease_ms <= :now")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":queued", s(Place::Queued.as_str()))
            .expression_attribute_values(":held", s(Place::Held.as_str()))
            .expression_attribute_values(":parked", s(Place::Parked.as_str()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":lease", n((now + LEASE).as_millis()))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match claim {
            Ok(answer) => {
                let delivery = read(&answer.attributes.unwrap_or_default())?;
                match delivery.state {
                    State::Waiting(waiting) => {
                        Ok(Claim::Taken(Box::new(Claimed { waiting, lease_until: waiting.lease_until, delivery })))
                    }
                    State::Ended { .. } => Ok(Claim::Over),
                }
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => match refused.item() {
                    None => Ok(Claim::Gone),
                    Some(item) => Ok(match read(item)?.look(now) {
                        Look::Over => Claim::Over,
                        Look::Parked => Claim::Parked,
                        Look::NotYet(until) => Claim::NotYet(until),
                        // The condition and the function agree; a clock that steps back may still come here.
                        Look::Due(_) => Claim::NotYet(now),
                    }),
                },
                _ => Err(StoreError::failed("UpdateItem")(error)),
            },
        }
    }

    /// Ends a claim after which the delivery must wait.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn wait(&self, claimed: &Claimed, rest: Rest) -> Result<Kept, StoreError> {
        let key = &claimed.delivery.key;
        let shard = match rest.kept_back {
            Some(_) => kept_back_shard(&key.endpoint),
            None => key.due_shard(),
        };
        let mut set = "SET #state = :state, next_ms = :next, due_shard = :shard, due_ms = :due, #cycle = :cycle, \
                       #try = :try, waits_for = :waits_for, attempts = :attempts, lease_ms = :none, wakes = :none"
            .to_owned();
        let mut update = self.update(key);
        if let Some(trace) = rest.trace {
            set.push_str(", trace = :trace");
            update = update.expression_attribute_values(":trace", s(trace));
        }
        let update = update
            .update_expression(set)
            .condition_expression("claims = :claims AND attribute_exists(due_ms)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#cycle", "cycle")
            .expression_attribute_names("#try", "try")
            .expression_attribute_values(":state", s(rest.place.as_str()))
            .expression_attribute_values(":next", n(rest.next.as_millis()))
            .expression_attribute_values(":shard", s(shard))
            .expression_attribute_values(":due", n(rest.kept_back.unwrap_or(rest.next).as_millis()))
            .expression_attribute_values(":cycle", n(rest.at.cycle))
            .expression_attribute_values(":try", n(rest.at.number))
            .expression_attribute_values(":waits_for", s(rest.waits_for.as_str()))
            .expression_attribute_values(":attempts", n(rest.attempts))
            .expression_attribute_values(":none", n(0))
            .expression_attribute_values(":claims", n(claimed.delivery.claims));
        let kept = kept(update.send().await)?;
        let metric = if rest.place == Place::Held { Metric::DeliveriesHeld } else { Metric::DeliveriesParked };
        count(metric, usize::from(kept == Kept::Yes));
        Ok(kept)
    }

    /// Ends a claim for good. The item leaves the due index and gets its TTL. `first` is the one attempt of the delivery's
    /// first claim, if that is not in the log yet: it comes into the same item.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn end(
        &self,
        claimed: &Claimed,
        end: End,
        reason: &str,
        (attempts, first): (u32, Option<&Attempt>),
        now: Timestamp,
    ) -> Result<Kept, StoreError> {
        let mut set = "SET #state = :state, reason = :reason, ended_ms = :now, attempts = :attempts, \
                       expires_at = :expires"
            .to_owned();
        let mut update = self.update(&claimed.delivery.key);
        if let Some(first) = first {
            set.push_str(&format!(", {FIRST} = :first"));
            update = update.expression_attribute_values(":first", AttributeValue::M(fields(first)));
        }
        let update = update
            .update_expression(set + " REMOVE due_shard, due_ms, lease_ms")
            .condition_expression("claims = :claims AND attribute_exists(due_ms)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", s(end.as_str()))
            .expression_attribute_values(":reason", s(reason))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":attempts", n(attempts))
            .expression_attribute_values(":expires", n((now + self.kept).as_secs()))
            .expression_attribute_values(":claims", n(claimed.delivery.claims))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let kept = match (update.send().await, first) {
            // Our own write, whose answer was lost and which the SDK sent again.
            (Err(error), Some(first)) if refused_by(&error).is_some_and(|item| holds(item, first)) => Kept::Yes,
            (updated, _) => kept(updated)?,
        };
        count(ended(end), usize::from(kept == Kept::Yes));
        Ok(kept)
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
            .expression_attribute_values(":expires", n((now + self.kept).as_secs()));
        let cancelled = kept(update.send().await)? == Kept::Yes;
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
        match update.send().await {
            Ok(_) => {
                count(Metric::DeliveriesRevived, 1);
                Ok(Again::Yes)
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(if refused.item().is_some() { Again::Waits } else { Again::Gone })
                }
                _ => Err(StoreError::failed("UpdateItem")(error)),
            },
        }
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

/// The metric of an end.
const fn ended(end: End) -> Metric {
    match end {
        End::Delivered => Metric::DeliveriesDelivered,
        End::Exhausted => Metric::DeliveriesExhausted,
        End::Expired => Metric::DeliveriesExpired,
        End::Cancelled => Metric::DeliveriesCancelled,
    }
}

/// The item that a condition was refused by.
fn refused_by(error: &SdkError<UpdateItemError>) -> Option<&Item> {
    match error.as_service_error()? {
        UpdateItemError::ConditionalCheckFailedException(refused) => refused.item(),
        _ => None,
    }
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
