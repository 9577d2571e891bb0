//! When a delivery that failed is tried again: retry policies as data.
//!
//! A delivery goes through *cycles* of one or two *tries*. The tries of a cycle follow each other at once;
//! the wait before the next cycle counts from the end of the cycle before. A wait is a fixed part plus a
//! random part out of a range, so chance only ever adds to the fixed part.
//!
//! The default is Withings' own schedule (Withings developer guide, "Notification Overview", "Retry
//! Mechanism"): 5 cycles of 2 tries, and any status below 400 succeeds.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Dice;

/// The longest single wait that a custom list may hold: waits are alarms, not calendars.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The most waits that a custom list may hold.
pub const MOST_WAITS: usize = 20;

/// The most that chance may add to each wait of a custom list, as a divisor of its fixed part: a tenth.
const CUSTOM_JITTER_DIVISOR: u32 = 10;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The wait before one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    fixed: Duration,
    least: Duration,
    most: Duration,
}

impl Wait {
    const fn exactly(fixed: Duration) -> Self {
        Self { fixed, least: Duration::ZERO, most: Duration::ZERO }
    }

    /// Withings gives its random parts in whole minutes.
    const fn plus_minutes(fixed: Duration, least: u64, most: u64) -> Self {
        Self { fixed, least: Duration::from_secs(least * 60), most: Duration::from_secs(most * 60) }
    }

    const fn jittered(fixed: Duration, most: Duration) -> Self {
        Self { fixed, least: Duration::ZERO, most }
    }

    /// The shortest and the longest that this wait can be.
    #[must_use]
    pub fn bounds(&self) -> RangeInclusive<Duration> {
        self.fixed + self.least..=self.fixed + self.most
    }

