//! Two clocks and a dice: the machine's own, or virtual ones that a seed reproduces.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use afferent_domain::{Clock, Dice, Timestamp};
use aws_smithy_async::time::TimeSource;
use tokio::time::Instant;

pub use afferent_function::{SystemClock, SystemDice};

/// A clock that goes as tokio's does: in a test with a paused runtime it jumps to the next timer as soon as
/// every task waits, so five hours take milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    began: Instant,
    epoch: Timestamp,
}

impl VirtualClock {
    /// A clock that shows `epoch` now. Must be made inside the runtime whose time it follows.
    #[must_use]
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { began: Instant::now(), epoch }
    }

    /// How long the clock has run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.epoch + self.elapsed()
    }
}

/// Any of our clocks, as the AWS SDK and dynoxide want theirs.
#[derive(Clone)]
pub struct Shown(pub Arc<dyn Clock>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shown").field(&self.0.now()).finish()
    }
}

impl TimeSource for Shown {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.now().as_millis().unsigned_abs())
    }
}

impl dynoxide::storage_backend::Clock for Shown {
    fn now_unix_secs(&self) -> u64 {
        self.0.now().as_secs().unsigned_abs()
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit an f64 exactly")]
    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().as_millis() as f64 / 1000.0
    }
}

/// Chance that a seed decides: SplitMix64 (Steele, Lea and Flood, 2014). Not for secrets.
#[derive(Debug)]
pub struct SeededDice(AtomicU64);

impl SeededDice {
    /// The dice of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Dice for SeededDice {
    fn roll(&self) -> u64 {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_passes_only_by_sleeping() {
        let clock = VirtualClock::starting_at(Timestamp::from_secs(1_800_000_000));
        tokio::time::sleep(Duration::from_secs(5 * 3600)).await;
        assert_eq!(clock.now(), Timestamp::from_secs(1_800_018_000));
    }

    #[test]
    fn the_same_seed_rolls_the_same() {
        let (one, other) = (SeededDice::new(7), SeededDice::new(7));
        assert!((0..100).all(|_| one.roll() == other.roll()));
        assert_ne!(SeededDice::new(7).roll(), SeededDice::new(8).roll());
    }
}
