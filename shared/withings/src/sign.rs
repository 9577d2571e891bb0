//! Signatures of the calls that take no access token.

use ring::hmac;

use crate::Secret;

/// HMAC-SHA256 under the client secret, in lower-case hex, over the values of `action` and `client_id` and then of `nonce`
/// (of `timestamp` for `getnonce`), joined with commas. No other parameter enters
/// (Withings: "Sign your requests").
#[must_use]
pub fn signature(secret: &Secret, action: &str, client_id: &str, nonce_or_timestamp: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let tag = hmac::sign(&key, format!("{action},{client_id},{nonce_or_timestamp}").as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_covers_the_values_in_the_order_of_their_names() {
        let secret = Secret::new("test-secret");
        assert_eq!(
            signature(&secret, "getnonce", "my-client", "1700000000"),
            "c0ddb7b5ca04283d58877c5d05a24b2c5ad29e41d9e8fad09e9a9499272de736"
        );
        assert_eq!(
            signature(&secret, "requesttoken", "my-client", "nonce-1"),
            "3b2799cf7fcad4400bc3e13bab13849dda6c05e0556dd42786dc92f0d62d49a9"
        );
    }
}
