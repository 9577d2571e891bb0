//! Backfill runs: reading a past, newest first, in slices of a size that one invocation can finish.
//!
//! What a run consists of follows from what was asked for ([`Ask`]) alone, so whoever has the run's item can work
//! out its slices again. Slices of all services are numbered together by how new they are: after a tenth of a run
//! the newest tenth of everything is there. Series come last, because a day or a night is read only where its
//! summary is stored.

mod range;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::budget::{Lane, Limit};
use crate::clock::Timestamp;
use crate::connection::Scopes;
use crate::notification::Window;
use crate::service::Service;

pub use range::{BadRange, Range};

const DAY: i64 = 86_400;

/// 2008-01-01: nothing that Withings holds was measured before (its first scale is of 2009).
pub const BEGINNING: Timestamp = Timestamp::from_secs(1_199_145_600);

/// The most slices of a run: their numbers have five digits.
pub const MOST_SLICES: usize = 100_000;

/// What a slice's number weighs against time, see [`place`].
const STEP: Duration = Duration::from_secs(60);

/// How far back a run after a first connect reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// So many days; 0 is no run.
    Days(u16),
    /// To [`BEGINNING`].
    Everything,
}

impl Default for Depth {
    fn default() -> Self {
        Self::Days(90)
    }
}

impl Depth {
    /// From where a run at `now` reads; `None` if there is to be none.
    #[must_use]
    pub fn from(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Days(0) => None,
            Self::Days(days) => Some((now - Duration::from_secs(u64::from(days) * 86_400)).max(BEGINNING)),
            Self::Everything => Some(BEGINNING),
        }
    }
}

/// The text is neither a number of days nor `everything`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a number of days nor everything")]
pub struct BadDepth;

impl FromStr for Depth {
    type Err = BadDepth;

    fn from_str(text: &str) -> Result<Self, BadDepth> {
        if text == "everything" { Ok(Self::Everything) } else { text.parse().map(Self::Days).map_err(|_| BadDepth) }
    }
}

/// What a run reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Each service, and from where (epoch seconds).
    pub from: BTreeMap<Service, i64>,
    /// Up to where (epoch seconds, included).
    pub to: i64,
    /// Whether the series and signals of days, nights and recordings are read too.
    pub details: bool,
}

impl Ask {
    /// Every service that the scopes allow, over the same time.
    #[must_use]
    pub fn of(scopes: &Scopes, from: Timestamp, to: Timestamp, details: bool) -> Self {
        let summaries = Service::ALL.into_iter().filter(|service| !is_detail(*service));
        let from = summaries.filter(|service| scopes.allow(*service)).map(|service| (service, from.as_secs()));
        Self { from: from.collect(), to: to.as_secs(), details }
    }

    /// The same for these services alone.
    #[must_use]
    pub fn only(mut self, services: &[Service]) -> Self {
        self.from.retain(|service, _| services.contains(service));
        self
    }

    /// Whether everything that `other` reads is read.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let all = |(service, from): (&Service, &i64)| self.from.get(service).is_some_and(|own| own <= from);
        self.to >= other.to && (self.details || !other.details) && other.from.iter().all(all)
    }

    /// The oldest instant that is read (epoch seconds).
    #[must_use]
    pub fn oldest(&self) -> i64 {
        self.from.values().copied().min().unwrap_or(self.to)
    }

    /// Its slices, in the order of their numbers.
    #[must_use]
    pub fn slices(&self) -> Vec<Slice> {
        let mut slices: Vec<(Service, Window)> = Vec::new();
        for (service, from) in &self.from {
            slices.extend(pieces(*service, Window::new(*from, self.to)).map(|window| (*service, window)));
        }
        // Stable: services that reach equally far keep their order.
        slices.sort_by_key(|(_, window)| std::cmp::Reverse(window.end));
        if self.details {
            let series = |service: &Service| service.details().filter(|details| !details.is_signal());
            let series = self.from.iter().filter_map(|(service, from)| Some((series(service)?, *from)));
            let mut later: Vec<(Service, Window)> = Vec::new();
            for (service, from) in series {
                later.extend(pieces(service, Window::new(from, self.to)).map(|window| (service, window)));
            }
            later.sort_by_key(|(_, window)| std::cmp::Reverse(window.end));
            slices.extend(later);
        }
        slices.truncate(MOST_SLICES);
        slices.into_iter().zip(0..).map(|((service, window), number)| Slice { number, service, window }).collect()
    }
}

