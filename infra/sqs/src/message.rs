//! A message: what its sender gave, what the queue knows about it, and what SQS accepts as one.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::errors::{Error, ErrorKind, Result};

/// The longest message and the longest batch: 1 MiB, attributes included
/// (AWS: SQS developer guide, "Message quotas"; 256 KiB before August 2025).
pub const MAX_BYTES: usize = 1024 * 1024;

/// The most attributes a message may carry (AWS: "Message quotas").
const MAX_ATTRIBUTES: usize = 10;

/// The longest group id (AWS: `SendMessage`, `MessageGroupId`).
const MAX_GROUP_CHARS: usize = 128;

/// A message attribute as the wire writes it; binary values stay in base 64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, or one of them, a dot and a custom label.
    pub data_type: String,
    /// The value of a string or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// The value of a binary attribute, in base 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_value: Option<String>,
}

impl Attribute {
    /// A `String` attribute.
    #[must_use]
    pub fn string(value: impl Into<String>) -> Self {
        Self { data_type: "String".into(), string_value: Some(value.into()), binary_value: None }
    }

    fn is_binary(&self) -> bool {
        self.data_type.split('.').next() == Some("Binary")
    }

    /// The value's bytes. Base 64 that does not decode counts as none, which `check` refuses.
    fn bytes(&self) -> Vec<u8> {
        use base64::Engine;
        match (self.is_binary(), &self.binary_value, &self.string_value) {
            (true, Some(value), _) => base64::engine::general_purpose::STANDARD.decode(value).unwrap_or_default(),
            (false, _, Some(value)) => value.clone().into_bytes(),
            _ => Vec::new(),
        }
    }

    fn check(&self, name: &str) -> Result<()> {
        let refuse = |why: &str| {
            let message = format!("The message attribute '{name}' {why}");
            Err(Error::new(ErrorKind::InvalidParameterValue, message))
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let lower = name.to_ascii_lowercase();
        if name.is_empty() || name.len() > 256 || !name.chars().all(legal) {
            return refuse("has an invalid name: 1 to 256 letters, digits, underscores, hyphens and periods.");
        }
        if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
            return refuse("has an invalid name: no period first, last or twice in a row.");
        }
        if lower.starts_with("aws.") || lower.starts_with("amazon.") {
            return refuse("has a reserved name: AWS. and Amazon. belong to AWS.");
        }
        match self.data_type.split('.').next() {
            Some("String" | "Number" | "Binary") if self.data_type.len() <= 256 => {}
            _ => return refuse("must have the type String, Number or Binary, or a custom label behind one of them."),
        }
        let bytes = self.bytes();
        if bytes.is_empty() {
            return refuse("must contain a non-empty value of its type.");
        }
        let number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
        if self.data_type.starts_with("Number") && !self.string_value.as_deref().is_some_and(number) {
            return refuse("has the type Number, and its value is not one.");
        }
        if !self.is_binary() && !self.string_value.as_deref().unwrap_or_default().chars().all(accepted) {
            return refuse("contains an invalid character.");
        }
        Ok(())
    }
}

/// Attributes by name; the order by name is also the order of their MD5.
pub type Attributes = BTreeMap<String, Attribute>;

/// What a sender gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The text.
    pub body: String,
    /// Seconds until it may be received, 0 to 900; the queue's own delay if none.
    pub delay_s: Option<i64>,
    /// Attributes of the sender's choice.
    pub attributes: Attributes,
    /// The tenant, for fair queues.
    pub group: Option<String>,
    /// `AWSTraceHeader`, the only system attribute that senders may set.
    pub trace: Option<Attribute>,
}

