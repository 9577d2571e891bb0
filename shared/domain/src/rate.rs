//! How often an endpoint may be called: tries are spaced evenly, and one that comes too early takes the next free
//! place in the line.
//!
//! The state is one instant, the *line*: when the next try may be made (a generic cell rate algorithm without a
//! burst). Whoever takes a place moves the line by one interval, so nobody has to ask twice, and a backlog leaves in
//! the order it came. A place that is near is waited for by the dispatcher that took it; another one as every wait is,
//! held on the queue or parked in the table, and the delivery that comes back with it has its turn.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A place this near is waited for by the dispatcher itself.
pub const NEAR: Duration = Duration::from_secs(5);

/// A place is good for two intervals after its time, but for no less and no more than this.
const GOOD_FOR: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(10);

/// A checked rate: so many requests in so many seconds, evenly spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Rate {
    requests: u32,
    per_s: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    requests: u32,
    per_s: u32,
}

/// The rate is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is 1 to 1000 requests in 1 to 3600 seconds, at least one in 5 minutes")]
pub struct RateError;

impl Rate {
    /// Checks a rate: `requests` in `per_s` seconds.
    ///
    /// # Errors
    /// A number is out of range, or it is slower than one request in 5 minutes: nothing would arrive in time.
    pub fn new(requests: u32, per_s: u32) -> Result<Self, RateError> {
        let right =
            (1..=1_000).contains(&requests) && (1..=3_600).contains(&per_s) && per_s <= requests.saturating_mul(300);
        if right { Ok(Self { requests, per_s }) } else { Err(RateError) }
    }

    /// The time between two requests; at least a millisecond.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_millis((u64::from(self.per_s) * 1_000).div_ceil(u64::from(self.requests)).max(1))
    }

    /// The place that a try takes which comes at `now` and finds the line at `line`, and where the line is then.
    #[must_use]
    pub fn take(self, line: Timestamp, now: Timestamp) -> Place {
        let at = line.max(now);
        Place { at, line: at + self.interval() }
    }

    /// How long after its time a place is good: two intervals, at least 1 s (that late a message may come) and at most
    /// 10 s. Then another is needed: of places that come late together, those of so long a time are a burst.
    #[must_use]
    pub fn good_for(self) -> Duration {
        (self.interval() * 2).clamp(*GOOD_FOR.start(), *GOOD_FOR.end())
    }

    /// Whether a place taken earlier is still good.
    #[must_use]
    pub fn is_good(self, place: Timestamp, now: Timestamp) -> bool {
        now >= place && now.since(place) <= self.good_for()
    }
}

impl TryFrom<Written> for Rate {
    type Error = RateError;

    fn try_from(written: Written) -> Result<Self, RateError> {
        Self::new(written.requests, written.per_s)
    }
}

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When the try may be made.
    pub at: Timestamp,
    /// Where the line is for the next one.
    pub line: Timestamp,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_244_400);

    #[test]
    fn a_rate_is_written_as_requests_in_seconds() {
        let rate: Rate = serde_json::from_str(r#"{"requests":10,"per_s":60}"#).unwrap();
        assert_eq!(rate.interval(), Duration::from_secs(6));
        for wrong in [(0, 1), (1_001, 1), (1, 0), (1, 301), (1, 3_601)] {
            assert_eq!(Rate::new(wrong.0, wrong.1), Err(RateError), "{wrong:?}");
        }
    }

    #[test]
    fn a_try_that_comes_in_time_goes_at_once() {
        let place = Rate::new(1, 1).unwrap().take(NOW - Duration::from_secs(9), NOW);
        assert_eq!(place, Place { at: NOW, line: NOW + Duration::from_secs(1) });
    }

    #[test]
    fn after_a_burst_the_line_is_as_long_as_the_burst_and_no_longer() {
        let rate = Rate::new(1, 1).unwrap();
        let mut line = NOW;
        let places: Vec<u64> = (0..100)
            .map(|_| {
                let place = rate.take(line, NOW);
                line = place.line;
                place.at.since(NOW).as_secs()
            })
            .collect();
        assert!(places.iter().copied().eq(0..100));
        let later = NOW + Duration::from_secs(100);
        assert_eq!(rate.take(line, later).at, later);
    }

    #[test]
    fn a_place_is_good_from_its_time_on_and_for_two_intervals_within_bounds() {
        for (requests, per_s, good_ms) in
            [(1_000, 1, 1_000), (2, 1, 1_000), (1, 2, 4_000), (1, 5, 10_000), (1, 300, 10_000)]
        {
            let rate = Rate::new(requests, per_s).unwrap();
            let last = NOW + Duration::from_millis(good_ms);
            assert!(rate.is_good(NOW, NOW) && rate.is_good(NOW, last), "{rate:?}");
            assert!(!rate.is_good(NOW, NOW - Duration::from_millis(1)), "{rate:?}");
            assert!(!rate.is_good(NOW, last + Duration::from_millis(1)), "{rate:?}");
        }
    }

    proptest! {
        #[test]
        fn no_two_tries_are_closer_than_the_interval(
            requests in 1_u32..=1_000, per_s in 1_u32..=60, gaps in prop::collection::vec(0_u64..3_000, 1..60)
        ) {
            let rate = Rate::new(requests, per_s).unwrap();
            let (mut line, mut now, mut last) = (NOW, NOW, None::<Timestamp>);
            for gap in gaps {
                now = now + Duration::from_millis(gap);
                let place = rate.take(line, now);
                prop_assert!(place.at >= now);
                if let Some(last) = last {
                    prop_assert!(place.at.since(last) >= rate.interval());
                }
                last = Some(place.at);
                line = place.line;
            }
        }
    }
}
