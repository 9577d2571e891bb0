//! The two reasons for a 601: too many calls in a window, and equal calls within 10 seconds.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use afferent_domain::clock::Timestamp;

/// How long equal calls are refused (the text of the second 601).
const SAME_ARGUMENTS: Duration = Duration::from_secs(10);

/// Counts the arrivals of every client over a sliding window.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    arrivals: HashMap<String, VecDeque<Timestamp>>,
}

impl Limiter {
    /// Admits a call that arrives now, or says in how many seconds there is room again (at least 1).
    pub(crate) fn arrive(
        &mut self,
        client: &str,
        now: Timestamp,
        limit: u32,
        window: Duration,
        refused_count: bool,
    ) -> Result<(), u64> {
        let arrivals = self.arrivals.entry(client.to_owned()).or_default();
        while arrivals.front().is_some_and(|arrival| now.since(*arrival) >= window) {
            arrivals.pop_front();
        }
        let limit = limit as usize;
        if arrivals.len() < limit {
            arrivals.push_back(now);
            return Ok(());
        }
        if refused_count {
            arrivals.push_back(now);
        }
        // There is room when all but limit - 1 of those in the window have left it.
        let blocking = arrivals.len().checked_sub(limit.max(1)).and_then(|index| arrivals.get(index));
        let leaves = blocking.copied().unwrap_or(now);
        let wait = (leaves + window).since(now);
        Err(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1))
    }
}

/// Remembers calls for 10 seconds.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    seen: VecDeque<(Timestamp, String)>,
}

impl Duplicates {
    /// Admits a call, or says how many seconds too early it is. A refused call does not prolong the wait
    /// (whether Withings' own does is UNCERTAIN).
    pub(crate) fn arrive(&mut self, call: String, now: Timestamp) -> Result<(), u64> {
        while self.seen.front().is_some_and(|(at, _)| now.since(*at) >= SAME_ARGUMENTS) {
            self.seen.pop_front();
        }
        if let Some((at, _)) = self.seen.iter().find(|(_, seen)| *seen == call) {
            let wait = (*at + SAME_ARGUMENTS).since(now);
            return Err(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX));
        }
        self.seen.push_back((now, call));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(60);

    proptest! {
        #[test]
        fn no_window_of_sixty_seconds_admits_more_than_the_limit(
            gaps in prop::collection::vec(0_u64..5_000, 1..400),
            limit in 1_u32..40,
            refused_count: bool,
        ) {
            let mut limiter = Limiter::default();
            let mut now = Timestamp::from_secs(1_790_000_000);
            let mut admitted: Vec<Timestamp> = Vec::new();
            for gap in gaps {
                now = now + Duration::from_millis(gap);
                let in_window = admitted.iter().filter(|at| now.since(**at) < WINDOW).count();
                match limiter.arrive("client", now, limit, WINDOW, refused_count) {
                    Ok(()) => {
                        prop_assert!(in_window < limit as usize);
                        admitted.push(now);
                    }
                    Err(wait) => {
                        prop_assert!((1..=60).contains(&wait));
                        prop_assert!(refused_count || in_window == limit as usize);
                    }
                }
            }
        }

        #[test]
        fn a_client_that_honours_the_wait_is_admitted_at_its_end(
            gaps in prop::collection::vec(0_u64..1_000, 1..300),
            limit in 1_u32..20,
            refused_count: bool,
        ) {
            let mut limiter = Limiter::default();
            let mut now = Timestamp::from_secs(1_790_000_000);
            for gap in gaps {
                now = now + Duration::from_millis(gap);
                if let Err(wait) = limiter.arrive("client", now, limit, WINDOW, refused_count) {
                    now = now + Duration::from_secs(wait);
                    prop_assert_eq!(limiter.arrive("client", now, limit, WINDOW, refused_count), Ok(()));
                }
            }
        }
    }

    #[test]
    fn clients_do_not_share_a_window() {
        let mut limiter = Limiter::default();
        let now = Timestamp::from_secs(0);
        assert_eq!(limiter.arrive("a", now, 1, WINDOW, false), Ok(()));
        assert_eq!(limiter.arrive("a", now, 1, WINDOW, false), Err(60));
        assert_eq!(limiter.arrive("b", now, 1, WINDOW, false), Ok(()));
    }

    #[test]
    fn an_equal_call_is_admitted_again_after_ten_seconds() {
        let mut duplicates = Duplicates::default();
        let now = Timestamp::from_secs(100);
        assert_eq!(duplicates.arrive("call".to_owned(), now), Ok(()));
        assert_eq!(duplicates.arrive("call".to_owned(), now + Duration::from_millis(1)), Err(10));
        assert_eq!(duplicates.arrive("other".to_owned(), now), Ok(()));
        assert_eq!(duplicates.arrive("call".to_owned(), now + Duration::from_secs(10)), Ok(()));
    }
}