/// One slice of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its number; the newest is 0.
    pub number: u32,
    /// What is read.
    pub service: Service,
    /// Which part of it; without meaning for services that always answer with all there is.
    pub window: Window,
}

impl Slice {
    /// The calls that it takes at least; more where an answer has several pages.
    #[must_use]
    pub fn calls(&self) -> u64 {
        let seconds = (self.window.end - self.window.start + 1).unsigned_abs();
        match self.service.longest_window_s() {
            Some(longest) => seconds.div_ceil(longest.unsigned_abs().max(1)),
            // A nonce first.
            None if self.service == Service::AnswersGet => 2,
            None => 1,
        }
    }
}

/// Where slice `number` of a run that began at `created` stands among the slices of all runs: its due time. It lies
/// in the past, so that every slice is due at once, and what comes first is decided by number first and age second:
/// somebody who connects while a long run is under way gets the newest data at once, and a long run never waits for
/// ever.
#[must_use]
pub fn place(created: Timestamp, number: u32) -> Timestamp {
    let most = u32::try_from(MOST_SLICES).unwrap_or(u32::MAX);
    created - STEP * most.saturating_sub(number)
}

/// Whether the service is read only where another one's rows are new or changed.
#[must_use]
pub fn is_detail(service: Service) -> bool {
    Service::ALL.into_iter().any(|summary| summary.details() == Some(service))
}

/// The window in pieces that one invocation can read, the newest first, without gap or overlap. A year where a
/// call takes any window; half a year of days; a week of series, which takes a call a day. (Rows a year and the
/// size of a page are unknown for most services: a piece that is too long goes on in the next invocation.)
pub fn pieces(service: Service, window: Window) -> impl Iterator<Item = Window> {
    let days = match service {
        _ if service.is_whole() => i64::MAX / DAY,
        _ if service.longest_window_s().is_some() => 7,
        _ if service.windows_are_days() => 182,
        _ => 365,
    };
    let mut end = Some(window.end);
    std::iter::from_fn(move || {
        let last = end?;
        let first = last.saturating_sub(days * DAY - 1).max(window.start);
        end = (first > window.start).then_some(first - 1);
        Some(Window { start: first, end: last })
    })
}

/// What a run will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// How many slices.
    pub slices: usize,
    /// How many calls at least.
    pub calls: u64,
    /// How long if nothing else wants the budget.
    pub fastest: Duration,
    /// How long if everything else wants it all the time: with nothing but the share that the lane is owed.
    pub slowest: Duration,
}

