//! The budget of calls to Withings: slots that each come back 60 s after the answer to their call.
//!
//! Withings allows 120 requests a minute per application and does not say over which window, so the
//! strictest reading holds: *a server that counts arrivals over any sliding 60 s never sees a 121st*. A
//! bucket that refills at two a second with a burst of 120 breaks that; here a slot that was used is free
//! again 60 s after the answer to its call came in (or the call timed out). A request arrives before its
//! answer leaves, so whatever the latency does to the order of arrivals, any `limit + 1` arrivals span more
//! than 60 s.
//!
//! Who gets a slot is decided by **lanes**. Lanes below `live`
//!
//! - *keep the pace*: of an item's slots none is used by them before `window / slots` has passed since the last call,
//!   whoever made it, so that slots never come back in a clump and the next one is always about a second away;
//! - *stand back* while a higher lane waits;
//! - *are owed* a call from time to time ([`Lane::share_per_mille`]), for which they do neither, and for which the others
//!   stand back. Only `auth` stands back for nothing.
//!
//! This file and its modules are the arithmetic; the conditional writes are in `afferent-store`.

mod slots;

pub use slots::{Field, Plan, Slots};

use std::time::Duration;

use crate::Timestamp;

/// The window that Withings' limit is per.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Added to the window: how far the clocks of two machines may be apart.
pub const MARGIN: Duration = Duration::from_millis(200);

/// How many slots one item holds: a 13-digit number under a name of up to three letters each, so that an
/// item stays under 1 KB, one write unit, with all that it keeps of the lanes.
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
    /// How many there are.
    pub const COUNT: usize = 5;

    /// All of them, in their order.
    pub const ALL: [Self; Self::COUNT] = [Self::Auth, Self::Live, Self::OnDemand, Self::Backfill, Self::Reconcile];

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

    /// The lane of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.name() == name)
    }

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The lanes that go before this one.
    pub fn higher(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().take_while(move |lane| *lane < self)
    }

    /// Whether this lane keeps the pace and stands back.
    #[must_use]
    pub fn yields(self) -> bool {
        self > Self::Live
    }

    /// The part of the limit, in thousandths, that the lane gets however much the higher ones want. Together
    /// one eighth: live work alone may use the rest, and so is done in less than 1.2 times what it would take
    /// without the others.
    #[must_use]
    pub const fn share_per_mille(self) -> u32 {
        match self {
            Self::Auth | Self::Live => 0,
            Self::OnDemand | Self::Backfill => 50,
            Self::Reconcile => 25,
        }
    }

    /// How long after its last call on an item of `slots` slots this lane is owed one. `None` for the lanes
    /// that never yield, and so cannot starve.
    #[must_use]
    pub fn owed_after(self, slots: usize) -> Option<Duration> {
        let shares = u32::try_from(slots).ok()?.checked_mul(self.share_per_mille())?;
        (WINDOW * 1000).checked_div(shares)
    }

    /// Whether this lane may use slot `slot` of item `item`: the very first slot is kept for [`Lane::Auth`].
    #[must_use]
    pub const fn may_use(self, item: usize, slot: usize) -> bool {
        matches!(self, Self::Auth) || item != 0 || slot != 0
    }
}

/// How far apart the calls of yielding lanes are on an item of `slots` slots.
#[must_use]
pub fn pace(slots: usize) -> Duration {
    // In whole milliseconds, as the table has it.
    Duration::from_millis((WINDOW.as_millis() as u64).div_ceil(slots.max(1) as u64))
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
mod tests;
