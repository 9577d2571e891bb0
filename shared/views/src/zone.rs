//! Instants as a person's clock showed them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The zone of this IANA name; UTC for none, and for one that the database does not know.
pub(crate) fn zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// The local day of an instant; none beyond the calendar.
pub(crate) fn day(zone: &TimeZone, ms: i64) -> Option<Date> {
    Some(zone.to_datetime(within(ms)?).date())
}

/// RFC 3339 with the local offset; none beyond the calendar.
pub(crate) fn text(zone: &TimeZone, ms: i64) -> Option<String> {
    let format = if ms % 1000 == 0 { "%Y-%m-%dT%H:%M:%S%:z" } else { "%Y-%m-%dT%H:%M:%S%.3f%:z" };
    Some(within(ms)?.to_zoned(zone.clone()).strftime(format).to_string())
}

/// The first millisecond of a day in UTC; saturates at the calendar's ends.
pub(crate) fn midnight_ms(day: Date) -> i64 {
    let ms = day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp().as_millisecond());
    ms.unwrap_or(if day.year() > 0 { i64::MAX } else { i64::MIN })
}

/// Far from the calendar's ends, so that an offset never leaves it.
fn within(ms: i64) -> Option<Timestamp> {
    if ms.unsigned_abs() > 200_000_000_000_000 { None } else { Timestamp::from_millisecond(ms).ok() }
}
