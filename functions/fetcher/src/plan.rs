//! Which calls read a window of a service whole.
//!
//! A plan is one call and its further pages. It says what to ask, which window is read whole by it, and which
//! of the stored records it may be held against: those that a complete answer must contain.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::mark::PADDING_SECS;
use afferent_domain::notification::{Window, day_window};
use afferent_domain::record::Record;
use afferent_domain::service::Service;
use afferent_normalise::{Night, nights, whole_hours};
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_withings::Span;

use crate::Fetcher;
use crate::accept::zone;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// How long before a window a night or day may have begun that reaches into it.
const LONGEST_SUMMARY: i64 = 2 * DAY;

/// The most records that are looked through to find the days and nights of a window.
const MOST_SUMMARIES: usize = 5_000;

/// One call, up to its last page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What to ask for.
    pub(crate) span: Span,
    /// What is read whole by it.
    pub(crate) whole: Option<Window>,
    /// What its answer must contain, if it is stored.
    pub(crate) judge: Judge,
    /// The nights that it is made for.
    pub(crate) nights: Vec<Night>,
}

/// The stored records that a complete answer must contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judge {
    /// None: the answer says nothing about what it does not contain.
    Nothing,
    /// Those that lie wholly in the window.
    Within(Window),
    /// Those of the local days from the first to the last.
    Days {
        /// `YYYY-MM-DD`.
        first: String,
        /// `YYYY-MM-DD`.
        last: String,
        /// In which all of them begin, in whatever time zone.
        around: Window,
    },
    /// All of the service.
    Everything,
}

impl Judge {
    /// The instants between which its records begin.
    pub(crate) fn range_ms(&self) -> Option<(i64, i64)> {
        let ms =
            |window: Window| (window.start.saturating_mul(1000), window.end.saturating_mul(1000).saturating_add(999));
        match self {
            Self::Nothing => None,
            Self::Within(window) | Self::Days { around: window, .. } => Some(ms(*window)),
            Self::Everything => Some((i64::MIN / 2, i64::MAX / 2)),
        }
    }

    /// Whether the record is one of them.
    pub(crate) fn holds(&self, record: &Record) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Within(window) => record
                .effective
                .span_secs()
                .is_some_and(|(start, end)| start >= window.start && end <= window.end.saturating_add(1)),
            Self::Days { first, last, .. } => {
                record.local_date.as_ref().is_some_and(|date| date >= first && date <= last)
            }
        }
    }
}

impl Plan {
    /// What `lastupdate` brings.
    pub(crate) const fn since(since: Timestamp) -> Self {
        Self { span: Span::Since(since), whole: None, judge: Judge::Nothing, nights: Vec::new() }
    }

    /// All of a service that knows no windows.
    fn everything() -> Self {
        let whole = Some(Window { start: 0, end: i64::MAX });
        Self { span: Span::Whole, whole, judge: Judge::Everything, nights: Vec::new() }
    }

    /// The window of a service that is asked by instants. The read is longer than what is judged by it on both
    /// sides: whether Withings takes `startdate` as included is not known.
    fn instants(window: Window, judged: Window) -> Self {
        let (start, end) = (Timestamp::from_secs(window.start), Timestamp::from_secs(window.end));
        let span = Span::Window { start, end };
        Self { span, whole: Some(window), judge: Judge::Within(judged), nights: Vec::new() }
    }

    /// The days of a service that is asked by local day: every day that the window touches, and a day more on
    /// both sides, because rows carry their own time zones.
    fn days(window: Window, connection: &Connection) -> Self {
        let tz = zone(connection);
        let day = |secs: i64| {
            let at = jiff::Timestamp::from_second(secs).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            at.to_zoned(tz.clone()).date()
        };
        let beside = |day: jiff::civil::Date, days: i64| day.saturating_add(jiff::Span::new().days(days));
        let (first, last) = (day(window.start), day(window.end));
        let (before, after) = (beside(first, -1), beside(last, 1));
        let whole = day_window(before, &tz).zip(day_window(after, &tz));
        Self {
            span: Span::Days { first: before.to_string(), last: after.to_string() },
            whole: whole.map(|(first, last)| Window::new(first.start, last.end)),
            judge: Judge::Days {
                first: first.to_string(),
                last: last.to_string(),
                around: Window::new(window.start.saturating_sub(LONGEST_SUMMARY), window.end.saturating_add(2 * DAY)),
            },
            nights: Vec::new(),
        }
    }

