//! Sealing: AES-256-GCM under a versioned key, with the owner's id as associated data.

use std::collections::BTreeMap;

use afferent_domain::Dice;
use afferent_domain::secret::Secret;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;

/// What the key derivation is for; another purpose would get another key from the same text.
const PURPOSE: &[u8] = b"afferent seal v1";

/// The least length of a key's text, in characters.
const MIN_KEY: usize = 32;

/// A sealed text as it lies in a table: `<key version>.<base64 of nonce, ciphertext and tag>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub String);

/// A sealed text that none of the keys opens, or not for this owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed text cannot be opened: its key is gone, or it belongs to another owner")]
pub struct Unsealable;

/// Seals under the current key, opens under all of them.
pub struct Sealer {
    current: String,
    keys: BTreeMap<String, LessSafeKey>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Sealer {
    /// From `{"current":"<version>","<version>":"<key text>", …}`. `None` if the current key is missing, a
    /// key is shorter than 32 characters, or a version holds a dot.
    #[must_use]
    pub fn from_json(json: &str) -> Option<Self> {
        let mut texts: BTreeMap<String, String> = serde_json::from_str(json).ok()?;
        let current = texts.remove("current")?;
        let keys = texts.iter().map(|(version, text)| Some((version.clone(), key(version, text)?)));
        let keys: BTreeMap<_, _> = keys.collect::<Option<_>>()?;
        keys.contains_key(&current).then_some(Self { current, keys })
    }

    /// Seals `secret` for `owner` under the current key. The nonce is 96 bits of chance.
    ///
    /// # Errors
    /// AES-GCM refuses the length (over 64 GiB).
    pub fn seal(&self, owner: &str, secret: &Secret, dice: &dyn Dice) -> Result<Sealed, Unsealable> {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&dice.roll().to_le_bytes());
        nonce[8..].copy_from_slice(&dice.roll().to_le_bytes()[..4]);
        let key = self.keys.get(&self.current).ok_or(Unsealable)?;
        let mut text = secret.reveal().as_bytes().to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner.as_bytes()), &mut text)
            .map_err(|_| Unsealable)?;
        let bytes = [&nonce[..], &text].concat();
        Ok(Sealed(format!("{}.{}", self.current, BASE64_STANDARD_NO_PAD.encode(bytes))))
    }

    /// Opens what was sealed for `owner`.
    ///
    /// # Errors
    /// [`Unsealable`] if the key's version is gone, the owner is another one, or a bit was changed.
    pub fn open(&self, owner: &str, sealed: &Sealed) -> Result<Secret, Unsealable> {
        let (version, encoded) = sealed.0.split_once('.').ok_or(Unsealable)?;
        let key = self.keys.get(version).ok_or(Unsealable)?;
        let bytes = BASE64_STANDARD_NO_PAD.decode(encoded).map_err(|_| Unsealable)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut text = text.to_vec();
        let open = key.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut text).map_err(|_| Unsealable)?;
        String::from_utf8(open.to_vec()).map(Secret::new).map_err(|_| Unsealable)
    }

    /// Whether the key is there that `sealed` was sealed under.
    #[must_use]
    pub fn knows(&self, sealed: &Sealed) -> bool {
        sealed.0.split_once('.').is_some_and(|(version, _)| self.keys.contains_key(version))
    }

    /// Whether `sealed` should be sealed again because a newer key is current.
    #[must_use]
    pub fn is_old(&self, sealed: &Sealed) -> bool {
        sealed.0.split_once('.').is_none_or(|(version, _)| version != self.current)
    }
}

/// A key from its text: HKDF-SHA256, so that any text with enough chance in it will do (Secrets Manager
/// generates passwords, not bytes).
fn key(version: &str, text: &str) -> Option<LessSafeKey> {
    if version.contains('.') || text.chars().count() < MIN_KEY {
        return None;
    }
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(text.as_bytes());
    let derived = extracted.expand(&[PURPOSE], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(derived)))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Dice for Fixed {
        fn roll(&self) -> u64 {
            7
        }
    }

    fn sealer(current: &str) -> Sealer {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        Sealer::from_json(&format!(r#"{{"current":"{current}","1":"{one}","2":"{two}"}}"#)).unwrap()
    }

    #[test]
    fn what_is_sealed_for_an_owner_opens_for_that_owner_only() {
        let sealed = sealer("1").seal("con_a", &Secret::new("token"), &Fixed).unwrap();
        assert_eq!(sealer("1").open("con_a", &sealed).unwrap().reveal(), "token");
        assert_eq!(sealer("1").open("con_b", &sealed), Err(Unsealable));
    }

    #[test]
    fn an_old_key_still_opens_after_a_rotation_and_is_known_to_be_old() {
        let sealed = sealer("1").seal("con_a", &Secret::new("token"), &Fixed).unwrap();
        assert_eq!(sealer("2").open("con_a", &sealed).unwrap().reveal(), "token");
        assert!(sealer("2").is_old(&sealed) && !sealer("1").is_old(&sealed));
    }

    #[test]
    fn a_changed_bit_is_noticed() {
        let Sealed(mut text) = sealer("1").seal("con_a", &Secret::new("token"), &Fixed).unwrap();
        let last = if text.pop() == Some('A') { 'B' } else { 'A' };
        text.push(last);
        assert_eq!(sealer("1").open("con_a", &Sealed(text)), Err(Unsealable));
    }

    #[test]
    fn a_short_key_or_a_missing_current_one_is_refused() {
        assert!(Sealer::from_json(r#"{"current":"1","1":"short"}"#).is_none());
        assert!(Sealer::from_json(&format!(r#"{{"current":"2","1":"{}"}}"#, "1".repeat(64))).is_none());
    }
}
