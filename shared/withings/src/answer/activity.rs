//! getactivity: one row per local day and source.

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use super::{Rows, list};
use crate::envelope::Body;

/// The sums of one local day of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// Where it stood.
    pub place: String,
    /// The user's local day, `YYYY-MM-DD`.
    pub date: String,
    /// The IANA time zone of the day.
    pub timezone: Option<String>,
    /// The hashed device id; none for phones and other makers' apps.
    pub device_id: Option<String>,
    /// 1 Withings, 18 another maker.
    pub brand: Option<i64>,
    /// Whether a tracker counted it.
    pub is_tracker: Option<bool>,
    /// The model's name.
    pub model: Option<String>,
    /// The model's number; -1 on an empty day.
    pub model_id: Option<i64>,
    /// When Withings last touched it, epoch seconds.
    pub modified: Option<i64>,
    /// The day's numbers by their names, exact.
    pub data: BTreeMap<String, Json>,
}

const DAY: &[&str] = &[
    "date",
    "timezone",
    "deviceid",
    "hash_deviceid",
    "brand",
    "is_tracker",
    "model",
    "modelid",
    "model_id",
    "modified",
];

/// Reads the days of an answer.
#[must_use]
pub fn read(body: &Body) -> Rows<Day> {
    list(body, "activities", |row, _| {
        Ok(Day {
            place: row.place.clone(),
            date: row.need_text("date")?,
            timezone: row.text("timezone"),
            device_id: row.device_id(),
            brand: row.int("brand"),
            is_tracker: row.flag("is_tracker"),
            model: row.model(),
            model_id: row.model_id(),
            modified: row.int("modified"),
            data: row.rest(DAY),
        })
    })
}
