//! The budget of calls to Withings: slots that each come back 60 s after the answer to their call.
//!
//! Withings allows 120 requests a minute per application and does not say over which window, so the
//! strictest reading holds: *a server that counts arrivals over any sliding 60 s never sees a 121st*. A
//! bucket that refills at two a second with a burst of 120 breaks that; here a slot that was used is free
//! again 60 s after the answer to its call came in (or the call timed out). A request arrives before its
//! answer leaves, so whatever the latency does to the order of arrivals, any `limit + 1` arrivals span more
//! than 60 s.
//!
//! This file is the arithmetic; the conditional writes are in `afferent-store`.

use std::time::Duration;

use crate::Timestamp;

/// The window that Withings' limit is per.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Added to the window: how far the clocks of two machines may be apart.
pub const MARGIN: Duration = Duration::from_millis(200);

/// How many slots one item holds: a 13-digit number under a name of up to three letters each, so that an
/// item of 100 stays about 1 KB, one write unit.
pub const SLOTS_PER_ITEM: usize = 60;

/// The most calls in any 60 s. Withings' free plan has 120; paid plans have more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u16);

/// A limit that cannot be worked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit must be from 2 to 30,000 requests in 60 s")]
pub struct BadLimit;

impl Limit {
    /// A limit of `calls` in any 60 s.
    ///
    /// # Errors
    /// Fewer than 2 (one slot is reserved for code exchanges) or more than 30,000.
    pub const fn new(calls: u16) -> Result<Self, BadLimit> {
        if calls < 2 || calls > 30_000 { Err(BadLimit) } else { Ok(Self(calls)) }
    }

    /// The number of calls.
    #[must_use]
    pub const fn calls(self) -> u16 {
        self.0
    }

    /// How many items its slots are spread over.
    #[must_use]
    pub const fn items(self) -> usize {
        (self.0 as usize).div_ceil(SLOTS_PER_ITEM)
    }

    /// How many slots item number `item` holds.
    #[must_use]
    pub const fn slots_of(self, item: usize) -> usize {
        let rest = (self.0 as usize).saturating_sub(item * SLOTS_PER_ITEM);
        if rest < SLOTS_PER_ITEM { rest } else { SLOTS_PER_ITEM }
    }
}

/// Who a call is for. The order is the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// A code exchange: the code dies in 30 s. One slot is reserved for it.
    Auth,
    /// What a notification caused.
    Live,
    /// What a customer asked for just now.
    OnDemand,
    /// History.
    Backfill,
    /// The sweeps that look for what was missed.
    Reconcile,
}

impl Lane {
    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Live => "live",
            Self::OnDemand => "on_demand",
            Self::Backfill => "backfill",
            Self::Reconcile => "reconcile",
        }
    }

    /// Whether this lane may use slot `slot` of item `item`: the very first slot is kept for [`Lane::Auth`].
    #[must_use]
    pub const fn may_use(self, item: usize, slot: usize) -> bool {
        matches!(self, Self::Auth) || item != 0 || slot != 0
    }
}

/// What is known of one item: when each of its slots is free again, and until when the whole application
/// is held (Withings' 601).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// When each slot is free; a slot that was never used is free since ever.
    pub free_at: Vec<Timestamp>,
    /// No call before this instant.
    pub held_until: Timestamp,
}

impl Slots {
    /// An item none of whose `slots` was used.
    #[must_use]
    pub fn unused(slots: usize) -> Self {
        Self { free_at: vec![Timestamp::default(); slots], held_until: Timestamp::default() }
    }

    /// The slots of item `item` that `lane` may claim at `now`.
    pub fn claimable(&self, item: usize, lane: Lane, now: Timestamp) -> impl Iterator<Item = usize> {
        let open = self.held_until <= now;
        self.free_at
            .iter()
            .enumerate()
            .filter(move |(slot, free_at)| open && **free_at <= now && lane.may_use(item, *slot))
            .map(|(slot, _)| slot)
    }

    /// When the first slot that `lane` may use is free. `None` if there is none to use.
    #[must_use]
    pub fn next(&self, item: usize, lane: Lane) -> Option<Timestamp> {
        let usable = self.free_at.iter().enumerate().filter(|(slot, _)| lane.may_use(item, *slot));
        usable.map(|(_, free_at)| *free_at).min().map(|free_at| free_at.max(self.held_until))
    }
}

/// Until when a slot is taken by a call that must be over by `call_ends`: should the caller die, it costs
/// one deadline and no overdraft.
#[must_use]
pub fn taken_until(call_ends: Timestamp) -> Timestamp {
    call_ends + WINDOW + MARGIN
}

/// When a slot is free whose call was answered (or given up) at `answered`.
#[must_use]
pub fn free_after(answered: Timestamp) -> Timestamp {
    answered + WINDOW + MARGIN
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_slots_of_all_items_are_the_limit() {
        for calls in [2, 59, 60, 61, 120, 1_500, 30_000] {
            let limit = Limit::new(calls).unwrap();
            let slots: usize = (0..limit.items()).map(|item| limit.slots_of(item)).sum();
            assert_eq!(slots, usize::from(calls));
        }
    }

    #[test]
    fn one_slot_is_kept_for_code_exchanges() {
        let now = Timestamp::from_secs(1_000);
        let slots = Slots::unused(2);
        assert_eq!(slots.claimable(0, Lane::Live, now).collect::<Vec<_>>(), [1]);
        assert_eq!(slots.claimable(0, Lane::Auth, now).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(slots.claimable(1, Lane::Live, now).collect::<Vec<_>>(), [0, 1]);
    }

    proptest! {
        /// Greedy callers, each call with a latency of its own, arriving anywhere between its start and its
        /// answer: no window of 60 s ever sees more than the limit.
        #[test]
        fn no_sliding_window_sees_more_arrivals_than_the_limit(
            calls in proptest::collection::vec((1_u64..5_000, 0_u64..=100), 50..400),
            limit in 2_u16..20,
        ) {
            let mut slots = Slots::unused(usize::from(limit));
            let mut now = Timestamp::from_secs(1_000);
            let mut arrivals = Vec::new();
            for (latency, position) in calls {
                let slot = loop {
                    match slots.claimable(0, Lane::Auth, now).next() {
                        Some(slot) => break slot,
                        None => now = slots.next(0, Lane::Auth).unwrap(),
                    }
                };
                arrivals.push(now + Duration::from_millis(latency * position / 100));
                slots.free_at[slot] = free_after(now + Duration::from_millis(latency));
            }
            arrivals.sort();
            for window in arrivals.windows(usize::from(limit) + 1) {
                prop_assert!(window[usize::from(limit)].since(window[0]) > WINDOW);
            }
        }
    }
}
