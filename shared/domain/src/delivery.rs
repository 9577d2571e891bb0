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
use crate::reply::{Control, LONGEST_RETRY_AFTER, Reply};
use crate::schedule::RetryPolicy;

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

/// SQS lets a message be in flight for 12 h from its receive; parked from 11 h, for a margin of an hour.
pub const LONGEST_HOLD: Duration = Duration::from_secs(11 * 60 * 60);
/// And without exception from here: ten minutes before SQS itself would end the hold.
pub const LAST_HOLD: Duration = Duration::from_secs(11 * 60 * 60 + 50 * 60);
/// A wait of more than this is parked once [`Limits::many`] are in flight.
pub const LONG_WAIT: Duration = Duration::from_secs(900);
/// A wait of more than this is parked once [`Limits::nearly_all`] are in flight.
pub const SHORT_WAIT: Duration = Duration::from_secs(10);
/// A message received so often is parked: its next one begins to count anew, far below the queue's
/// `maxReceiveCount` of 50.
pub const MOST_RECEIVES: u32 = 40;
/// How long a reading of the number in flight is used; one's own holds since are added.
pub const IN_FLIGHT_EVERY: Duration = Duration::from_secs(10);

/// The shards of the due index that hold what falls due by itself. What an open breaker keeps back is in a shard of its
/// endpoint's own: see [`kept_back_shard`].
pub const DUE_SHARDS: u8 = 10;
/// How far ahead the keeper looks for parked deliveries: its own minute, and half of one for lateness.
pub const LOOK_AHEAD: Duration = Duration::from_secs(90);
/// How late a delivery that has a message must be before the keeper sends another.
pub const OVERDUE: Duration = Duration::from_secs(120);
/// The longest that the keeper waits before it sends yet another message for the same delivery.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60 * 60);

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

/// The shard of what an endpoint's open breaker keeps back, due when it expires: the keeper wakes one as a probe, the
/// rest when the breaker closes, and however many there are, they cost nothing while the endpoint is dead.
#[must_use]
pub fn kept_back_shard(endpoint: &EndpointId) -> String {
    format!("b#{endpoint}")
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
    /// The trace that it belongs to, as far as it may be carried across waits.
    pub trace: Option<String>,
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

/// What follows a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Try again at once, in the same cycle.
    Again(Try),
    /// Wait for the next try.
    Wait {
        /// Which it is.
        at: Try,
        /// How long from now: from the end of this cycle, or as long as the receiver asks for.
        wait: Duration,
        /// What it is waited for.
        waits_for: WaitsFor,
    },
    /// It succeeded.
    Delivered,
    /// That was the last try.
    Exhausted,
    /// The receiver wants no further try of this delivery.
    Aborted,
    /// The receiver wants no delivery at all any more.
    Stopped,
}

/// What follows `made`, to which `reply` came.
#[must_use]
pub fn next_step(policy: &RetryPolicy, made: Try, reply: &Reply, dice: &dyn Dice) -> Step {
    let (delivered, hint, control) = match reply {
        Reply::Answer { status, retry_after, control } => (policy.success().holds(*status), *retry_after, *control),
        Reply::Taken => (true, None, None),
        Reply::Nothing => (false, None, None),
    };
    // A 410 is below no policy's success, and a receiver that took this one has taken it, whatever else it wants.
    if delivered {
        return Step::Delivered;
    }
    if reply.stop().is_some() {
        return Step::Stopped;
    }
    if control == Some(Control::AbortMessage) {
        return Step::Aborted;
    }
    let (at, wait) = if made.number < policy.tries() {
        (Try { number: made.number + 1, ..made }, Duration::ZERO)
    } else {
        match policy.wait_after(made.cycle) {
            Some(wait) => (Try::first(made.cycle + 1), wait.draw(dice)),
            None => return Step::Exhausted,
        }
    };
    match hint.filter(|hint| *hint > wait) {
        Some(hint) => Step::Wait { at, wait: hint, waits_for: WaitsFor::RetryAfter },
        None if wait.is_zero() => Step::Again(at),
        None => Step::Wait { at, wait, waits_for: WaitsFor::Schedule },
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

/// How many messages a queue lets be in flight: 120,000 on a standard queue, unless AWS raised it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    in_flight: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 120_000 }
    }
}

impl Limits {
    /// A queue with another limit; at least 4.
    #[must_use]
    pub fn of(in_flight: u64) -> Self {
        Self { in_flight: in_flight.max(4) }
    }

    /// From a quarter of the limit on, long waits are parked.
    #[must_use]
    pub const fn many(self) -> u64 {
        self.in_flight / 4
    }

    /// From half of it on, all are parked that the keeper can wake to the second.
    #[must_use]
    pub const fn too_many(self) -> u64 {
        self.in_flight / 2
    }

    /// From three quarters of it on, all but the shortest, late or not: a queue that is full gives nothing to anyone.
    #[must_use]
    pub const fn nearly_all(self) -> u64 {
        self.in_flight / 4 * 3
    }
}

/// The message that a wait could be held by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    /// How long ago SQS first gave it to anyone.
    pub age: Duration,
    /// How often it was received.
    pub receives: u32,
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
/// On the queue by default: the alarm is exact and costs nothing. In the table when the hold would come near the 12 h of
/// a message, when too many are in flight, when the message was received so often that it comes near the dead-letter
/// limit, and whenever the wait is no retry of the schedule, because every receive counts towards that limit.
///
/// A wait shorter than the keeper looks ahead is held nevertheless (an open breaker's is not), because in the table it
/// would come up to a minute late; until the queue is nearly full.
#[must_use]
pub fn hold_or_park(wait: Duration, alarm: Alarm, in_flight: u64, limits: Limits, waits_for: WaitsFor) -> Verdict {
    let short = wait <= LOOK_AHEAD;
    let park = waits_for == WaitsFor::Breaker
        || alarm.receives >= MOST_RECEIVES
        || alarm.age + wait > LAST_HOLD
        || (!short && waits_for != WaitsFor::Schedule)
        || (!short && alarm.age + wait > LONGEST_HOLD)
        || (wait > LONG_WAIT && in_flight > limits.many())
        || (!short && in_flight > limits.too_many())
        || (wait > SHORT_WAIT && in_flight > limits.nearly_all());
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
