//! How an endpoint fares, and what follows from it.
//!
//! Three rules are read off the same numbers:
//!
//! - *The breaker.* After at least [`OPENING_TRIES`] failed tries over at least [`OPENING_TIME`] without a success it
//!   opens: no try is made or counted, but for one *probe* at a time, later and later. A success closes it.
//! - *Warnings.* Withings warns its customers by mail at each of the first 4 consecutive failures (developer guide,
//!   "Retry Mechanism"); so do we. A failure is a delivery that was tried and ended without being delivered; the opening of the
//!   breaker counts as the first, since nothing ends for long after it.
//! - *The 20 days.* A failure that "remains unresolved for 20 days" ends the subscription (the same page): counted from
//!   the first failed try after the last success.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::endpoint::Cause;

/// How often the time of the last success is written while all goes well.
pub const SUCCESS_EVERY: Duration = Duration::from_secs(60);

/// So many failed tries without a success open the breaker,
pub const OPENING_TRIES: u32 = 20;
/// if they took at least this long: a blip of a busy endpoint is not an outage.
pub const OPENING_TIME: Duration = Duration::from_secs(60);

/// The wait before the first probe of an open breaker; each later one is twice as long,
pub const FIRST_PROBE: Duration = Duration::from_secs(60);
/// up to this.
pub const LONGEST_PROBE: Duration = Duration::from_secs(15 * 60);

/// How many consecutive failures the contact is warned of.
pub const WARNINGS: u32 = 4;

/// An endpoint that fails for so long is disabled.
pub const PATIENCE: Duration = Duration::from_secs(20 * 24 * 60 * 60);

/// How long after the breaker closed the keeper goes on releasing what it kept back: longer than a dispatcher lives
/// that still believed it open.
pub const DRAINING: Duration = Duration::from_secs(5 * 60);

/// How an endpoint fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The last delivery that succeeded, to the minute.
    pub last_success: Option<Timestamp>,
    /// The first failed try after the last success.
    pub failing_since: Option<Timestamp>,
    /// Failed tries since the last success.
    pub failed_tries: u32,
    /// Deliveries that ended undelivered since the last success, and the opening of the breaker.
    pub failures_in_a_row: u32,
    /// How many of them the contact was warned of.
    pub warned: u32,
    /// Warnings of a row that a success ended before they were given.
    pub owed: Option<Owed>,
    /// Whether it is called at all.
    pub breaker: Breaker,
    /// It must not be called again; the keeper disables it.
    pub stop: Option<Stop>,
}

/// Warnings that are still to be given although their row of failures is over: the contact is told of every one of the
/// first four, also if a success came within the keeper's minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// When the row began.
    pub since: Timestamp,
    /// How many warnings of it were given.
    pub warned: u32,
    /// How many failures it had.
    pub failures: u32,
}

impl Owed {
    /// The numbers of the warnings.
    #[must_use]
    pub fn warnings(&self) -> std::ops::RangeInclusive<u32> {
        self.warned + 1..=self.failures.min(WARNINGS)
    }
}

/// Whether an endpoint is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breaker {
    /// It is.
    #[default]
    Closed,
    /// It is not, but for probes.
    Open {
        /// Since when.
        since: Timestamp,
        /// Probes made.
        probes: u32,
        /// Before this there is no probe. While one is under way, when it is given up.
        next_probe: Timestamp,
    },
    /// It is again, and what was kept back is being released.
    Draining {
        /// When it closed.
        since: Timestamp,
    },
}

/// An endpoint said that it wants no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// How.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
}

/// What the breaker lets a try do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Go.
    Free,
    /// Go, if the lease on this probe can be had.
    Probe,
    /// Wait: no probe before this.
    Shut(Timestamp),
}

impl Health {
    /// Whether a success at `now` is worth a write: it ends a failure, or the last one noted is a minute old.
    #[must_use]
    pub fn is_better_by_success(&self, now: Timestamp) -> bool {
        let recent = self.last_success.is_some_and(|last| now.since(last) < SUCCESS_EVERY);
        let clean = self.failing_since.is_none() && self.failures_in_a_row == 0 && !self.is_open();
        !(recent && clean)
    }

