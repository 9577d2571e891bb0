//! How much of a record an endpoint is sent. The journal holds the whole event; what leaves is cut from it at each
//! try, digit by digit as it was.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::filter::Pattern;

/// What is sent of every record, in every form: which, which revision, and whether it still holds.
pub const ALWAYS: [&str; 4] = ["kind", "record", "rev", "status"];

/// The most patterns, and the most attributes of one.
const MOST: (usize, usize) = (100, 50);

/// How much of a record an endpoint gets: `"full"`, `"thin"` or `{"fields":{"body_weight.*":["value","unit"]}}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// All of it.
    #[default]
    Full,
    /// [`ALWAYS`] alone: the receiver asks for the rest.
    Thin,
    /// [`ALWAYS`], and the attributes that are listed for the types that fit. A type that no pattern fits is thin.
    Fields(Fields),
}

/// Checked lists of attributes by patterns of types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Pattern, BTreeSet<String>>", into = "BTreeMap<Pattern, BTreeSet<String>>")]
pub struct Fields(BTreeMap<Pattern, BTreeSet<String>>);

/// Why lists are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// No pattern, or too many.
    #[error("a payload's fields have 1 to {} patterns", MOST.0)]
    Patterns,
    /// Too many attributes.
    #[error("a pattern of a payload's fields has at most {} attributes", MOST.1)]
    Attributes,
    /// It is no name of an attribute.
    #[error("{0:?} is no name of a record's attribute (a-z, 0-9 and _)")]
    Name(String),
}

impl TryFrom<BTreeMap<Pattern, BTreeSet<String>>> for Fields {
    type Error = FieldsError;

    fn try_from(lists: BTreeMap<Pattern, BTreeSet<String>>) -> Result<Self, FieldsError> {
        if !(1..=MOST.0).contains(&lists.len()) {
            return Err(FieldsError::Patterns);
        }
        if lists.values().any(|list| list.len() > MOST.1) {
            return Err(FieldsError::Attributes);
        }
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let wrong = |name: &&String| name.is_empty() || name.len() > 64 || !name.bytes().all(fine);
        match lists.values().flatten().find(wrong) {
            Some(name) => Err(FieldsError::Name(name.chars().take(64).collect())),
            None => Ok(Self(lists)),
        }
    }
}

impl From<Fields> for BTreeMap<Pattern, BTreeSet<String>> {
    fn from(fields: Fields) -> Self {
        fields.0
    }
}

impl Payload {
    /// What an endpoint with this form is sent of an event of `event_type` whose text in the journal is `body`. Only a
    /// record is cut; notices hold none. `None` if the text is no event's: then nothing may be sent.
    #[must_use]
    pub fn of(&self, event_type: &str, body: &str) -> Option<String> {
        let fields = match self {
            Self::Full => return Some(body.to_owned()),
            Self::Thin => None,
            Self::Fields(fields) => Some(fields),
        };
        let listed = |name: &str| {
            ALWAYS.contains(&name)
                || fields.is_some_and(|fields| {
                    fields.0.iter().any(|(pattern, list)| pattern.fits(event_type) && list.contains(name))
                })
        };
        cut(body, listed)
    }
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    record: Option<BTreeMap<String, &'a RawValue>>,
}

/// The body with only those attributes of its record that `keeps` says. The data are an event's last member, and everything before them goes over as it is.
fn cut(body: &str, keeps: impl Fn(&str) -> bool) -> Option<String> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let data = serde_json::from_str::<Event<'_>>(body).ok()?.data.get();
    let Some(mut record) = serde_json::from_str::<Data<'_>>(data).ok()?.record else { return Some(body.to_owned()) };
    record.retain(|name, _| keeps(name));
    let record = serde_json::to_string(&record).ok()?;
    let head = body.strip_suffix('}')?.strip_suffix(data)?;
    Some(format!(r#"{head}{{"record":{record}}}}}"#))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &str = r#"{"id":"evt_1","type":"body_weight.created","data":{"record":{"kind":"body_weight","record":"rec_1","rev":1,"status":"final","unit":"kg","value":81.20}}}"#;

    fn fields(json: &str) -> Payload {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn full_is_the_very_text_of_the_journal() {
        assert_eq!(Payload::Full.of("body_weight.created", BODY).as_deref(), Some(BODY));
    }

    #[test]
    fn thin_says_which_record_changed_and_nothing_of_what_was_measured() {
        assert_eq!(
            Payload::Thin.of("body_weight.created", BODY).unwrap(),
            r#"{"id":"evt_1","type":"body_weight.created","data":{"record":{"kind":"body_weight","record":"rec_1","rev":1,"status":"final"}}}"#
        );
    }

    #[test]
    fn listed_attributes_go_with_the_types_that_fit_and_keep_their_digits() {
        let payload = fields(r#"{"fields":{"body_weight.*":["value"],"*.deleted":["unit"]}}"#);
        assert_eq!(
            payload.of("body_weight.created", BODY).unwrap(),
            r#"{"id":"evt_1","type":"body_weight.created","data":{"record":{"kind":"body_weight","record":"rec_1","rev":1,"status":"final","value":81.20}}}"#
        );
        assert!(
            payload.of("body_weight.deleted", BODY).unwrap().contains("unit"),
            "the lists of all patterns that fit count"
        );
        assert!(!payload.of("ecg.created", BODY).unwrap().contains("value"), "a type that no pattern fits is thin");
    }

    #[test]
    fn a_notice_is_no_health_data_and_is_not_cut() {
        let notice = r#"{"type":"endpoint.warning","data":{"endpoint":{"id":"ep_1"}}}"#;
        assert_eq!(Payload::Thin.of("endpoint.warning", notice).as_deref(), Some(notice));
        assert_eq!(Payload::Thin.of("endpoint.warning", "no event"), None);
    }

    #[test]
    fn lists_that_are_none_are_refused_by_name() {
        for wrong in [r#"{"fields":{}}"#, r#"{"fields":{"ecg":["a"]}}"#, r#"{"fields":{"ecg.*":["A b"]}}"#] {
            assert!(serde_json::from_str::<Payload>(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_cut_panic(body: String) {
            let _ = Payload::Thin.of("a.b", &body);
        }

        #[test]
        fn a_cut_body_shows_nothing_that_is_not_listed(value in "[1-9][0-9]{2,30}\\.[0-9]{1,20}") {
            let body = BODY.replace("81.20", &value);
            let thin = Payload::Thin.of("body_weight.created", &body).unwrap();
            prop_assert!(!thin.contains(&value));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&thin).is_ok());
        }
    }
}
