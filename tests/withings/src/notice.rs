//! The bodies of notifications (Withings, notification content): which change says what, and in which order.

use serde::{Deserialize, Serialize};

use crate::Userid;
use crate::data::MeasureGroup;

/// A notification before it is sent: its category, whom it is about, its form body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The category, `appli`.
    pub appli: u16,
    /// Whose subscriptions get it; `None` for category 53, which is the application's.
    pub userid: Option<Userid>,
    /// The form body, fields in the recorded order.
    pub body: String,
    /// The body as the documents' table reads for categories 58, 60, 61 and 62.
    pub minimal: Option<String>,
}

/// What happened in a bed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BedEvent {
    /// Category 50.
    In,
    /// Category 51.
    Out,
    /// Category 52: the mat finished inflating.
    Inflated,
    /// Category 98, of a contract's live feed: the bed is occupied.
    Occupied,
    /// Category 99, likewise: the bed is empty.
    Empty,
    /// Category 100, likewise: in and out. The bodies of these three are UNCERTAIN; they are taken to be those of 50.
    InOut,
}

impl BedEvent {
    /// The category.
    #[must_use]
    pub fn appli(self) -> u16 {
        match self {
            Self::In => 50,
            Self::Out => 51,
            Self::Inflated => 52,
            Self::Occupied => 98,
            Self::Empty => 99,
            Self::InOut => 100,
        }
    }
}

/// What happened to a profile (category 46).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileAction {
    /// The account is deleted: data, tokens and subscriptions go.
    Delete,
    /// The user withdrew the consent: tokens and subscriptions go.
    Unlink,
    /// The profile changed.
    Update,
}

impl ProfileAction {
    /// As the body spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Unlink => "unlink",
            Self::Update => "update",
        }
    }
}

impl Notice {
    fn of(appli: u16, userid: Userid, body: String) -> Self {
        let minimal = matches!(appli, 58 | 60..=62).then(|| format!("userid={userid}&appli={appli}"));
        Self { appli, userid: Some(userid), body, minimal }
    }

    /// A window of epoch seconds.
    #[must_use]
    pub fn window(userid: Userid, appli: u16, startdate: i64, enddate: i64) -> Self {
        Self::of(appli, userid, format!("userid={userid}&startdate={startdate}&enddate={enddate}&appli={appli}"))
    }

    /// One measurement: recorded windows are one second long and *end* at the measurement.
    #[must_use]
    pub fn instant(userid: Userid, appli: u16, date: i64) -> Self {
        Self::window(userid, appli, date - 1, date)
    }

    /// Category 16: a local day.
    #[must_use]
    pub fn day(userid: Userid, date: &str) -> Self {
        Self::of(16, userid, format!("userid={userid}&date={date}&appli=16"))
    }

    /// Category 46.
    #[must_use]
    pub fn profile(userid: Userid, action: ProfileAction) -> Self {
        Self::of(46, userid, format!("userid={userid}&action={}&appli=46", action.as_str()))
    }

    /// Categories 50, 51, 52 and 55 (98, 99 and 100 are taken to be alike): an event of a device, at epoch seconds.
    #[must_use]
    pub fn device_event(userid: Userid, appli: u16, deviceid: &str, date: i64) -> Self {
        Self::of(appli, userid, format!("date={date}&deviceid={deviceid}&appli={appli}&userid={userid}"))
    }

    /// Category 53: a device was set up without an account. There is no `userid`.
    #[must_use]
    pub fn device_without_account(mac: &str) -> Self {
        let mac: String = form_urlencoded::byte_serialize(mac.as_bytes()).collect();
        Self { appli: 53, userid: None, body: format!("appli=53&mac={mac}"), minimal: None }
    }
}

