//! The index of what falls due, and what the keeper does about it.

use std::time::Duration;

use super::{Place, Waiting};
use crate::clock::Timestamp;
use crate::id::EndpointId;

/// The shards of the due index that hold what falls due by itself. What an open breaker keeps back is in a shard of its
/// endpoint's own: see [`kept_back_shard`].
pub const DUE_SHARDS: u8 = 10;
/// How far ahead the keeper looks for parked deliveries: its own minute, and half of one for lateness.
pub const LOOK_AHEAD: Duration = Duration::from_secs(90);
/// How late a delivery that has a message must be before the keeper sends another.
pub const OVERDUE: Duration = Duration::from_secs(120);
/// The longest that the keeper waits before it sends yet another message for the same delivery.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60 * 60);

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
