//! A round: one visit to every account, because of something that concerns them all.
//!
//! - *callback*: the callback URL has another secret now, so every subscription is to be made anew;
//! - *restored*: the tables are those of a backup. Every journal's epoch is raised, so that its readers know that
//!   numbers come again; every token pair is renewed, so that those show themselves that were used up since; and what was
//!   read since the backup is read again.
//!
//! The keeper goes round, a few accounts at a time; what is done at an account is its own *care*, in the lowest lane.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::RoundId;

pub use crate::work::State;

/// How many accounts are visited at once. Each takes some twenty calls, which what is live goes before.
pub const AT_ONCE: usize = 20;

/// How long an account may take before the round goes on without it. Its care goes on by itself, every day.
pub const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// How long a round that is over is kept, to be asked about.
pub const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

/// How long a function that runs may know the callback URL of before. A round about it begins after that.
pub const SETTLE: Duration = Duration::from_secs(5 * 60);

/// What makes a restored table older than the moment it is said to be of: writes under way, and clocks that differ.
pub const MARGIN: Duration = Duration::from_secs(3600);

/// Why every account is visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Cause {
    /// The callback URL has another secret.
    Callback,
    /// The tables were restored.
    Restored {
        /// To their state of this instant.
        since_ms: Timestamp,
    },
}

/// A round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Which.
    pub round: RoundId,
    /// Why.
    pub cause: Cause,
    /// When it was begun.
    pub created_ms: Timestamp,
    /// How it stands.
    pub state: State,
    /// How far it is.
    #[serde(default)]
    pub progress: Progress,
}

/// How far a round is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How often it was saved: of two that go on from the same, one is left alone.
    pub saves: u64,
    /// Journals whose epoch was raised.
    pub journals: u64,
    /// Connections that were looked at.
    pub connections: u64,
    /// Accounts whose care is done.
    pub accounts: u64,
    /// Accounts that turned out to need a new consent.
    pub lost: u64,
    /// Accounts whose care failed again and again, or took longer than [`PATIENCE`].
    pub left: u64,
    /// Where the keeper goes on. What it means is the keeper's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<Timestamp>,
}

impl Round {
    /// A round that begins.
    #[must_use]
    pub fn begin(round: RoundId, cause: Cause, now: Timestamp) -> Self {
        Self { round, cause, created_ms: now, state: State::Running, progress: Progress::default() }
    }

    /// No account is visited before this.
    #[must_use]
    pub fn visits_from(&self) -> Timestamp {
        match self.cause {
            Cause::Callback => self.created_ms + SETTLE,
            Cause::Restored { .. } => self.created_ms,
        }
    }

    /// Token pairs that are older than this are renewed when their account is visited.
    #[must_use]
    pub const fn renews_before(&self) -> Option<Timestamp> {
        match self.cause {
            Cause::Restored { .. } => Some(self.created_ms),
            Cause::Callback => None,
        }
    }

    /// What the journals' epoch is raised to: the round's time in seconds, which no backup holds.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        u32::try_from(self.created_ms.as_secs()).unwrap_or(u32::MAX)
    }

    /// From where on every connection is read again.
    #[must_use]
    pub fn reads_since(&self) -> Option<Timestamp> {
        match self.cause {
            Cause::Restored { since_ms } => Some(since_ms - MARGIN),
            Cause::Callback => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_backup_renews_every_pair_and_reads_what_came_after_it_and_a_new_secret_does_neither() {
        let now = Timestamp::from_secs(1_795_244_400);
        let since_ms = now - Duration::from_secs(86_400);
        let restored = Round::begin(RoundId::from("rnd_1"), Cause::Restored { since_ms }, now);
        assert_eq!((restored.renews_before(), restored.reads_since()), (Some(now), Some(since_ms - MARGIN)));
        let callback = Round::begin(RoundId::from("rnd_1"), Cause::Callback, now);
        assert_eq!((callback.renews_before(), callback.reads_since()), (None, None));
    }

    #[test]
    fn a_round_reads_back_as_it_was_written() {
        let now = Timestamp::from_secs(1_795_244_400);
        for cause in [Cause::Callback, Cause::Restored { since_ms: now }] {
            let round = Round::begin(RoundId::from("rnd_1"), cause, now);
            let text = serde_json::to_string(&round).unwrap();
            assert_eq!(serde_json::from_str::<Round>(&text).unwrap(), round);
        }
    }
}
