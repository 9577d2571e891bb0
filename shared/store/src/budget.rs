//! The budget's slots, in items of the `connections` table (`app#<client id>`, `budget#<n>`).
//!
//! The arithmetic and why it cannot be overdrawn: [`afferent_domain::budget`]. Here: one conditional write
//! claims a slot, one gives it back. Whoever waits, waits for the slot that is free first, by turns.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::budget::{Lane, Limit, Slots, free_after, taken_until};
use afferent_domain::{Clock, Dice, Timestamp};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use tokio::sync::Mutex;

use crate::StoreError;
use crate::item::{Item, Reading, n, s};

const OPERATION: &str = "UpdateItem";

/// The attribute that holds the whole application back after a 601.
const HELD: &str = "held_ms";

/// The budget of one Withings application.
pub struct Budget {
    client: Client,
    table: String,
    owner: String,
    limit: Limit,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    /// What was last seen of each item. Also the turnstile: within one process callers queue here, in the
    /// order they came, so that they do not fight for the slot that all of them see is next.
    live: Mutex<Vec<Slots>>,
    /// A second turnstile, so that a code exchange does not queue behind the others.
    auth: Mutex<Vec<Slots>>,
}

/// A slot that is taken. Make the call at once, and [`Budget::release`] it whatever the call brought.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a claimed slot is given back by Budget::release"]
pub struct Claim {
    item: usize,
    slot: usize,
    taken_until: Timestamp,
    /// The call must be over by then.
    pub call_ends: Timestamp,
}

