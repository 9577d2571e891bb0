//! What one process used of the budget, for whoever puts it under load. (The metrics are written where a slot is claimed.)

use std::time::Duration;

use afferent_domain::budget::{Lane, Limit};

/// What one lane had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneUsage {
    /// Slots that were claimed, one per call.
    pub calls: u64,
    /// How long these calls waited for their slots, together.
    pub wait: Duration,
    /// How long the one that waited longest did.
    pub longest_wait: Duration,
    /// Callers that gave up, because no slot was free in the time they had.
    pub spent: u64,
    /// Calls that Withings refused as too many (601).
    pub refused: u64,
}

/// What one process used since it was last asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    lanes: [LaneUsage; Lane::COUNT],
    /// The most slots that were seen in use, by whatever process.
    pub in_use: usize,
    /// How many there are.
    pub limit: u16,
}

impl Usage {
    pub(super) fn none(limit: Limit) -> Self {
        Self { lanes: Default::default(), in_use: 0, limit: limit.calls() }
    }

    /// What `lane` had.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> LaneUsage {
        self.lanes[lane.index()]
    }

    /// The lanes that had, or wanted, anything.
    pub fn lanes(&self) -> impl Iterator<Item = (Lane, LaneUsage)> {
        Lane::ALL.into_iter().zip(self.lanes).filter(|(_, used)| *used != LaneUsage::default())
    }

    /// The most slots that were in use, in percent of the limit, rounded down.
    #[must_use]
    pub fn percent(&self) -> usize {
        self.in_use * 100 / usize::from(self.limit.max(1))
    }

    pub(super) fn claimed(&mut self, lane: Lane, waited: Duration, in_use: usize) {
        let used = &mut self.lanes[lane.index()];
        used.calls += 1;
        used.wait += waited;
        used.longest_wait = used.longest_wait.max(waited);
        self.in_use = self.in_use.max(in_use);
    }

    pub(super) fn spent(&mut self, lane: Lane) {
        self.lanes[lane.index()].spent += 1;
    }

    pub(super) fn refused(&mut self, lane: Lane) {
        self.lanes[lane.index()].refused += 1;
    }
}
