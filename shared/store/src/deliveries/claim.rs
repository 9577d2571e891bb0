//! A claim: who holds a delivery, for how long, and what it leaves behind.

use afferent_aws::Sends;
use afferent_domain::Timestamp;
use afferent_domain::delivery::{
    Delivery, End, Key, LEASE, Look, Place, State, Try, Waiting, WaitsFor, kept_back_shard,
};
use afferent_metrics::{Metric, count};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::attempt::{Attempt, FIRST, fields, holds};
use super::items::read;
use super::{Deliveries, is_ended, kept, refused_by};
use crate::StoreError;
use crate::item::{Item, n, s};

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

impl Deliveries {
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
        let update = self
            .update(key)
            .update_expression(
                "SET #state = :state, next_ms = :next, due_shard = :shard, due_ms = :due, #cycle = :cycle, \
                 #try = :try, waits_for = :waits_for, attempts = :attempts, lease_ms = :none, wakes = :none",
            )
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
        let sends = Sends::default();
        let updated = update.customize().interceptor(sends.clone()).send().await;
        let ours = |item: &Item| is_ended(item, end, now) && first.is_none_or(|first| holds(item, first));
        let kept = match refused_by(&updated) {
            Some(item) if sends.are_many() && ours(item) => Kept::Yes,
            _ => kept(updated)?,
        };
        count(ended(end), usize::from(kept == Kept::Yes));
        Ok(kept)
    }
}

/// The metric of an end.
const fn ended(end: End) -> Metric {
    match end {
        End::Delivered => Metric::DeliveriesDelivered,
        End::Exhausted => Metric::DeliveriesExhausted,
        End::Expired => Metric::DeliveriesExpired,
        End::Cancelled => Metric::DeliveriesCancelled,
    }
}
