//! Summaries: what is asked for most, by local day. Of the body, of the activity, of each night and workout, and of the
//! whole day in one row.
//!
//! A row has the values that there are, under our names and in our units, each with the records that it came from. A part
//! of a compound is called by its kind and, if it has one, its method (`heart_rate_mean`). A row is `tentative` while a
//! record in it may still change by itself.

mod day;
mod rows;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use afferent_domain::record::Record;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use rows::{Rank, rank};
pub use values::{Value, Values};

use crate::days::{Dates, earliest_day, local_day};
use crate::table::{self, Cell};

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// Weight and what the body is made of: of each the last of the day.
    Body,
    /// The sums of a day.
    Activity,
    /// Each night and nap.
    Sleep,
    /// Each workout.
    Workouts,
    /// Activity, the main night, and the last measurements of the day.
    Daily,
}

/// The text is no summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("body, activity, sleep, workouts or daily")]
pub struct UnknownSummary;

impl Summary {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Body, Self::Activity, Self::Sleep, Self::Workouts, Self::Daily];

    /// As a path has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Activity => "activity",
            Self::Sleep => "sleep",
            Self::Workouts => "workouts",
            Self::Daily => "daily",
        }
    }

    /// The kinds of records that it is made of.
    #[must_use]
    pub fn kinds(self) -> Vec<String> {
        let kinds: Vec<&str> = match self {
            Self::Body => rows::BODY.to_vec(),
            Self::Activity => vec!["activity_day"],
            Self::Sleep => vec!["sleep_session"],
            Self::Workouts => vec!["workout"],
            Self::Daily => day::kinds(),
        };
        kinds.into_iter().map(str::to_owned).collect()
    }

    /// The names of its values, in the order in which a table has them as columns.
    #[must_use]
    pub fn columns(self) -> Vec<String> {
        match self {
            Self::Body => rows::body_columns(),
            Self::Activity => rows::activity_columns(),
            Self::Sleep => rows::sleep_columns(),
            Self::Workouts => rows::workout_columns(),
            Self::Daily => day::columns(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Summary {
    type Err = UnknownSummary;

    fn from_str(text: &str) -> Result<Self, UnknownSummary> {
        Self::ALL.into_iter().find(|summary| summary.name() == text).ok_or(UnknownSummary)
    }
}

/// Whether a row may still change by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SummaryState)]
pub enum State {
    /// A record in it is preliminary: today, an open night.
    Tentative,
    /// None is.
    Confirmed,
}

/// A day, a night or a workout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SummaryRow)]
pub struct Row {
    /// The person's day, `YYYY-MM-DD`; of a night the day of waking.
    pub local_date: String,
    /// Whether it may still change by itself.
    pub state: State,
    /// The record of the night or workout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The kind of workout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workout: Option<String>,
    /// When the night or workout began (RFC 3339, local).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// The IANA time zone: of a whole day that of the first of its activity, its night and its measurements that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
    /// The device of the night, of the workout or of the day's activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Its model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The values by their names.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub values: Values,
    /// Records of the same day and of the same thing that were left out, such as a phone's steps beside a watch's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
}

/// A page of a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rows, the oldest first.
    pub rows: Vec<Row>,
    /// The day that the next page begins with, if there may be one.
    pub next: Option<Date>,
}

/// Collects a page of a summary. Records are added in the order of their `effective_ms`, the oldest first.
pub struct Collector {
    summary: Summary,
    dates: Dates,
    from: Option<Date>,
    days: BTreeMap<Date, Vec<Record>>,
}

impl Collector {
    /// Collects what falls within `dates`; a later page begins with the day `from`.
    #[must_use]
    pub const fn new(summary: Summary, dates: Dates, from: Option<Date>) -> Self {
        Self { summary, dates, from, days: BTreeMap::new() }
    }

    /// Between which `effective_ms`, both included, the records lie that are needed.
    #[must_use]
    pub fn bounds_ms(&self) -> (i64, i64) {
        let (from, to) = self.dates.bounds_ms();
        let on = self.from.map(|day| Dates::Days { first: Some(day), last: None }.bounds_ms().0);
        (on.map_or(from, |on| from.max(on)), to)
    }

    /// Adds a record, if it is needed.
    pub fn add(&mut self, record: Record) {
        let Some(day) = local_day(&record) else { return };
        if self.dates.hold(&record) && self.from.is_none_or(|from| day >= from) {
            self.days.entry(day).or_default().push(record);
        }
    }

    /// How many rows are complete, about, once every record before `effective_ms` was added.
    #[must_use]
    pub fn complete(&self, effective_ms: i64) -> usize {
        self.days.range(..earliest_day(effective_ms)).count()
    }

    /// Whether a page that ends there goes on behind where it began, even if it has no rows.
    #[must_use]
    pub fn moves_on(&self, effective_ms: i64) -> bool {
        self.from.is_none_or(|from| earliest_day(effective_ms) > from)
    }

    /// The page: up to `limit` rows, whole days; if records from `unread_ms` (`effective_ms`) on were not added, of days
    /// that are complete. A first day of more rows than that is on one page nevertheless.
    #[must_use]
    pub fn finish(self, unread_ms: Option<i64>, limit: usize) -> Page {
        let unread = unread_ms.map(earliest_day);
        let mut rows: Vec<Row> = Vec::new();
        for (day, records) in self.days {
            if unread.is_some_and(|unread| day >= unread) {
                break;
            }
            let more = rows::of(self.summary, day, &records);
            if !rows.is_empty() && rows.len() + more.len() > limit {
                return Page { rows, next: Some(day) };
            }
            rows.extend(more);
        }
        Page { rows, next: unread }
    }
}

/// Rows as a table. Its columns are those of the row, then those of [`Summary::columns`], then the records that the
/// values came from, and the names of the values that may be another person's. Values that Withings sends and nobody named are not in it.
#[must_use]
pub fn table(summary: Summary, rows: &[Row]) -> String {
    let names = summary.columns();
    let fixed = ["local_date", "state", "record", "workout", "start", "end", "tz", "device_id", "model"];
    let header: Vec<&str> =
        fixed.into_iter().chain(names.iter().map(String::as_str)).chain(["records", "ambiguous"]).collect();
    let cell = |text: &Option<String>| text.clone().map_or(Cell::Empty, Cell::Text);
    let line = |row: &Row| {
        let state = if row.state == State::Tentative { "tentative" } else { "confirmed" };
        let mut line = vec![Cell::Plain(row.local_date.clone()), Cell::Plain(state.to_owned())];
        line.extend([&row.record, &row.workout, &row.start, &row.end, &row.tz, &row.device_id, &row.model].map(cell));
        let value =
            |name: &String| row.values.get(name).map_or(Cell::Empty, |value| Cell::Plain(value.value.to_string()));
        line.extend(names.iter().map(value));
        line.push(Cell::Plain(row.values.records().join(" ")));
        line.push(Cell::Plain(row.values.ambiguous().join(" ")));
        line
    };
    table::write(&header, rows.iter().map(line))
}

#[cfg(test)]
mod tests;
