//! user getdevice.

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use super::{Rows, list};
use crate::envelope::Body;

/// One device of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where it stood.
    pub place: String,
    /// The hashed device id.
    pub device_id: String,
    /// `Scale`, `Sleep Monitor`.
    pub device_type: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The model's number.
    pub model_id: Option<i64>,
    /// `high`, `medium`, `low` or `unknown`.
    pub battery: Option<String>,
    /// The IANA time zone.
    pub timezone: Option<String>,
    /// When it was first used, epoch seconds.
    pub first_session: Option<i64>,
    /// When it last synced, epoch seconds.
    pub last_session: Option<i64>,
    /// What else it held.
    pub other: BTreeMap<String, Json>,
}

const DEVICE: &[&str] = &[
    "deviceid",
    "hash_deviceid",
    "type",
    "model",
    "model_id",
    "modelid",
    "battery",
    "timezone",
    "first_session_date",
    "last_session_date",
];

/// Reads the devices of an answer.
#[must_use]
pub fn read(body: &Body) -> Rows<Device> {
    list(body, "devices", |row, _| {
        Ok(Device {
            place: row.place.clone(),
            device_id: row.device_id().ok_or_else(|| row.lacks("deviceid"))?,
            device_type: row.text("type"),
            model: row.model(),
            model_id: row.model_id(),
            battery: row.text("battery"),
            timezone: row.text("timezone"),
            first_session: row.int("first_session_date"),
            last_session: row.int("last_session_date"),
            other: row.rest(DEVICE),
        })
    })
}
