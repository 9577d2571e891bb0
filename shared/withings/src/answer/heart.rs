//! heart list and stetho list: recordings, without their signals.

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use super::{Rows, list};
use crate::envelope::Body;
use crate::row::Row;

/// One electrocardiogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ecg {
    /// Where it stood.
    pub place: String,
    /// Withings' id of the recording.
    pub signalid: i64,
    /// The class: 0 negative, 1 positive, 2 inconclusive, and more.
    pub afib: Option<i64>,
    /// The pressures taken beside it (BPM Core): diastolic, systolic.
    pub pressure: Option<(i64, i64)>,
    /// The stethoscope recording beside it: its id, and the class of its sound.
    pub stetho: Option<(i64, Option<i64>)>,
    /// Beats per minute.
    pub heart_rate: Option<i64>,
    /// When it was taken, epoch seconds.
    pub timestamp: i64,
    /// When Withings last touched it, epoch seconds.
    pub modified: Option<i64>,
    /// The hashed device id.
    pub device_id: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The model's number (here `model` is one).
    pub model_id: Option<i64>,
    /// The IANA time zone.
    pub timezone: Option<String>,
    /// What else it held.
    pub other: BTreeMap<String, Json>,
}

const ECG: &[&str] = &[
    "ecg",
    "bloodpressure",
    "stetho",
    "heart_rate",
    "timestamp",
    "modified",
    "deviceid",
    "hash_deviceid",
    "model",
    "model_id",
    "modelid",
    "timezone",
];

/// Reads the electrocardiograms of heart list.
#[must_use]
pub fn read(body: &Body) -> Rows<Ecg> {
    list(body, "series", |row, _| {
        let part = |name: &'static str| row.json(name).and_then(|json| Row::of(json, row.place.clone()).ok());
        let ecg = part("ecg").ok_or_else(|| row.lacks("ecg"))?;
        // An integer, or an object around it.
        let heart_rate = row.int("heart_rate").or_else(|| part("heart_rate")?.int("value"));
        Ok(Ecg {
            place: row.place.clone(),
            signalid: ecg.need_int("signalid")?,
            afib: ecg.int("afib"),
            pressure: part("bloodpressure").and_then(|part| Some((part.int("diastole")?, part.int("systole")?))),
            stetho: part("stetho").and_then(|part| Some((part.int("signalid")?, part.int("vhd")))),
            heart_rate,
            timestamp: row.need_int("timestamp")?,
            modified: row.int("modified"),
            device_id: row.device_id(),
            model: row.model(),
            model_id: row.model_id(),
            timezone: row.text("timezone"),
            other: row.other(ECG),
        })
    })
}

/// One stethoscope recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stetho {
    /// Where it stood.
    pub place: String,
    /// Withings' id of the recording.
    pub signalid: i64,
    /// The class of the sound (valvular heart disease).
    pub vhd: Option<i64>,
    /// When it was taken, epoch seconds.
    pub timestamp: i64,
    /// The IANA time zone.
    pub timezone: Option<String>,
    /// The hashed device id.
    pub device_id: Option<String>,
    /// What else it held.
    pub other: BTreeMap<String, Json>,
}

/// Reads the recordings of stetho list.
#[must_use]
pub fn read_stetho(body: &Body) -> Rows<Stetho> {
    list(body, "series", |row, _| {
        Ok(Stetho {
            place: row.place.clone(),
            signalid: row.need_int("signalid")?,
            vhd: row.int("vhd"),
            timestamp: row.need_int("timestamp")?,
            timezone: row.text("timezone"),
            device_id: row.device_id(),
            other: row.other(&["signalid", "vhd", "timestamp", "timezone", "deviceid", "hash_deviceid"]),
        })
    })
}
