//! A delivery: one event on its way to one endpoint, from its creation to a terminal state.
//!
//! ```text
//!            ┌────────── wake ───────────┐
//!            ▼                           │
//!   ──▶ queued ─┐                      parked ◀─┐
//!               ├─ claim ─▶ a cycle of tries ───┤ failed, and a cycle is left
//!        held ──┘               │               │
//!         ▲─────────────────────│───────────────┘
//!                               ▼
//!             delivered │ exhausted │ expired │ cancelled
//! ```
//!
//! *Held*: the message waits on the queue, invisible. *Parked*: there is no message; the keeper sends one.
//! Which of the two is [`hold_or_park`]; what follows a try is [`next_step`]. Both are pure. A claim is a
//! lease beside the state, so that a claim that is lost with its function leaves the state as it was.

use std::time::Duration;

use crate::clock::{Dice, Timestamp};
use crate::id::{EndpointId, EventId, UserId};
use crate::schedule::RetryPolicy;

/// How long a claim holds. Longer than a dispatcher lives (30 s): the lease of a lost function ends after
/// the function, never before, so no two try at once.
pub const LEASE: Duration = Duration::from_secs(40);

/// How long one try may take, from resolving the name to the last byte of the answer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A delivery older than this ends as expired, if its policy allows it no longer life.
pub const LIFE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// How long a terminal delivery and its attempts are kept.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// SQS lets a message be in flight for 12 h from its receive; parked from 11 h, for a margin of an hour.
pub const LONGEST_HOLD: Duration = Duration::from_secs(11 * 60 * 60);
/// A wait of more than this is parked once [`MANY_IN_FLIGHT`] are in flight.
pub const LONG_WAIT: Duration = Duration::from_secs(900);
/// A wait of more than this is parked once [`TOO_MANY_IN_FLIGHT`] are in flight.
pub const SHORT_WAIT: Duration = Duration::from_secs(10);
/// A quarter of the 120,000 messages that SQS lets be in flight on a standard queue.
pub const MANY_IN_FLIGHT: u64 = 30_000;
/// Half of them.
pub const TOO_MANY_IN_FLIGHT: u64 = 60_000;
/// How long a reading of the number in flight is used; one's own holds since are added.
pub const IN_FLIGHT_EVERY: Duration = Duration::from_secs(10);

/// The shards of the due index.
pub const DUE_SHARDS: u8 = 10;
/// How far ahead the keeper looks for parked deliveries: its own minute, and half of one for lateness.
pub const LOOK_AHEAD: Duration = Duration::from_secs(90);
/// How late a delivery that has a message must be before the keeper sends another.
pub const OVERDUE: Duration = Duration::from_secs(120);
/// The longest that the keeper waits before it sends yet another message for the same delivery.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What names a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The event to deliver.
    pub event: EventId,
    /// The endpoint that gets it.
    pub endpoint: EndpointId,
}

impl Key {
    /// Which shard of the due index it is in: `00` to `09`.
    #[must_use]
    pub fn due_shard(&self) -> String {
        let bytes = self.event.as_str().bytes().chain(self.endpoint.as_str().bytes());
        let sum = bytes.fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        due_shard(u8::try_from(sum % u32::from(DUE_SHARDS)).unwrap_or(0))
    }
}

/// A shard of the due index as its key has it.
#[must_use]
pub fn due_shard(index: u8) -> String {
    format!("{index:02}")
}

/// Where the alarm of a waiting delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A message was sent and not yet received (or is on its way after a wake).
    Queued,
    /// The message that was received waits out its visibility timeout.
    Held,
    /// There is no message; the keeper sends one when it is time.
    Parked,
}

impl Place {
    /// As tables write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Parked => "parked",
        }
    }
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The endpoint took it.
    Delivered,
    /// Every try of the policy failed.
    Exhausted,
    /// It became too old, or its event is no longer kept.
    Expired,
    /// The endpoint is gone or disabled, or someone cancelled it.
    Cancelled,
}

impl End {
    /// As tables write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Exhausted => "exhausted",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The state of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not yet ended.
    Waiting(Waiting),
    /// Ended, for good.
    Ended {
        /// How.
        end: End,
        /// Why, for its owner.
        reason: String,
        /// When.
        at: Timestamp,
    },
}

/// What a delivery waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Where its alarm is.
    pub place: Place,
    /// Before this no try may be made.
    pub next: Timestamp,
    /// The cycle that comes next; the first is 1.
    pub cycle: u16,
    /// Until when a claim holds.
    pub lease_until: Timestamp,
    /// How often the keeper sent a message since the last try.
    pub wakes: u16,
}

impl Waiting {
    /// Whether it is parked, and so far from its time that no message of the keeper can be under way.
    fn is_parked_for_long(&self, now: Timestamp) -> bool {
        self.place == Place::Parked && self.lease_until <= now && self.next > now + LOOK_AHEAD
    }
}

impl State {
    /// As the attribute `state` has it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting(waiting) => waiting.place.as_str(),
            Self::Ended { end, .. } => end.as_str(),
        }
    }
}

/// One event on its way to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub key: Key,
    /// The journal that the event is in.
    pub user: UserId,
    /// The event's number there.
    pub sequence: u64,
    /// The event's type.
    pub event_type: String,
    /// When the delivery was made.
    pub created: Timestamp,
    /// Attempts in the log.
    pub attempts: u32,
    /// How often it was claimed: the fencing number of the last claim.
    pub claims: u64,
    /// Where it stands.
    pub state: State,
}

