//! How durations, instants and rates are written.

use std::time::Duration;

use afferent_domain::Timestamp;

/// An instant, as somebody wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    /// This one.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl Instant {
    /// Which one that is at `now`.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now - ago,
        }
    }
}

/// `90s`, `90m`, `24h`, `7d`, or `0`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write 0, 90s, 90m, 24h or 7d");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 60 * 60,
        Some('d') => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = text.get(..text.len() - 1).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    number.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)
}

/// An instant in RFC 3339, or how long ago it was.
pub(super) fn instant(text: &str) -> Result<Instant, String> {
    if let Ok(ago) = duration(text) {
        return Ok(Instant::Ago(ago));
    }
    let instant = text.parse::<jiff::Timestamp>();
    let wrong = |_| format!("{text:?} is no instant: write 2026-11-21T07:00:00Z, or 24h for a day ago");
    instant.map(|instant| Instant::At(Timestamp::from_millis(instant.as_millisecond()))).map_err(wrong)
}

/// `10/1`: requests and seconds.
pub(super) fn rate(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once('/').and_then(|(requests, per_s)| Some((requests.parse().ok()?, per_s.parse().ok()?)));
    parts.ok_or_else(|| format!("{text:?} is no rate: write requests/seconds, such as 10/1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit_or_are_nothing() {
        assert_eq!(duration("90m"), Ok(Duration::from_secs(5_400)));
        assert_eq!((duration("0"), duration("7d")), (Ok(Duration::ZERO), Ok(Duration::from_secs(604_800))));
        for wrong in ["", "h", "5", "1w", "-1h", "1.5h", "é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_instant_is_written_whole_or_as_how_long_ago_it_was() {
        let now = Timestamp::from_secs(1_795_244_591);
        assert_eq!(instant("2026-11-21T07:03:11Z").unwrap().at(now), now);
        assert_eq!(instant("1h").unwrap().at(now), now - Duration::from_secs(3_600));
        assert!(instant("yesterday").is_err());
    }

    #[test]
    fn a_rate_has_two_numbers() {
        assert_eq!((rate("10/1"), rate("10").is_err()), (Ok((10, 1)), true));
    }
}
