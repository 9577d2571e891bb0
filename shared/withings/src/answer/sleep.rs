//! sleep get (intervals of a stage, not sorted) and getsummary (one row per night).

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use super::{Rows, list, object};
use crate::envelope::Body;
use crate::row::Row;

/// A time in one stage, and its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Where it stood.
    pub place: String,
    /// When it began, epoch seconds.
    pub start: i64,
    /// When it ended, epoch seconds.
    pub end: i64,
    /// 0 awake, 1 light, 2 deep, 3 REM, 4 manual, 5 unspecified, 15 out of bed.
    pub state: i64,
    /// The hashed device id.
    pub device_id: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The model's number.
    pub model_id: Option<i64>,
    /// Per field an object from epoch seconds to a number.
    pub samples: BTreeMap<String, Json>,
}

const INTERVAL: &[&str] =
    &["startdate", "enddate", "state", "deviceid", "hash_deviceid", "model", "model_id", "modelid"];

/// Reads the intervals of sleep get.
#[must_use]
pub fn read(body: &Body) -> Rows<Interval> {
    // The answer's own `model` is the kind of device (16 tracker, 32 mat); it serves only rows that name none.
    let whole = Row::of(body.json(), "").ok();
    let kind = whole.as_ref().and_then(|whole| whole.model_id());
    let mut read = list(body, "series", |row, _| {
        Ok(Interval {
            place: row.place.clone(),
            start: row.need_int("startdate")?,
            end: row.need_int("enddate")?,
            state: row.need_int("state")?,
            device_id: row.device_id(),
            model: row.model(),
            model_id: row.model_id().or(kind),
            samples: row.other(INTERVAL),
        })
    });
    read.problems.extend(whole.iter().flat_map(Row::misread));
    read
}

/// The sums of one night, or of one nap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Night {
    /// Where it stood.
    pub place: String,
    /// Withings' id; more than 31 bits.
    pub id: Option<i64>,
    /// The IANA time zone.
    pub timezone: Option<String>,
    /// The kind of device: 16 tracker, 32 mat.
    pub device_kind: Option<i64>,
    /// The model's number.
    pub model_id: Option<i64>,
    /// The hashed device id; old rows lack it.
    pub device_id: Option<String>,
    /// When it began, epoch seconds.
    pub start: i64,
    /// When it ended, epoch seconds; moves while the night grows.
    pub end: i64,
    /// The local day of waking, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// When Withings stored it, epoch seconds.
    pub created: Option<i64>,
    /// When Withings last touched it, epoch seconds.
    pub modified: Option<i64>,
    /// Whether it is over; old rows lack it.
    pub completed: Option<bool>,
    /// Its numbers by their names, exact; `night_events` is JSON inside a string.
    pub data: BTreeMap<String, Json>,
    /// What else it held.
    pub other: BTreeMap<String, Json>,
}

const NIGHT: &[&str] = &[
    "id",
    "timezone",
    "model",
    "model_id",
    "modelid",
    "deviceid",
    "hash_deviceid",
    "startdate",
    "enddate",
    "date",
    "created",
    "modified",
    "completed",
    "data",
];

/// Reads the nights of sleep getsummary.
#[must_use]
pub fn read_summary(body: &Body) -> Rows<Night> {
    list(body, "series", |row, _| {
        Ok(Night {
            place: row.place.clone(),
            id: row.int("id"),
            timezone: row.text("timezone"),
            device_kind: row.int("model"),
            model_id: row.int("model_id").or_else(|| row.int("modelid")),
            device_id: row.device_id(),
            start: row.need_int("startdate")?,
            end: row.need_int("enddate")?,
            date: row.text("date"),
            created: row.int("created"),
            modified: row.int("modified"),
            completed: row.flag("completed"),
            data: object(row, "data"),
            other: row.rest(NIGHT),
        })
    })
}