impl Delivery {
    /// A new delivery, whose message is sent next.
    #[must_use]
    pub fn new(key: Key, user: UserId, sequence: u64, event_type: String, now: Timestamp) -> Self {
        let lease_until = Timestamp::default();
        let waiting = Waiting { place: Place::Queued, next: now, cycle: 1, lease_until, wakes: 0 };
        Self { key, user, sequence, event_type, created: now, attempts: 0, claims: 0, state: State::Waiting(waiting) }
    }

    /// What a message about it may do now. The claim's condition in the table says the same.
    #[must_use]
    pub fn look(&self, now: Timestamp) -> Look {
        match &self.state {
            State::Ended { .. } => Look::Over,
            State::Waiting(waiting) => match waiting.next.max(waiting.lease_until) {
                _ if waiting.is_parked_for_long(now) => Look::Parked,
                until if until > now => Look::NotYet(until),
                _ => Look::Due(waiting.cycle),
            },
        }
    }

    /// Whether it is too old to be tried. Every try that `policy` can ask for is made before.
    #[must_use]
    pub fn is_expired(&self, policy: &RetryPolicy, now: Timestamp) -> bool {
        now.since(self.created) > LIFE.max(longest_life(policy))
    }
}

/// The longest that a delivery can take under a policy, with a day more for alarms that come late.
fn longest_life(policy: &RetryPolicy) -> Duration {
    let waits: Duration = (1..).map_while(|cycle| policy.wait_after(cycle)).map(|wait| *wait.bounds().end()).sum();
    waits + Duration::from_secs(24 * 60 * 60)
}

/// What a message finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// This cycle falls due.
    Due(u16),
    /// Someone holds it, or it is not time. The message is the only alarm there is, so it is kept until then.
    NotYet(Timestamp),
    /// It waits in the table, and the keeper will send a message of its own: this one can go.
    Parked,
    /// It ended: the message can go.
    Over,
}

/// One of the tries of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// The cycle, from 1.
    pub cycle: u16,
    /// Which try of the cycle, from 1.
    pub number: u16,
}

impl Try {
    /// The first try of a cycle.
    #[must_use]
    pub const fn first(cycle: u16) -> Self {
        Self { cycle, number: 1 }
    }
}

/// What follows a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Try again at once, in the same cycle.
    Again(Try),
    /// Wait for the next cycle.
    Wait {
        /// The cycle that comes next.
        cycle: u16,
        /// How long from now, the end of this one.
        wait: Duration,
    },
    /// It succeeded.
    Delivered,
    /// That was the last try.
    Exhausted,
}

/// What follows `made`, which got an answer with `status` or, at `None`, no answer at all.
#[must_use]
pub fn next_step(policy: &RetryPolicy, made: Try, status: Option<u16>, dice: &dyn Dice) -> Step {
    if status.is_some_and(|status| policy.success().holds(status)) {
        return Step::Delivered;
    }
    if made.number < policy.tries() {
        return Step::Again(Try { number: made.number + 1, ..made });
    }
    match policy.wait_after(made.cycle) {
        Some(wait) => Step::Wait { cycle: made.cycle + 1, wait: wait.draw(dice) },
        None => Step::Exhausted,
    }
}

/// Why a delivery waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The retry policy says so.
    Schedule,
    /// The endpoint's rate limit.
    RateLimit,
    /// The endpoint's breaker is open.
    Breaker,
    /// The endpoint asked for a longer wait than the schedule's.
    RetryAfter,
}

/// Where a delivery waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// On the queue, by the message's visibility timeout.
    Hold,
    /// In the table alone.
    Park,
}

/// Whether a delivery that waits for `wait` does so on the queue or in the table.
///
/// On the queue by default: the alarm is exact and costs nothing. In the table when the hold would come
/// near the 12 h of a message (`since_first_receive` is this message's), when too many are in flight, and
/// whenever the wait is no retry of the schedule, because every receive counts towards the dead-letter limit.
#[must_use]
pub fn hold_or_park(wait: Duration, since_first_receive: Duration, in_flight: u64, cause: Cause) -> Verdict {
    let park = cause != Cause::Schedule
        || since_first_receive + wait > LONGEST_HOLD
        || (wait > LONG_WAIT && in_flight > MANY_IN_FLIGHT)
        || (wait > SHORT_WAIT && in_flight > TOO_MANY_IN_FLIGHT);
    if park { Verdict::Park } else { Verdict::Hold }
}

/// What the keeper does about a waiting delivery that the due index shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Nothing: its own alarm should ring.
    Leave,
    /// Send a message that becomes visible after this delay.
    Send {
        /// The delay.
        delay: Duration,
        /// When the keeper looks at it again, if nothing happened: later each time, so that a backlog on
        /// the queue is not doubled every two minutes.
        look_again: Timestamp,
    },
}

/// What the keeper does about `waiting`, which the due index shows at `due`.
#[must_use]
pub fn wake(waiting: &Waiting, due: Timestamp, now: Timestamp) -> Wake {
    let time = match waiting.place {
        Place::Parked => due <= now + LOOK_AHEAD,
        Place::Queued | Place::Held => due + OVERDUE <= now,
    };
    if !time || waiting.lease_until > now {
        return Wake::Leave;
    }
    let patience = (OVERDUE * 2_u32.saturating_pow(u32::from(waiting.wakes.min(16)))).min(LONGEST_PATIENCE);
    Wake::Send { delay: waiting.next.since(now), look_again: waiting.next.max(now) + patience - OVERDUE }
}

#[cfg(test)]
mod tests;
