//! What a status means. Withings publishes families only (OpenAPI, tag `response_status`); two codes, 503 and
//! 601, are told apart by their text.

use std::time::Duration;

/// The wait of a 601 that names none. Users saw about 70 s; the window is a minute.
pub const UNSAID_WAIT: Duration = Duration::from_secs(70);

/// The longest wait of a 601 that is believed. 188 s is the longest that was seen.
pub const MAX_WAIT: Duration = Duration::from_secs(3600);

/// What to do about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 0.
    Success,
    /// The access token is dead: refresh once, then try once more.
    Unauthorized,
    /// The refresh token is dead (503 by its text, inside HTTP 200): the person must connect again.
    InvalidRefreshToken,
    /// The authorisation code is dead or used (503 by its text).
    InvalidCode,
    /// The application's limit (601): everything waits.
    TooManyRequests {
        /// How long.
        wait: Duration,
    },
    /// The same call within 10 s (601 by its text): no limit, only this call waits.
    SameArguments {
        /// How long.
        wait: Duration,
    },
    /// The scope or the plan does not allow it: stop until something changes.
    Scope,
    /// Withings could not: try again later.
    Retry,
    /// The request is wrong: trying again changes nothing.
    Invalid,
    /// Not on Withings' list.
    Unknown,
}

impl Class {
    /// The class of an answer, by its code and its text.
    #[must_use]
    pub fn of(status: i64, text: &str, wait: Option<Duration>) -> Self {
        let text = text.to_ascii_lowercase();
        let wait = wait.unwrap_or(UNSAID_WAIT).min(MAX_WAIT);
        match status {
            0 => Self::Success,
            601 if text.contains("same arguments") => Self::SameArguments { wait },
            601 => Self::TooManyRequests { wait },
            503 if text.contains("refresh_token") => Self::InvalidRefreshToken,
            503 if text.contains("invalid code") => Self::InvalidCode,
            // Withings' list does not have it; seen with the text "Insufficient_scope".
            403 => Self::Scope,
            _ => FAMILIES
                .iter()
                .find(|(_, ranges)| ranges.iter().any(|(low, high)| (*low..=*high).contains(&status)))
                .map_or(Self::Unknown, |(class, _)| *class),
        }
    }

    /// A word for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unauthorized => "unauthorized",
            Self::InvalidRefreshToken => "invalid_refresh_token",
            Self::InvalidCode => "invalid_code",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::SameArguments { .. } => "same_arguments",
            Self::Scope => "scope",
            Self::Retry => "retry",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }
}

/// What is wrong with a subscription, where a status of `notify` says more than its family does (Withings' older
/// documents; the newer ones print families only). Its text is for people; [`NotifyFault::name`] is for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotifyFault {
    /// 293.
    #[error(
        "Withings does not take the callback URL: it must be https on port 80 or 443 with a host name, registered in the \
         developer dashboard, and answer HEAD with 2xx"
    )]
    CallbackRefused,
    /// 343.
    #[error("Withings says that the callback URL does not exist: nothing answers under it")]
    CallbackGone,
    /// 286, 294.
    #[error("Withings has no such subscription: it vanished, or the URL is spelt otherwise than `list` spells it")]
    NoSuchSubscription,
    /// 305.
    #[error("Withings has too many subscriptions of this person for the application: revoke those of old URLs")]
    TooMany,
    /// 304.
    #[error("Withings does not take the comment: it may have 255 characters")]
    Comment,
}

impl NotifyFault {
    /// A word for tables, metrics and events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallbackRefused => "callback_refused",
            Self::CallbackGone => "callback_gone",
            Self::NoSuchSubscription => "no_such_subscription",
            Self::TooMany => "too_many_subscriptions",
            Self::Comment => "comment_refused",
        }
    }
}

/// What a status of a `notify` call says about the subscription; `None` where its [`Class`] is all there is. 305 is of
/// a family that is tried again, and yet no repetition helps.
#[must_use]
pub const fn notify_fault(status: i64) -> Option<NotifyFault> {
    match status {
        293 => Some(NotifyFault::CallbackRefused),
        343 => Some(NotifyFault::CallbackGone),
        286 | 294 => Some(NotifyFault::NoSuchSubscription),
        305 => Some(NotifyFault::TooMany),
        304 => Some(NotifyFault::Comment),
        _ => None,
    }
}

