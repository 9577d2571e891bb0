//! Where people are written to: the address of an endpoint's owner, or of whoever runs the stack.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// RFC 5321, 4.5.3.1.3: a path has at most 256 octets, of which the angle brackets are two.
const LONGEST: usize = 254;

/// RFC 5321, 4.5.3.1.1.
const LONGEST_LOCAL: usize = 64;

/// RFC 1035, 2.3.4.
const LONGEST_LABEL: usize = 63;

/// What a local part may hold beside letters, digits and single full stops within it (RFC 5322, 3.2.3).
const ATEXT: &[u8] = b"!#$%&'*+-/=?^_`{|}~";

/// An email address: `local@domain`, in ASCII, without a name, quotes or comments, its domain with a full stop in it.
///
/// Narrower than RFC 5322 on purpose: nothing that this holds can end a header, begin another one, or name a second
/// address, wherever it is put.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// More than 254 bytes, or more than 64 before the `@`.
    #[error("an email address has at most {LONGEST} characters, and at most {LONGEST_LOCAL} of them before the @")]
    Length,
    /// None, or more than one.
    #[error("an email address has exactly one @")]
    At,
    /// What is before the `@`: nothing, or a character that is not allowed there.
    #[error("before the @ of an email address are letters, digits, some signs, and single full stops between them")]
    Local,
    /// What is after the `@`: no DNS name with a full stop in it.
    #[error("after the @ of an email address is a domain such as example.org, in ASCII (xn--… for others)")]
    Domain,
}

impl EmailAddress {
    /// Checks an address. Nothing is trimmed.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.split_once('@').filter(|(_, rest)| !rest.contains('@')).ok_or(AddressError::At)?;
        if text.len() > LONGEST || local.len() > LONGEST_LOCAL {
            return Err(AddressError::Length);
        }
        let atext = |byte: u8| byte.is_ascii_alphanumeric() || ATEXT.contains(&byte);
        if !local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(atext)) {
            return Err(AddressError::Local);
        }
        let (_, last) = domain.rsplit_once('.').ok_or(AddressError::Domain)?;
        // The last label of a name is never a number; that of an IPv4 address is.
        if !domain.split('.').all(is_label) || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::Domain);
        }
        Ok(Self(text.to_owned()))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit('@').next().unwrap_or_default()
    }
}

fn is_label(label: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = label.as_bytes();
    bytes.len() <= LONGEST_LABEL
        && edge(bytes.first().copied())
        && edge(bytes.last().copied())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Its domain only: the address of a person does not belong in a log.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress(…@{})", self.domain())
    }
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_as_people_have_them_are_taken_as_they_are() {
        for good in [
            "ops@example.org",
            "first.last+webhooks@mail.example.co.uk",
            "o'brien@example.org",
            "a@xn--bcher-kva.example",
            "1@1.example",
        ] {
            assert_eq!(EmailAddress::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn what_is_no_plain_address_is_refused_with_its_reason() {
        for (bad, why) in [
            ("", AddressError::At),
            ("example.org", AddressError::At),
            ("a@b@example.org", AddressError::At),
            ("@example.org", AddressError::Local),
            (".a@example.org", AddressError::Local),
            ("a..b@example.org", AddressError::Local),
            ("\"a b\"@example.org", AddressError::Local),
            (" a@example.org", AddressError::Local),
            ("Ann <a@example.org", AddressError::Local),
            ("a,b@example.org", AddressError::Local),
            ("ä@example.org", AddressError::Local),
            ("a@localhost", AddressError::Domain),
            ("a@example.org ", AddressError::Domain),
            ("a@example.org.", AddressError::Domain),
            ("a@-example.org", AddressError::Domain),
            ("a@bücher.example", AddressError::Domain),
            ("a@127.0.0.1", AddressError::Domain),
            ("a@[127.0.0.1]", AddressError::Domain),
            ("a@example.org\r\nBcc: b.example", AddressError::Domain),
        ] {
            assert_eq!(EmailAddress::parse(bad), Err(why), "{bad:?}");
        }
        assert_eq!(EmailAddress::parse(&format!("{}@example.org", "a".repeat(65))), Err(AddressError::Length));
        assert_eq!(EmailAddress::parse(&format!("a@{}org", "example.".repeat(40))), Err(AddressError::Length));
        assert_eq!(EmailAddress::parse(&format!("a@{}.org", "a".repeat(64))), Err(AddressError::Domain));
    }

    #[test]
    fn a_log_shows_the_domain_and_not_the_person() {
        let shown = format!("{:?}", EmailAddress::parse("ann@example.org").unwrap());
        assert!(shown.contains("example.org") && !shown.contains("ann"), "{shown}");
    }

    #[test]
    fn an_address_is_written_as_a_text_and_checked_when_it_is_read() {
        let address = EmailAddress::parse("ops@example.org").unwrap();
        assert_eq!(serde_json::to_string(&address).unwrap(), r#""ops@example.org""#);
        assert!(serde_json::from_str::<EmailAddress>(r#""ops@example.org\nTo: x.example""#).is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_is_taken_could_end_a_header_or_name_a_second_address(text in "[ -~\\n\\r\\t]{0,40}") {
            let text = format!("{text}@example.org");
            if EmailAddress::parse(&text).is_ok() {
                prop_assert!(!text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,;:\"()[]\\".contains(c)));
                prop_assert_eq!(text.matches('@').count(), 1);
            }
        }

        #[test]
        fn no_text_makes_parsing_panic(text: String) {
            let _ = EmailAddress::parse(&text);
        }
    }
}
