//! What is kept of an answer: what helps its sender, and nothing that may be a secret or repeats what was sent.

use afferent_domain::Timestamp;
use afferent_domain::excerpt::{KEPT_BYTES, Sent};
use afferent_domain::reply::{CONTROL_HEADER, Reply};
use afferent_http::Answer;
use afferent_store::deliveries::Outcome;
use http::header::{self, HeaderMap, HeaderName};

/// The headers that are kept; of all others not even the name.
const SHOWN: [HeaderName; 9] = [
    header::ALLOW,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::RETRY_AFTER,
    header::SERVER,
    header::VIA,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static(CONTROL_HEADER),
];

/// How much of a header's value is kept, in bytes.
const LONGEST_VALUE: usize = 200;

/// The outcome of a try that was answered, as the log keeps it.
pub(crate) fn outcome(answer: &Answer, sent: &Sent<'_>) -> Outcome {
    Outcome::Answered {
        status: answer.status.as_u16(),
        headers: headers(&answer.headers, sent),
        excerpt: sent.excerpt(&answer.body, KEPT_BYTES),
        truncated: answer.truncated,
    }
}

/// What the answer means for what follows.
pub(crate) fn reply(answer: &Answer, now: Timestamp) -> Reply {
    let text = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    Reply::answer(answer.status.as_u16(), text(header::RETRY_AFTER.as_str()), text(CONTROL_HEADER), now)
}

/// One of each, so that they are as few as the names.
fn headers(all: &HeaderMap, sent: &Sent<'_>) -> Vec<String> {
    let one = |name: &HeaderName| Some(format!("{name}: {}", sent.excerpt(all.get(name)?.as_bytes(), LONGEST_VALUE)));
    SHOWN.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use afferent_domain::endpoint::Headers;
    use http::HeaderValue;

    use super::*;

    fn kept(all: &HeaderMap) -> Vec<String> {
        headers(all, &Sent { id: "evt_1", body: b"{}", headers: &Headers::default() })
    }

    #[test]
    fn only_harmless_headers_are_kept_short_and_without_tokens() {
        let mut all = HeaderMap::new();
        for (name, value) in [
            ("set-cookie", "session=abc"),
            ("x-api-key", "abc"),
            ("location", "https://elsewhere.example/?token=abc"),
            ("server", "nginx 0123456789abcdef0123456789abcdef"),
            ("retry-after", "120"),
        ] {
            all.append(name, HeaderValue::from_static(value));
        }
        all.append("via", HeaderValue::from_str(&"a b ".repeat(1_000)).unwrap());
        for _ in 0..100 {
            all.append("allow", HeaderValue::from_static("GET"));
        }
        let kept = kept(&all);
        assert_eq!(kept[..3], ["allow: GET", "retry-after: 120", "server: nginx [redacted]"]);
        assert_eq!((kept.len(), kept[3].len()), (4, "via: ".len() + LONGEST_VALUE));
    }

    #[test]
    fn a_value_that_is_no_text_is_kept_as_what_can_be_read_of_it() {
        let all = HeaderMap::from_iter([(header::SERVER, HeaderValue::from_bytes(b"a\xffb").unwrap())]);
        assert_eq!(kept(&all), ["server: a\u{fffd}b"]);
    }
}
