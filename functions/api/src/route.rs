//! What a path and its query ask for. Unknown parameters are refused by name.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use afferent_domain::id::{RecordId, UserId};
use afferent_store::notifications::day;
use afferent_store::records::After;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::answer::Problem;

/// How many members a list has unless the caller says otherwise, and at most.
const LIMIT: (u16, u16) = (25, 100);

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Endpoints,
    Notifications { day: String },
    Records { user: UserId, kind: Option<String>, after: Option<After>, limit: u16 },
    Events { user: UserId, after: u64, limit: u16 },
}

impl Route {
    pub(crate) fn of(path: &str, query: &str, now: Timestamp) -> Result<Self, Problem> {
        let mut given: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let route = match segments.as_slice() {
            ["v1", "health"] => Self::Health,
            ["v1", "endpoints"] => Self::Endpoints,
            ["v1", "notifications"] => Self::Notifications { day: date(given.remove("day"), now)? },
            ["v1", "users", user, "records"] => Self::Records {
                user: owner(user)?,
                kind: given.remove("kind"),
                after: given.remove("cursor").map(|text| read_cursor(&text)).transpose()?,
                limit: limit(given.remove("limit"))?,
            },
            ["v1", "users", user, "events"] => Self::Events {
                user: owner(user)?,
                after: number(given.remove("after"))?,
                limit: limit(given.remove("limit"))?,
            },
            _ => return Err(Problem::NotFound),
        };
        match given.into_keys().next() {
            Some(name) => Err(Problem::Parameter { name, expected: "no parameter of this request" }),
            None => Ok(route),
        }
    }
}

/// A user, or what stands in for one where there is no person. The tables hold more than that under keys of
/// other shapes, such as the notes of failures and the markers of a journal; they are no user's.
fn owner(text: &str) -> Result<UserId, Problem> {
    let user = UserId::from(text);
    if text.starts_with(UserId::PREFIX) || user == UserId::app() { Ok(user) } else { Err(Problem::NotFound) }
}

/// The cursor for the page after `after`.
pub(crate) fn cursor(after: &After) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{} {}", after.effective_ms, after.record))
}

fn read_cursor(text: &str) -> Result<After, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = bytes.as_deref().and_then(|text| text.split_once(' '));
    let after = pair.and_then(|(effective_ms, record)| {
        Some(After { record: RecordId::from(record), effective_ms: effective_ms.parse().ok()? })
    });
    after.ok_or(Problem::Parameter { name: "cursor".to_owned(), expected: "the `next` of an earlier answer" })
}

fn limit(text: Option<String>) -> Result<u16, Problem> {
    let Some(text) = text else { return Ok(LIMIT.0) };
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT.1).contains(limit));
    limit.ok_or(Problem::Parameter { name: "limit".to_owned(), expected: "a number from 1 to 100" })
}

fn number(text: Option<String>) -> Result<u64, Problem> {
    let Some(text) = text else { return Ok(0) };
    text.parse().map_err(|_| Problem::Parameter { name: "after".to_owned(), expected: "a sequence number" })
}

fn date(text: Option<String>, now: Timestamp) -> Result<String, Problem> {
    let Some(text) = text else { return Ok(day(now)) };
    let mut parts = text.split('-').map(|part| part.len() * usize::from(part.bytes().all(|b| b.is_ascii_digit())));
    if (parts.next(), parts.next(), parts.next(), parts.next()) == (Some(4), Some(2), Some(2), None) {
        return Ok(text);
    }
    Err(Problem::Parameter { name: "day".to_owned(), expected: "a UTC day, YYYY-MM-DD" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str, query: &str) -> Result<Route, Problem> {
        Route::of(path, query, Timestamp::from_millis(1_795_244_591_412))
    }

    #[test]
    fn a_list_has_a_default_and_a_greatest_length() {
        let records = |limit| Route::Records { user: UserId::from("usr_1"), kind: None, after: None, limit };
        assert_eq!(route("/v1/users/usr_1/records", "").unwrap(), records(25));
        assert_eq!(route("/v1/users/usr_1/records", "limit=100").unwrap(), records(100));
        assert!(route("/v1/users/usr_1/records", "limit=101").is_err());
    }

    #[test]
    fn only_users_and_what_has_no_person_have_lists() {
        for list in ["records", "events"] {
            for user in ["usr_1", "_app"] {
                assert!(route(&format!("/v1/users/{user}/{list}"), "").is_ok(), "{user} {list}");
            }
            for other in ["_failed", "_all", "con_1", "1", "", "USR_1", "usr_1/rec_1"] {
                let refused = route(&format!("/v1/users/{other}/{list}"), "");
                assert!(matches!(refused, Err(Problem::NotFound)), "{other} {list}");
            }
        }
    }

    #[test]
    fn the_journal_is_read_from_its_beginning_or_after_a_number() {
        let events = |after, limit| Route::Events { user: UserId::from("usr_1"), after, limit };
        assert_eq!(route("/v1/users/usr_1/events", "").unwrap(), events(0, 25));
        assert_eq!(route("/v1/users/usr_1/events", "after=7&limit=2").unwrap(), events(7, 2));
        assert!(route("/v1/users/usr_1/events", "after=first").is_err());
    }

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        let after = After { record: RecordId::from("rec_1"), effective_ms: -5 };
        assert_eq!(read_cursor(&cursor(&after)).unwrap(), after);
    }

    #[test]
    fn an_unknown_parameter_is_refused_by_name() {
        let Err(Problem::Parameter { name, .. }) = route("/v1/health", "colour=red") else { panic!("accepted") };
        assert_eq!(name, "colour");
    }

    #[test]
    fn without_a_day_the_present_one_is_meant() {
        assert_eq!(route("/v1/notifications", "").unwrap(), Route::Notifications { day: "2026-11-21".to_owned() });
        assert!(route("/v1/notifications", "day=yesterday").is_err());
    }
}
