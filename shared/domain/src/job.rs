//! A job: work on many deliveries of one endpoint, done by the keeper in slices, however many they are.
//!
//! - *recover*: what ended without being delivered goes out again;
//! - *replay*: what the endpoint would want now and was never made a delivery of is delivered;
//! - *cancel*: what still waits is ended, because the endpoint is disabled or deleted.
//!
//! A *preview* counts what the same job would do, and does nothing. Every job shows how far it is, and can be ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{EndpointId, JobId};

pub use crate::work::State;

/// The most deliveries that a job sends in a minute, if it is not told otherwise.
pub const PER_MINUTE: u32 = 600;
/// The most that it can be told.
pub const MOST_PER_MINUTE: u32 = 6_000;

/// How long a job that is over is kept, to be asked about.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Deliveries that ended exhausted, expired or cancelled go out again.
    Recover,
    /// Events without a delivery get one.
    Replay,
    /// Deliveries that wait are cancelled.
    Cancel,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which.
    pub job: JobId,
    /// Whose deliveries.
    pub endpoint: EndpointId,
    /// What it does.
    pub kind: Kind,
    /// Only counts.
    pub preview: bool,
    /// From when on: what ended undelivered (recover), was journalled (replay) or was made (cancel) at this time or later.
    pub since_ms: Timestamp,
    /// And before this; what comes while it runs is live.
    pub until_ms: Timestamp,
    /// How many deliveries it sends in a minute at most.
    pub per_minute: u32,
    /// When it was begun.
    pub created_ms: Timestamp,
    /// How it stands.
    pub state: State,
    /// How far it is.
    #[serde(default)]
    pub progress: Progress,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What was looked at.
    pub looked_at: u64,
    /// What of it is, or would be, sent or cancelled.
    pub matched: u64,
    /// Where the next slice begins. What it means is the keeper's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<Timestamp>,
}

/// The rate is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job sends 1 to {MOST_PER_MINUTE} deliveries a minute")]
pub struct PaceError;

/// Checks the pace of a job; [`PER_MINUTE`] if none is given.
///
/// # Errors
/// It is out of range.
pub fn pace(given: Option<u32>) -> Result<u32, PaceError> {
    let pace = given.unwrap_or(PER_MINUTE);
    if (1..=MOST_PER_MINUTE).contains(&pace) { Ok(pace) } else { Err(PaceError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_bounded_and_has_a_default() {
        assert_eq!((pace(None), pace(Some(1))), (Ok(600), Ok(1)));
        assert_eq!((pace(Some(0)), pace(Some(6_001))), (Err(PaceError), Err(PaceError)));
    }
}
