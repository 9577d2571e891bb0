//! The past that somebody asks for: from a local day or an instant to another.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::Timestamp;

/// Nobody asks for what was measured before: Withings' first scale is of 2009.
const OLDEST: Date = jiff::civil::date(2009, 1, 1);

/// A past, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its first second.
    pub from: Timestamp,
    /// Its last second.
    pub to: Timestamp,
}

/// Which end is wrong, and what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// Of the beginning.
    #[error("{0}")]
    Start(&'static str),
    /// Of the end.
    #[error("{0}")]
    End(&'static str),
}

const FORM: &str = "a local day such as 2026-01-31, or an instant such as 2026-01-31T07:00:00Z";

impl Range {
    /// Reads `start` and `end`, each a day (`YYYY-MM-DD`, whole, in the zone) or an instant (RFC 3339). Without an end it
    /// is `now`; a day that is not over ends now.
    ///
    /// # Errors
    /// An end is no such text, lies before 2009 or in the future, or they are the wrong way round.
    pub fn read(start: &str, end: Option<&str>, zone: &TimeZone, now: Timestamp) -> Result<Self, BadRange> {
        let (from, _) = span(start, zone).ok_or(BadRange::Start(FORM))?;
        let oldest = if start.len() == DAY { OLDEST.to_zoned(zone.clone()) } else { OLDEST.to_zoned(TimeZone::UTC) };
        let oldest = oldest.map(|oldest| Timestamp::from_secs(oldest.timestamp().as_second())).unwrap_or_default();
        if from < oldest {
            return Err(BadRange::Start("in 2009 or later: Withings measured nothing before"));
        }
        let to = match end {
            None => now,
            Some(end) => {
                let (first, last) = span(end, zone).ok_or(BadRange::End(FORM))?;
                if first > now {
                    return Err(BadRange::End("in the past, or the present day"));
                }
                last.min(now)
            }
        };
        if from > to {
            return Err(BadRange::Start("before the end, and in the past"));
        }
        Ok(Self { from, to })
    }
}

/// `YYYY-MM-DD`.
const DAY: usize = 10;

/// The first and the last second of a day; of an instant, itself.
fn span(text: &str, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let second = |zoned: &jiff::Zoned| zoned.timestamp().as_second();
    if text.len() == DAY {
        let day: Date = text.parse().ok()?;
        let first = day.to_zoned(zone.clone()).ok()?;
        let next = day.tomorrow().ok()?.to_zoned(zone.clone()).ok()?;
        return Some((Timestamp::from_secs(second(&first)), Timestamp::from_secs(second(&next) - 1)));
    }
    let at: jiff::Timestamp = text.parse().ok()?;
    let at = Timestamp::from_millis(at.as_millisecond());
    Some((at, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-21T07:00:00Z.
    const NOW: Timestamp = Timestamp::from_secs(1_795_244_400);

    fn lisbon() -> TimeZone {
        TimeZone::get("Europe/Lisbon").unwrap()
    }

    fn tokyo() -> TimeZone {
        TimeZone::get("Asia/Tokyo").unwrap()
    }

    fn read(start: &str, end: Option<&str>, zone: &TimeZone) -> Result<(String, String), BadRange> {
        Range::read(start, end, zone, NOW).map(|range| (range.from.to_string(), range.to.to_string()))
    }

    #[test]
    fn days_are_the_persons_own_and_whole() {
        let range = read("2026-07-01", Some("2026-07-02"), &tokyo()).unwrap();
        assert_eq!(range, ("2026-06-30T15:00:00.000Z".to_owned(), "2026-07-02T14:59:59.000Z".to_owned()));
        let longer = read("2026-10-25", Some("2026-10-25"), &lisbon()).unwrap();
        assert_eq!(longer, ("2026-10-24T23:00:00.000Z".to_owned(), "2026-10-25T23:59:59.000Z".to_owned()), "25 hours");
    }

    #[test]
    fn the_present_day_ends_now_and_so_does_what_has_no_end() {
        for end in [None, Some("2026-11-21")] {
            assert_eq!(read("2026-11-20", end, &lisbon()).unwrap().1, "2026-11-21T07:00:00.000Z");
        }
    }

    #[test]
    fn instants_are_taken_as_they_are() {
        let range = read("2026-07-01T02:00:00+02:00", Some("2026-07-01T07:30:00Z"), &tokyo()).unwrap();
        assert_eq!(range, ("2026-07-01T00:00:00.000Z".to_owned(), "2026-07-01T07:30:00.000Z".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_or_makes_no_sense_is_refused_at_its_end() {
        let refused = |start: &str, end: Option<&str>| read(start, end, &tokyo()).unwrap_err();
        for start in ["", "yesterday", "2026-13-01", "2026-02-30", "2026-07-01T00:00:00", "01.07.2026"] {
            assert_eq!(refused(start, None), BadRange::Start(FORM), "{start}");
            assert_eq!(refused("2026-07-01", Some(start)), BadRange::End(FORM), "{start}");
        }
        assert!(matches!(refused("2008-12-31", None), BadRange::Start(_)));
        assert!(matches!(refused("2026-11-22", None), BadRange::Start(_)));
        assert!(matches!(refused("2026-07-02", Some("2026-07-01")), BadRange::Start(_)));
        assert!(matches!(refused("2026-07-01", Some("2026-11-22")), BadRange::End(_)));
        assert!(read("2009-01-01", None, &tokyo()).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_read_lies_between_2009_and_now_and_the_right_way_round(
            start in -800_000_000_i64..2_000_000_000, days in 0_i64..9_000
        ) {
            let text = |secs: i64| Timestamp::from_secs(secs).to_string();
            let (start, end) = (text(start), text(start + days * 86_400));
            for (start, end) in [(&*start, &*end), (&start[..DAY], &end[..DAY])] {
                if let Ok(range) = Range::read(start, Some(end), &tokyo(), NOW) {
                    prop_assert!(range.from <= range.to && range.to <= NOW);
                    prop_assert!(range.from.as_secs() > 1_230_000_000);
                }
            }
        }
    }
}