impl Estimate {
    /// What these slices take under `limit`.
    #[must_use]
    pub fn of(slices: &[Slice], limit: Limit) -> Self {
        let calls: u64 = slices.iter().map(Slice::calls).sum();
        let fastest_ms = calls.saturating_mul(60_000).div_ceil(u64::from(limit.calls()));
        let share = u64::from(Lane::Backfill.share_per_mille()).max(1);
        Self {
            slices: slices.len(),
            calls,
            fastest: Duration::from_millis(fastest_ms),
            slowest: Duration::from_millis(fastest_ms.saturating_mul(1_000) / share),
        }
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Slices are left.
    Running,
    /// Every slice was read, or has its problem named.
    Done,
    /// No slice could be read.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    /// As tables and events have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// How a run ends whose last slice is counted.
    #[must_use]
    pub const fn ended(slices: u32, failed: u32) -> Self {
        if slices > 0 && failed >= slices { Self::Failed } else { Self::Done }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_244_400);

    fn days(days: i64) -> Timestamp {
        Timestamp::from_secs(NOW.as_secs() - days * DAY)
    }

    #[test]
    fn ninety_days_are_one_slice_of_each_service_that_was_granted() {
        let all = Ask::of(&Scopes::default(), days(90), NOW, false);
        assert_eq!(all.slices().len(), 9);
        let activity = Ask::of(&Scopes::new(["user.activity"]), days(90), NOW, false).slices();
        let services: BTreeSet<Service> = activity.iter().map(|slice| slice.service).collect();
        let granted = [Service::Getactivity, Service::Getworkouts, Service::SleepGetsummary, Service::AnswersGet];
        assert_eq!(services, granted.into());
    }

    #[test]
    fn series_come_only_on_request_by_the_week_and_after_every_summary() {
        let slices = Ask::of(&Scopes::default(), days(28), NOW, true).slices();
        let first = slices.iter().position(|slice| is_detail(slice.service)).unwrap();
        let series = &slices[first..];
        assert_eq!(first, 9);
        assert!(series.iter().all(|slice| is_detail(slice.service) && !slice.service.is_signal()));
        assert_eq!(series.len(), 2 * 5, "four weeks and the second that is included");
        assert!(series.iter().all(|slice| slice.calls() <= 7));
    }

    #[test]
    fn an_estimate_tells_calls_and_time_at_the_full_budget_and_at_the_share() {
        let slices = Ask::of(&Scopes::default(), days(90), NOW, false).slices();
        let estimate = Estimate::of(&slices, Limit::new(120).unwrap());
        assert_eq!((estimate.slices, estimate.calls), (9, 10));
        assert_eq!(estimate.fastest, Duration::from_secs(5));
        assert_eq!(estimate.slowest, Duration::from_secs(100));
    }

    #[test]
    fn a_run_covers_what_reaches_no_further_and_asks_for_no_more() {
        let ask = |back, details| Ask::of(&Scopes::default(), days(back), NOW, details);
        let weight = |back| ask(back, false).only(&[Service::Getmeas]);
        assert_eq!(weight(90).slices().len(), 1);
        assert!(ask(90, false).covers(&weight(90)) && ask(90, true).covers(&ask(30, false)));
        assert!(!weight(90).covers(&ask(90, false)), "other services");
        assert!(!ask(30, false).covers(&weight(90)), "further back");
        assert!(!ask(90, false).covers(&ask(90, true)), "series");
        assert!(!ask(90, false).covers(&Ask { to: NOW.as_secs() + 1, ..weight(1) }), "later");
    }

    #[test]
    fn a_depth_reads_as_days_or_everything() {
        assert_eq!("90".parse(), Ok(Depth::Days(90)));
        assert_eq!("everything".parse(), Ok(Depth::Everything));
        assert!(["", "all", "-1", "90d"].iter().all(|text| text.parse::<Depth>() == Err(BadDepth)));
        assert_eq!(Depth::Days(0).from(NOW), None);
        assert_eq!(Depth::Days(90).from(NOW), Some(days(90)));
        assert_eq!(Depth::Days(u16::MAX).from(NOW), Some(BEGINNING));
    }

    #[test]
    fn a_new_run_goes_before_the_old_part_of_a_long_one_but_not_for_ever() {
        let hour = Duration::from_secs(3600);
        assert!(place(NOW + hour, 0) < place(NOW, 200));
        assert!(place(NOW + hour, 0) > place(NOW, 50));
        assert!(place(NOW, 99_999) < NOW, "every slice is due at once");
    }

    proptest! {
        #[test]
        fn the_slices_of_a_service_cover_its_time_without_gap_or_overlap_newest_first(
            back in 0_i64..20 * 365, details in any::<bool>()
        ) {
            let ask = Ask::of(&Scopes::default(), days(back), NOW, details);
            let slices = ask.slices();
            let numbers: Vec<u32> = slices.iter().map(|slice| slice.number).collect();
            prop_assert_eq!(numbers, (0..u32::try_from(slices.len()).unwrap()).collect::<Vec<_>>());
            let services: BTreeSet<Service> = slices.iter().map(|slice| slice.service).collect();
            for service in services {
                let mut next = NOW.as_secs();
                for slice in slices.iter().filter(|slice| slice.service == service) {
                    prop_assert_eq!(slice.window.end, next);
                    prop_assert!(slice.window.start <= slice.window.end);
                    next = slice.window.start - 1;
                }
                prop_assert_eq!(next, days(back).as_secs() - 1);
            }
            let summaries: Vec<i64> =
                slices.iter().filter(|slice| !is_detail(slice.service)).map(|slice| slice.window.end).collect();
            prop_assert!(summaries.is_sorted_by(|newer, older| newer >= older));
        }
    }
}
