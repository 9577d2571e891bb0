//! An endpoint: a receiver of events, what it wants, and how it fares.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::filter::{Pattern, Scope};
use crate::id::{EndpointId, UserId};
use crate::schedule::RetryPolicy;

/// The longest address of an endpoint, in bytes.
const LONGEST_URL: usize = 2048;

/// How often the time of the last success is written while all goes well.
pub const SUCCESS_EVERY: Duration = Duration::from_secs(60);

/// An address that could be called: `http` or `https`, with a host, without credentials or fragment. Whether
/// the host may be reached is decided where it is resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointUrl(String);

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither `http://` nor `https://`.
    #[error("the URL of an endpoint begins with https:// (or http://)")]
    Scheme,
    /// No host.
    #[error("the URL of an endpoint names a host")]
    Host,
    /// A user or password in it: they would end in logs. Use a header.
    #[error("the URL of an endpoint holds no user and no password")]
    Credentials,
    /// White space, control characters, a fragment, or letters outside ASCII.
    #[error("the URL of an endpoint is plain ASCII without spaces and without a fragment")]
    Characters,
    /// More than 2048 bytes.
    #[error("the URL of an endpoint has at most {LONGEST_URL} bytes")]
    Length,
}

impl EndpointUrl {
    /// Checks an address.
    ///
    /// # Errors
    /// It is none that could be called.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > LONGEST_URL {
            return Err(UrlError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\') {
            return Err(UrlError::Characters);
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(UrlError::Scheme)?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(UrlError::Host);
        }
        Ok(Self(text.to_owned()))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EndpointUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        Self::parse(&text)
    }
}

impl From<EndpointUrl> for String {
    fn from(url: EndpointUrl) -> Self {
        url.0
    }
}

/// Whether an endpoint receives anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Standing {
    /// It does.
    #[default]
    Enabled,
    /// It does not: no delivery is made, and those that wait are cancelled.
    Disabled {
        /// Why, for its owner.
        reason: String,
        /// Since when.
        since_ms: Timestamp,
    },
}

/// A receiver of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id, and its fair-queue group.
    pub endpoint: EndpointId,
    /// Where events are posted to.
    pub url: EndpointUrl,
    /// Which types; an endpoint without patterns receives nothing.
    pub types: Vec<Pattern>,
    /// Whose.
    #[serde(default)]
    pub scope: Scope,
    /// When a failed delivery is tried again.
    #[serde(default)]
    pub policy: RetryPolicy,
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was registered.
    pub created_ms: Timestamp,
    /// Whether it receives anything.
    #[serde(default)]
    pub standing: Standing,
}

impl Endpoint {
    /// Whether it receives anything at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.standing == Standing::Enabled
    }

    /// Whether it receives events of this type of this user.
    #[must_use]
    pub fn wants(&self, user: &UserId, event_type: &str) -> bool {
        self.is_enabled() && self.scope.holds(user) && self.types.iter().any(|pattern| pattern.fits(event_type))
    }
}

/// How an endpoint fares. The warnings and the 20 days of Withings' rule are counted from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The last delivery that succeeded, to the minute.
    pub last_success: Option<Timestamp>,
    /// The first failure after the last success.
    pub failing_since: Option<Timestamp>,
    /// Deliveries exhausted since the last success.
    pub exhausted_in_a_row: u32,
}

impl Health {
    /// The health after a delivery succeeded at `now`; `None` if what is stored is good enough.
    #[must_use]
    pub fn after_success(&self, now: Timestamp) -> Option<Self> {
        let recent = self.last_success.is_some_and(|last| now.since(last) < SUCCESS_EVERY);
        let clean = self.failing_since.is_none() && self.exhausted_in_a_row == 0;
        let better = Self { last_success: Some(now), failing_since: None, exhausted_in_a_row: 0 };
        if recent && clean { None } else { Some(better) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint {
            endpoint: EndpointId::from("ep_1"),
            url: EndpointUrl::parse("https://example.org/hook").unwrap(),
            types: vec![Pattern::parse("ecg.*").unwrap(), Pattern::parse("*.deleted").unwrap()],
            scope: Scope::User(UserId::from("usr_1")),
            policy: RetryPolicy::Withings,
            description: None,
            created_ms: Timestamp::from_millis(1),
            standing: Standing::Enabled,
        }
    }

    #[test]
    fn an_endpoint_wants_what_any_of_its_patterns_fits_for_its_user_while_it_is_enabled() {
        let mut endpoint = endpoint();
        let (one, two) = (UserId::from("usr_1"), UserId::from("usr_2"));
        assert!(endpoint.wants(&one, "ecg.created") && endpoint.wants(&one, "workout.deleted"));
        assert!(!endpoint.wants(&one, "workout.created") && !endpoint.wants(&two, "ecg.created"));
        endpoint.standing = Standing::Disabled { reason: "asked to".to_owned(), since_ms: Timestamp::default() };
        assert!(!endpoint.wants(&one, "ecg.created"));
    }

    #[test]
    fn an_address_is_http_with_a_host_and_without_credentials() {
        for good in ["https://example.org", "http://127.0.0.1:8080/a?b=c", "https://[::1]/"] {
            assert!(EndpointUrl::parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("ftp://example.org", UrlError::Scheme),
            ("https://", UrlError::Host),
            ("https:///path", UrlError::Host),
            ("https://me:secret@example.org", UrlError::Credentials),
            ("https://example.org/ a", UrlError::Characters),
            ("https://example.org\\@evil.example", UrlError::Characters),
            ("https://example.org/#part", UrlError::Characters),
        ] {
            assert_eq!(EndpointUrl::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_success_is_written_at_most_once_a_minute_unless_it_ends_a_failure() {
        let at = Timestamp::from_secs(1_000);
        let healthy = Health::default().after_success(at).unwrap();
        assert_eq!(healthy.after_success(at + Duration::from_secs(59)), None);
        assert!(healthy.after_success(at + SUCCESS_EVERY).is_some());
        let failing = Health { failing_since: Some(at), exhausted_in_a_row: 3, ..healthy };
        let better = failing.after_success(at + Duration::from_secs(1)).unwrap();
        assert_eq!((better.failing_since, better.exhausted_in_a_row), (None, 0));
    }
}
