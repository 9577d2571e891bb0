//! Where a delivery waits: on the queue or in the table.

use std::time::Duration;

use super::{LOOK_AHEAD, WaitsFor};

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
