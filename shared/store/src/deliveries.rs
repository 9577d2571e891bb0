//! Deliveries and their attempts. What is due, how often it was tried and who holds it stands here,
//! written with conditions; the message on the queue is only an alarm.
//!
//! A *claim* is a conditional write: the delivery waits, its time has come, and no lease is live. It raises
//! the fencing number `claims`, and every later write of the claim asks for that number, so a claim that
//! was overtaken changes nothing. A claim touches no index key, so it costs one write.

mod attempt;
mod items;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, KEPT, Key, LEASE, Look, Place, State};
use afferent_domain::id::{EndpointId, EventId};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

pub use attempt::{Attempt, Outcome};
use items::{read, write};

use crate::StoreError;
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "deliveries";
const BY_DUE: &str = "by_due";
const BY_ENDPOINT: &str = "by_endpoint";

/// A delivery that this caller holds until the lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The delivery, as the claim found it.
    pub delivery: Delivery,
    /// The cycle that falls due.
    pub cycle: u16,
    /// Until when it is ours.
    pub lease_until: Timestamp,
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

/// A delivery as the due index shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub key: Key,
    /// When something should have happened.
    pub due: Timestamp,
}

/// The table `deliveries`.
#[derive(Clone, Debug)]
pub struct Deliveries {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl Deliveries {
    /// The table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
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
            .set_item(Some(write(delivery)))
            .condition_expression("attribute_not_exists(event)")
            .send()
            .await;
        match put {
            Ok(_) => Ok(true),
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
                    State::Waiting(waiting) => Ok(Claim::Taken(Box::new(Claimed {
                        cycle: waiting.cycle,
                        lease_until: waiting.lease_until,
                        delivery,
                    }))),
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

    /// Ends a claim whose cycle failed: the delivery waits, held or parked, for `cycle` at `next`.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn wait(
        &self,
        claimed: &Claimed,
        place: Place,
        cycle: u16,
        next: Timestamp,
        attempts: u32,
    ) -> Result<Kept, StoreError> {
        let update = self
            .update(&claimed.delivery.key)
            .update_expression(
                "SET #state = :state, next_ms = :next, due_ms = :next, #cycle = :cycle, attempts = :attempts, \
                 lease_ms = :none, wakes = :none",
            )
            .condition_expression("claims = :claims AND attribute_exists(due_ms)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#cycle", "cycle")
            .expression_attribute_values(":state", s(place.as_str()))
            .expression_attribute_values(":next", n(next.as_millis()))
            .expression_attribute_values(":cycle", n(cycle))
            .expression_attribute_values(":attempts", n(attempts))
            .expression_attribute_values(":none", n(0))
            .expression_attribute_values(":claims", n(claimed.delivery.claims));
        kept(update.send().await)
    }