/// The families as Withings prints them, each range inclusive.
const FAMILIES: &[(Class, &[(i64, i64)])] = &[
    (Class::Unauthorized, &[(100, 102), (200, 200), (401, 401)]),
    (Class::Scope, &[(214, 214), (277, 277), (2553, 2553), (2555, 2555)]),
    // "Timeout", "Bad state", and "An error occurred".
    (Class::Retry, &[(522, 522), (524, 524)]),
    (
        Class::Retry,
        &[
            (215, 215),
            (219, 219),
            (222, 222),
            (224, 224),
            (226, 226),
            (231, 233),
            (237, 237),
            (253, 253),
            (255, 259),
            (268, 270),
            (273, 274),
            (278, 282),
            (289, 289),
            (291, 292),
            (296, 296),
            (298, 298),
            (305, 320),
            (322, 322),
            (370, 375),
            (383, 383),
            (391, 391),
            (402, 402),
            (516, 521),
            (525, 531),
            (533, 533),
            (602, 602),
            (700, 700),
            (1051, 1054),
            (2551, 2552),
            (2556, 2559),
            (3000, 3016),
            (3020, 3024),
            (5000, 5006),
            (6000, 6000),
            (6010, 6011),
            (9000, 9000),
            (10000, 10000),
        ],
    ),
    // "Not implemented" is our mistake too.
    (Class::Invalid, &[(2554, 2554)]),
    (
        Class::Invalid,
        &[
            (201, 213),
            (216, 218),
            (220, 221),
            (223, 223),
            (225, 225),
            (227, 230),
            (234, 236),
            (238, 238),
            (240, 252),
            (254, 254),
            (260, 267),
            (271, 272),
            (275, 276),
            (283, 288),
            (290, 290),
            (293, 295),
            (297, 297),
            (300, 304),
            (321, 321),
            (323, 353),
            (380, 382),
            (400, 400),
            (501, 511),
            (523, 523),
            (532, 532),
            (3017, 3019),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: i64) -> Class {
        Class::of(status, "", None)
    }

    #[test]
    fn every_family_has_its_class_and_what_is_not_listed_is_unknown() {
        for (status, expected) in [
            (0, Class::Success),
            (100, Class::Unauthorized),
            (102, Class::Unauthorized),
            (200, Class::Unauthorized),
            (401, Class::Unauthorized),
            (214, Class::Scope),
            (277, Class::Scope),
            (2553, Class::Scope),
            (2555, Class::Scope),
            (403, Class::Scope),
            (522, Class::Retry),
            (524, Class::Retry),
            (215, Class::Retry),
            (305, Class::Retry),
            (10000, Class::Retry),
            (2554, Class::Invalid),
            (201, Class::Invalid),
            (293, Class::Invalid),
            (343, Class::Invalid),
            (503, Class::Invalid),
            (3019, Class::Invalid),
            (239, Class::Unknown),
            (299, Class::Unknown),
            (-1, Class::Unknown),
            (i64::MAX, Class::Unknown),
        ] {
            assert_eq!(class(status), expected, "{status}");
        }
    }

    #[test]
    fn no_code_belongs_to_two_families() {
        let mut ranges: Vec<_> = FAMILIES.iter().flat_map(|(_, ranges)| ranges.iter().copied()).collect();
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            assert!(pair[0].1 < pair[1].0, "{pair:?}");
        }
    }

    #[test]
    fn the_two_601s_are_told_apart_by_their_text() {
        let wait = Duration::from_secs(43);
        assert_eq!(Class::of(601, "Too Many Requests", Some(wait)), Class::TooManyRequests { wait });
        assert_eq!(Class::of(601, "Same arguments in less than 10 seconds", Some(wait)), Class::SameArguments { wait });
        assert_eq!(class(601), Class::TooManyRequests { wait: UNSAID_WAIT });
        assert_eq!(Class::of(601, "", Some(Duration::MAX)), Class::TooManyRequests { wait: MAX_WAIT });
    }

    #[test]
    fn a_503_is_a_dead_link_only_by_its_text() {
        assert_eq!(Class::of(503, "Invalid Params: invalid refresh_token", None), Class::InvalidRefreshToken);
        assert_eq!(Class::of(503, "Invalid Params: invalid code", None), Class::InvalidCode);
        assert_eq!(Class::of(503, "Invalid Params: invalid enddate", None), Class::Invalid);
    }

    #[test]
    fn what_is_wrong_with_a_subscription_is_told_as_what_it_is() {
        for (status, name) in [
            (293, "callback_refused"),
            (343, "callback_gone"),
            (286, "no_such_subscription"),
            (294, "no_such_subscription"),
            (305, "too_many_subscriptions"),
            (304, "comment_refused"),
        ] {
            assert_eq!(notify_fault(status).map(NotifyFault::name), Some(name), "{status}");
            assert_ne!(class(status), Class::Success);
        }
        for status in [0, 401, 503, 601, 342] {
            assert_eq!(notify_fault(status), None, "{status}");
        }
    }
}