impl Draft {
    /// A message with a body and nothing else.
    #[must_use]
    pub fn of(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// Bytes that count against the limits: body, and each attribute's name, type and value.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let attribute = |(name, value): (&String, &Attribute)| name.len() + value.data_type.len() + value.bytes().len();
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    /// Whether SQS accepts the message, apart from its length.
    pub(crate) fn check(&self) -> Result<()> {
        if self.body.is_empty() {
            return Err(Error::missing("MessageBody"));
        }
        if !self.body.chars().all(accepted) {
            let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF \
                           | #xE000 to #xFFFD | #x10000 to #x10FFFF";
            return Err(Error::new(ErrorKind::InvalidMessageContents, message));
        }
        if let Some(delay) = self.delay_s
            && !(0..=900).contains(&delay)
        {
            return Err(Error::value("DelaySeconds", delay, "DelaySeconds must be >= 0 and <= 900."));
        }
        let legal =
            |group: &str| (1..=MAX_GROUP_CHARS).contains(&group.len()) && group.chars().all(|c| c.is_ascii_graphic());
        if let Some(group) = self.group.as_deref()
            && !legal(group)
        {
            let reason = "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.";
            return Err(Error::value("MessageGroupId", group, reason));
        }
        if self.attributes.len() > MAX_ATTRIBUTES {
            let message =
                format!("Number of message attributes [{}] exceeds the allowed maximum [10].", self.attributes.len());
            return Err(Error::new(ErrorKind::InvalidParameterValue, message));
        }
        self.attributes.iter().try_for_each(|(name, attribute)| attribute.check(name))
    }
}

/// The characters of XML 1.0, which is what SQS takes (AWS: `SendMessage`).
fn accepted(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// A message in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its number: unique on this machine, rising with the order of arrival.
    pub number: u64,
    /// `MessageId`, a UUID.
    pub id: String,
    pub body: String,
    pub attributes: Attributes,
    pub group: Option<String>,
    pub trace: Option<Attribute>,
    /// When it was sent; a dead-letter queue keeps it, a move task renews it.
    pub sent: Timestamp,
    pub first_received: Option<Timestamp>,
    /// When the handle that counts now was issued.
    pub received: Option<Timestamp>,
    /// `ApproximateReceiveCount`.
    pub receives: u64,
    /// From when on it can be received.
    pub visible: Timestamp,
    /// ARN of the queue that gave it up, once it is in a dead-letter queue.
    pub dead_from: Option<String>,
}

/// MD5 of a body, in lower-case hex.
pub(crate) fn md5_of_body(body: &str) -> String {
    hex(&Md5::digest(body))
}

/// MD5 of attributes in lower-case hex, `None` if there are none (AWS: "Calculating the MD5 message digest for
/// message attributes": by name, each part with its length in four bytes, a type byte before the value).
pub(crate) fn md5_of_attributes<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a Attribute)>) -> Option<String> {
    let mut hash = Md5::new();
    let mut any = false;
    let part = |hash: &mut Md5, bytes: &[u8]| {
        hash.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(bytes);
    };
    for (name, attribute) in attributes {
        any = true;
        part(&mut hash, name.as_bytes());
        part(&mut hash, attribute.data_type.as_bytes());
        hash.update([if attribute.is_binary() { 2 } else { 1 }]);
        part(&mut hash, &attribute.bytes());
    }
    any.then(|| hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(base64: &str) -> Attribute {
        Attribute { data_type: "Binary".into(), string_value: None, binary_value: Some(base64.to_owned()) }
    }

    #[test]
    fn digests_are_those_that_the_sdks_check() {
        assert_eq!(md5_of_body("hello world"), "5eb63bbbe01eeed093cb22bb8f5acdc3");
        // Computed in Python from AWS's description; the conformance suite does it again over the wire.
        let (text, bytes) = (Attribute::string("é"), binary("AQ=="));
        let digest = md5_of_attributes([("a", &text), ("b", &bytes)]);
        assert_eq!(digest.as_deref(), Some("34f72e835aca50642a412a7cd9dfdad5"));
        assert_eq!(md5_of_attributes([]), None);
    }

    #[test]
    fn control_characters_and_noncharacters_are_refused_and_the_rest_is_taken() {
        for body in ["a\u{1}b", "\u{0}", "\u{B}", "\u{FFFE}", "\u{FFFF}"] {
            assert_eq!(Draft::of(body).check().unwrap_err().kind, ErrorKind::InvalidMessageContents, "{body:?}");
        }
        for body in ["tab\tline\nreturn\r", "é", "日本", "\u{1F600}", "\u{10FFFF}"] {
            assert_eq!(Draft::of(body).check(), Ok(()), "{body:?}");
        }
    }

    #[test]
    fn an_attribute_needs_a_legal_name_a_known_type_and_a_value() {
        let check = |name: &str, attribute: Attribute| attribute.check(name).map_err(|error| error.kind);
        let refused = Err(ErrorKind::InvalidParameterValue);
        assert_eq!(check("trace.id", Attribute::string("x")), Ok(()));
        for name in ["", ".a", "a.", "a..b", "AWS.x", "amazon.x", "a b"] {
            assert_eq!(check(name, Attribute::string("x")), refused, "{name}");
        }
        assert_eq!(check("a", Attribute::string("")), refused);
        assert_eq!(check("a", Attribute { data_type: "Text".into(), ..Attribute::string("x") }), refused);
        assert_eq!(check("a", Attribute { data_type: "Number".into(), ..Attribute::string("x") }), refused);
        assert_eq!(check("a", Attribute { data_type: "Number.int".into(), ..Attribute::string("1.5") }), Ok(()));
        assert_eq!(check("a", binary("AP8=")), Ok(()));
        assert_eq!(check("a", binary("%")), refused);
    }

    #[test]
    fn a_group_has_1_to_128_visible_characters() {
        let with = |group: &str| Draft { group: Some(group.to_owned()), ..Draft::of("x") }.check().is_ok();
        assert!(with("ep_1") && with(&"g".repeat(128)));
        assert!(!with("") && !with(&"g".repeat(129)) && !with("a b"));
    }
}
