//! The budget's slots, in items of the `connections` table (`app#<client id>`, `budget#<n>`).
//!
//! The arithmetic, why it cannot be overdrawn, and what the lanes do: [`afferent_domain::budget`]. Here: one
//! conditional write claims a slot, one gives it back. Within one process the callers of a lane wait at a
//! turnstile, in the order they came, so that they do not fight for the slot that all of them see is next; no
//! lane queues behind another. Whoever waits says so on the items, for a few seconds at a time, so that lower
//! lanes in other processes stand back.

mod table;
mod usage;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use afferent_domain::budget::{Field, Lane, Limit, Plan, Slots, free_after};
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_metrics::{Metric, count, observe, observe_ms};
use aws_sdk_dynamodb::Client;
use tokio::time::{sleep, timeout};

use crate::StoreError;
use table::Table;
pub use usage::{LaneUsage, Usage};

/// How long "somebody waits" holds. Should the caller die, lower lanes stand back for so long in vain.
const HEARTBEAT: Duration = Duration::from_secs(6);

/// Waiting is said only where something may come free within this time: before, there is nothing to stand back
/// from. What holds for longer than this is not said again.
const SOON: Duration = Duration::from_secs(2);

/// Nobody sleeps longer than this without a look: others give back early what they took for longer.
const LOOK: Duration = Duration::from_secs(5);

