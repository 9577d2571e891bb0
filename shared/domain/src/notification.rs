//! What Withings posts to the callback URL, read leniently.
//!
//! A notification is unsigned, may be lost, doubled or late, and any of its fields may be missing (the
//! table of categories 58 and 60 to 62 shows only `userid`). So nothing in it is believed: it says where to
//! look. Source: Withings, "Notification content".

mod category;
mod quarantine;
mod window;

use crate::Timestamp;

pub use category::{Category, Effect};
pub use quarantine::Quarantine;
pub use window::{Window, day_window};

/// The longest window that is believed. The longest that Withings has reason to name is a late sync of weeks;
/// one of centuries would be millions of calls.
const LONGEST_WINDOW_SECS: i64 = 100 * 86_400;

/// The longest text of a field. Withings' ids have at most 40 characters; longer ones fit no table's key.
const LONGEST_TEXT: usize = 64;

/// A notification's fields, as far as they could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// The Withings user. Legally absent only for category 53.
    pub userid: Option<String>,
    /// The category's number, `appli`.
    pub appli: Option<u32>,
    /// The instants that the new data lie between, both included.
    pub window: Option<Window>,
    /// A local day (category 16) or the instant of an event (50, 51, 52, 55).
    pub date: Option<EventDate>,
    /// The device that triggered it.
    pub deviceid: Option<String>,
    /// What happened to the profile (category 46): `delete`, `unlink` or `update`.
    pub action: Option<String>,
    /// The MAC address of a device without an account (category 53).
    pub mac: Option<String>,
}

/// `date` in its two formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventDate {
    /// A local day, `YYYY-MM-DD`.
    Day(jiff::civil::Date),
    /// An instant, epoch seconds.
    At(Timestamp),
}

impl Notification {
    /// Reads the form-encoded body of a notification. Unknown fields are ignored (Withings' own example
    /// begins with `foo=bar`), unusable ones count as missing, of doubled ones the first counts.
    ///
    /// # Errors
    /// [`Quarantine::Unreadable`] if not one known field is in it.
    pub fn read(body: &str) -> Result<Self, Quarantine> {
        let mut read = Self::default();
        let (mut start, mut end) = (None, None);
        let mut known = false;
        for (name, value) in form_urlencoded::parse(body.trim().as_bytes()) {
            let value = value.trim();
            let field = match &*name {
                "userid" => &mut read.userid,
                "deviceid" => &mut read.deviceid,
                "action" => &mut read.action,
                "mac" => &mut read.mac,
                "appli" => {
                    read.appli = read.appli.or_else(|| value.parse().ok());
                    known = true;
                    continue;
                }
                "date" => {
                    read.date = read.date.or_else(|| event_date(value));
                    known = true;
                    continue;
                }
                "startdate" => &mut start,
                "enddate" => &mut end,
                _ => continue,
            };
            known = true;
            if field.is_none() && (1..=LONGEST_TEXT).contains(&value.len()) {
                *field = Some(value.to_owned());
            }
        }
        if !known {
            return Err(Quarantine::Unreadable);
        }
        let instant = |text: Option<String>| text.and_then(|text| epoch_seconds(&text));
        read.window = match (instant(start), instant(end)) {
            (Some(start), Some(end)) => Some(Window::new(start, end)),
            (Some(only), None) | (None, Some(only)) => Some(Window::new(only, only)),
            (None, None) => None,
        }
        .filter(|window| window.end - window.start <= LONGEST_WINDOW_SECS);
        Ok(read)
    }

    /// The category, and that everything it cannot do without is there.
    ///
    /// # Errors
    /// The reason to quarantine it.
    pub fn category(&self) -> Result<Category, Quarantine> {
        let category = Category::of(self.appli.ok_or(Quarantine::NoCategory)?).ok_or(Quarantine::UnknownCategory)?;
        match category {
            Category::DeviceSetup if self.mac.is_none() => Err(Quarantine::NoDevice),
            Category::DeviceSetup => Ok(category),
            _ if self.userid.is_none() => Err(Quarantine::NoUser),
            Category::BedIn
            | Category::BedOut
            | Category::InflateDone
            | Category::EcgFailed
            | Category::BedOccupied
            | Category::BedEmpty
            | Category::BedInOut
                if self.instant().is_none() =>
            {
                Err(Quarantine::NoDate)
            }
            _ => Ok(category),
        }
    }

