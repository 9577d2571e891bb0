//! What an answer is about where it does not say so itself, and how stored records tell it: the nights and recordings
//! whose details are read.

use afferent_domain::Timestamp;
use afferent_domain::record::{Effective, Record, Status};
use afferent_domain::service::Service;

use crate::stages::Night;

/// What an answer is about, where it does not say so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// It says so itself.
    Nothing,
    /// The nights that a sleep get was made for.
    Nights(&'a [Night]),
    /// The recording that a heart get or stetho get was made for.
    Recording(&'a Recording),
}

impl<'a> Of<'a> {
    pub(crate) const fn nights(self) -> &'a [Night] {
        match self {
            Self::Nights(nights) => nights,
            Self::Nothing | Self::Recording(_) => &[],
        }
    }

    pub(crate) const fn recording(self) -> Option<&'a Recording> {
        match self {
            Self::Recording(recording) => Some(recording),
            Self::Nothing | Self::Nights(_) => None,
        }
    }
}

/// A recording as heart list or stetho list knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Withings' id of its signal.
    pub signalid: i64,
    /// When it was taken.
    pub at: Timestamp,
    /// The IANA time zone.
    pub timezone: Option<String>,
    /// The hashed device id.
    pub device_id: Option<String>,
}

/// The night that a stored `sleep_session` is; none if the record is of another kind or retracted.
#[must_use]
pub fn night(record: &Record) -> Option<Night> {
    let Effective::Period { end, .. } = &record.effective else { return None };
    let known = record.kind == "sleep_session" && record.status != Status::EnteredInError;
    let start = Timestamp::from_millis(record.effective_ms);
    known.then_some(Night {
        // Old rows have no id; they are told apart by their beginning.
        id: record.source.id.unwrap_or(start.as_secs()),
        start,
        end: Timestamp::from_secs(end.parse::<jiff::Timestamp>().ok()?.as_second()),
        open: record.status == Status::Preliminary,
        device_id: record.source.device_id.clone(),
    })
}

/// The nights among stored records, in the order of their beginning.
#[must_use]
pub fn nights<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Night> {
    let mut nights: Vec<Night> = records.into_iter().filter_map(night).collect();
    nights.sort_by_key(|night| (night.start, night.id));
    nights
}

/// The recording that a stored `ecg` or `stethoscope_recording` is, and the service that has its signal; none if the
/// record is of another kind or retracted.
#[must_use]
pub fn recording(record: &Record) -> Option<(Service, Recording)> {
    let service = match &*record.kind {
        "ecg" => Service::HeartGet,
        "stethoscope_recording" => Service::StethoGet,
        _ => return None,
    };
    let signalid = record.signal.as_ref()?.signalid;
    let known = record.status != Status::EnteredInError;
    known.then(|| {
        let at = Timestamp::from_millis(record.effective_ms);
        let recording =
            Recording { signalid, at, timezone: record.tz.clone(), device_id: record.source.device_id.clone() };
        (service, recording)
    })
}

/// The recordings among stored records, in the order of time.
#[must_use]
pub fn recordings<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<(Service, Recording)> {
    let mut recordings: Vec<_> = records.into_iter().filter_map(recording).collect();
    recordings.sort_by_key(|(service, recording)| (recording.at, *service, recording.signalid));
    recordings
}
