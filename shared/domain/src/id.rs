//! Identifiers: a prefix that says what it names, and 26 characters of Crockford's base 32.
//!
//! Two kinds: *drawn* ids (a notification, a user, an endpoint) hold the time and chance, so they sort by
//! age; *derived* ids (a record, an event) are a hash of what they name, so the same thing always gets the
//! same id, however often it is seen.

use std::fmt;

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::clock::{Dice, Timestamp};

/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 128 bits in 26 characters, most significant first, so that ids sort as their bits do.
fn base32(bits: u128) -> String {
    (0..26).rev().map(|i| char::from(ALPHABET[(bits >> (5 * i)) as usize & 31])).collect()
}

/// An id that sorts by time: 48 bits of milliseconds, 80 bits of chance (the layout of a ULID).
fn drawn(prefix: &str, now: Timestamp, dice: &dyn Dice) -> String {
    let time = u128::from(now.as_millis().unsigned_abs() & 0xFFFF_FFFF_FFFF) << 80;
    let chance = (u128::from(dice.roll()) << 64 | u128::from(dice.roll())) >> 48;
    format!("{prefix}{}", base32(time | chance))
}

/// An id that is a function of `parts`: the first 128 bits of SHA-256 over them, each followed by a zero
/// byte so that `["a", "bc"]` and `["ab", "c"]` differ.
fn derived(prefix: &str, parts: &[&str]) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    let hash = hash.finish();
    let bits = hash.as_ref().iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    format!("{prefix}{}", base32(bits))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, drawn from time and chance.
            #[must_use]
            pub fn draw(now: Timestamp, dice: &dyn Dice) -> Self {
                Self(drawn($prefix, now, dice))
            }

            /// The id of the thing that `parts` describe: the same parts, the same id.
            #[must_use]
            pub fn derive(parts: &[&str]) -> Self {
                Self(derived($prefix, parts))
            }

            /// The id that a caller wrote: the prefix, and after it up to 64 letters and digits. `None` for any other text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let rest = text.strip_prefix($prefix)?;
                let fits = (1..=64).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
                fits.then(|| Self(text.to_owned()))
            }

            /// The id as it is written in tables, messages and events.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        /// Takes an id as a table or message wrote it; it is not checked again.
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    )*};
}

ids! {
    /// One notification that `ingest` accepted.
    NotificationId "ntf_";
    /// A person whose data a customer receives, or [`UserId::app`] for what has no person.
    UserId "usr_";
    /// A user's link to one Withings account.
    ConnectionId "con_";
    /// One health record; derived from what Withings calls it.
    RecordId "rec_";
    /// One event of a user's journal; derived from the record and its revision.
    EventId "evt_";
    /// A receiver of events.
    EndpointId "ep_";
    /// One pull: one reading of a service up to its last page.
    PullId "pul_";
    /// Facts that are in doubt together.
    RetractionId "ret_";
    /// One backfill run of a connection.
    RunId "run_";
    /// A job on the deliveries of an endpoint.
    JobId "job_";
    /// A round of all accounts.
    RoundId "rnd_";
    /// A key to the API.
    KeyId "key_";
    /// The erasure of a person.
    ErasureId "ers_";
}

impl UserId {
    /// The journal of what has no person: devices without an account, notices about endpoints, test events.
    #[must_use]
    pub fn app() -> Self {
        Self("_app".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u64);

    impl Dice for Fixed {
        fn roll(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn drawn_ids_sort_by_time() {
        let early = NotificationId::draw(Timestamp::from_millis(1_000), &Fixed(u64::MAX));
        let late = NotificationId::draw(Timestamp::from_millis(1_001), &Fixed(0));
        assert!(early < late);
        assert_eq!(early.as_str().len(), "ntf_".len() + 26);
    }

    #[test]
    fn what_a_caller_wrote_is_an_id_only_if_it_looks_like_one() {
        assert_eq!(UserId::parse("usr_0a"), Some(UserId::from("usr_0a")));
        for text in ["", "usr_", "con_1", "usr_1/2", "usr_1#2", "USR_1", "_app", "usr_é"] {
            assert_eq!(UserId::parse(text), None, "{text}");
        }
        assert_eq!(UserId::parse(&format!("usr_{}", "a".repeat(65))), None);
    }

    #[test]
    fn derived_ids_depend_on_every_part_and_on_nothing_else() {
        assert_eq!(RecordId::derive(&["a", "b"]), RecordId::derive(&["a", "b"]));
        assert_ne!(RecordId::derive(&["a", "bc"]), RecordId::derive(&["ab", "c"]));
    }
}
