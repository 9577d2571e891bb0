//! Which events an endpoint wants: patterns of event types, and whose.
//!
//! An event type is `<kind>.<verb>`. A kind may itself hold full stops (`withings.meastype.77`); the verb is
//! what follows the last one. A pattern is one of
//!
//! - `blood_pressure.created`: exactly this type;
//! - `blood_pressure.*`: every type that begins with `blood_pressure.`;
//! - `*.deleted`: every type that ends with `.deleted`;
//! - `*`: every type.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::UserId;

/// The longest pattern, in bytes.
const LONGEST: usize = 128;

/// A checked pattern of event types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Shape);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Shape {
    Every,
    Exactly(String),
    /// With the full stop at its end.
    Beginning(String),
    /// With the full stop at its start.
    Ending(String),
}

/// The text is no pattern of event types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event type pattern is \"kind.verb\", \"kind.*\", \"*.verb\" or \"*\", of a-z, 0-9, _ and full stops")]
pub struct PatternError;

impl Pattern {
    /// The pattern that fits everything.
    #[must_use]
    pub const fn every() -> Self {
        Self(Shape::Every)
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// It is none of the four forms.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError);
        }
        if text == "*" {
            return Ok(Self(Shape::Every));
        }
        if let Some(kind) = text.strip_suffix(".*") {
            return segments(kind).map(|_| Self(Shape::Beginning(format!("{kind}."))));
        }
        if let Some(verb) = text.strip_prefix("*.") {
            let count = segments(verb)?;
            return if count == 1 { Ok(Self(Shape::Ending(format!(".{verb}")))) } else { Err(PatternError) };
        }
        if segments(text)? < 2 {
            return Err(PatternError);
        }
        Ok(Self(Shape::Exactly(text.to_owned())))
    }

    /// Whether `event_type` fits.
    #[must_use]
    pub fn fits(&self, event_type: &str) -> bool {
        match &self.0 {
            Shape::Every => true,
            Shape::Exactly(whole) => event_type == whole,
            Shape::Beginning(kind) => event_type.starts_with(kind.as_str()),
            Shape::Ending(verb) => event_type.ends_with(verb.as_str()),
        }
    }
}

/// How many segments `text` has, if each is of the letters that Standard Webhooks recommends.
fn segments(text: &str) -> Result<usize, PatternError> {
    let mut count = 0;
    for segment in text.split('.') {
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if segment.is_empty() || !segment.bytes().all(fine) {
            return Err(PatternError);
        }
        count += 1;
    }
    Ok(count)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Shape::Every => f.write_str("*"),
            Shape::Exactly(whole) => f.write_str(whole),
            Shape::Beginning(kind) => write!(f, "{kind}*"),
            Shape::Ending(verb) => write!(f, "*{verb}"),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

/// Whose events an endpoint receives: written as `"_all"` or as a list of users' ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Users {
    /// Those of every user, and those without a user.
    #[default]
    All,
    /// Those of these users; at least one, at most [`Users::MOST`].
    Only(BTreeSet<UserId>),
}

/// The list of users is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("users are \"_all\" or a list of 1 to {} ids of users", Users::MOST)]
pub struct UsersError;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    List(BTreeSet<UserId>),
}

impl Users {
    /// How [`Users::All`] is written, and its key in the index that fan-out asks (`endpoints`, `by_scope`).
    pub const ALL: &'static str = "_all";

    /// The most users of a list: each is an item beside the endpoint, and all are written in one transaction.
    pub const MOST: usize = 45;

    /// Checks a list.
    ///
    /// # Errors
    /// It is empty, too long, or holds something else than ids of users.
    pub fn only(users: impl IntoIterator<Item = UserId>) -> Result<Self, UsersError> {
        let users: BTreeSet<UserId> = users.into_iter().collect();
        let right = users.iter().all(|user| user.as_str().starts_with(UserId::PREFIX));
        if right && (1..=Self::MOST).contains(&users.len()) { Ok(Self::Only(users)) } else { Err(UsersError) }
    }

