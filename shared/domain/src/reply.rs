//! What a receiver said to a try, as far as it decides what follows.

use std::time::{Duration, UNIX_EPOCH};

use crate::clock::Timestamp;
use crate::endpoint::Cause;

/// The header by which a receiver steers its own deliveries: `disable` or `abort-message`.
pub const CONTROL_HEADER: &str = "webhook-delivery";

/// A receiver's wish for a later try counts up to this. Longer, and a policy's tries would not fit into the life of a
/// delivery (see [`life`](crate::delivery::life)).
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(4 * 60 * 60);

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP answer.
    Answer {
        /// Its status.
        status: u16,
        /// How long it asks to be left alone; only 429, 502, 503 and 504 can ask (Standard Webhooks 1.0).
        retry_after: Option<Duration>,
        /// What it wants of later deliveries.
        control: Option<Control>,
    },
    /// The customer's queue took it.
    Taken,
    /// Nothing.
    Nothing,
}

/// What a receiver wants besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// No delivery at all any more.
    Disable,
    /// No further try of this one.
    AbortMessage,
}

impl Reply {
    /// Reads an answer: its status and the two headers that count, as far as they are text.
    #[must_use]
    pub fn answer(status: u16, retry_after: Option<&str>, control: Option<&str>, now: Timestamp) -> Self {
        let asks = matches!(status, 429 | 502 | 503 | 504);
        let retry_after = retry_after.filter(|_| asks).and_then(|text| duration(text, now));
        let control = match control.map(str::trim) {
            Some("disable") => Some(Control::Disable),
            Some("abort-message") => Some(Control::AbortMessage),
            _ => None,
        };
        Self::Answer { status, retry_after, control }
    }

    /// Why the endpoint wants no more, if it does.
    #[must_use]
    pub const fn stop(&self) -> Option<Cause> {
        match self {
            Self::Answer { control: Some(Control::Disable), .. } => Some(Cause::Receiver),
            Self::Answer { status: 410, .. } => Some(Cause::Gone),
            _ => None,
        }
    }
}

/// Seconds, or an HTTP date (RFC 9110, 10.2.3). A date that is past asks for nothing.
fn duration(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(LONGEST_RETRY_AFTER, Duration::from_secs)
    } else {
        let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Timestamp::from_millis(i64::try_from(at.as_millis()).ok()?).since(now)
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-21T07:03:00Z.
    const NOW: Timestamp = Timestamp::from_secs(1_795_244_580);

    fn asked(status: u16, text: &str) -> Option<Duration> {
        match Reply::answer(status, Some(text), None, NOW) {
            Reply::Answer { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_is_capped() {
        assert_eq!(asked(429, "120"), Some(Duration::from_secs(120)));
        assert_eq!(asked(503, " Sat, 21 Nov 2026 07:04:00 GMT "), Some(Duration::from_secs(60)));
        assert_eq!(asked(503, "Sat, 21 Nov 2026 07:02:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked(504, "86400"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(asked(502, "99999999999999999999999"), Some(LONGEST_RETRY_AFTER));
        for nothing in ["", "-1", "1.5", "soon", "12 s"] {
            assert_eq!(asked(429, nothing), None, "{nothing}");
        }
    }

    #[test]
    fn only_the_statuses_of_a_busy_server_can_ask_for_time() {
        for status in [200, 400, 404, 410, 500, 501] {
            assert_eq!(asked(status, "120"), None, "{status}");
        }
    }

    #[test]
    fn gone_and_the_control_header_stop_an_endpoint() {
        let stop = |status, control| Reply::answer(status, None, control, NOW).stop();
        assert_eq!(stop(410, None), Some(Cause::Gone));
        assert_eq!(stop(200, Some("disable")), Some(Cause::Receiver));
        assert_eq!(stop(500, Some("abort-message")), None);
        assert_eq!(stop(500, Some("Disable")), None);
        assert_eq!(Reply::Nothing.stop(), None);
    }

    proptest! {
        #[test]
        fn no_header_makes_reading_it_panic(text: String, status in 100_u16..=599) {
            prop_assert!(asked(status, &text).unwrap_or_default() <= LONGEST_RETRY_AFTER);
            let _ = Reply::answer(status, None, Some(&text), NOW);
        }
    }
}
