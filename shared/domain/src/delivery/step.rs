//! What follows a try.

use std::time::Duration;

use super::{Try, WaitsFor};
use crate::clock::Dice;
use crate::reply::{Control, Reply};
use crate::schedule::RetryPolicy;

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
