//! The stretch of time that a notification names.

use crate::Timestamp;

/// A stretch of time in epoch seconds, both ends included (a recorded notification of one measure at `t`
/// names `t-1` to `t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first second.
    pub start: i64,
    /// The last second.
    pub end: i64,
}

impl Window {
    /// The window from `start` to `end`; ends that are the wrong way round are turned.
    #[must_use]
    pub fn new(start: i64, end: i64) -> Self {
        Self { start: start.min(end), end: start.max(end) }
    }

    /// The same, longer by `secs` on both sides.
    #[must_use]
    pub fn padded(self, secs: i64) -> Self {
        Self { start: self.start.saturating_sub(secs), end: self.end.saturating_add(secs) }
    }

    /// Whether the instant lies in it.
    #[must_use]
    pub fn contains(self, at: Timestamp) -> bool {
        (self.start..=self.end).contains(&at.as_secs())
    }
}

/// The seconds of a local day; 23 to 25 hours of them.
#[must_use]
pub fn day_window(day: jiff::civil::Date, tz: &jiff::tz::TimeZone) -> Option<Window> {
    let midnight = |day: jiff::civil::Date| Some(day.to_zoned(tz.clone()).ok()?.timestamp().as_second());
    Some(Window::new(midnight(day)?, midnight(day.tomorrow().ok()?)? - 1))
}
