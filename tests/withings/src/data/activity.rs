//! Days, minutes and workouts.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Fact, Facts};
use crate::Userid;
use crate::intake::Intake;
use crate::notice::{self, Notice};
use crate::state::User;

/// A row of `getactivity`: one local day and one source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ActivityDay {
    /// The user's local day, `YYYY-MM-DD`.
    pub date: String,
    /// IANA name; empty takes the user's.
    pub timezone: String,
    /// The device's hash; `None` for phones and imports.
    pub deviceid: Option<String>,
    /// 1 Withings, 18 imported.
    pub brand: i64,
    /// Whether a tracker counted.
    pub is_tracker: bool,
    /// The model's number; -1 on an empty day.
    pub modelid: i64,
    /// The model's name.
    pub model: Option<String>,
    /// When it was last changed, epoch seconds.
    pub modified: i64,
    /// `steps`, `distance`, `hr_average`, ...
    pub fields: Map<String, Value>,
}

impl Fact for ActivityDay {
    type Key = String;

    fn kept(user: &mut User) -> &mut Facts<Self> {
        &mut user.activity
    }

    fn touch(&mut self) {
        self.modified = 0;
    }

    /// `<date>@<device or model>`: a day has one row per source.
    fn key(&self) -> String {
        match &self.deviceid {
            Some(device) => format!("{}@{device}", self.date),
            None => format!("{}@model{}", self.date, self.modelid),
        }
    }

    fn settle(&mut self, intake: &mut Intake) {
        intake.timezone(&mut self.timezone);
        intake.moment(&mut self.modified);
    }

    fn notices(&self, userid: Userid, _: &str) -> Vec<Notice> {
        vec![Notice::day(userid, &self.date)]
    }

    /// The samples of this day by this device.
    fn take_along(&self, user: &mut User) {
        user.intraday.retain(|sample| {
            let same = sample.deviceid == self.deviceid && (self.deviceid.is_some() || sample.model_id == self.modelid);
            !same || notice::local_date(sample.at, &self.timezone) != self.date
        });
    }
}

/// One entry of `getintradayactivity`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IntradaySample {
    /// The key of the series: epoch seconds.
    pub at: i64,
    /// The device's hash; `None` for imports.
    pub deviceid: Option<String>,
    /// The model's name.
    pub model: String,
    /// The model's number.
    pub model_id: i64,
    /// `steps`, `heart_rate`, `spo2_auto`, `rmssd`, ...
    pub fields: Map<String, Value>,
}

impl Fact for IntradaySample {
    type Key = i64;

    fn kept(user: &mut User) -> &mut Facts<Self> {
        &mut user.intraday
    }

    fn key(&self) -> i64 {
        self.at
    }

    fn settle(&mut self, intake: &mut Intake) {
        intake.moment(&mut self.at);
    }

    fn notices(&self, userid: Userid, timezone: &str) -> Vec<Notice> {
        vec![Notice::day(userid, &notice::local_date(self.at, timezone))]
    }
}

/// A row of `getworkouts`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Workout {
    /// `id`.
    pub id: i64,
    /// What was done: 1 walk, 2 run, 7 swimming, ...
    pub category: i64,
    /// IANA name; empty takes the user's.
    pub timezone: String,
    /// The model's *number* here.
    pub model: i64,
    /// 0 device, 7 confirmed by the user.
    pub attrib: i64,
    /// Epoch seconds.
    pub startdate: i64,
    /// Epoch seconds.
    pub enddate: i64,
    /// The local day; empty takes that of `startdate`.
    pub date: String,
    /// The device's hash.
    pub deviceid: Option<String>,
    /// `calories`, `hr_average`, `distance`, ...; many are null.
    pub data: Map<String, Value>,
    /// When it was last changed, epoch seconds.
    pub modified: i64,
}

impl Fact for Workout {
    type Key = i64;

    fn kept(user: &mut User) -> &mut Facts<Self> {
        &mut user.workouts
    }

    fn touch(&mut self) {
        self.modified = 0;
    }

    fn key(&self) -> i64 {
        self.id
    }

    fn settle(&mut self, intake: &mut Intake) {
        intake.id(&mut self.id, 810_000_000);
        intake.timezone(&mut self.timezone);
        intake.moment(&mut self.modified);
        if self.date.is_empty() {
            self.date = notice::local_date(self.startdate, &self.timezone);
        }
    }

    fn notices(&self, userid: Userid, _: &str) -> Vec<Notice> {
        vec![Notice::day(userid, &self.date)]
    }
}
