//! Devices and goals.

use serde::{Deserialize, Serialize};

use super::{Fact, Facts};
use crate::Userid;
use crate::intake::Intake;
use crate::notice::Notice;
use crate::state::User;

/// A device of the user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// `Scale`, `Sleep Monitor`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// `high`, `medium`, `low` or `unknown`.
    pub battery: String,
    /// The model's name.
    pub model: String,
    /// The model's number.
    pub model_id: i64,
    /// IANA name; empty takes the user's.
    pub timezone: String,
    /// Epoch seconds.
    pub first_session_date: Option<i64>,
    /// Epoch seconds: the last synchronisation.
    pub last_session_date: Option<i64>,
    /// 40 hexadecimal digits; `hash_deviceid` in answers is the same.
    pub deviceid: String,
    /// The address it is linked and unlinked by, `00:24:e4:..`.
    pub mac: Option<String>,
}

impl Fact for Device {
    type Key = String;

    fn kept(user: &mut User) -> &mut Facts<Self> {
        &mut user.devices
    }

    fn key(&self) -> String {
        self.deviceid.clone()
    }

    fn settle(&mut self, intake: &mut Intake) {
        intake.timezone(&mut self.timezone);
        if self.battery.is_empty() {
            self.battery = "high".to_owned();
        }
    }

    fn notices(&self, _: Userid, _: &str) -> Vec<Notice> {
        Vec::new()
    }
}

/// What `getgoals` answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Goals {
    /// Steps a day.
    pub steps: i64,
    /// Seconds of sleep.
    pub sleep: i64,
    /// The weight aimed at.
    pub weight: WeightGoal,
}

/// A weight: `value * 10^unit` kg.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WeightGoal {
    /// The digits.
    pub value: i64,
    /// The exponent.
    pub unit: i64,
}
