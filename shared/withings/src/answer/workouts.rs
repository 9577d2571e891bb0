//! getworkouts.

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use super::{Rows, list, object};
use crate::envelope::Body;

/// One workout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workout {
    /// Where it stood.
    pub place: String,
    /// Withings' id.
    pub id: i64,
    /// Its kind, by Withings' number.
    pub category: Option<i64>,
    /// The IANA time zone.
    pub timezone: Option<String>,
    /// When it began, epoch seconds.
    pub start: i64,
    /// When it ended, epoch seconds.
    pub end: i64,
    /// The user's local day, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Who measured (`attrib`).
    pub attrib: Option<i64>,
    /// The hashed device id.
    pub device_id: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The model's number (here `model` is one).
    pub model_id: Option<i64>,
    /// When Withings last touched it, epoch seconds.
    pub modified: Option<i64>,
    /// Its numbers by their names, exact.
    pub data: BTreeMap<String, Json>,
    /// What else it held.
    pub other: BTreeMap<String, Json>,
}

const WORKOUT: &[&str] = &[
    "id",
    "category",
    "timezone",
    "startdate",
    "enddate",
    "date",
    "attrib",
    "deviceid",
    "hash_deviceid",
    "model",
    "model_id",
    "modelid",
    "modified",
    "data",
];

/// Reads the workouts of an answer.
#[must_use]
pub fn read(body: &Body) -> Rows<Workout> {
    list(body, "series", |row, _| {
        Ok(Workout {
            place: row.place.clone(),
            id: row.need_int("id")?,
            category: row.int("category"),
            timezone: row.text("timezone"),
            start: row.need_int("startdate")?,
            end: row.need_int("enddate")?,
            date: row.text("date"),
            attrib: row.int("attrib"),
            device_id: row.device_id(),
            model: row.model(),
            model_id: row.model_id(),
            modified: row.int("modified"),
            data: object(row, "data"),
            other: row.rest(WORKOUT),
        })
    })
}
