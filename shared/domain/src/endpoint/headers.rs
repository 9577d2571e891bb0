//! Headers that an endpoint's owner adds to every delivery. Their values may be keys, so they are sealed like
//! signing secrets, and only their names are shown.

use std::collections::BTreeMap;
use std::fmt;

/// The most headers.
const MOST: usize = 10;
/// The longest name, and below the longest value, in bytes.
const LONGEST_NAME: usize = 64;
const LONGEST_VALUE: usize = 1024;

/// What a delivery's own headers and HTTP itself need. `webhook-` is a prefix, the others are whole names.
const RESERVED: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Checked headers: names in lower case, and their values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<String, String>);

/// Why headers are refused. Names the header, never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadersError {
    /// More than ten.
    #[error("an endpoint has at most {MOST} headers")]
    TooMany,
    /// The name is none, or longer than 64 bytes.
    #[error("{0:?} is no name of a header (a-z, 0-9 and -, at most {LONGEST_NAME} bytes)")]
    Name(String),
    /// The name is one that deliveries or HTTP itself use.
    #[error("the header {0} is set by every delivery itself")]
    Reserved(String),
    /// The value is empty, too long, or not visible ASCII.
    #[error("the value of the header {0} is not 1 to {LONGEST_VALUE} bytes of visible ASCII")]
    Value(String),
    /// The same name twice, in other case.
    #[error("the header {0} is there twice")]
    Twice(String),
}

impl Headers {
    /// Checks names and values.
    ///
    /// # Errors
    /// One of them is refused.
    pub fn new(given: impl IntoIterator<Item = (String, String)>) -> Result<Self, HeadersError> {
        let mut headers = BTreeMap::new();
        for (name, value) in given {
            let lower = name.to_ascii_lowercase();
            let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if !(1..=LONGEST_NAME).contains(&lower.len()) || !lower.bytes().all(fine) {
                return Err(HeadersError::Name(name.chars().take(LONGEST_NAME).collect()));
            }
            if RESERVED.contains(&lower.as_str()) || lower.starts_with("webhook-") {
                return Err(HeadersError::Reserved(lower));
            }
            let visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
            let trimmed = value.trim_matches(' ');
            if !(1..=LONGEST_VALUE).contains(&trimmed.len()) || !value.bytes().all(visible) {
                return Err(HeadersError::Value(lower));
            }
            if headers.insert(lower.clone(), trimmed.to_owned()).is_some() {
                return Err(HeadersError::Twice(lower));
            }
        }
        if headers.len() > MOST { Err(HeadersError::TooMany) } else { Ok(Self(headers)) }
    }

    /// Reads what [`Headers::to_json`] wrote.
    #[must_use]
    pub fn from_json(json: &str) -> Option<Self> {
        Self::new(serde_json::from_str::<BTreeMap<String, String>>(json).ok()?).ok()
    }

    /// Names and values as a JSON object, to be sealed.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// The names alone.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Headers({:?})", self.names())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(name: &str, value: &str) -> Result<Headers, HeadersError> {
        Headers::new([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_header_keeps_its_value_and_shows_only_its_name() {
        let headers = one("Authorization", "Bearer abc").unwrap();
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("authorization", "Bearer abc")]);
        assert_eq!(format!("{headers:?}"), r#"Headers(["authorization"])"#);
        assert_eq!(Headers::from_json(&headers.to_json()), Some(headers));
    }

    #[test]
    fn what_would_change_the_request_itself_is_refused() {
        for name in ["Host", "content-length", "Transfer-Encoding", "webhook-signature", "Webhook-Id"] {
            assert!(matches!(one(name, "x"), Err(HeadersError::Reserved(_))), "{name}");
        }
        assert!(matches!(one("x y", "x"), Err(HeadersError::Name(_))));
        assert!(matches!(one("x-a", "a\r\nx-b: c"), Err(HeadersError::Value(_))));
        assert!(matches!(one("x-a", " "), Err(HeadersError::Value(_))));
        let twice = [("X-A", "1"), ("x-a", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(matches!(Headers::new(twice), Err(HeadersError::Twice(_))));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_check_panic_and_what_passes_has_no_line_break(name: String, value: String) {
            if let Ok(headers) = one(&name, &value) {
                prop_assert!(headers.iter().all(|(name, value)| !name.contains(['\r', '\n']) && !value.contains(['\r', '\n'])));
            }
        }
    }
}
