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

mod due;
mod hold;
mod step;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::{EndpointId, EventId, UserId};
use crate::reply::LONGEST_RETRY_AFTER;
use crate::schedule::RetryPolicy;
use crate::trace::Trace;

pub use due::{DUE_SHARDS, LOOK_AHEAD, OVERDUE, Wake, due_shard, kept_back_shard, wake};
pub use hold::{
    Alarm, IN_FLIGHT_EVERY, LAST_HOLD, LONG_WAIT, LONGEST_HOLD, Limits, MOST_RECEIVES, SHORT_WAIT, Verdict,
    hold_or_park,
};
pub use step::{Step, next_step};

/// How long a claim holds. Longer than a dispatcher lives (30 s): the lease of a lost function ends after
/// the function, never before, so no two try at once.
pub const LEASE: Duration = Duration::from_secs(40);

/// How long one try may take, from resolving the name to the last byte of the answer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A delivery older than this ends as expired, if its policy allows it no longer life.
pub const LIFE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// No policy's [`life`] is longer: twenty waits of a day and a tenth, and what is added to them.
pub const LONGEST_LIFE: Duration = Duration::from_secs(24 * 24 * 60 * 60);

/// How long a terminal delivery and its attempts are kept.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Why a delivery ended whose receiver wants no further try of it.
pub const ABORTED: &str = "the endpoint wants no further try of it";
/// Why a delivery ended whose event the journal does not keep any more.
pub const EVENT_GONE: &str = "its event is no longer kept";
/// Why a delivery ended that its owner cancelled.
pub const WITHDRAWN: &str = "its owner cancelled it";
/// What ended for one of these reasons is not recovered: nobody wants it, or it would end in the same way again.
pub const FOR_GOOD: [&str; 3] = [ABORTED, EVENT_GONE, WITHDRAWN];

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
    /// The try that comes next.
    pub at: Try,
    /// What it waits for.
    pub waits_for: WaitsFor,
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
    /// When this life of it began: when it was made, or last sent again. Its age counts from here.
    pub since: Timestamp,
    /// The trace of the notification that its event came of, from its creation on. Waits leave it.
    pub trace: Option<Trace>,
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
        let (at, waits_for) = (Try::first(1), WaitsFor::Schedule);
        let waiting = Waiting { place: Place::Queued, next: now, at, waits_for, lease_until, wakes: 0 };
        Self {
            key,
            user,
            sequence,
            event_type,
            created: now,
            since: now,
            trace: None,
            attempts: 0,
            claims: 0,
            state: State::Waiting(waiting),
        }
    }

    /// What a message about it may do now. The claim's condition in the table says the same.
    #[must_use]
    pub fn look(&self, now: Timestamp) -> Look {
        match &self.state {
            State::Ended { .. } => Look::Over,
            State::Waiting(waiting) => match waiting.next.max(waiting.lease_until) {
                _ if waiting.is_parked_for_long(now) => Look::Parked,
                until if until > now => Look::NotYet(until),
                _ => Look::Due(waiting.at),
            },
        }
    }

    /// When it becomes too old to be tried. Every try that `policy` can ask for is made before.
    #[must_use]
    pub fn expires(&self, policy: &RetryPolicy) -> Timestamp {
        self.since + life(policy)
    }

    /// Whether it is too old to be tried.
    #[must_use]
    pub fn is_expired(&self, policy: &RetryPolicy, now: Timestamp) -> bool {
        now > self.expires(policy)
    }
}

/// How long a delivery lives under a policy: [`LIFE`], or the longest that the policy's tries can take if every one of
/// them is answered with the longest `Retry-After`, and a day more for alarms that come late.
#[must_use]
pub fn life(policy: &RetryPolicy) -> Duration {
    let between = LONGEST_RETRY_AFTER * u32::from(policy.tries() - 1) * u32::from(policy.cycles());
    let waits =
        (1..).map_while(|cycle| policy.wait_after(cycle)).map(|wait| (*wait.bounds().end()).max(LONGEST_RETRY_AFTER));
    LIFE.max(between + waits.sum::<Duration>() + Duration::from_secs(24 * 60 * 60))
}

/// What a message finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// This try falls due.
    Due(Try),
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

/// What a delivery waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// The next cycle of its retry policy, or a dispatcher.
    Schedule,
    /// Its place under the endpoint's rate.
    Rate,
    /// The endpoint's breaker.
    Breaker,
    /// What the receiver asked for, longer than the schedule.
    RetryAfter,
}

impl WaitsFor {
    /// As tables write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Rate => "rate",
            Self::Breaker => "breaker",
            Self::RetryAfter => "retry_after",
        }
    }

    /// Reads what [`WaitsFor::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Schedule, Self::Rate, Self::Breaker, Self::RetryAfter].into_iter().find(|one| one.as_str() == text)
    }
}

#[cfg(test)]
mod tests;
