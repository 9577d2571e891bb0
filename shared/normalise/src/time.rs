//! Instants as the person's clock showed them.

use afferent_domain::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A time zone of the compiled-in database, and its name.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    zone: TimeZone,
    /// The IANA name.
    pub(crate) name: String,
    /// What a row called its zone, if the database does not know it.
    pub(crate) unknown: Option<String>,
}

impl Zone {
    /// The first of `names` that is in the database; UTC if none is.
    pub(crate) fn first(names: &[Option<&str>]) -> Self {
        names
            .iter()
            .flatten()
            .find_map(|name| Some(Self { zone: TimeZone::get(name).ok()?, name: (*name).to_owned(), unknown: None }))
            .unwrap_or_else(|| Self { zone: TimeZone::UTC, name: "UTC".to_owned(), unknown: None })
    }

    /// RFC 3339 with the local offset; none beyond the calendar.
    pub(crate) fn text(&self, secs: i64) -> Option<String> {
        Some(self.at(secs)?.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
    }

    /// The local day, `YYYY-MM-DD`.
    pub(crate) fn date(&self, secs: i64) -> Option<String> {
        Some(self.at(secs)?.date().to_string())
    }

    /// The first second of a local day and of the next.
    pub(crate) fn day(&self, date: &str) -> Option<(i64, i64)> {
        let date: Date = date.parse().ok()?;
        let begins = |date: Date| Some(date.to_zoned(self.zone.clone()).ok()?.timestamp().as_second());
        Some((begins(date)?, begins(date.tomorrow().ok()?)?))
    }

    /// Whether the local day of an instant is not over yet.
    pub(crate) fn is_today(&self, secs: i64, now: Timestamp) -> bool {
        self.date(secs).and_then(|date| self.day(&date)).is_some_and(|(_, end)| now.as_secs() < end)
    }

    /// Far from the calendar's ends, so that an offset never leaves it.
    fn at(&self, secs: i64) -> Option<jiff::Zoned> {
        if secs.unsigned_abs() > 200_000_000_000 {
            return None;
        }
        Some(jiff::Timestamp::from_second(secs).ok()?.to_zoned(self.zone.clone()))
    }
}

/// Whether a text is a day of the calendar, `YYYY-MM-DD`.
pub(crate) fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<Date>().is_ok()
}

/// The smallest window of whole UTC hours around another.
#[must_use]
pub fn whole_hours(start: Timestamp, end: Timestamp) -> (Timestamp, Timestamp) {
    let hour = 3600;
    let first = start.as_secs().div_euclid(hour).saturating_mul(hour);
    let last = end.as_secs().saturating_add(hour - 1).div_euclid(hour).saturating_mul(hour);
    (Timestamp::from_secs(first), Timestamp::from_secs(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_told_with_the_offset_of_its_day() {
        let lisbon = Zone::first(&[None, Some("Mars/Olympus"), Some("Europe/Lisbon")]);
        assert_eq!(lisbon.name, "Europe/Lisbon");
        assert_eq!(lisbon.text(1_789_366_328).as_deref(), Some("2026-09-14T07:12:08+01:00"));
        assert_eq!(lisbon.text(1_798_700_400).as_deref(), Some("2026-12-31T07:00:00+00:00"));
        assert_eq!(Zone::first(&[]).text(0).as_deref(), Some("1970-01-01T00:00:00+00:00"));
        assert_eq!(lisbon.text(i64::MAX), None);
    }

    #[test]
    fn a_day_of_23_hours_is_one_day() {
        let lisbon = Zone::first(&[Some("Europe/Lisbon")]);
        let (start, end) = lisbon.day("2026-03-29").unwrap();
        assert_eq!(end - start, 23 * 3600);
        assert_eq!(lisbon.day("2026-02-30"), None);
    }

    #[test]
    fn a_window_grows_to_whole_hours() {
        let at = Timestamp::from_secs;
        assert_eq!(whole_hours(at(3_601), at(7_201)), (at(3_600), at(10_800)));
        assert_eq!(whole_hours(at(3_600), at(7_200)), (at(3_600), at(7_200)));
    }
}