    /// Whether the breaker is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.breaker, Breaker::Open { .. })
    }

    /// Whether the breaker must open now.
    #[must_use]
    pub fn opens(&self, now: Timestamp) -> bool {
        !self.is_open()
            && self.failed_tries >= OPENING_TRIES
            && self.failing_since.is_some_and(|since| now.since(since) >= OPENING_TIME)
    }

    /// What the breaker lets a try do at `now`.
    #[must_use]
    pub fn pass(&self, now: Timestamp) -> Pass {
        match self.breaker {
            Breaker::Closed | Breaker::Draining { .. } => Pass::Free,
            Breaker::Open { next_probe, .. } if next_probe <= now => Pass::Probe,
            Breaker::Open { next_probe, .. } => Pass::Shut(next_probe),
        }
    }

    /// The numbers of the warnings that are due: from the one after the last given to the fourth.
    #[must_use]
    pub fn warnings_due(&self) -> std::ops::RangeInclusive<u32> {
        self.warned + 1..=self.failures_in_a_row.min(WARNINGS)
    }

    /// When the endpoint is disabled if nothing succeeds; `None` while no delivery has failed.
    #[must_use]
    pub fn disabled_at(&self) -> Option<Timestamp> {
        self.failing_since.filter(|_| self.failures_in_a_row > 0).map(|since| since + PATIENCE)
    }

    /// Why the endpoint must be disabled now, and since when it should be.
    #[must_use]
    pub fn must_stop(&self, now: Timestamp) -> Option<Stop> {
        let failing = self.disabled_at().filter(|at| *at <= now).map(|at| Stop { cause: Cause::Failing, at });
        self.stop.or(failing)
    }
}

/// The wait before the probe after `probes` failed ones.
#[must_use]
pub fn probe_wait(probes: u32) -> Duration {
    (FIRST_PROBE * 2_u32.saturating_pow(probes.min(16))).min(LONGEST_PROBE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_244_400);

    fn failing(tries: u32, for_secs: u64) -> Health {
        let since = NOW - Duration::from_secs(for_secs);
        Health { failing_since: Some(since), failed_tries: tries, ..Health::default() }
    }

    #[test]
    fn the_breaker_opens_after_twenty_failed_tries_over_a_minute_and_not_before() {
        assert!(failing(20, 60).opens(NOW));
        assert!(!failing(19, 3_600).opens(NOW), "few tries are no outage");
        assert!(!failing(1_000, 59).opens(NOW), "a blip is no outage");
        let open = Breaker::Open { since: NOW, probes: 0, next_probe: NOW };
        assert!(!Health { breaker: open, ..failing(20, 60) }.opens(NOW), "it opens once");
    }

    #[test]
    fn an_open_breaker_lets_one_try_through_when_its_probe_is_due() {
        let open =
            |next_probe| Health { breaker: Breaker::Open { since: NOW, probes: 1, next_probe }, ..failing(20, 60) };
        let later = NOW + Duration::from_secs(1);
        assert_eq!((open(NOW).pass(NOW), open(later).pass(NOW)), (Pass::Probe, Pass::Shut(later)));
        assert_eq!(Health { breaker: Breaker::Draining { since: NOW }, ..Health::default() }.pass(NOW), Pass::Free);
    }

    #[test]
    fn each_of_the_first_four_failures_is_warned_of_once() {
        let after = |failures_in_a_row, warned| Health { failures_in_a_row, warned, ..Health::default() };
        assert_eq!(after(1, 0).warnings_due().collect::<Vec<_>>(), [1]);
        assert_eq!(after(3, 1).warnings_due().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(after(9, 3).warnings_due().collect::<Vec<_>>(), [4]);
        assert!(after(9, 4).warnings_due().is_empty() && after(0, 0).warnings_due().is_empty());
    }

    #[test]
    fn twenty_days_run_from_the_first_failed_try_and_only_if_a_delivery_failed() {
        let twenty = 20 * 24 * 3_600;
        let mut health = failing(10, twenty);
        assert_eq!(health.must_stop(NOW), None, "every delivery came through in the end");
        health.failures_in_a_row = 1;
        assert_eq!(health.must_stop(NOW), Some(Stop { cause: Cause::Failing, at: NOW }));
        assert_eq!(health.must_stop(NOW - Duration::from_secs(1)), None);
    }

    #[test]
    fn an_endpoint_that_wants_no_more_is_stopped_at_once() {
        let stop = Stop { cause: Cause::Gone, at: NOW };
        assert_eq!(Health { stop: Some(stop), ..Health::default() }.must_stop(NOW), Some(stop));
    }

    #[test]
    fn a_success_is_written_at_most_once_a_minute_unless_it_ends_a_failure() {
        let healthy = Health { last_success: Some(NOW), ..Health::default() };
        assert!(!healthy.is_better_by_success(NOW + Duration::from_secs(59)));
        assert!(healthy.is_better_by_success(NOW + SUCCESS_EVERY));
        assert!(Health { failing_since: Some(NOW), ..healthy }.is_better_by_success(NOW));
        assert!(Health::default().is_better_by_success(NOW));
    }

    proptest! {
        #[test]
        fn probes_come_later_and_later_and_never_stop(probes in 0_u32..1_000) {
            prop_assert!(probe_wait(probes) <= probe_wait(probes + 1));
            prop_assert!((FIRST_PROBE..=LONGEST_PROBE).contains(&probe_wait(probes)));
        }
    }
}
