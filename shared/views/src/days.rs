//! `start_date` and `end_date`: the person's days, or instants.
//!
//! A day (`2026-11-21`) is compared with the day that a record counts for where the person was, and both ends are
//! included. An instant (RFC 3339) is compared with when the record was or began; the start is included, the end is not.
//! A night counts for the day of waking.

use afferent_domain::record::{Effective, Record};
use jiff::civil::Date;

use crate::zone::midnight_ms;

/// How far a local day may begin before, and end after, the same day in UTC (offsets go from -12:00 to +14:00).
const EARLIEST_MS: i64 = 14 * HOUR_MS;
const LATEST_MS: i64 = 12 * HOUR_MS;

/// How long before its day a record may begin: a night that counts for the day of waking.
const NIGHT_MS: i64 = 48 * HOUR_MS;

const HOUR_MS: i64 = 3_600_000;

/// What the two parameters ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Dates {
    /// Everything.
    #[default]
    All,
    /// Local days, both included.
    Days {
        /// The first.
        first: Option<Date>,
        /// The last.
        last: Option<Date>,
    },
    /// Instants in milliseconds since the epoch.
    Instants {
        /// The first that is included.
        from_ms: Option<i64>,
        /// The first that is not.
        until_ms: Option<i64>,
    },
}

/// A parameter that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter} should be {expected}")]
pub struct DatesError {
    /// `start_date` or `end_date`.
    pub parameter: &'static str,
    /// What would be right.
    pub expected: &'static str,
}

enum One {
    Day(Date),
    Instant(i64),
}

impl Dates {
    /// Reads the two parameters.
    ///
    /// # Errors
    /// One is neither a day nor an instant, one is a day and the other an instant, or the end lies before the start.
    pub fn read(start: Option<&str>, end: Option<&str>) -> Result<Self, DatesError> {
        let expected = "a day (2026-11-21) or an instant (2026-11-21T07:00:00Z)";
        let read = |parameter, text: Option<&str>| {
            text.map(|text| one(text).ok_or(DatesError { parameter, expected })).transpose()
        };
        let wrong = |expected| DatesError { parameter: "end_date", expected };
        match (read("start_date", start)?, read("end_date", end)?) {
            (None, None) => Ok(Self::All),
            (Some(One::Day(first)), Some(One::Day(last))) if last < first => Err(wrong("no day before start_date")),
            (Some(One::Instant(from)), Some(One::Instant(until))) if until < from => {
                Err(wrong("no instant before start_date"))
            }
            (Some(One::Day(_)), Some(One::Instant(_))) => Err(wrong("a day, as start_date is")),
            (Some(One::Instant(_)), Some(One::Day(_))) => Err(wrong("an instant, as start_date is")),
            (Some(One::Instant(from)), None) => Ok(Self::Instants { from_ms: Some(from), until_ms: None }),
            (None, Some(One::Instant(until))) => Ok(Self::Instants { from_ms: None, until_ms: Some(until) }),
            (Some(One::Instant(from)), Some(One::Instant(until))) => {
                Ok(Self::Instants { from_ms: Some(from), until_ms: Some(until) })
            }
            (first, last) => {
                let day = |one: Option<One>| match one {
                    Some(One::Day(day)) => Some(day),
                    _ => None,
                };
                Ok(Self::Days { first: day(first), last: day(last) })
            }
        }
    }

    /// Between which `effective_ms`, both included, every record lies that could be meant; not all that lie there are.
    #[must_use]
    pub fn bounds_ms(&self) -> (i64, i64) {
        match *self {
            Self::All => (i64::MIN, i64::MAX),
            Self::Days { first, last } => (
                first.map_or(i64::MIN, |day| midnight_ms(day).saturating_sub(EARLIEST_MS + NIGHT_MS)),
                last.map_or(i64::MAX, after_ms),
            ),
            Self::Instants { from_ms, until_ms } => {
                (from_ms.unwrap_or(i64::MIN), until_ms.map_or(i64::MAX, |until| until.saturating_sub(1)))
            }
        }
    }

    /// Whether the record is meant.
    #[must_use]
    pub fn hold(&self, record: &Record) -> bool {
        self.hold_on(record.effective_ms, || local_day(record))
    }

    /// Whether what was or began at an instant is meant; `day` says which day it counts for, if that matters.
    #[must_use]
    pub fn hold_on(&self, ms: i64, day: impl FnOnce() -> Option<Date>) -> bool {
        match self {
            Self::All => true,
            Self::Days { .. } => day().is_some_and(|day| self.hold_at(ms, day)),
            Self::Instants { .. } => {
                let (from, to) = self.bounds_ms();
                (from..=to).contains(&ms)
            }
        }
    }

