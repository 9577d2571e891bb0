//! What is kept of an answer: its beginning, without what looks like a secret, and nothing of what was sent.

use std::collections::HashSet;

use crate::endpoint::Headers;

/// How much of an endpoint's answer is kept, in bytes.
pub const KEPT_BYTES: usize = 2 * 1024;

/// A run of this many letters, digits and `+/=_-` is taken for a token or a key.
const OPAQUE: usize = 24;

/// An answer that has so many bytes in a row of what was sent is taken for an echo.
const SAME: usize = 16;

/// The shortest value of a header that is taken for a secret: shorter ones are versions and flags, and in most answers.
const SHORTEST_VALUE: usize = 4;

/// What stands in the place of a secret, and of a text that repeats the request.
const REDACTED: &str = "[redacted]";
const ECHO: &str = "[an echo of the request]";

/// What was sent, which an answer may repeat: many servers print the request that they could not handle.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The event's id.
    pub id: &'a str,
    /// The request's body.
    pub body: &'a [u8],
    /// The headers of the endpoint's owner.
    pub headers: &'a Headers,
}

impl Sent<'_> {
    /// The first `most` bytes of `text`, a part of the answer, as text: what is no UTF-8 is replaced, control characters
    /// become spaces, and every long unbroken run (a token, a key, a signature) and every value of the owner's headers
    /// becomes `[redacted]`. Of a text that repeats the event (its id, or 16 bytes of its data, however it is indented or
    /// escaped) nothing is kept at all: it would be health data in a place where nobody looks for them.
    #[must_use]
    pub fn excerpt(&self, text: &[u8], most: usize) -> String {
        if self.is_echoed(text) {
            return ECHO.to_owned();
        }
        let text = String::from_utf8_lossy(text);
        let hidden = self.hidden(&text);
        let mut kept = String::with_capacity(most.min(text.len()));
        let mut before = false;
        // What is hidden was looked for in all of the text: a secret that the end cuts is none the less one.
        for (at, letter) in text.char_indices().take_while(|(at, letter)| at + letter.len_utf8() <= most) {
            match (hidden[at], before) {
                (true, false) => kept.push_str(REDACTED),
                (true, true) => {}
                (false, _) => kept.push(if letter.is_control() { ' ' } else { letter }),
            }
            before = hidden[at];
        }
        kept
    }

    fn is_echoed(&self, text: &[u8]) -> bool {
        if text.windows(self.id.len().max(1)).any(|window| window == self.id.as_bytes()) {
            return true;
        }
        let data = find(self.body, b"\"data\":").map_or(self.body, |at| &self.body[at..]);
        let (text, data) = (bare(text), bare(data));
        let runs: HashSet<&[u8]> = text.windows(SAME).collect();
        !runs.is_empty() && data.windows(SAME).any(|run| runs.contains(run))
    }

    /// Which bytes of `text` are not shown.
    fn hidden(&self, text: &str) -> Vec<bool> {
        let mut hidden = vec![false; text.len()];
        let mut begin = 0;
        for (at, byte) in text.bytes().chain([b' ']).enumerate() {
            if byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte) {
                continue;
            }
            if at - begin >= OPAQUE {
                hidden[begin..at].fill(true);
            }
            begin = at + 1;
        }
        // With and without the scheme of `Basic …` and `Bearer …`.
        let values =
            self.headers.iter().flat_map(|(_, value)| [Some(value), value.split_once(' ').map(|(_, rest)| rest)]);
        for value in values.flatten().filter(|value| value.len() >= SHORTEST_VALUE) {
            for (at, _) in text.match_indices(value) {
                hidden[at..at + value.len()].fill(true);
            }
        }
        hidden
    }
}

/// Where `part` begins in `text`.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// JSON without what is changed where it is printed nicely, or as text inside of other JSON.
fn bare(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'\\').collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &str = r#"{"id":"evt_01ab","type":"body_weight.created","data":{"user":"usr_1","value":81.25}}"#;

    fn excerpt_with(headers: &[(&str, &str)], text: &str) -> String {
        let headers =
            Headers::new(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap();
        Sent { id: "evt_01ab", body: BODY.as_bytes(), headers: &headers }.excerpt(text.as_bytes(), KEPT_BYTES)
    }

    fn excerpt(text: &str) -> String {
        excerpt_with(&[], text)
    }

    #[test]
    fn a_token_in_an_answer_is_not_kept() {
        assert_eq!(
            excerpt("{\"error\":\"bad key whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"}\n"),
            "{\"error\":\"bad key [redacted]\"} "
        );
    }

    #[test]
    fn an_answer_that_repeats_the_event_is_not_kept_however_it_is_written() {
        let escaped = format!("{{\"data\":{:?}}}", &BODY[17..]);
        for echo in [
            BODY,
            "no handler for evt_01ab",
            "cannot store {\n  \"user\": \"usr_1\",\n  \"value\": 81.25\n}",
            &escaped,
            &format!("{}{}", "x ".repeat(20_000), &BODY[50..]),
        ] {
            assert_eq!(excerpt(echo), ECHO, "{echo}");
        }
    }

    #[test]
    fn an_answer_of_the_receivers_own_is_kept() {
        for own in [r#"{"type":"body_weight.created","error":"no such type"}"#, "no \"data\": at all", "", "value"] {
            assert_eq!(excerpt(own), own);
        }
    }

    #[test]
    fn short_values_of_the_owners_headers_are_not_kept_with_or_without_their_scheme() {
        let headers = [("authorization", "Basic dXNlcjpw"), ("x-api-key", "abc123"), ("x-version", "2")];
        assert_eq!(
            excerpt_with(&headers, "abc123 of [Basic dXNlcjpw] is not dXNlcjpw, 2nd try"),
            "[redacted] of [[redacted]] is not [redacted], 2nd try"
        );
    }

    #[test]
    fn a_value_inside_of_a_token_does_not_show_the_rest_of_the_token() {
        let token = "sk_0123456789_live_0123456789";
        assert_eq!(excerpt_with(&[("x-mode", "live")], &format!("key {token}!")), "key [redacted]!");
    }

    #[test]
    fn a_secret_that_the_end_of_the_excerpt_cuts_is_not_kept_in_part() {
        for secret in ["abc123 ", "0123456789abcdef0123456789abcdef"] {
            let text = format!("{}{secret}", ". ".repeat((KEPT_BYTES - 4) / 2));
            let kept = excerpt_with(&[("x-api-key", "abc123")], &text);
            assert!(kept.ends_with(". [redacted]"), "{kept}");
        }
    }

    proptest! {
        #[test]
        fn an_excerpt_is_bounded_whatever_the_answer_is(body in prop::collection::vec(any::<u8>(), 0..6_000)) {
            let headers = Headers::default();
            let kept = Sent { id: "evt_01ab", body: BODY.as_bytes(), headers: &headers }.excerpt(&body, KEPT_BYTES);
            // A run that the end cuts may be shorter than what stands in its place.
            prop_assert!(kept.len() < KEPT_BYTES + REDACTED.len());
        }
    }
}