/// Why there is no slot.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// No slot is free before the caller gives up; the first one is at this instant.
    #[error("no call to Withings is free before {0}")]
    Spent(Timestamp),
    /// DynamoDB fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Budget {
    /// The budget of application `client_id`.
    #[must_use]
    pub fn new(
        client: Client,
        table: String,
        client_id: &str,
        limit: Limit,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
    ) -> Self {
        let unknown = || Mutex::new((0..limit.items()).map(|item| Slots::unused(limit.slots_of(item))).collect());
        Self { client, table, owner: format!("app#{client_id}"), limit, clock, dice, live: unknown(), auth: unknown() }
    }

    /// Claims a slot for a call that takes at most `call`, waiting for one until `give_up`.
    ///
    /// # Errors
    /// [`BudgetError::Spent`] if none is free by then (nothing is claimed), or DynamoDB fails.
    pub async fn claim(&self, lane: Lane, call: Duration, give_up: Timestamp) -> Result<Claim, BudgetError> {
        let turnstile = if lane == Lane::Auth { &self.auth } else { &self.live };
        // Whoever is at the turnstile waits no longer than until its own `give_up`; we not past ours.
        let patience = give_up.since(self.clock.now());
        let Ok(mut seen) = tokio::time::timeout(patience, turnstile.lock()).await else {
            return Err(BudgetError::Spent(give_up));
        };
        let mut fresh = false;
        loop {
            let now = self.clock.now();
            if now >= give_up {
                return Err(BudgetError::Spent(give_up));
            }
            if let Some((item, slot)) = self.choose(&seen, lane, now) {
                fresh = true;
                match self.try_claim(item, slot, now, call).await? {
                    (slots, Some(claim)) => {
                        seen[item] = slots;
                        return Ok(claim);
                    }
                    (slots, None) => seen[item] = slots,
                }
            } else if !fresh {
                // Others give back early what they took for longer: what was seen may be too dark.
                for (item, slots) in seen.iter_mut().enumerate() {
                    *slots = self.look(item).await?;
                }
                fresh = true;
            } else {
                let next = seen.iter().enumerate().filter_map(|(item, slots)| slots.next(item, lane)).min();
                let next = next.unwrap_or(give_up);
                if next >= give_up {
                    return Err(BudgetError::Spent(next));
                }
                tokio::time::sleep(next.since(now).max(Duration::from_millis(1))).await;
                fresh = false;
            }
        }
    }

    /// Gives a slot back: it is free 60 s (and a margin) after `answered`, the instant the call was over.
    ///
    /// # Errors
    /// DynamoDB fails; the slot is then free one call deadline later than it could be.
    pub async fn release(&self, claim: Claim, answered: Timestamp) -> Result<(), StoreError> {
        let free_at = free_after(answered).min(claim.taken_until);
        let result = self
            .update(claim.item)
            .update_expression("SET #slot = :free")
            .condition_expression("#slot = :taken")
            .expression_attribute_names("#slot", name(claim.slot))
            .expression_attribute_values(":free", n(free_at.as_millis()))
            .expression_attribute_values(":taken", n(claim.taken_until.as_millis()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            // Only if this process slept past the slot's whole term: it is somebody else's now.
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                tracing::warn!(item = claim.item, slot = claim.slot, "a slot was given back after its term");
                Ok(())
            }
            Err(error) => Err(StoreError::failed(OPERATION)(error)),
        }
    }

    /// Holds every call of the application back until `until`: Withings said "Too Many Requests".
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn hold(&self, until: Timestamp) -> Result<(), StoreError> {
        for item in 0..self.limit.items() {
            let result = self
                .update(item)
                .update_expression("SET #held = :until")
                .condition_expression("attribute_not_exists(#held) OR #held < :until")
                .expression_attribute_names("#held", HELD)
                .expression_attribute_values(":until", n(until.as_millis()))
                .send()
                .await;
            match result {
                Ok(_) => {}
                Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {}
                Err(error) => return Err(StoreError::failed(OPERATION)(error)),
            }
        }
        Ok(())
    }

    /// A free slot by chance, so that two processes seldom choose the same one.
    fn choose(&self, seen: &[Slots], lane: Lane, now: Timestamp) -> Option<(usize, usize)> {
        let mut free: Vec<(usize, usize)> = Vec::new();
        for (item, slots) in seen.iter().enumerate() {
            free.extend(slots.claimable(item, lane, now).map(|slot| (item, slot)));
        }
        let last = free.len().checked_sub(1)?;
        free.get(usize::try_from(self.dice.between(0, last as u64)).ok()?).copied()
    }

    async fn try_claim(
        &self,
        item: usize,
        slot: usize,
        now: Timestamp,
        call: Duration,
    ) -> Result<(Slots, Option<Claim>), StoreError> {
        let call_ends = now + call;
        let taken_until = taken_until(call_ends);
        let result = self
            .update(item)
            .update_expression("SET #slot = :taken")
            .condition_expression(
                "(attribute_not_exists(#slot) OR #slot <= :now) AND (attribute_not_exists(#held) OR #held <= :now)",
            )
            .expression_attribute_names("#slot", name(slot))
            .expression_attribute_names("#held", HELD)
            .expression_attribute_values(":taken", n(taken_until.as_millis()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(answer) => {
                let slots = self.read(item, &answer.attributes.unwrap_or_default());
                Ok((slots, Some(Claim { item, slot, taken_until, call_ends })))
            }
            Err(error) => match error.as_service_error() {
                Some(aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                    refused,
                )) => Ok((self.read(item, &refused.item.clone().unwrap_or_default()), None)),
                _ => Err(StoreError::failed(OPERATION)(error)),
            },
        }
    }

    async fn look(&self, item: usize) -> Result<Slots, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(self.key(item)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("GetItem"))?;
        Ok(self.read(item, &answer.item.unwrap_or_default()))
    }

    fn read(&self, item: usize, attributes: &Item) -> Slots {
        let reading = Reading::new("connections", attributes);
        let at = |name: &str| Timestamp::from_millis(reading.maybe_number(name).unwrap_or_default());
        Slots { free_at: (0..self.limit.slots_of(item)).map(|slot| at(&name(slot))).collect(), held_until: at(HELD) }
    }

    fn key(&self, item: usize) -> Item {
        HashMap::from([("owner".to_owned(), s(&self.owner)), ("item".to_owned(), s(format!("budget#{item}")))])
    }

    fn update(&self, item: usize) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(self.key(item)))
    }
}

/// The attribute of a slot: short, so that 60 of them stay well under 1 KB.
fn name(slot: usize) -> String {
    format!("s{slot}")
}