    /// Whether an instant of this local day is meant.
    #[must_use]
    pub fn hold_at(&self, ms: i64, day: Date) -> bool {
        match *self {
            Self::All => true,
            Self::Days { first, last } => first.is_none_or(|first| day >= first) && last.is_none_or(|last| day <= last),
            Self::Instants { from_ms, until_ms } => {
                from_ms.is_none_or(|from| ms >= from) && until_ms.is_none_or(|until| ms < until)
            }
        }
    }
}

/// The day that a record counts for: its own, else the local one of when it was or began.
#[must_use]
pub fn local_day(record: &Record) -> Option<Date> {
    let (Effective::At { at: text } | Effective::Period { start: text, .. }) = &record.effective;
    day_of(record.local_date.as_deref(), text)
}

/// The same from the parts of a record: its `local_date`, and when it was or began (RFC 3339, local).
#[must_use]
pub fn day_of(local_date: Option<&str>, start: &str) -> Option<Date> {
    local_date.and_then(|date| date.parse().ok()).or_else(|| start.get(..10)?.parse().ok())
}

/// Up to which `effective_ms` a record may lie that counts for `day`.
pub(crate) fn after_ms(day: Date) -> i64 {
    midnight_ms(day).saturating_add(24 * HOUR_MS + LATEST_MS)
}

/// The first day that a record at `effective_ms` or later can count for.
pub(crate) fn earliest_day(effective_ms: i64) -> Date {
    let beyond = if effective_ms < 0 { Date::MIN } else { Date::MAX };
    crate::zone::day(&jiff::tz::TimeZone::UTC, effective_ms.saturating_sub(LATEST_MS)).unwrap_or(beyond)
}

fn one(text: &str) -> Option<One> {
    if text.len() == 10 {
        return text.parse().ok().map(One::Day);
    }
    // A blank may stand where a query's `+` was not escaped.
    let text = text.replace(' ', "+");
    text.parse::<jiff::Timestamp>().ok().map(|instant| One::Instant(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn read(start: &str, end: &str) -> Result<Dates, DatesError> {
        let some = |text: &'static str| (!text.is_empty()).then_some(text);
        Dates::read(some(start.to_owned().leak()), some(end.to_owned().leak()))
    }

    #[test]
    fn days_include_both_ends_and_instants_the_first() {
        let days = read("2026-11-20", "2026-11-21").unwrap();
        assert!(days.hold_at(0, day("2026-11-20")) && days.hold_at(0, day("2026-11-21")));
        assert!(!days.hold_at(0, day("2026-11-19")) && !days.hold_at(0, day("2026-11-22")));
        let instants = read("1970-01-01T00:00:01Z", "1970-01-01T01:00:02+01:00").unwrap();
        assert!(instants.hold_at(1_000, day("2026-11-21")) && instants.hold_at(1_999, day("2026-11-21")));
        assert!(!instants.hold_at(999, day("2026-11-21")) && !instants.hold_at(2_000, day("2026-11-21")));
        assert_eq!(instants.bounds_ms(), (1_000, 1_999));
    }

    #[test]
    fn either_end_may_be_left_open() {
        assert!(read("2026-11-20", "").unwrap().hold_at(0, day("9999-01-01")));
        assert!(read("", "2026-11-20").unwrap().hold_at(0, day("0001-01-01")));
        assert_eq!(read("", "").unwrap(), Dates::All);
        assert_eq!(read("", "1970-01-01T00:00:02Z").unwrap().bounds_ms(), (i64::MIN, 1_999));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_the_parameter_at_fault() {
        for (start, end, parameter) in [
            ("yesterday", "", "start_date"),
            ("2026-02-30", "", "start_date"),
            ("2026-11-21T07:00:00", "", "start_date"),
            ("", "20261121", "end_date"),
            ("2026-11-21", "2026-11-21T07:00:00Z", "end_date"),
            ("2026-11-21T07:00:00Z", "2026-11-21", "end_date"),
            ("2026-11-21", "2026-11-20", "end_date"),
            ("2026-11-21T07:00:00Z", "2026-11-21T06:59:59Z", "end_date"),
        ] {
            assert_eq!(read(start, end).map_err(|error| error.parameter), Err(parameter), "{start} {end}");
        }
    }

    #[test]
    fn a_plus_that_became_a_blank_is_still_an_offset() {
        assert_eq!(read("2026-11-21T07:00:00 01:00", ""), read("2026-11-21T06:00:00Z", ""));
    }

    #[test]
    fn the_bounds_of_a_day_hold_it_in_every_zone() {
        let (from, to) = read("2026-11-21", "2026-11-21").unwrap().bounds_ms();
        for zone in ["Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu", "UTC"] {
            let zone = jiff::tz::TimeZone::get(zone).unwrap();
            let begins = day("2026-11-21").to_zoned(zone.clone()).unwrap().timestamp().as_millisecond();
            let ends = day("2026-11-22").to_zoned(zone).unwrap().timestamp().as_millisecond();
            assert!(from <= begins - NIGHT_MS && ends <= to);
            assert!(earliest_day(begins) <= day("2026-11-21"));
        }
    }
}
