//! FHIR's ids have letters, digits, `-` and `.`, 64 at most. Ours have a `_` after their prefix, and a record is found by
//! its user and its own id; so the underscore becomes a hyphen, and a resource made of a record has both ids.
//!
//! Our own form is taken too, wherever an id is read.
//!
//! | ours | FHIR's |
//! |---|---|
//! | user `usr_x` | Patient `usr-x` |
//! | record `rec_y` of user `usr_x` | Observation or Device `usr-x.rec-y` |

use afferent_domain::id::{RecordId, UserId};

/// The id of a Patient.
#[must_use]
pub fn of_user(user: &UserId) -> String {
    user.as_str().replacen('_', "-", 1)
}

/// The id of an Observation or a Device.
#[must_use]
pub fn of_record(user: &UserId, record: &RecordId) -> String {
    format!("{}.{}", of_user(user), record.as_str().replacen('_', "-", 1))
}

/// The user of a Patient's id; `None` if it is none of ours.
#[must_use]
pub fn user(id: &str) -> Option<UserId> {
    UserId::parse(&own(id, "usr-", UserId::PREFIX))
}

/// The user and the record of an Observation's or a Device's id; `None` if it is none of ours.
#[must_use]
pub fn record(id: &str) -> Option<(UserId, RecordId)> {
    let (whose, which) = id.split_once('.')?;
    Some((user(whose)?, RecordId::parse(&own(which, "rec-", RecordId::PREFIX))?))
}

/// With our prefix instead of FHIR's.
fn own(id: &str, theirs: &str, ours: &str) -> String {
    id.strip_prefix(theirs).map_or_else(|| id.to_owned(), |rest| format!("{ours}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_is_one_that_fhir_takes() {
        let (whose, which) = (UserId::derive(&["a"]), RecordId::derive(&["b"]));
        let text = of_record(&whose, &which);
        assert!(text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)), "{text}");
        assert_eq!(record(&text), Some((whose.clone(), which)));
        assert_eq!(user(&of_user(&whose)), Some(whose.clone()));
        assert_eq!(user(whose.as_str()), Some(whose));
    }

    #[test]
    fn what_is_no_id_of_ours_names_nothing() {
        for text in ["", "usr-", "rec-1", "usr-1.", "usr-1.rec-", "usr-1/2.rec-1", "-app.rec-1"] {
            assert_eq!(record(text), None, "{text}");
        }
        for text in ["", "usr-", "usr_", "_app", "-app", "usr-1.rec-1"] {
            assert_eq!(user(text), None, "{text}");
        }
    }
}
