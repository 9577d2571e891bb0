//! The members of a wish's JSON, taken one by one.

use std::collections::BTreeMap;

use afferent_domain::endpoint::Headers;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::RegistryError;

/// What each member should be, for those that are not right.
const EXPECTED: [(&str, &str); 12] = [
    ("url", "a text: the address of a server"),
    ("queue_url", "a text: the URL of an SQS queue"),
    ("types", "a list of patterns of event types, such as [\"body_weight.*\", \"*.deleted\"]"),
    ("users", "\"_all\" or a list of 1 to 45 ids of users"),
    ("backfill", "\"events\", \"marker\" or \"none\""),
    (
        "payload",
        "\"full\", \"thin\" or {\"fields\": {\"body_weight.*\": [\"value\", \"unit\"]}}, with 1 to 100 patterns of 50 names each",
    ),
    (
        "policy",
        "\"withings\", \"standard-webhooks\" or {\"custom\": {\"waits_s\": [5, 300]}}, with at most 20 waits of 1 to 86400 s",
    ),
    (
        "rate",
        "{\"requests\": 10, \"per_s\": 1}: 1 to 1000 requests in 1 to 3600 seconds, at least one in 5 minutes, or null",
    ),
    ("headers", "an object of names and texts, such as {\"authorization\": \"Bearer …\"}"),
    ("contact", "an email address such as ops@example.org, or null"),
    ("description", "a text, or null"),
    ("secret", "a text: whsec_ and 24 to 64 bytes in base64"),
];

/// The names of all members of a new endpoint. A change has the same, but for `secret`.
pub fn names() -> impl Iterator<Item = &'static str> {
    EXPECTED.iter().map(|(name, _)| *name)
}

/// The members that are still to be taken.
pub(super) struct Members(Map<String, Value>);

/// A member: not there, there and `null`, or there with a value.
type Member<T> = Result<Option<Option<T>>, RegistryError>;

impl Members {
    pub(super) fn read(json: &str) -> Result<Self, RegistryError> {
        match serde_json::from_str(json) {
            Ok(members) => Ok(Self(members)),
            Err(error) => {
                let place = format!("(reading stopped at line {}, column {})", error.line(), error.column());
                Err(RegistryError::invalid("the whole", format!("a JSON object {place}")))
            }
        }
    }

    /// What serde says of a value that is not right may repeat it, so only what would be right is told.
    pub(super) fn value<T: DeserializeOwned>(&mut self, name: &'static str) -> Member<T> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => match serde_json::from_value(value) {
                Ok(value) => Ok(Some(Some(value))),
                Err(_) => Err(expected(name)),
            },
        }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Member<String> {
        self.value(name)
    }

    pub(super) fn texts(&mut self, name: &'static str) -> Member<Vec<String>> {
        self.value(name)
    }

    pub(super) fn headers(&mut self, name: &'static str) -> Member<Headers> {
        let Some(given) = self.value::<BTreeMap<String, String>>(name)? else { return Ok(None) };
        // What is wrong with a header names the header and never its value.
        let headers = given.map(Headers::new).transpose();
        headers.map(Some).map_err(|error| RegistryError::invalid(name, format!("right: {error}")))
    }

    /// A member that nobody took was misspelt, and doing without it would not be what was wished.
    pub(super) fn none_left(self) -> Result<(), RegistryError> {
        let names: Vec<&str> = names().collect();
        let Some((name, _)) = self.0.into_iter().next() else { return Ok(()) };
        let shown: String = name.chars().take(64).collect();
        // `secret` is one of them for new endpoints only.
        let what = if name == "secret" {
            "left out here: a secret is rotated".to_owned()
        } else {
            format!("one of {}", names.join(", "))
        };
        Err(RegistryError::invalid(shown, what))
    }
}

fn expected(name: &'static str) -> RegistryError {
    let expected = EXPECTED.iter().find(|(known, _)| *known == name).map_or("right", |(_, expected)| *expected);
    RegistryError::invalid(name, expected)
}
