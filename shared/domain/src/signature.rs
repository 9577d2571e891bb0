//! Standard Webhooks 1.0, symmetric signatures: `v1,<base64 of HMAC-SHA256>` over `{id}.{timestamp}.{body}`.
//!
//! Every unexpired secret of an endpoint signs; the header lists the signatures with a space between, and
//! a receiver accepts any that fits. The timestamp is that of the try, the id that of the event, so the
//! same id comes with every try. Source: standard-webhooks.md, "Signature scheme".

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::hmac;

use crate::clock::{Dice, Timestamp};

/// The header with the event's id.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of the try, in whole seconds since the Unix epoch.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// How far a receiver should let the timestamp be from its own clock, in seconds, either way.
pub const TOLERANCE_S: i64 = 5 * 60;

const PREFIX: &str = "whsec_";
/// Standard Webhooks: "At least 24 bytes (192 bits, 512 maximum)".
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;
const DRAWN_LENGTH: usize = 32;

/// A signing secret. Its debug form shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// Why a text is no secret. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It does not begin with `whsec_`.
    #[error("a signing secret begins with whsec_")]
    Prefix,
    /// What follows is not base64.
    #[error("a signing secret is base64 after its prefix")]
    Encoding,
    /// Fewer than 24 or more than 64 bytes.
    #[error("a signing secret has 24 to 64 bytes")]
    Length,
}

impl SigningSecret {
    /// A new secret of 32 random bytes.
    #[must_use]
    pub fn draw(dice: &dyn Dice) -> Self {
        Self((0..DRAWN_LENGTH / 8).flat_map(|_| dice.roll().to_be_bytes()).collect())
    }

    /// Reads `whsec_<base64>`.
    ///
    /// # Errors
    /// The text is not of that form.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| SecretError::Encoding)?;
        if LENGTHS.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SecretError::Length) }
    }

    /// The secret as its owner is shown it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(&self.0))
    }

    fn mac(&self, id: &str, at: Timestamp, body: &[u8]) -> hmac::Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(id.as_bytes());
        context.update(format!(".{}.", at.as_secs()).as_bytes());
        context.update(body);
        context.sign()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

/// The value of [`SIGNATURE_HEADER`]: one signature for each secret. Empty if there is no secret.
///
/// `id` must hold no full stop, or one message could be read as another; the ids of
/// [`EventId`](crate::id::EventId) hold none.
#[must_use]
pub fn sign(secrets: &[SigningSecret], id: &str, at: Timestamp, body: &[u8]) -> String {
    debug_assert!(!id.contains('.'), "a full stop in an id makes the signed text ambiguous");
    let signatures: Vec<String> =
        secrets.iter().map(|secret| format!("v1,{}", BASE64_STANDARD.encode(secret.mac(id, at, body)))).collect();
    signatures.join(" ")
}

/// Whether `signatures` holds one by `secret`, compared in constant time, and `at` is within
/// [`TOLERANCE_S`] of `now`, *either way*.
#[must_use]
pub fn verifies(
    secret: &SigningSecret,
    id: &str,
    at: Timestamp,
    body: &[u8],
    signatures: &str,
    now: Timestamp,
) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
    let mut signed = format!("{id}.{}.", at.as_secs()).into_bytes();
    signed.extend_from_slice(body);
    let fresh = (now.as_secs() - at.as_secs()).abs() <= TOLERANCE_S;
    fresh
        && signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .filter_map(|encoded| BASE64_STANDARD.decode(encoded).ok())
            .any(|tag| hmac::verify(&key, &signed, &tag).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn secret() -> SigningSecret {
        SigningSecret::parse(SECRET).unwrap()
    }

    #[test]
    fn the_published_test_vector_of_standard_webhooks_comes_out() {
        let signature = sign(
            &[secret()],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_secs(1_614_265_330),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_timestamp_is_signed_in_whole_seconds() {
        let at = Timestamp::from_millis(1_614_265_330_999);
        assert_eq!(
            sign(&[secret()], "evt_1", at, b"{}"),
            sign(&[secret()], "evt_1", Timestamp::from_secs(1_614_265_330), b"{}")
        );
    }

    #[test]
    fn a_secret_has_24_to_64_bytes_and_the_prefix() {
        let of = |length: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; length]));
        assert_eq!(SigningSecret::parse(&of(23)).unwrap_err(), SecretError::Length);
        assert!(SigningSecret::parse(&of(24)).is_ok() && SigningSecret::parse(&of(64)).is_ok());
        assert_eq!(SigningSecret::parse(&of(65)).unwrap_err(), SecretError::Length);
        assert_eq!(SigningSecret::parse("whpk_AAAA").unwrap_err(), SecretError::Prefix);
        assert_eq!(SigningSecret::parse("whsec_?").unwrap_err(), SecretError::Encoding);
    }

    #[test]
    fn a_secret_never_shows_itself_in_a_debug_line() {
        assert_eq!(format!("{:?}", secret()), "SigningSecret(..)");
        assert_eq!(secret().reveal(), SECRET);
    }

    #[test]
    fn a_timestamp_from_the_future_is_refused_like_one_from_the_past() {
        let at = Timestamp::from_secs(10_000);
        let signature = sign(&[secret()], "evt_1", at, b"{}");
        let holds = |now: i64| verifies(&secret(), "evt_1", at, b"{}", &signature, Timestamp::from_secs(now));
        assert!(holds(10_000 - 300) && holds(10_000 + 300));
        assert!(!holds(10_000 - 301) && !holds(10_000 + 301));
    }

    proptest! {
        #[test]
        fn every_secret_of_a_rotation_verifies_and_no_other_does(
            keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 24..=64), 1..4),
            other in prop::collection::vec(any::<u8>(), 24..=64),
            body in prop::collection::vec(any::<u8>(), 0..200),
            seconds in 0_i64..4_000_000_000,
        ) {
            let secrets: Vec<SigningSecret> = keys.into_iter().map(SigningSecret).collect();
            let at = Timestamp::from_secs(seconds);
            let header = sign(&secrets, "evt_1", at, &body);
            for secret in &secrets {
                prop_assert!(verifies(secret, "evt_1", at, &body, &header, at));
                prop_assert!(!verifies(secret, "evt_2", at, &body, &header, at));
            }
            let other = SigningSecret(other);
            prop_assume!(!secrets.contains(&other));
            prop_assert!(!verifies(&other, "evt_1", at, &body, &header, at));
        }

        #[test]
        fn one_changed_byte_breaks_the_signature(body in prop::collection::vec(any::<u8>(), 1..200), at in 0_usize..200) {
            let header = sign(&[secret()], "evt_1", Timestamp::from_secs(1), &body);
            let mut changed = body.clone();
            let at = at % changed.len();
            changed[at] ^= 1;
            let now = Timestamp::from_secs(1);
            prop_assert!(!verifies(&secret(), "evt_1", now, &changed, &header, now));
        }
    }
}
