//! The text of a key: `afk_<26 characters of its id>_<64 hexadecimal digits>`.

use afferent_domain::Dice;
use afferent_domain::id::KeyId;
use afferent_domain::secret::Secret;
use ring::digest::{SHA256, digest};

/// What a key begins with, so that a secret scanner finds it.
const PREFIX: &str = "afk_";

/// A new text for the key of this id.
pub(super) fn draw(id: &KeyId, dice: &dyn Dice) -> Secret {
    let bare = id.as_str().trim_start_matches(KeyId::PREFIX);
    let chance: String = (0..4).map(|_| format!("{:016x}", dice.roll())).collect();
    Secret::new(format!("{PREFIX}{bare}_{chance}"))
}

/// The id of the key whose text this may be.
pub(super) fn id(text: &str) -> Option<KeyId> {
    let (bare, chance) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let well_formed = bare.len() == 26 && chance.len() == 64 && plain(bare) && plain(chance);
    well_formed.then(|| KeyId::from(format!("{}{bare}", KeyId::PREFIX)))
}

/// SHA-256, hexadecimal. A text of 256 bits of chance needs no slower hash.
pub(super) fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use afferent_domain::Timestamp;

    use super::*;

    struct Fixed;

    impl Dice for Fixed {
        fn roll(&self) -> u64 {
            7
        }
    }

    #[test]
    fn a_text_names_its_key_and_nothing_else_does() {
        let key = KeyId::draw(Timestamp::from_secs(1_795_244_400), &Fixed);
        let text = draw(&key, &Fixed);
        assert_eq!(id(text.reveal()), Some(key));
        let text = text.reveal();
        for wrong in
            [&text[1..], &text[..90], "", "afk_", "afk__", "afk_unknown", &text.to_uppercase(), &text.replace('_', "")]
        {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }
}