    /// Whether events of `user` are among them.
    #[must_use]
    pub fn hold(&self, user: &UserId) -> bool {
        match self {
            Self::All => true,
            Self::Only(users) => users.contains(user),
        }
    }
}

impl TryFrom<Written> for Users {
    type Error = UsersError;

    fn try_from(written: Written) -> Result<Self, UsersError> {
        match written {
            Written::Word(word) if word == Self::ALL => Ok(Self::All),
            Written::Word(_) => Err(UsersError),
            Written::List(users) => Self::only(users),
        }
    }
}

impl From<Users> for Written {
    fn from(users: Users) -> Self {
        match users {
            Users::All => Self::Word(Users::ALL.to_owned()),
            Users::Only(users) => Self::List(users),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, event_type: &str) -> bool {
        Pattern::parse(pattern).unwrap().fits(event_type)
    }

    #[test]
    fn the_four_forms_fit_what_they_say() {
        assert!(fits("*", "ecg.created"));
        assert!(fits("ecg.created", "ecg.created") && !fits("ecg.created", "ecg.updated"));
        assert!(fits("ecg.*", "ecg.deleted") && !fits("ecg.*", "ecg_signal.deleted"));
        assert!(fits("*.deleted", "ecg.deleted") && !fits("*.deleted", "ecg.created"));
    }

    #[test]
    fn a_kind_with_full_stops_is_reached_by_its_beginning_and_by_its_verb() {
        assert!(fits("withings.meastype.*", "withings.meastype.77.created"));
        assert!(fits("withings.*", "withings.meastype.77.created"));
        assert!(fits("*.created", "withings.meastype.77.created"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "ecg", ".", "ecg.", ".created", "*.*", "**", "ecg*", "e*g.created", "*.a.b", "Ecg.created"] {
            assert_eq!(Pattern::parse(text), Err(PatternError), "{text}");
        }
        assert!(Pattern::parse(&format!("{}.*", "a".repeat(200))).is_err());
    }

    #[test]
    fn users_are_everybody_or_a_list_of_some() {
        let (anna, ben) = (UserId::from("usr_a"), UserId::from("usr_b"));
        assert!(Users::All.hold(&anna) && Users::All.hold(&UserId::app()));
        let some = Users::only([anna.clone()]).unwrap();
        assert!(some.hold(&anna) && !some.hold(&ben) && !some.hold(&UserId::app()));
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"["usr_a"]"#);
        assert_eq!(serde_json::from_str::<Users>(r#""_all""#).unwrap(), Users::All);
    }

    #[test]
    fn a_list_of_users_is_not_empty_not_endless_and_of_users() {
        assert_eq!(Users::only([]), Err(UsersError));
        assert_eq!(Users::only([UserId::app()]), Err(UsersError));
        let many = (0..=Users::MOST).map(|number| UserId::from(format!("usr_{number}")));
        assert_eq!(Users::only(many), Err(UsersError));
        assert!(serde_json::from_str::<Users>(r#""usr_a""#).is_err());
    }

    proptest! {
        #[test]
        fn a_type_fits_its_own_name_its_kind_and_its_verb(kind in "[a-z_]{1,20}(\\.[a-z0-9]{1,8}){0,2}", verb in "[a-z]{1,10}") {
            let whole = format!("{kind}.{verb}");
            for pattern in [whole.clone(), format!("{kind}.*"), format!("*.{verb}"), "*".to_owned()] {
                let pattern = Pattern::parse(&pattern).unwrap();
                prop_assert!(pattern.fits(&whole));
                prop_assert!(!pattern.fits("zzz.") || pattern == Pattern::every());
            }
        }

        #[test]
        fn a_pattern_survives_being_written_and_read(text in "(\\*|[a-z]{1,6}(\\.[a-z]{1,6})?)(\\.(\\*|[a-z]{1,6}))?") {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert_eq!(pattern.to_string(), text);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = Pattern::parse(&text);
        }
    }
}