    /// The instant of an event: its date, else the end of the window that it names instead.
    #[must_use]
    pub fn instant(&self) -> Option<Timestamp> {
        match (&self.date, self.window) {
            (Some(EventDate::At(at)), _) => Some(*at),
            (None, Some(window)) => Some(Timestamp::from_secs(window.end)),
            _ => None,
        }
    }

    /// The window that it names: its own, or that of its day (in `tz`), or that of its instant.
    #[must_use]
    pub fn named_window(&self, tz: &jiff::tz::TimeZone) -> Option<Window> {
        self.window.or_else(|| match self.date.as_ref()? {
            EventDate::At(at) => Some(Window::new(at.as_secs(), at.as_secs())),
            EventDate::Day(day) => day_window(*day, tz),
        })
    }
}

fn event_date(text: &str) -> Option<EventDate> {
    match epoch_seconds(text) {
        Some(secs) => Some(EventDate::At(Timestamp::from_secs(secs))),
        None => text.parse().ok().map(EventDate::Day),
    }
}

/// Epoch seconds from 1970 to 9999; anything else is no date.
fn epoch_seconds(text: &str) -> Option<i64> {
    text.parse().ok().filter(|secs| (0..=253_402_300_799_i64).contains(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Notification {
        Notification::read(body).unwrap()
    }

    #[test]
    fn a_weigh_in_names_the_second_before_it_and_its_own() {
        let weighed = read("userid=90001001&startdate=1789625129&enddate=1789625130&appli=1");
        assert_eq!(weighed.category(), Ok(Category::Weight));
        assert_eq!(weighed.window, Some(Window { start: 1_789_625_129, end: 1_789_625_130 }));
    }

    #[test]
    fn date_is_a_day_for_activity_and_an_instant_for_events() {
        let active = read("userid=1&date=2026-09-16&appli=16");
        assert_eq!(active.date, Some(EventDate::Day(jiff::civil::date(2026, 9, 16))));
        let tz = jiff::tz::TimeZone::get("Europe/Lisbon").unwrap();
        assert_eq!(active.named_window(&tz), Some(Window { start: 1_789_513_200, end: 1_789_599_599 }));
        let lay_down = read("date=1789511040&deviceid=c4&appli=50&userid=1");
        assert_eq!(lay_down.date, Some(EventDate::At(Timestamp::from_secs(1_789_511_040))));
        assert_eq!(lay_down.category(), Ok(Category::BedIn));
    }

    #[test]
    fn only_a_device_without_an_account_may_come_without_a_user() {
        assert_eq!(read("appli=53&mac=00%3A24%3Ae4%3A00%3A00%3A01").category(), Ok(Category::DeviceSetup));
        assert_eq!(read("appli=1").category(), Err(Quarantine::NoUser));
    }

    #[test]
    fn what_cannot_be_understood_says_why() {
        assert_eq!(Notification::read("hello"), Err(Quarantine::Unreadable));
        assert_eq!(Notification::read(""), Err(Quarantine::Unreadable));
        assert_eq!(read("userid=1").category(), Err(Quarantine::NoCategory));
        assert_eq!(read("userid=1&appli=777").category(), Err(Quarantine::UnknownCategory));
        assert_eq!(read("userid=1&appli=50").category(), Err(Quarantine::NoDate));
        assert_eq!(read("appli=53").category(), Err(Quarantine::NoDevice));
    }

    #[test]
    fn fields_that_mean_nothing_are_ignored() {
        let odd = read("foo=bar&userid=1&appli=1&startdate=soon&enddate=1789366328");
        assert_eq!(odd.window, Some(Window { start: 1_789_366_328, end: 1_789_366_328 }));
    }

    #[test]
    fn an_absurd_window_or_id_counts_as_missing() {
        assert_eq!(read("userid=1&appli=16&startdate=0&enddate=253402300799").window, None);
        assert_eq!(read(&format!("userid={}&appli=1", "9".repeat(65))).category(), Err(Quarantine::NoUser));
    }

    #[test]
    fn every_line_of_the_fixture_is_a_known_category_except_one() {
        let bodies = include_str!("../../../tests/fixtures/withings/notification_bodies.txt");
        let unknown: Vec<u32> = bodies
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(read)
            .filter(|notification| notification.category().is_err())
            .filter_map(|notification| notification.appli)
            .collect();
        assert_eq!(unknown, [777]);
    }
}