    /// Samples in whole hours. `startdate` is a second early, because whether Withings takes it as included is
    /// not known; what that second brings is of another hour, and is left out again.
    fn samples(piece: Window) -> Self {
        let early = Window { start: piece.start.saturating_sub(1), ..piece };
        Self { whole: Some(piece), ..Self::instants(early, piece) }
    }

    /// The same in two halves, for an answer that was too long to be read. `None` for what cannot be halved.
    pub(crate) fn halves(&self) -> Option<[Self; 2]> {
        let (Span::Window { .. }, Some(window)) = (&self.span, self.whole) else { return None };
        let middle = window.start + (window.end - window.start + 1) / 2 / HOUR * HOUR;
        if middle <= window.start || !self.nights.is_empty() {
            return None;
        }
        let (first, second) = (Window::new(window.start, middle - 1), Window::new(middle, window.end));
        Some([first, second].map(|half| match &self.judge {
            Judge::Within(judged) if *judged == window => Self::samples(half),
            _ => Self::instants(half.padded(PADDING_SECS), half),
        }))
    }
}

impl Fetcher {
    /// The calls that read `window` whole. Of a series only days and nights are asked for of which something is
    /// stored, unless the window was `named`: then Withings says that there is something.
    pub(crate) async fn plans(
        &self,
        connection: &Connection,
        service: Service,
        window: Window,
        named: bool,
    ) -> Result<Vec<Plan>, StoreError> {
        Ok(match service {
            _ if service.is_whole() => vec![Plan::everything()],
            _ if service.windows_are_days() => vec![Plan::days(window, connection)],
            Service::Getintradayactivity => self.days_of_samples(connection, window, named).await?,
            Service::SleepGet => self.nights_of_samples(connection, window, named).await?,
            _ => vec![Plan::instants(window.padded(PADDING_SECS), window)],
        })
    }

    async fn days_of_samples(
        &self,
        connection: &Connection,
        window: Window,
        named: bool,
    ) -> Result<Vec<Plan>, StoreError> {
        let pieces = cut(hours(window), DAY);
        let known = if named {
            Vec::new()
        } else {
            let days = self.beginnings(connection, Service::Getactivity, reaching(window)).await?;
            let samples = self.beginnings(connection, Service::Getintradayactivity, hours(window)).await?;
            // A day has 25 hours at most.
            let days = days.into_iter().map(|start| Window::new(start, start + 25 * HOUR));
            days.chain(samples.into_iter().map(|start| Window::new(start, start + HOUR - 1))).collect()
        };
        // Samples may come without a day's row changing, and their notification may be lost.
        let ours = |piece: &Window| piece.end >= connection.first_connected.as_secs();
        let wanted = |piece: &Window| named || ours(piece) || known.iter().any(|known| overlap(*known, *piece));
        Ok(pieces.into_iter().filter(wanted).map(Plan::samples).collect())
    }

    /// Night by night, each in whole hours: Withings cuts a call off after 24 h, and half a night would
    /// overwrite the whole one.
    async fn nights_of_samples(
        &self,
        connection: &Connection,
        window: Window,
        named: bool,
    ) -> Result<Vec<Plan>, StoreError> {
        let user = &connection.user;
        let (from, to) = (reaching(window).start.saturating_mul(1000), window.end.saturating_mul(1000));
        let known = self.records.of_service(user, Service::SleepGetsummary, (from, to), false, MOST_SUMMARIES).await?;
        let ids: Vec<_> = known.into_iter().filter(|known| !known.retracted).map(|known| known.record).collect();
        let stored = self.records.get_many(user, &ids).await?;
        let mine = stored.values().filter(|record| record.connection == connection.id);
        let mut nights = nights(mine);
        nights.retain(|night| night.start.as_secs() <= window.end && night.end.as_secs() >= window.start);
        nights.sort_by_key(|night| (night.start, night.id));
        let bounds = |night: &Night| hours(Window::new(night.start.as_secs(), night.end.as_secs()));
        let mut pieces = merged(nights.iter().map(bounds).collect());
        if pieces.is_empty() && named {
            pieces = cut(hours(window), DAY);
        } else {
            // Samples of a night that is gone: nothing but a read can show that they are gone too.
            let samples = self.beginnings(connection, Service::SleepGet, hours(window)).await?;
            let lone =
                samples.into_iter().filter(|at| !pieces.iter().any(|piece| overlap(*piece, Window::new(*at, *at))));
            let lone = merged(lone.map(|at| hours(Window::new(at, at + HOUR - 1))).collect());
            pieces.extend(lone.into_iter().flat_map(|window| cut(window, DAY)));
        }
        let plan = |piece: Window| {
            let inside = |night: &&Night| night.start.as_secs() >= piece.start && night.end.as_secs() <= piece.end + 1;
            Plan { nights: nights.iter().filter(inside).cloned().collect(), ..Plan::samples(piece) }
        };
        // Two nights that touch may be longer than a call together.
        Ok(pieces.into_iter().flat_map(|piece| cut(piece, DAY)).map(plan).collect())
    }

