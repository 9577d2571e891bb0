//! How long to leave something alone that failed: growing from a minute to a day.

use std::time::Duration;

use crate::clock::Dice;

/// After the first failure.
const SHORTEST: Duration = Duration::from_secs(60);

/// However often it failed.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The pause after `failures` failures in a row (from 1): doubled each time, up to a day, and up to a tenth
/// more by chance, so that what failed together does not come back together.
#[must_use]
pub fn pause(failures: u32, dice: &dyn Dice) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let pause = SHORTEST.saturating_mul(1 << doublings).min(LONGEST);
    let tenth = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX) / 10;
    pause + Duration::from_millis(dice.between(0, tenth))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u64);

    impl Dice for Fixed {
        fn roll(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn a_pause_grows_from_a_minute_to_a_day_and_no_further() {
        let pauses: Vec<u64> = (0..14).map(|failures| pause(failures, &Fixed(0)).as_secs()).collect();
        assert_eq!(pauses, [60, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 30720, 61440, 86400, 86400]);
        assert_eq!(pause(u32::MAX, &Fixed(0)), LONGEST);
    }

    #[test]
    fn chance_only_adds_and_at_most_a_tenth() {
        for roll in [1, 7, u64::MAX / 3, u64::MAX - 1] {
            let pause = pause(1, &Fixed(roll));
            assert!((SHORTEST..=SHORTEST + SHORTEST / 10).contains(&pause), "{pause:?}");
        }
    }
}
