//! Measure groups, as `getmeas` returns them.

use serde::{Deserialize, Serialize};

use super::{Device, Fact, Facts};
use crate::Userid;
use crate::intake::Intake;
use crate::notice::{self, Notice};
use crate::state::User;

/// One measure of a group: the number is `value * 10^unit`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The digits.
    pub value: i64,
    /// The measure type, Withings' `meastype`.
    #[serde(rename = "type")]
    pub meastype: i64,
    /// The exponent.
    pub unit: i64,
    /// `algo`; most recorded measures have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algo: Option<i64>,
    /// `fm`; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fm: Option<i64>,
    /// Where on the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
}

impl Measure {
    /// A measure as most devices send it.
    #[must_use]
    pub fn new(meastype: i64, value: i64, unit: i64) -> Self {
        Self { value, meastype, unit, algo: Some(0), fm: Some(3), position: None }
    }

    /// The same measure at a position of the body.
    #[must_use]
    pub fn at(self, position: i64) -> Self {
        Self { position: Some(position), ..self }
    }
}

/// A measure group of `getmeas`. One weigh-in is several groups of equal `date`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct MeasureGroup {
    /// `grpid`, beyond 32 bits.
    pub grpid: i64,
    /// How sure the attribution is: 0 device, 1 ambiguous user, 2 manual, 8 as 0, ...
    pub attrib: i64,
    /// When it was taken, epoch seconds.
    pub date: i64,
    /// When it was stored, epoch seconds.
    pub created: i64,
    /// When it was last changed, epoch seconds.
    pub modified: i64,
    /// 1 real, 2 goal.
    pub category: i64,
    /// The device's hash; `None` for what was typed in.
    pub deviceid: Option<String>,
    /// The measures.
    pub measures: Vec<Measure>,
    /// The model's number.
    pub modelid: Option<i64>,
    /// The model's name.
    pub model: Option<String>,
    /// A comment; null in every recording.
    pub comment: Option<String>,
}

impl Default for MeasureGroup {
    fn default() -> Self {
        Self {
            grpid: 0,
            attrib: 0,
            date: 0,
            created: 0,
            modified: 0,
            category: 1,
            deviceid: None,
            measures: Vec::new(),
            modelid: None,
            model: None,
            comment: None,
        }
    }
}

impl MeasureGroup {
    /// A group that `device` took at `date` (epoch seconds).
    #[must_use]
    pub fn taken(device: &Device, date: i64, measures: Vec<Measure>) -> Self {
        Self {
            date,
            deviceid: Some(device.deviceid.clone()),
            measures,
            modelid: Some(device.model_id),
            model: Some(device.model.clone()),
            ..Self::default()
        }
    }
}

impl Fact for MeasureGroup {
    type Key = i64;

    fn kept(user: &mut User) -> &mut Facts<Self> {
        &mut user.measures
    }

    fn touch(&mut self) {
        self.modified = 0;
    }

    fn key(&self) -> i64 {
        self.grpid
    }

    fn settle(&mut self, intake: &mut Intake) {
        intake.id(&mut self.grpid, 7_000_000_000);
        intake.moment(&mut self.date);
        intake.moment(&mut self.created);
        intake.moment(&mut self.modified);
    }

    fn notices(&self, userid: Userid, _: &str) -> Vec<Notice> {
        notice::for_measures(userid, self)
    }
}