/// The budget of one Withings application.
pub struct Budget {
    table: Table,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    turnstiles: [Turnstile; Lane::COUNT],
    /// What was last seen of each item.
    seen: Mutex<Vec<Slots>>,
    usage: Mutex<Usage>,
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

/// Where the callers of one lane queue.
#[derive(Default)]
struct Turnstile {
    /// Whoever holds this is the next. In it: on which items this process said that it waits, as what, until when.
    turn: tokio::sync::Mutex<Said>,
    /// How many are at it, the next one included.
    callers: AtomicUsize,
}

type Said = BTreeMap<usize, (Field, Timestamp)>;

/// Counts one caller for as long as it waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn at(turnstile: &'a Turnstile) -> Self {
        turnstile.callers.fetch_add(1, Ordering::Relaxed);
        Self(&turnstile.callers)
    }

    fn callers(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
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
        let seen = (0..limit.items()).map(|item| Slots::unused(item, limit.slots_of(item))).collect();
        Self {
            table: Table { client, name: table, owner: format!("app#{client_id}"), limit },
            clock,
            dice,
            turnstiles: Default::default(),
            seen: Mutex::new(seen),
            usage: Mutex::new(Usage::none(limit)),
        }
    }

    /// Claims a slot for a call that takes at most `call`, waiting for one until `give_up`.
    ///
    /// # Errors
    /// [`BudgetError::Spent`] if none is free by then (nothing is claimed), or DynamoDB fails.
    pub async fn claim(&self, lane: Lane, call: Duration, give_up: Timestamp) -> Result<Claim, BudgetError> {
        let asked = self.clock.now();
        let turnstile = &self.turnstiles[lane.index()];
        let waiting = Waiting::at(turnstile);
        // Whoever is at the turnstile waits no longer than until its own `give_up`; we not past ours.
        let result = match timeout(give_up.since(asked), turnstile.turn.lock()).await {
            Ok(mut said) => self.next_claim(lane, call, give_up, &mut said, &waiting).await,
            Err(_) => Err(BudgetError::Spent(give_up)),
        };
        let now = self.clock.now();
        let in_use = self.seen().iter().map(|slots| slots.in_use(now)).sum();
        match &result {
            Ok(_) => {
                self.usage().claimed(lane, now.since(asked), in_use);
                count(Metric::BudgetUsed(lane), 1);
                observe_ms(Metric::BudgetWait(lane), now.since(asked));
                observe(Metric::BudgetUse, in_use as u64 * 100 / u64::from(self.table.limit.calls().max(1)));
            }
            Err(BudgetError::Spent(_)) => self.usage().spent(lane),
            Err(BudgetError::Store(_)) => {}
        }
        result
    }

    /// Gives a slot back: it is free 60 s (and a margin) after `answered`, the instant the call was over.
    ///
    /// # Errors
    /// DynamoDB fails; the slot is then free one call deadline later than it could be.
    pub async fn release(&self, claim: Claim, answered: Timestamp) -> Result<(), StoreError> {
        let free_at = free_after(answered).min(claim.taken_until);
        let written = self.table.release(claim.item, claim.slot, claim.taken_until, free_at).await?;
        if !written.done {
            // Only if this process slept past the slot's whole term: it is somebody else's now.
            tracing::warn!(item = claim.item, slot = claim.slot, "a slot was given back after its term");
        }
        self.saw(written.slots);
        Ok(())
    }

    /// Withings said "Too Many Requests" to a call of `lane`: every call of the application is held back until
    /// `until`.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn refused(&self, lane: Lane, until: Timestamp) -> Result<(), StoreError> {
        self.usage().refused(lane);
        self.hold(until).await
    }

    /// Holds every call of the application back until `until`.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn hold(&self, until: Timestamp) -> Result<(), StoreError> {
        for item in 0..self.table.limit.items() {
            let written = self.table.extend(item, Field::Held, until).await?;
            self.saw(written.slots);
        }
        Ok(())
    }

    /// What this process used since this was last asked.
    #[must_use]
    pub fn take_usage(&self) -> Usage {
        std::mem::replace(&mut *self.usage(), Usage::none(self.table.limit))
    }

    /// The turnstile's next caller.
    async fn next_claim(
        &self,
        lane: Lane,
        call: Duration,
        give_up: Timestamp,
        said: &mut Said,
        waiting: &Waiting<'_>,
    ) -> Result<Claim, BudgetError> {
        let mut fresh = false;
        loop {
            let now = self.clock.now();
            if now >= give_up {
                return Err(BudgetError::Spent(give_up));
            }
            let call_ends = now + call;
            if let Some((item, mut plan)) = self.choose(lane, now, call_ends) {
                let last = waiting.callers() == 1;
                if last {
                    self.no_longer_waiting_at(item, &mut plan, now, said);
                }
                let written = self.table.claim(item, &plan, now).await?;
                self.saw(written.slots);
                if written.done {
                    if last {
                        said.remove(&item);
                        self.no_longer_waiting(said).await;
                    }
                    return Ok(Claim { item, slot: plan.slot, taken_until: plan.taken_until, call_ends });
                }
            } else if !fresh {
                for item in 0..self.table.limit.items() {
                    self.saw(self.table.look(item).await?);
                }
                fresh = true;
            } else {
                let tries = self.next_tries(lane, now);
                let next = tries.first().map_or(give_up, |(at, _)| *at);
                if next >= give_up {
                    return Err(BudgetError::Spent(next));
                }
                if next <= now + SOON {
                    // One who waits needs one slot; many want whatever comes back.
                    let soon = tries.into_iter().take_while(|(at, _)| *at <= now + SOON);
                    for (at, item) in soon.take(waiting.callers()) {
                        self.say_waiting(lane, item, at, now, said).await?;
                    }
                    let wait = next.since(self.clock.now());
                    sleep(wait.clamp(Duration::from_millis(1), LOOK)).await;
                } else {
                    sleep((next - SOON).since(now).clamp(Duration::from_millis(1), LOOK)).await;
                }
                fresh = false;
            }
        }
    }

    /// A free slot by chance, so that two processes seldom choose the same one.
    fn choose(&self, lane: Lane, now: Timestamp, call_ends: Timestamp) -> Option<(usize, Plan)> {
        let seen = self.seen();
        let mut free: Vec<(usize, usize)> = Vec::new();
        for (item, slots) in seen.iter().enumerate() {
            free.extend(slots.claimable(lane, now).map(|slot| (item, slot)));
        }
        let last = free.len().checked_sub(1)?;
        let (item, slot) = free.get(usize::try_from(self.dice.between(0, last as u64)).ok()?).copied()?;
        Some((item, seen.get(item)?.plan(slot, lane, now, call_ends)?))
    }

    /// When each item is worth a try, the first one first.
    fn next_tries(&self, lane: Lane, now: Timestamp) -> Vec<(Timestamp, usize)> {
        let seen = self.seen();
        let mut tries: Vec<_> =
            seen.iter().filter_map(|slots| Some((slots.next_try(lane, now)?, slots.item))).collect();
        tries.sort();
        tries
    }

    async fn say_waiting(
        &self,
        lane: Lane,
        item: usize,
        at: Timestamp,
        now: Timestamp,
        said: &mut Said,
    ) -> Result<(), StoreError> {
        let known = self.seen().get(item).and_then(|slots| {
            let field = slots.waiting(lane, at)?;
            Some((field, slots.until(field)))
        });
        if let Some((field, known)) = known
            && known < now + SOON
        {
            let until = now + HEARTBEAT;
            let written = self.table.extend(item, field, until).await?;
            if written.done {
                said.insert(item, (field, until));
            }
            self.saw(written.slots);
        }
        Ok(())
    }

    /// Takes back, by the claim itself, what this process said on the same item, unless another has said it since.
    fn no_longer_waiting_at(&self, item: usize, plan: &mut Plan, now: Timestamp, said: &Said) {
        let Some((field, until)) = said.get(&item).filter(|(_, until)| *until > now) else { return };
        let known = self.seen().get(item).map(|slots| slots.until(*field));
        if known == Some(*until) && plan.sets.iter().all(|(set, _)| set != field) {
            plan.sets.push((*field, now));
        }
    }

    /// Takes back what this process said, unless another has said it since. What cannot be taken back lapses.
    async fn no_longer_waiting(&self, said: &mut Said) {
        let now = self.clock.now();
        for (item, (field, until)) in std::mem::take(said) {
            if until > now {
                match self.table.replace(item, field, until, now).await {
                    Ok(written) => self.saw(written.slots),
                    Err(error) => tracing::warn!(%error, item, "a waiting caller is announced until that lapses"),
                }
            }
        }
    }

    fn saw(&self, slots: Slots) {
        let item = slots.item;
        if let Some(known) = self.seen().get_mut(item) {
            *known = slots;
        }
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Slots>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
