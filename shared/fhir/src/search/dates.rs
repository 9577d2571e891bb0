//! Dates in a search.
//!
//! A date, month or year, and a time without a zone, means what the clock of the person showed: `2026-09-17` is the
//! person's day. A time with a zone is an instant. Each is a range `[low, high)`, a day long, a second long; a record is
//! a point or a period. FHIR's words for comparing the two (R4, `search.html#prefix`):
//!
//! | prefix | the record |
//! |---|---|
//! | `eq`, none | lies within the range |
//! | `gt` | reaches beyond it |
//! | `ge` | reaches into it or beyond |
//! | `lt` | begins before it |
//! | `le` | begins before its end |
//! | `sa` | begins after it |
//! | `eb` | ends before it |

use afferent_domain::record::Record;
use jiff::civil::{Date, DateTime};

use super::{Refused, spans};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// No clock on earth is further from UTC.
const ZONE_MS: i64 = 15 * HOUR_MS;

/// Records are found by when they begin. One that is longer than this is not found by its end alone.
const LONGEST_MS: i64 = 7 * 24 * HOUR_MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
    Sa,
    Eb,
}

/// One condition on when a record was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct When {
    prefix: Prefix,
    /// Whether the range is of the person's clock.
    local: bool,
    low: i64,
    high: i64,
}

impl When {
    pub(super) fn read(name: &str, text: &str) -> Result<Self, Refused> {
        let (prefix, rest) = match text.get(..2) {
            Some("eq") => (Prefix::Eq, &text[2..]),
            Some("ge") => (Prefix::Ge, &text[2..]),
            Some("gt") => (Prefix::Gt, &text[2..]),
            Some("le") => (Prefix::Le, &text[2..]),
            Some("lt") => (Prefix::Lt, &text[2..]),
            Some("sa") => (Prefix::Sa, &text[2..]),
            Some("eb") => (Prefix::Eb, &text[2..]),
            _ => (Prefix::Eq, text),
        };
        let range = if rest.contains('T') { time(rest) } else { days(rest).map(|(low, high)| (true, low, high)) };
        let (local, low, high) = range.ok_or_else(|| {
            Refused::new(
                name,
                "one of eq ge gt le lt sa eb, or nothing, and then 2026, 2026-09, 2026-09-17 or 2026-09-17T07:00:00Z",
            )
        })?;
        Ok(Self { prefix, local, low, high })
    }

    /// What reaches into the time from this on; without a prefix.
    pub(super) fn reaching_from(name: &str, text: &str) -> Result<Self, Refused> {
        Self::bare(name, text, Prefix::Ge)
    }

    /// What reaches into the time up to this; without a prefix.
    pub(super) fn reaching_to(name: &str, text: &str) -> Result<Self, Refused> {
        Self::bare(name, text, Prefix::Le)
    }

    fn bare(name: &str, text: &str, prefix: Prefix) -> Result<Self, Refused> {
        let expected = "2026, 2026-09, 2026-09-17 or 2026-09-17T07:00:00Z";
        if text.starts_with(|first: char| !first.is_ascii_digit()) {
            return Err(Refused::new(name, expected));
        }
        let read = Self::read(name, text).map_err(|_| Refused::new(name, expected))?;
        Ok(Self { prefix, ..read })
    }

    /// From when on an instant may be meant; a range without a zone is in UTC here.
    pub(super) const fn since_ms(&self) -> i64 {
        match self.prefix {
            Prefix::Eq | Prefix::Ge => self.low,
            Prefix::Gt | Prefix::Sa => self.high,
            Prefix::Lt | Prefix::Le | Prefix::Eb => i64::MIN,
        }
    }

    /// Whether a record is meant.
    pub(super) fn holds(&self, record: &Record) -> bool {
        let (instants, wall) = spans(record);
        if self.local { wall.is_some_and(|span| self.holds_span(span)) } else { self.holds_span(instants) }
    }

    /// Whether an instant is meant; a range without a zone is in UTC here.
    pub(super) fn holds_instant(&self, at_ms: i64) -> bool {
        self.holds_span((at_ms, at_ms))
    }

