//! Recordings of the heart, of the stethoscope, and answered surveys.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Fact, Facts};
use crate::Userid;
use crate::intake::Intake;
use crate::notice::Notice;
use crate::state::User;

/// A recording of the heart: a row of heart `list`, and its signal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ecg {
    /// `signalid`.
    pub signalid: i64,
    /// The device's hash.
    pub deviceid: Option<String>,
    /// The model's number.
    pub model: i64,
    /// 0 negative, 1 positive, 2 inconclusive.
    pub afib: i64,
    /// Diastole and systole in mmHg, from a BPM Core.
    pub bloodpressure: Option<(i64, i64)>,
    /// Signal id and VHD of a stethoscope recording taken with it.
    pub stetho: Option<(i64, i64)>,
    /// Beats per minute.
    pub heart_rate: i64,
    /// When it was taken, epoch seconds.
    pub timestamp: i64,
    /// When it was last changed, epoch seconds.
    pub modified: i64,
    /// Microvolts. Empty happens, with status 0.
    pub signal: Vec<i64>,
    /// Hertz: 500 for a BPM Core, 300 for watches.
    pub sampling_frequency: i64,
    /// Where it was worn.
    pub wearposition: i64,
}

impl Fact for Ecg {
    type Key = i64;

    fn kept(user: &mut User) -> &mut Facts<Self> {
        &mut user.ecgs
    }

    fn touch(&mut self) {
        self.modified = 0;
    }

    fn key(&self) -> i64 {
        self.signalid
    }

    fn settle(&mut self, intake: &mut Intake) {
        intake.id(&mut self.signalid, 31_000_000);
        intake.moment(&mut self.timestamp);
        intake.moment(&mut self.modified);
    }

    fn notices(&self, userid: Userid, _: &str) -> Vec<Notice> {
        vec![Notice::instant(userid, 54, self.timestamp)]
    }
}

/// A stethoscope recording.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stetho {
    /// `signalid`.
    pub signalid: i64,
    /// The device's hash.
    pub hash_deviceid: String,
    /// The result for valvular heart disease.
    pub vhd: i64,
    /// When it was taken, epoch seconds.
    pub timestamp: i64,
    /// IANA name; empty takes the user's.
    pub timezone: String,
    /// A-law bytes.
    pub signal: Vec<u8>,
    /// Hertz.
    pub frequency: i64,
    /// Seconds.
    pub duration: i64,
    /// The model's number: 71 BeamO, 44 BPM Core.
    pub model: i64,
    /// Where on the chest, as `position` of a measure.
    pub position: i64,
}

impl Fact for Stetho {
    type Key = i64;

    fn kept(user: &mut User) -> &mut Facts<Self> {
        &mut user.stethos
    }

    fn key(&self) -> i64 {
        self.signalid
    }

    fn settle(&mut self, intake: &mut Intake) {
        intake.id(&mut self.signalid, 41_000_000);
        intake.moment(&mut self.timestamp);
        intake.timezone(&mut self.timezone);
    }

    fn notices(&self, userid: Userid, _: &str) -> Vec<Notice> {
        vec![Notice::instant(userid, 61, self.timestamp)]
    }
}

/// An answered survey.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SurveyAnswer {
    /// `grpid`.
    pub grpid: i64,
    /// Which survey.
    pub surveyid: i64,
    /// The answers; their items are untyped in Withings' specification.
    pub answers: Vec<Value>,
    /// When it was answered, epoch seconds.
    pub timestamp: i64,
}

impl Fact for SurveyAnswer {
    type Key = i64;

    fn kept(user: &mut User) -> &mut Facts<Self> {
        &mut user.answers
    }

    fn key(&self) -> i64 {
        self.grpid
    }

    fn settle(&mut self, intake: &mut Intake) {
        intake.id(&mut self.grpid, 7_000_000_000);
        intake.moment(&mut self.timestamp);
    }

    fn notices(&self, userid: Userid, _: &str) -> Vec<Notice> {
        vec![Notice::instant(userid, 60, self.timestamp)]
    }
}
