//! What the simulated Withings knows: the truth that records are compared with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Userid;
use crate::data::Night;
use crate::data::{
    ActivityDay, Device, Ecg, Facts, Goals, IntradaySample, MeasureGroup, Stetho, SurveyAnswer, Workout,
};

/// Whether a change triggers its notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Notify {
    /// It does, as at Withings.
    #[default]
    Yes,
    /// The change is silent: a lost notification, or data from before the subscription.
    No,
}

/// Why the control API refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no such user.
    #[error("there is no user {0}")]
    NoSuchUser(Userid),
    /// The user has no such fact.
    #[error("there is no {0}")]
    NoSuchFact(String),
    /// There is no such application.
    #[error("there is no client {0}")]
    NoSuchClient(String),
    /// The request cannot be understood.
    #[error("{0}")]
    Invalid(String),
}

/// A user to create.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewUser {
    /// A given id; `None` lets the simulator choose.
    pub userid: Option<Userid>,
    /// IANA name; empty is `Europe/Lisbon`.
    pub timezone: String,
    /// The goals, if any.
    pub goals: Option<Goals>,
}

/// One Withings user and everything known about them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct User {
    /// `userid`.
    pub userid: Userid,
    /// IANA name.
    pub timezone: String,
    /// The goals, if any.
    pub goals: Option<Goals>,
    /// Measure groups by `grpid`.
    pub measures: Facts<MeasureGroup>,
    /// Activity days.
    pub activity: Facts<ActivityDay>,
    /// Intraday samples by time.
    pub intraday: Facts<IntradaySample>,
    /// Workouts by `id`.
    pub workouts: Facts<Workout>,
    /// Nights by `id`.
    pub nights: Facts<Night>,
    /// Heart recordings by `signalid`.
    pub ecgs: Facts<Ecg>,
    /// Stethoscope recordings by `signalid`.
    pub stethos: Facts<Stetho>,
    /// Answered surveys by `grpid`.
    pub answers: Facts<SurveyAnswer>,
    /// Devices by `deviceid`.
    pub devices: Facts<Device>,
}

/// All users.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// By `userid`.
    pub users: BTreeMap<Userid, User>,
    /// The last number drawn for an id.
    #[serde(skip)]
    pub(crate) last_id: i64,
    /// The highest user id there ever was: the id of a deleted user is not given again.
    #[serde(skip)]
    pub(crate) last_userid: Userid,
}

impl State {
    pub(crate) fn user(&self, userid: Userid) -> Result<&User, ControlError> {
        self.users.get(&userid).ok_or(ControlError::NoSuchUser(userid))
    }

    pub(crate) fn user_mut(&mut self, userid: Userid) -> Result<&mut User, ControlError> {
        self.users.get_mut(&userid).ok_or(ControlError::NoSuchUser(userid))
    }
}