    /// One draw, to the millisecond.
    #[must_use]
    pub fn draw(&self, dice: &dyn Dice) -> Duration {
        self.fixed + Duration::from_millis(dice.between(millis(self.least), millis(self.most)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Which status codes end a delivery well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// Anything below 400, a redirect included (it is never followed). Withings' rule.
    Below400,
    /// 200 to 299 only. The rule of Standard Webhooks.
    TwoHundreds,
}

impl Success {
    /// Whether `status` is a success.
    #[must_use]
    pub const fn holds(self, status: u16) -> bool {
        match self {
            Self::Below400 => status < 400,
            Self::TwoHundreds => 200 <= status && status < 300,
        }
    }
}

/// A policy, as an endpoint's item and the API write it: `"withings"`, `"standard-webhooks"` or
/// `{"custom":{"waits_s":[5,300]}}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryPolicy {
    /// Five cycles of two tries: at once, +10 s, +1 min and 1 to 10 min, +1 h and 2 to 20 min, +4 h and 3
    /// to 30 min; success below 400. At most 6 h 1 min of waiting.
    #[default]
    Withings,
    /// The example schedule of Standard Webhooks 1.0 ("Deliverability and reliability"): ten tries over
    /// 75 h 35 min, up to a tenth of each wait added by chance; success is 2xx.
    StandardWebhooks,
    /// One's own list of waits; one try in each cycle, up to a tenth of each wait added by chance; success
    /// is 2xx.
    Custom(Custom),
}

/// The longest waits of Withings' schedule come last.
const WITHINGS: &[Wait] = &[
    Wait::exactly(Duration::from_secs(10)),
    Wait::plus_minutes(MINUTE, 1, 10),
    Wait::plus_minutes(HOUR, 2, 20),
    Wait::plus_minutes(Duration::from_secs(4 * 60 * 60), 3, 30),
];

/// Standard Webhooks 1.0, "Example retry schedule", the column "Delay" in seconds.
const STANDARD_WEBHOOKS_S: &[u32] = &[5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

impl RetryPolicy {
    /// How many cycles there are, the first included.
    #[must_use]
    pub fn cycles(&self) -> u16 {
        let waits = match self {
            Self::Withings => WITHINGS.len(),
            Self::StandardWebhooks => STANDARD_WEBHOOKS_S.len(),
            Self::Custom(custom) => custom.waits_s.len(),
        };
        u16::try_from(waits + 1).unwrap_or(u16::MAX)
    }

    /// How many tries a cycle has.
    #[must_use]
    pub const fn tries(&self) -> u16 {
        match self {
            Self::Withings => 2,
            Self::StandardWebhooks | Self::Custom(_) => 1,
        }
    }

    /// Which answers are a success.
    #[must_use]
    pub const fn success(&self) -> Success {
        match self {
            Self::Withings => Success::Below400,
            Self::StandardWebhooks | Self::Custom(_) => Success::TwoHundreds,
        }
    }

    /// The wait after `cycle` (the first cycle is 1); `None` if it was the last.
    #[must_use]
    pub fn wait_after(&self, cycle: u16) -> Option<Wait> {
        let index = usize::from(cycle.max(1) - 1);
        match self {
            Self::Withings => WITHINGS.get(index).copied(),
            Self::StandardWebhooks => STANDARD_WEBHOOKS_S.get(index).map(|seconds| listed(*seconds)),
            Self::Custom(custom) => custom.waits_s.get(index).map(|seconds| listed(*seconds)),
        }
    }
}

fn listed(seconds: u32) -> Wait {
    let fixed = SECOND * seconds;
    Wait::jittered(fixed, fixed / CUSTOM_JITTER_DIVISOR)
}

/// A checked list of waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Waits")]
pub struct Custom {
    waits_s: Vec<u32>,
}

#[derive(Deserialize)]
struct Waits {
    waits_s: Vec<u32>,
}

/// Why a list of waits is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More than [`MOST_WAITS`].
    #[error("a retry policy may hold at most {MOST_WAITS} waits")]
    TooMany,
    /// A wait of nothing, or of more than [`LONGEST_WAIT`].
    #[error("each wait of a retry policy must be between 1 second and 24 hours")]
    OutOfRange,
}

impl Custom {
    /// Checks a list of waits in seconds. An empty list is one try and no more.
    ///
    /// # Errors
    /// The list is too long, or a wait is out of range.
    pub fn new(waits_s: Vec<u32>) -> Result<Self, PolicyError> {
        if waits_s.len() > MOST_WAITS {
            return Err(PolicyError::TooMany);
        }
        let allowed = 1..=LONGEST_WAIT.as_secs();
        if waits_s.iter().any(|seconds| !allowed.contains(&u64::from(*seconds))) {
            return Err(PolicyError::OutOfRange);
        }
        Ok(Self { waits_s })
    }
}

impl TryFrom<Waits> for Custom {
    type Error = PolicyError;

    fn try_from(waits: Waits) -> Result<Self, PolicyError> {
        Self::new(waits.waits_s)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Roll(u64);

    impl Dice for Roll {
        fn roll(&self) -> u64 {
            self.0
        }
    }

    fn seconds(policy: &RetryPolicy) -> Vec<(u64, u64)> {
        (1..)
            .map_while(|cycle| policy.wait_after(cycle))
            .map(|wait| (wait.bounds().start().as_secs(), wait.bounds().end().as_secs()))
            .collect()
    }

    #[test]
    fn withings_tries_ten_times_in_five_cycles_with_its_published_waits() {
        let policy = RetryPolicy::Withings;
        assert_eq!(policy.cycles() * policy.tries(), 10);
        assert_eq!(seconds(&policy), [(10, 10), (120, 660), (3_720, 4_800), (14_580, 16_200)]);
    }

    #[test]
    fn the_whole_life_of_a_delivery_under_the_withings_policy_fits_a_message_of_sqs() {
        let longest: u64 = seconds(&RetryPolicy::Withings).iter().map(|(_, most)| most).sum();
        assert_eq!(longest, 21_670, "6 h 1 min 10 s");
        assert!(longest < 12 * 3600);
    }

    #[test]
    fn standard_webhooks_has_its_example_schedule_and_wants_2xx() {
        let policy = RetryPolicy::StandardWebhooks;
        assert_eq!((policy.cycles(), policy.tries()), (10, 1));
        let total: u64 = seconds(&policy).iter().map(|(least, _)| least).sum();
        assert_eq!(total, 75 * 3600 + 35 * 60 + 5);
        assert!(policy.success().holds(204) && !policy.success().holds(302));
    }

    #[test]
    fn a_redirect_is_a_success_for_withings_and_400_is_not() {
        let success = RetryPolicy::Withings.success();
        assert!(success.holds(301) && success.holds(399) && !success.holds(400));
    }

    #[test]
    fn a_policy_is_written_as_a_name_or_as_a_list() {
        let custom: RetryPolicy = serde_json::from_str(r#"{"custom":{"waits_s":[5,300]}}"#).unwrap();
        assert_eq!(custom, RetryPolicy::Custom(Custom::new(vec![5, 300]).unwrap()));
        assert_eq!(serde_json::to_string(&RetryPolicy::StandardWebhooks).unwrap(), r#""standard-webhooks""#);
        assert!(serde_json::from_str::<RetryPolicy>(r#"{"custom":{"waits_s":[0]}}"#).is_err());
        assert!(serde_json::from_str::<RetryPolicy>(r#"{"custom":{"waits_s":[86401]}}"#).is_err());
    }

    fn policies() -> impl Strategy<Value = RetryPolicy> {
        prop_oneof![
            Just(RetryPolicy::Withings),
            Just(RetryPolicy::StandardWebhooks),
            prop::collection::vec(1_u32..=86_400, 0..=MOST_WAITS)
                .prop_map(|waits| RetryPolicy::Custom(Custom::new(waits).unwrap())),
        ]
    }

    proptest! {
        #[test]
        fn chance_only_ever_adds_and_stays_within_the_published_range(policy in policies(), roll: u64) {
            for cycle in 1..policy.cycles() {
                let wait = policy.wait_after(cycle).unwrap();
                let drawn = wait.draw(&Roll(roll));
                prop_assert!(drawn >= wait.fixed);
                prop_assert!(wait.bounds().contains(&drawn));
            }
        }

        #[test]
        fn every_policy_ends(policy in policies()) {
            prop_assert!(policy.wait_after(policy.cycles()).is_none());
            prop_assert!(policy.cycles() == 1 || policy.wait_after(policy.cycles() - 1).is_some());
        }

        #[test]
        fn a_policy_survives_being_written_and_read(policy in policies()) {
            let text = serde_json::to_string(&policy).unwrap();
            prop_assert_eq!(serde_json::from_str::<RetryPolicy>(&text).unwrap(), policy);
        }
    }

    #[test]
    fn ten_thousand_draws_of_each_wait_fill_its_range_and_never_leave_it() {
        let mut state = 1_u64;
        let mut roll = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Roll(state >> 16)
        };
        for cycle in 1..=4 {
            let wait = RetryPolicy::Withings.wait_after(cycle).unwrap();
            let (least, most) = (*wait.bounds().start(), *wait.bounds().end());
            let draws: Vec<Duration> = (0..10_000).map(|_| wait.draw(&roll())).collect();
            assert!(draws.iter().all(|drawn| wait.bounds().contains(drawn)), "cycle {cycle}");
            let range = most - least;
            let (first, last) = (draws.iter().min().unwrap(), draws.iter().max().unwrap());
            assert!(
                *first - least <= range / 500 && most - *last <= range / 500,
                "cycle {cycle}: the ends come up too"
            );
            let mean = draws.iter().sum::<Duration>() / 10_000;
            let middle = least + range / 2;
            assert!(mean.abs_diff(middle) <= range / 50, "cycle {cycle}: {mean:?} is not near {middle:?}");
        }
    }
}
