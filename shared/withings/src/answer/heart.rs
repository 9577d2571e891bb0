//! heart list and stetho list: recordings, without their signals ([`super::signal`]).

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use super::{Rows, list};
use crate::envelope::Body;

/// One electrocardiogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ecg {
    /// Where it stood.
    pub place: String,
    /// Withings' id of the recording.
    pub signalid: i64,
    /// The class: 0 negative, 1 positive, 2 inconclusive, and more.
    pub afib: Option<i64>,
    /// The pressure taken beside it (BPM Core).
    pub diastolic: Option<i64>,
    /// See `diastolic`.
    pub systolic: Option<i64>,
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
        let part = |name: &'static str| row.part(name);
        let ecg = part("ecg").ok_or_else(|| row.lacks("ecg"))?;
        // An integer, or an object around it.
        let deleted = part("heart_rate").and_then(|part| part.flag("is_deleted")).unwrap_or(false);
        let heart_rate =
            row.int_or_else("heart_rate").or_else(|| part("heart_rate")?.int("value")).filter(|_| !deleted);
        let stetho = part("stetho").and_then(|part| Some((part.int("signalid")?, part.int("vhd"))));
        let known: &[&str] = if stetho.is_some() { &["signalid", "vhd"] } else { &[] };
        let mut other = row.rest(ECG);
        for (name, known) in
            [("ecg", &["signalid", "afib"][..]), ("bloodpressure", &["diastole", "systole"]), ("stetho", known)]
        {
            other.extend(row.leftover(name, known).map(|left| (name.to_owned(), left)));
        }
        if row.int_or_else("heart_rate").is_none() {
            other.extend(row.leftover("heart_rate", &["value"]).map(|left| ("heart_rate".to_owned(), left)));
        }
        Ok(Ecg {
            place: row.place.clone(),
            signalid: ecg.need_int("signalid")?,
            afib: ecg.int("afib"),
            diastolic: part("bloodpressure").and_then(|part| part.int("diastole")),
            systolic: part("bloodpressure").and_then(|part| part.int("systole")),
            stetho,
            heart_rate,
            timestamp: row.need_int("timestamp")?,
            modified: row.int("modified"),
            device_id: row.device_id(),
            model: row.model(),
            model_id: row.model_id(),
            timezone: row.text("timezone"),
            other,
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
    /// When Withings last touched it, epoch seconds; not specified, but heart list has it.
    pub modified: Option<i64>,
    /// The hashed device id.
    pub device_id: Option<String>,
    /// The model's name; not specified.
    pub model: Option<String>,
    /// The model's number; not specified.
    pub model_id: Option<i64>,
    /// What else it held.
    pub other: BTreeMap<String, Json>,
}

const STETHO: &[&str] = &[
    "signalid",
    "vhd",
    "timestamp",
    "timezone",
    "modified",
    "deviceid",
    "hash_deviceid",
    "model",
    "model_id",
    "modelid",
];

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
            model: row.model(),
            model_id: row.model_id(),
            modified: row.int("modified"),
            other: row.rest(STETHO),
        })
    })
}
