//! The units of pulling: one Withings call (or, for a night or a day, one series of calls) that has its own
//! mark, cursor and lease.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::connection::Scope;

/// What a pull reads. The name is part of table keys and metrics, so it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// `/measure` getmeas: weight, pressure, temperature and every other measure type.
    Getmeas,
    /// `/v2/measure` getactivity: one row per local day and source.
    Getactivity,
    /// `/v2/measure` getintradayactivity: samples, at most 24 h a call.
    Getintradayactivity,
    /// `/v2/measure` getworkouts.
    Getworkouts,
    /// `/v2/sleep` get: the stages and per-minute samples of a night.
    SleepGet,
    /// `/v2/sleep` getsummary: one row per night.
    SleepGetsummary,
    /// `/v2/heart` list: electrocardiograms.
    HeartList,
    /// `/v2/stetho` list: stethoscope recordings.
    StethoList,
    /// `/v2/answers` get: survey answers (signed instead of a bearer token).
    AnswersGet,
    /// `/v2/user` getdevice: the devices of the account.
    Getdevice,
    /// `/v2/user` getgoals: what the user means to reach.
    Getgoals,
    /// `/v2/heart` get: the signal of one electrocardiogram.
    HeartGet,
    /// `/v2/stetho` get: the sound of one stethoscope recording.
    StethoGet,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 13] = [
        Self::Getmeas,
        Self::Getactivity,
        Self::Getintradayactivity,
        Self::Getworkouts,
        Self::SleepGet,
        Self::SleepGetsummary,
        Self::HeartList,
        Self::StethoList,
        Self::AnswersGet,
        Self::Getdevice,
        Self::Getgoals,
        Self::HeartGet,
        Self::StethoGet,
    ];

    /// The name in table keys, messages, metrics and `source.service` of a record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Getmeas => "getmeas",
            Self::Getactivity => "getactivity",
            Self::Getintradayactivity => "getintradayactivity",
            Self::Getworkouts => "getworkouts",
            Self::SleepGet => "sleep_get",
            Self::SleepGetsummary => "sleep_getsummary",
            Self::HeartList => "heart_list",
            Self::StethoList => "stetho_list",
            Self::AnswersGet => "answers_get",
            Self::Getdevice => "getdevice",
            Self::Getgoals => "getgoals",
            Self::HeartGet => "heart_get",
            Self::StethoGet => "stetho_get",
        }
    }

    /// Whether it takes `lastupdate` (Withings' OpenAPI: getmeas, getactivity, getworkouts, sleep
    /// getsummary). The others are read by window.
    #[must_use]
    pub const fn uses_lastupdate(self) -> bool {
        matches!(self, Self::Getmeas | Self::Getactivity | Self::Getworkouts | Self::SleepGetsummary)
    }

    /// Whether its windows are local days (`startdateymd`) rather than instants (`startdate`).
    #[must_use]
    pub const fn windows_are_days(self) -> bool {
        matches!(self, Self::Getactivity | Self::Getworkouts | Self::SleepGetsummary)
    }

    /// Whether it answers with all there is, and takes neither window nor `lastupdate`.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        matches!(self, Self::Getdevice | Self::Getgoals)
    }

    /// The service that holds the details of this one's rows: series and signals. They are read where the row
    /// is new or changed.
    #[must_use]
    pub const fn details(self) -> Option<Self> {
        match self {
            Self::Getactivity => Some(Self::Getintradayactivity),
            Self::SleepGetsummary => Some(Self::SleepGet),
            Self::HeartList => Some(Self::HeartGet),
            Self::StethoList => Some(Self::StethoGet),
            _ => None,
        }
    }

    /// Whether it is read recording by recording, each by its id.
    #[must_use]
    pub const fn is_signal(self) -> bool {
        matches!(self, Self::HeartGet | Self::StethoGet)
    }

    /// The scope that Withings wants for it (OpenAPI, security of each call). Answers are signed by the
    /// application and need none of the user's.
    #[must_use]
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::Getmeas | Self::HeartList | Self::HeartGet | Self::StethoList | Self::StethoGet => {
                Some(Scope::Metrics)
            }
            Self::Getactivity
            | Self::Getintradayactivity
            | Self::Getworkouts
            | Self::SleepGet
            | Self::SleepGetsummary => Some(Scope::Activity),
            Self::Getdevice | Self::Getgoals => Some(Scope::Info),
            Self::AnswersGet => None,
        }
    }

    /// The longest window of one call, in seconds; what is beyond it Withings leaves out without a word.
    #[must_use]
    pub const fn longest_window_s(self) -> Option<i64> {
        match self {
            Self::Getintradayactivity | Self::SleepGet => Some(86_400),
            _ => None,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such service")]
pub struct UnknownService;

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(text: &str) -> Result<Self, UnknownService> {
        Self::ALL.into_iter().find(|service| service.name() == text).ok_or(UnknownService)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_have_no_details_and_one_summary_each() {
        let details: Vec<_> = Service::ALL.into_iter().filter_map(Service::details).collect();
        assert_eq!(details.len(), 4);
        assert!(details.iter().all(|service| service.details().is_none()));
    }

    #[test]
    fn a_service_is_written_and_read_by_its_name_everywhere() {
        for service in Service::ALL {
            assert_eq!(service.name().parse(), Ok(service));
            assert_eq!(serde_json::to_string(&service).unwrap(), format!("\"{service}\""));
        }
        assert_eq!("getmood".parse::<Service>(), Err(UnknownService));
    }
}