    /// When the service's stored records in a window begin, in epoch seconds.
    async fn beginnings(
        &self,
        connection: &Connection,
        service: Service,
        window: Window,
    ) -> Result<Vec<i64>, StoreError> {
        let range = (window.start.saturating_mul(1000), window.end.saturating_mul(1000));
        let known = self.records.of_service(&connection.user, service, range, false, MOST_SUMMARIES).await?;
        Ok(known.iter().filter(|known| !known.retracted).map(|known| known.effective_ms.div_euclid(1000)).collect())
    }
}

/// The window, and what may have begun before it and reach into it.
fn reaching(window: Window) -> Window {
    Window { start: window.start.saturating_sub(LONGEST_SUMMARY), end: window.end }
}

fn overlap(one: Window, other: Window) -> bool {
    one.start <= other.end && other.start <= one.end
}

/// Windows without overlaps, in order.
pub(crate) fn merged(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort();
    let mut merged: Vec<Window> = Vec::new();
    for window in windows {
        match merged.last_mut() {
            Some(last) if window.start <= last.end.saturating_add(1) => last.end = last.end.max(window.end),
            _ => merged.push(window),
        }
    }
    merged
}

/// The window widened to whole UTC hours: samples are records by the hour, and half an hour would overwrite
/// the whole one.
pub(crate) fn hours(window: Window) -> Window {
    let second = Duration::from_secs(1);
    // The end of a window is included.
    let (start, end) = whole_hours(Timestamp::from_secs(window.start), Timestamp::from_secs(window.end) + second);
    Window::new(start.as_secs(), end.as_secs() - 1)
}

/// The window in pieces of at most `longest` seconds (Withings would cut the rest off without a word).
pub(crate) fn cut(window: Window, longest: i64) -> Vec<Window> {
    let mut pieces = Vec::new();
    let mut start = window.start;
    loop {
        let end = window.end.min(start.saturating_add(longest - 1));
        pieces.push(Window { start, end });
        if end >= window.end {
            return pieces;
        }
        start = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_touch_are_read_once() {
        let windows = vec![Window::new(50, 60), Window::new(0, 10), Window::new(5, 20), Window::new(21, 30)];
        assert_eq!(merged(windows), [Window::new(0, 30), Window::new(50, 60)]);
    }

    #[test]
    fn a_window_is_cut_into_pieces_without_gap_or_overlap() {
        let pieces = cut(Window::new(0, 25), 10);
        assert_eq!(pieces, [Window::new(0, 9), Window::new(10, 19), Window::new(20, 25)]);
        assert_eq!(cut(Window::new(0, 9), 10), [Window::new(0, 9)]);
    }

    #[test]
    fn a_window_of_samples_begins_and_ends_with_an_hour() {
        assert_eq!(hours(Window::new(3_599, 7_200)), Window::new(0, 3 * 3_600 - 1));
        assert_eq!(hours(Window::new(0, 3_599)), Window::new(0, 3_599));
    }

    #[test]
    fn an_answer_that_is_too_long_is_read_in_halves_of_whole_hours() {
        let plan = Plan::samples(Window::new(0, 5 * HOUR - 1));
        let halves = plan.halves().unwrap().map(|half| half.whole);
        assert_eq!(halves, [Some(Window::new(0, 2 * HOUR - 1)), Some(Window::new(2 * HOUR, 5 * HOUR - 1))]);
        let hour = Plan::samples(Window::new(0, HOUR - 1));
        assert_eq!(hour.halves(), None);
    }
}
