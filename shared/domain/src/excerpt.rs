//! What is kept of an answer: its beginning, without what looks like a secret.

/// How much of an endpoint's answer is kept, in bytes.
pub const KEPT_BYTES: usize = 2 * 1024;

/// A run of this many letters, digits and `+/=_-` is taken for a token or a key.
const OPAQUE: usize = 24;

/// The first [`KEPT_BYTES`] of `body` as text: what is no UTF-8 is replaced, control characters become spaces,
/// and every long unbroken run (a token, a key, a signature that the receiver echoes) becomes `[redacted]`.
#[must_use]
pub fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(KEPT_BYTES)]);
    let mut kept = String::with_capacity(text.len());
    let mut run = String::new();
    for letter in text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }) {
        if letter.is_ascii_alphanumeric() || "+/=_-".contains(letter) {
            run.push(letter);
        } else {
            flush(&mut run, &mut kept);
            kept.push(letter);
        }
    }
    flush(&mut run, &mut kept);
    kept
}

fn flush(run: &mut String, kept: &mut String) {
    kept.push_str(if run.len() >= OPAQUE { "[redacted]" } else { run });
    run.clear();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_in_an_answer_is_not_kept() {
        assert_eq!(
            excerpt(b"{\"error\":\"bad key whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"}\n"),
            "{\"error\":\"bad key [redacted]\"} "
        );
    }

    proptest! {
        #[test]
        fn an_excerpt_is_bounded_whatever_the_answer_is(body in prop::collection::vec(any::<u8>(), 0..6_000)) {
            // A byte that is no UTF-8 becomes a replacement character of three.
            prop_assert!(excerpt(&body).len() <= 3 * KEPT_BYTES);
        }
    }
}
