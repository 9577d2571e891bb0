//! What a record is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::exact::{Decimal, Json};

/// The code system of LOINC.
pub const LOINC: &str = "http://loinc.org";
/// The code system of SNOMED CT.
pub const SNOMED: &str = "http://snomed.info/sct";
/// Our own code system, for what no standard code names faithfully.
pub const OWN: &str = "urn:afferent:withings-measurement";

/// FHIR's `Observation.status`, the four values that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It may still change by itself.
    Preliminary,
    /// As first known.
    Final,
    /// Changed after it was final.
    Amended,
    /// Withings no longer has it.
    EnteredInError,
}

/// FHIR's observation category; `device` and `account` are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Pulse, pressure, temperature, weight and the like.
    VitalSigns,
    /// Movement, workouts, sleep.
    Activity,
    /// Findings about the body by a device.
    Exam,
    /// Glucose and urine.
    Laboratory,
    /// Answers to questions.
    Survey,
    /// A device and its events.
    Device,
    /// A connection, a profile, a backfill run.
    Account,
}

/// Whether a pull was live or part of a backfill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncKind {
    /// By a notification, a sweep or on demand.
    Live,
    /// Part of reading a past.
    Backfill,
}

/// A code, and the system it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The system's URI.
    pub system: String,
    /// The code.
    pub code: String,
    /// Its name in that system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

impl Code {
    /// Our own code for a kind: the kind in kebab-case.
    #[must_use]
    pub fn own(kind: &str) -> Self {
        Self { system: OWN.to_owned(), code: kind.replace('_', "-"), display: None }
    }

    /// A LOINC code with its display name.
    #[must_use]
    pub fn loinc(code: &str, display: &str) -> Self {
        Self { system: LOINC.to_owned(), code: code.to_owned(), display: Some(display.to_owned()) }
    }
}

/// One part of a compound record.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Component {
    /// What it is: `systolic`, `steps_total`.
    pub kind: String,
    /// Its codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Code>,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// Its unit (UCUM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Its value, if coded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_code: Option<String>,
    /// Where on the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_site: Option<String>,
    /// `mean`, `minimum`, `maximum`; an intensity; a heart rate zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The pair that Withings sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
}

/// Samples of one kind, one device and one UTC hour, in columns: the sample `i` began `offsets_s[i]` seconds
/// after `origin_ms` and has the value `values[i]`. Sorted by time, one sample per second at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// The unit of the values (UCUM).
    pub unit: String,
    /// The beginning of the UTC hour, in milliseconds since the epoch.
    pub origin_ms: i64,
    /// Seconds from the origin to each sample's beginning.
    pub offsets_s: Vec<i64>,
    /// The values.
    pub values: Vec<Decimal>,
    /// How long each sample lasts, in seconds, where the source says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub durations_s: Vec<i64>,
}

/// One stage of a night.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// `awake`, `light`, `deep`, `rem`, `manual`, `unspecified`, `out_of_bed`, or `withings.state.<n>`.
    pub stage: String,
    /// Its beginning, in milliseconds since the epoch.
    pub start_ms: i64,
    /// Its end, in milliseconds since the epoch.
    pub end_ms: i64,
}

/// A recording's samples: where they are, or which part of them this is.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Signal {
    /// Withings' id of the recording.
    pub signalid: i64,
    /// Samples per second, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling_hz: Option<Decimal>,
    /// The unit of a sample (UCUM), once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Which part this record holds, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// How many parts there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// SHA-256 (hex) of the whole signal ([`Signal::digest_of`]), the same in each of its parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The samples of this part, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<i64>,
}

impl Signal {
    /// SHA-256 (hex) of a signal: of its samples as a JSON list without blanks. Who has put all parts together can
    /// check them by it.
    #[must_use]
    pub fn digest_of(samples: &[i64]) -> String {
        let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
        hash.update(b"[");
        for (index, sample) in samples.iter().enumerate() {
            hash.update(if index == 0 { b"" } else { b"," });
            hash.update(sample.to_string().as_bytes());
        }
        hash.update(b"]");
        hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// When a record was: RFC 3339 with the local offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Effective {
    /// At an instant.
    At {
        /// The instant.
        at: String,
    },
    /// Over a period.
    Period {
        /// Its beginning.
        start: String,
        /// Its end.
        end: String,
    },
}

impl Effective {
    /// Its first and last second since the epoch; `None` if it is no RFC 3339, which no record of ours has.
    #[must_use]
    pub fn span_secs(&self) -> Option<(i64, i64)> {
        let secs = |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
        match self {
            Self::At { at } => secs(at).map(|at| (at, at)),
            Self::Period { start, end } => secs(start).zip(secs(end)),
        }
    }
}

/// `value * 10^unit`, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raw {
    /// The integer.
    pub value: i64,
    /// The power of ten.
    pub unit: i32,
}

/// How sure it is that the data are this person's, and who entered them (Withings' `attrib`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// Measured by a device that knew the person (0, 8).
    Device,
    /// Measured by a device that several persons use, and it was not sure who (1).
    Ambiguous,
    /// Entered by hand (2).
    Manual,
    /// The person chose whose it was (3).
    Chosen,
    /// Entered by hand at sign-up (4).
    ManualAtCreation,
    /// The best of several, chosen by the device (5).
    Automatic,
    /// Measured, and confirmed by the person (7).
    Confirmed,
    /// Measured under guided conditions (15; 17 is treated alike).
    Guided,
    /// Imported by another maker's app or device.
    External,
    /// An `attrib` that nobody documents; the integer is in `attrib`.
    Unknown,
}

impl Attribution {
    /// From Withings' `attrib`.
    #[must_use]
    pub const fn from_attrib(attrib: i64) -> Self {
        match attrib {
            0 | 8 => Self::Device,
            1 => Self::Ambiguous,
            2 => Self::Manual,
            3 => Self::Chosen,
            4 => Self::ManualAtCreation,
            5 => Self::Automatic,
            7 => Self::Confirmed,
            15 | 17 => Self::Guided,
            _ => Self::Unknown,
        }
    }
}

/// Where a record came from: the source's own names for it, kept as they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// `withings`.
    pub provider: String,
    /// The service it was read from ([`crate::service::Service`]), `notify` for a notification, `afferent` for our own.
    pub service: String,
    /// Withings' measure group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpid: Option<i64>,
    /// Withings' id of a night, workout, recording or survey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// The measure type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub meastype: Option<i64>,
    /// The hashed device id, 40 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The device's model name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The device's model number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<i64>,
    /// Whose the data are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<Attribution>,
    /// Withings' `attrib` behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attrib: Option<i64>,
    /// When Withings stored it, epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// When Withings last touched it, epoch seconds. Not part of the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<i64>,
    /// The person's comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Withings' `algo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algo: Option<i64>,
    /// Withings' `fm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fm: Option<i64>,
    /// Withings' `position` behind `body_site`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// Withings' `category`: 1 for a real measure; of a workout, its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<i64>,
    /// What else the row held, under its own names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, Json>,
}

impl Source {
    /// Withings, by this service, and nothing more yet.
    #[must_use]
    pub fn withings(service: &str) -> Self {
        Self {
            provider: "withings".to_owned(),
            service: service.to_owned(),
            grpid: None,
            id: None,
            meastype: None,
            device_id: None,
            model: None,
            model_id: None,
            attribution: None,
            attrib: None,
            created: None,
            modified: None,
            comment: None,
            algo: None,
            fm: None,
            position: None,
            category: None,
            other: BTreeMap::new(),
        }
    }
}
