//! Series: the numbers of one quantity over time, as they are or summed up in buckets.
//!
//! Buckets of minutes and hours begin on whole multiples of their length in UTC. Those of days, weeks (from Monday) and
//! months are the person's own. Means are exact, rounded half to even to [`PLACES`] places.
//!
//! **Several devices at once.** A phone and a watch both count the steps of a walk. Of an amount (what can be added up)
//! therefore only one device counts in each UTC hour: the one whose numbers cover most of it, then the one with more
//! numbers, then the one with the greater sum, then the first by its id. The hour decides for smaller buckets too, so
//! that the sums of the quarters are the sum of the hour. Sums of a day's activity and of nights choose by the day, as the
//! summary does: the device of the row, or of the main night, that the summary takes. Whoever wants to choose otherwise asks
//! for one device, or for each by itself. Sources without a device id (a phone, what another maker's app brought) are told
//! apart by their model, and by whether they are another maker's. Of what is no amount, such as a pulse, every number counts;
//! only of samples of one device at one second the first does.

mod bucket;
mod collect;

use afferent_domain::exact::Decimal;
use afferent_domain::record::Attribution;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

pub use bucket::{Resolution, UnknownResolution};
pub use collect::Collector;

use crate::days::Dates;
use crate::samples::Quantity;

/// How many points an answer has at most.
pub const POINTS: usize = 5_000;

/// How many decimal places a mean has at most.
pub const PLACES: u32 = 4;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Of what.
    pub quantity: Quantity,
    /// When.
    pub dates: Dates,
    /// How finely.
    pub resolution: Resolution,
    /// From where on, if this is not the first page.
    pub from: Option<From>,
    /// Of this device only.
    pub device: Option<String>,
    /// Each device by itself.
    pub by_device: bool,
    /// Of this part of the body; else of the whole.
    pub body_site: Option<String>,
}

impl Wish {
    /// Between which `effective_ms`, both included, the records lie that can hold such numbers.
    #[must_use]
    pub fn bounds_ms(&self) -> (i64, i64) {
        /// The record of an hour begins with it.
        const HOUR_MS: i64 = 3_600_000;
        let (from, to) = self.dates.bounds_ms();
        let on = match self.from {
            None => i64::MIN,
            Some(From::Instant(ms)) => ms,
            Some(From::Day(day)) => Dates::Days { first: Some(day), last: None }.bounds_ms().0,
        };
        (from.max(on).saturating_sub(HOUR_MS), to)
    }
}

/// Where a page goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum From {
    /// With what is at this instant, in milliseconds since the epoch.
    Instant(i64),
    /// With what counts for this day.
    Day(Date),
}

impl From {
    /// As a cursor has it.
    #[must_use]
    pub fn to_text(self) -> String {
        match self {
            Self::Instant(ms) => ms.to_string(),
            Self::Day(day) => day.to_string(),
        }
    }

    /// Reads what [`From::to_text`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        text.parse().map(Self::Instant).ok().or_else(|| text.parse().map(Self::Day).ok())
    }
}

/// A page of a series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// The unit of the numbers (UCUM).
    pub unit: Option<String>,
    /// The points in the order of time.
    pub points: Vec<Point>,
    /// The next page, if there may be one.
    pub next: Option<From>,
}

/// One point. What is not there is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = SeriesPoint)]
pub enum Point {
    /// A number as it is.
    Raw(Raw),
    /// What is in a bucket.
    Bucket(Bucket),
}

/// A number as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RawPoint)]
pub struct Raw {
    /// When it was or began (RFC 3339, local).
    pub at: String,
    /// Until when it lasted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// The number.
    #[schema(value_type = f64)]
    pub value: Decimal,
    /// The record that it is in.
    pub record: String,
    /// The device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// How sure it is that it is the person's, and who entered it, as in the record's `source`; absent if a device measured
    /// it that knew the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "ambiguous")]
    pub attribution: Option<Attribution>,
}

/// What is in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BucketPoint)]
pub struct Bucket {
    /// Its first instant (RFC 3339, local), or its first day.
    pub start: String,
    /// The first instant after it, or its last day.
    pub end: String,
    /// How many numbers.
    pub count: u64,
    /// The smallest.
    #[schema(value_type = f64)]
    pub min: Decimal,
    /// The greatest.
    #[schema(value_type = f64)]
    pub max: Decimal,
    /// Their mean; absent if their sum has too many digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub mean: Option<Decimal>,
    /// Their sum, of an amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub sum: Option<Decimal>,
    /// The device, if each was asked for by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The model of a device that has no id, if each was asked for by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

#[cfg(test)]
mod tests;