    const fn holds_span(&self, (start, end): (i64, i64)) -> bool {
        // A period ends before its end: one up to midnight is not of the next day. A point does not.
        let point = start == end;
        match self.prefix {
            Prefix::Eq => start >= self.low && start < self.high && end <= self.high,
            Prefix::Gt => {
                if point {
                    start >= self.high
                } else {
                    end > self.high
                }
            }
            Prefix::Ge => {
                if point {
                    start >= self.low
                } else {
                    end > self.low
                }
            }
            Prefix::Lt => start < self.low,
            Prefix::Le => start < self.high,
            Prefix::Sa => start >= self.high,
            Prefix::Eb => {
                if point {
                    start < self.low
                } else {
                    end <= self.low
                }
            }
        }
    }

    /// From when to when a record that is meant may begin, both included.
    pub(super) fn bounds_ms(&self) -> (i64, i64) {
        let zone = if self.local { ZONE_MS } else { 0 };
        let (low, high) = (self.low.saturating_sub(zone), self.high.saturating_add(zone));
        match self.prefix {
            Prefix::Eq => (low, high),
            Prefix::Gt | Prefix::Ge => (low.saturating_sub(LONGEST_MS), i64::MAX),
            Prefix::Sa => (low, i64::MAX),
            Prefix::Lt | Prefix::Le | Prefix::Eb => (i64::MIN, high),
        }
    }
}

/// A year, a month or a day.
fn days(text: &str) -> Option<(i64, i64)> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    if !parts.iter().all(|part| digits(part)) {
        return None;
    }
    let year: i16 = parts.first()?.parse().ok()?;
    let number = |index: usize| parts.get(index).map_or(Some(1), |part| part.parse::<i8>().ok());
    let first = Date::new(year, number(1)?, number(2)?).ok()?;
    let next = match lengths.as_slice() {
        [4] => first.last_of_year().tomorrow(),
        [4, 2] => first.last_of_month().tomorrow(),
        [4, 2, 2] => first.tomorrow(),
        _ => return None,
    };
    // Whoever writes the calendar's last day means no end.
    let next = next.unwrap_or(Date::MAX);
    Some((as_ms(first.at(0, 0, 0, 0)), as_ms(next.at(0, 0, 0, 0))))
}

/// A time, with its zone or without: whether it is local, its beginning and end.
fn time(text: &str) -> Option<(bool, i64, i64)> {
    let (date, rest) = text.split_once('T')?;
    // A plus that nobody wrote as %2B is a blank.
    let place = rest.find(['Z', '+', '-', ' ']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(place);
    let length = match clock.len() {
        5 => MINUTE_MS,
        8 => 1_000,
        10..=20 if clock.as_bytes().get(8) == Some(&b'.') => 1,
        _ => return None,
    };
    let wall = as_ms(format!("{date}T{clock}").parse().ok()?);
    let shift = match zone {
        "" => return Some((true, wall, wall + length)),
        "Z" => 0,
        _ => offset_ms(zone)?,
    };
    let low = wall.checked_sub(shift)?;
    Some((false, low, low + length))
}

/// `+01:00`, in milliseconds.
fn offset_ms(zone: &str) -> Option<i64> {
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let number = |text: &str| Some(text).filter(|text| text.len() == 2)?.parse::<u8>().ok();
    let (hours, minutes) = (i64::from(number(hours)?), i64::from(number(minutes)?));
    if hours > 14 || minutes > 59 {
        return None;
    }
    let size = hours * HOUR_MS + minutes * MINUTE_MS;
    Some(if zone.starts_with('-') { -size } else { size })
}

/// What a clock shows, as the milliseconds since the epoch that a clock in UTC would show it at. (Without a zone, so that
/// the last days of the calendar have one too.)
fn as_ms(wall: DateTime) -> i64 {
    const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    i64::try_from(wall.duration_since(EPOCH).as_millis()).unwrap_or(i64::MAX)
}

/// What the clock showed at an instant that is written with its offset.
pub(super) fn wall(text: &str) -> Option<i64> {
    text.get(..19)?.parse().ok().map(as_ms)
}
