//! Buckets of time, and what is summed up in one.

use std::fmt;
use std::str::FromStr;

use afferent_domain::exact::Decimal;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::RoundingStrategy;

use super::{From, PLACES};
use crate::zone;

const MINUTE_MS: i64 = 60_000;

/// How finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Every number.
    Raw,
    /// So many minutes.
    Minutes(i64),
    /// Local days.
    Day,
    /// Local weeks, from Monday.
    Week,
    /// Local months.
    Month,
}

/// The text is no resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("raw, 1m, 5m, 15m, 30m, 1h, 1d, 1w or 1M")]
pub struct UnknownResolution;

impl Resolution {
    const ALL: [(&'static str, Self); 9] = [
        ("raw", Self::Raw),
        ("1m", Self::Minutes(1)),
        ("5m", Self::Minutes(5)),
        ("15m", Self::Minutes(15)),
        ("30m", Self::Minutes(30)),
        ("1h", Self::Minutes(60)),
        ("1d", Self::Day),
        ("1w", Self::Week),
        ("1M", Self::Month),
    ];

    /// Whether its buckets are the person's days, or whole numbers of them.
    pub(super) const fn is_of_days(self) -> bool {
        matches!(self, Self::Day | Self::Week | Self::Month)
    }
}

impl FromStr for Resolution {
    type Err = UnknownResolution;

    fn from_str(text: &str) -> Result<Self, UnknownResolution> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, resolution)| resolution).ok_or(UnknownResolution)
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.into_iter().find(|(_, resolution)| resolution == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

/// Where a bucket begins.
pub(super) fn begin(resolution: Resolution, ms: i64, day: Date) -> From {
    match resolution {
        Resolution::Raw => From::Instant(ms),
        Resolution::Minutes(minutes) => {
            let step = minutes * MINUTE_MS;
            From::Instant(ms.div_euclid(step).saturating_mul(step))
        }
        Resolution::Day => From::Day(day),
        Resolution::Week => {
            let back = i64::from(day.weekday().to_monday_zero_offset());
            From::Day(day.saturating_sub(back.days()))
        }
        Resolution::Month => From::Day(day.first_of_month()),
    }
}

/// The last day of a bucket of days, or the first instant after a bucket of minutes.
pub(super) fn end(resolution: Resolution, begin: From) -> From {
    match (resolution, begin) {
        (Resolution::Minutes(minutes), From::Instant(ms)) => From::Instant(ms.saturating_add(minutes * MINUTE_MS)),
        (Resolution::Week, From::Day(day)) => From::Day(day.saturating_add(6.days())),
        (Resolution::Month, From::Day(day)) => From::Day(day.last_of_month()),
        (_, begin) => begin,
    }
}

/// As an answer has it.
pub(super) fn text(place: From, zone: &TimeZone) -> String {
    match place {
        From::Instant(ms) => zone::text(zone, ms).unwrap_or_default(),
        From::Day(day) => day.to_string(),
    }
}

/// Numbers, summed up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stats {
    pub(super) count: u64,
    pub(super) min: Decimal,
    pub(super) max: Decimal,
    /// None once it has more digits than there can be.
    sum: Option<rust_decimal::Decimal>,
}

impl Stats {
    pub(super) fn one(value: Decimal) -> Self {
        Self { count: 1, min: value, max: value, sum: Some(value.get()) }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum = self.sum.zip(other.sum).and_then(|(one, other)| one.checked_add(other));
    }

    pub(super) fn sum(&self) -> Option<Decimal> {
        exact(self.sum?)
    }

    pub(super) fn mean(&self) -> Option<Decimal> {
        let mean = self.sum?.checked_div(self.count.into())?;
        exact(mean.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointNearestEven))
    }
}

fn exact(number: rust_decimal::Decimal) -> Option<Decimal> {
    number.to_string().parse().ok()
}