    /// Ends a claim for good. The item leaves the due index and gets its TTL.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn end(
        &self,
        claimed: &Claimed,
        end: End,
        reason: &str,
        attempts: u32,
        now: Timestamp,
    ) -> Result<Kept, StoreError> {
        let update = self
            .update(&claimed.delivery.key)
            .update_expression(
                "SET #state = :state, reason = :reason, ended_ms = :now, attempts = :attempts, \
                 expires_at = :expires REMOVE due_shard, due_ms, lease_ms",
            )
            .condition_expression("claims = :claims AND attribute_exists(due_ms)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", s(end.as_str()))
            .expression_attribute_values(":reason", s(reason))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":attempts", n(attempts))
            .expression_attribute_values(":expires", n((now + KEPT).as_secs()))
            .expression_attribute_values(":claims", n(claimed.delivery.claims));
        kept(update.send().await)
    }

    /// What of one shard of the due index the keeper should look at, at most `most` of each: everything that
    /// was due by `overdue`, and what is parked and due after that up to `ahead`. The index may be a moment behind.
    /// An entry that cannot be read is logged and left out: it must not stop the others.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn due(
        &self,
        shard: &str,
        overdue: Timestamp,
        ahead: Timestamp,
        most: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let query = |condition: &str| {
            self.client
                .query()
                .table_name(&self.table)
                .index_name(BY_DUE)
                .key_condition_expression(format!("due_shard = :shard AND {condition}"))
                .expression_attribute_values(":shard", s(shard))
                .expression_attribute_values(":overdue", n(overdue.as_millis()))
        };
        let late = query("due_ms <= :overdue");
        // A filter may not name a key of the index, so these are two queries.
        let parked = query("due_ms BETWEEN :overdue AND :ahead")
            .filter_expression("#state = :parked")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":parked", s(Place::Parked.as_str()))
            .expression_attribute_values(":ahead", n(ahead.as_millis()));
        let mut all = Vec::new();
        for query in [late, parked] {
            let mut items = query.into_paginator().items().send();
            for _ in 0..most {
                let Some(item) = items.next().await else { break };
                let item = item.map_err(StoreError::failed("Query"))?;
                let entry = Reading::new(TABLE, &item);
                match read_due(entry) {
                    Ok(due) => all.push(due),
                    Err(error) => {
                        let (event, item) = (entry.maybe_text("event"), entry.maybe_text("item"));
                        tracing::error!(%error, event, item, "an entry of the due index cannot be read");
                    }
                }
            }
        }
        Ok(all)
    }

    /// Notes that a message was sent for a waiting delivery: it is queued, and not looked at before
    /// `look_again`. Does nothing if its due time is no longer `due`.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn woken(&self, key: &Key, due: Timestamp, look_again: Timestamp) -> Result<Kept, StoreError> {
        let update = self
            .update(key)
            .update_expression("SET #state = :queued, due_ms = :again ADD wakes :one")
            .condition_expression("due_ms = :due")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":queued", s(Place::Queued.as_str()))
            .expression_attribute_values(":again", n(look_again.as_millis()))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":due", n(due.as_millis()));
        kept(update.send().await)
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

    /// The deliveries to one endpoint made before `before`, the newest first, at most `limit`: their keys,
    /// states and times. The index may be a moment behind.
    ///
    /// # Errors
    /// DynamoDB failed, or an item is not one of ours.
    pub async fn of_endpoint(
        &self,
        endpoint: &EndpointId,
        before: Timestamp,
        limit: u16,
    ) -> Result<Vec<(Key, String, Timestamp)>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_ENDPOINT)
            .key_condition_expression("endpoint = :endpoint AND created_ms < :before")
            .expression_attribute_values(":endpoint", s(endpoint.as_str()))
            .expression_attribute_values(":before", n(before.as_millis()))
            .scan_index_forward(false)
            .limit(i32::from(limit.max(1)))
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let entry = |item: &Item| {
            let item = Reading::new(TABLE, item);
            let key = Key { event: item.text("event")?.into(), endpoint: endpoint.clone() };
            Ok((key, item.text("state")?.to_owned(), Timestamp::from_millis(item.number("created_ms")?)))
        };
        answer.items().iter().map(entry).collect()
    }

    fn update(&self, key: &Key) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("event", s(key.event.as_str()))
            .key("item", s(key.endpoint.as_str()))
    }
}

fn read_due(entry: Reading<'_>) -> Result<Due, StoreError> {
    let key = Key { event: entry.text("event")?.into(), endpoint: entry.text("item")?.into() };
    Ok(Due { key, due: Timestamp::from_millis(entry.number("due_ms")?) })
}

type Updated = Result<
    aws_sdk_dynamodb::operation::update_item::UpdateItemOutput,
    aws_sdk_dynamodb::error::SdkError<UpdateItemError>,
>;

fn kept(updated: Updated) -> Result<Kept, StoreError> {
    match updated {
        Ok(_) => Ok(Kept::Yes),
        Err(error) if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) => {
            Ok(Kept::Overtaken)
        }
        Err(error) => Err(StoreError::failed("UpdateItem")(error)),
    }
}
