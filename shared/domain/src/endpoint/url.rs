//! Where an endpoint is: an address, or a queue.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest address of an endpoint, in bytes.
const LONGEST_URL: usize = 2048;

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

/// The URL of an SQS queue, as SQS itself writes it: `https://sqs.<region>.amazonaws.com/<account>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueUrl(String);

/// The text is no URL of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URL of a queue is https://sqs.<region>.amazonaws.com/<account, 12 digits>/<name of a standard queue>")]
pub struct QueueUrlError;

impl QueueUrl {
    /// Checks a URL. Plain http goes to this machine only, where a local stack has its queues.
    ///
    /// # Errors
    /// It is none of a standard queue.
    pub fn parse(text: &str) -> Result<Self, QueueUrlError> {
        let (host, path) = match text.strip_prefix("https://") {
            Some(rest) => rest.split_once('/').ok_or(QueueUrlError)?,
            None => {
                let (host, path) =
                    text.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or(QueueUrlError)?;
                let name = host.split(':').next().unwrap_or_default();
                if !matches!(name, "127.0.0.1" | "localhost" | "sqs.simulation") {
                    return Err(QueueUrlError);
                }
                (host, path)
            }
        };
        let (account, name) = path.split_once('/').ok_or(QueueUrlError)?;
        let right = account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=80).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        let url = Self(text.to_owned());
        let host_right = text.starts_with("http://") || Self::region_of(host).is_some();
        if right && host_right { Ok(url) } else { Err(QueueUrlError) }
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region that the queue is in; `None` on this machine, where there is only one.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        Self::region_of(self.0.strip_prefix("https://")?.split('/').next()?)
    }

    fn region_of(host: &str) -> Option<&str> {
        let rest = host.strip_prefix("sqs.")?;
        let region = rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))?;
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (!region.is_empty() && region.bytes().all(fine)).then_some(region)
    }
}

impl TryFrom<String> for QueueUrl {
    type Error = QueueUrlError;

    fn try_from(text: String) -> Result<Self, QueueUrlError> {
        Self::parse(&text)
    }
}

impl From<QueueUrl> for String {
    fn from(url: QueueUrl) -> Self {
        url.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_queue_is_named_as_sqs_names_it_and_is_no_fifo_queue() {
        let queue = QueueUrl::parse("https://sqs.eu-west-1.amazonaws.com/123456789012/records").unwrap();
        assert_eq!(queue.region(), Some("eu-west-1"));
        assert_eq!(QueueUrl::parse("http://127.0.0.1:9324/000000000000/records").unwrap().region(), None);
        for wrong in [
            "https://sqs.eu-west-1.amazonaws.com/123456789012/records.fifo",
            "https://sqs.eu-west-1.amazonaws.com/12345/records",
            "https://sqs.eu-west-1.amazonaws.com.evil.example/123456789012/records",
            "https://example.org/123456789012/records",
            "http://example.org/123456789012/records",
            "https://sqs..amazonaws.com/123456789012/records",
            "records",
        ] {
            assert_eq!(QueueUrl::parse(wrong), Err(QueueUrlError), "{wrong}");
        }
    }
}
