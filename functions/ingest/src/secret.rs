//! The secret in the callback URL's path, known here only by its digest.

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::{Choice, ConstantTimeEq as _};

/// Digests of the secrets that are valid now: one, or two while the secret is rotated.
#[derive(Clone, Debug)]
pub struct Secrets(Vec<[u8; SHA256_OUTPUT_LEN]>);

/// The setting is not one or two digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CALLBACK_SECRET_SHA256 should be one or two SHA-256 digests of 64 hex digits, separated by a comma")]
pub struct BadDigests;

impl Secrets {
    /// Reads one or two hex digests, separated by a comma.
    ///
    /// # Errors
    /// [`BadDigests`] if it is anything else.
    pub fn from_hex(text: &str) -> Result<Self, BadDigests> {
        let digests = text.split(',').map(|hex| digest_from_hex(hex.trim())).collect::<Option<Vec<_>>>();
        match digests {
            Some(digests) if digests.len() <= 2 => Ok(Self(digests)),
            _ => Err(BadDigests),
        }
    }

    /// Whether `secret` is one of them. Takes as long for a wrong secret as for a right one.
    #[must_use]
    pub fn accept(&self, secret: &str) -> bool {
        let given = digest(&SHA256, secret.as_bytes());
        let found = self.0.iter().fold(Choice::from(0), |found, known| found | known[..].ct_eq(given.as_ref()));
        found.into()
    }
}

fn digest_from_hex(hex: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    if hex.len() != 2 * bytes.len() || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of "old" and of "new".
    const OLD: &str = "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4";
    const NEW: &str = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437";

    #[test]
    fn both_secrets_are_valid_during_a_rotation_and_no_other() {
        let secrets = Secrets::from_hex(&format!("{OLD}, {NEW}")).unwrap();
        assert!(secrets.accept("old") && secrets.accept("new"));
        assert!(!secrets.accept("") && !secrets.accept("older") && !secrets.accept(OLD));
    }

    #[test]
    fn anything_but_one_or_two_digests_is_refused() {
        for text in ["", "abc", &format!("{OLD},{NEW},{NEW}"), &OLD.replace('c', "x")] {
            assert_eq!(Secrets::from_hex(text).unwrap_err(), BadDigests);
        }
    }
}