/// The category that announces a measure type; `None` for what is announced elsewhere (130, 135 to 138 come
/// with an ECG) or by no known category (123 VO2max).
fn category(meastype: i64) -> Option<u16> {
    match meastype {
        1 | 5 | 6 | 8 | 76 | 77 | 88 | 91 => Some(1),
        // Not in the documents' table, but taken at the same weigh-in by a Body Scan.
        155 | 158 | 159 | 167..=170 | 173..=175 | 196..=198 | 226 | 227 | 229 => Some(1),
        12 | 71 | 73 => Some(2),
        9 | 10 | 11 | 54 => Some(4),
        119 => Some(58),
        147 | 148 | 151 | 204 | 205 | 248 | 249 | 251 => Some(63),
        _ => None,
    }
}

/// One notification per category that the group's types belong to.
pub(crate) fn for_measures(userid: Userid, group: &MeasureGroup) -> Vec<Notice> {
    let mut applis: Vec<u16> = group.measures.iter().filter_map(|measure| category(measure.meastype)).collect();
    applis.sort_unstable();
    applis.dedup();
    applis.into_iter().map(|appli| Notice::instant(userid, appli, group.date)).collect()
}

/// The scope without which a category's notifications are never sent (subscribing succeeds all the same).
pub(crate) fn scope(appli: u16) -> Option<&'static str> {
    match appli {
        1 | 2 | 4 | 54 | 55 | 58 | 61..=63 => Some("user.metrics"),
        16 | 44 => Some("user.activity"),
        46 => Some("user.info"),
        50..=52 | 98..=100 => Some("user.sleepevents"),
        // 53 has no user. 60 names `user.data`, which no user can grant: UNCERTAIN, so it is not asked for.
        _ => None,
    }
}

/// The local day of an instant in epoch seconds; UTC's if the time zone is unknown.
pub(crate) fn local_date(at: i64, timezone: &str) -> String {
    let Ok(instant) = jiff::Timestamp::from_second(at) else {
        return String::new();
    };
    let zone = jiff::tz::TimeZone::get(timezone).unwrap_or(jiff::tz::TimeZone::UTC);
    instant.to_zoned(zone).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Measure;

    /// From recorded bodies, users and devices invented.
    #[test]
    fn bodies_carry_their_fields_in_the_recorded_order() {
        let mat = "c49dc1e0e9d0d2e48a5b8c77e2e9d96c2b6622c2";
        for (notice, body) in [
            (
                Notice::instant(90001001, 1, 1789625130),
                "userid=90001001&startdate=1789625129&enddate=1789625130&appli=1",
            ),
            (Notice::day(90001001, "2026-09-16"), "userid=90001001&date=2026-09-16&appli=16"),
            (
                Notice::window(90001001, 44, 1789511040, 1789537140),
                "userid=90001001&startdate=1789511040&enddate=1789537140&appli=44",
            ),
            (Notice::profile(90001001, ProfileAction::Unlink), "userid=90001001&action=unlink&appli=46"),
            (
                Notice::device_event(90001001, 50, mat, 1789511040),
                "date=1789511040&deviceid=c49dc1e0e9d0d2e48a5b8c77e2e9d96c2b6622c2&appli=50&userid=90001001",
            ),
            (Notice::device_without_account("00:24:e4:00:00:01"), "appli=53&mac=00%3A24%3Ae4%3A00%3A00%3A01"),
        ] {
            assert_eq!(notice.body, body);
        }
        assert_eq!(Notice::instant(7, 60, 5).minimal.unwrap(), "userid=7&appli=60");
    }

    #[test]
    fn a_group_is_announced_once_per_category() {
        let types = [1, 6, 9, 10, 11, 123];
        let measures = types.iter().map(|meastype| Measure::new(*meastype, 1, 0)).collect();
        let group = MeasureGroup { date: 100, measures, ..MeasureGroup::default() };
        assert_eq!(for_measures(7, &group).iter().map(|notice| notice.appli).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn a_day_is_the_persons_own() {
        assert_eq!(local_date(1_789_596_000, "Europe/Lisbon"), "2026-09-16");
        assert_eq!(local_date(1_789_599_600, "Europe/Lisbon"), "2026-09-17");
    }
}
