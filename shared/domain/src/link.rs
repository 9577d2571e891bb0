//! Hosted links: what a person opens to connect a Withings account, and how that can end.
//!
//! A link's token is all that says for whom it was made, so it is 256 bits of chance; the tables hold its SHA-256, by
//! which a link is named where the token must not be seen.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::clock::Dice;
use crate::secret::Secret;

/// How long a link may be opened.
pub const LIFE: Duration = Duration::from_secs(3600);

/// What every link's token begins with.
const TOKEN: &str = "lnk_";

/// The token of a new link.
#[must_use]
pub fn draw(dice: &dyn Dice) -> Secret {
    let mut token = TOKEN.to_owned();
    for _ in 0..4 {
        // A String takes all that is written to it.
        let _ = write!(token, "{:016x}", dice.roll());
    }
    Secret::new(token)
}

/// SHA-256 of a token, in lower-case hexadecimal: what tables have instead of it.
#[must_use]
pub fn hash(token: &Secret) -> String {
    let hash = digest::digest(&digest::SHA256, token.reveal().as_bytes());
    hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// How connecting somebody failed. The names are part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The link or state is too old or unknown, or Withings' code died on its way.
    #[error("This link is no longer valid. Ask for a new one.")]
    TokenExpired,
    /// The link or state was used before.
    #[error("This link was used before. Ask for a new one.")]
    TokenConsumed,
    /// The person said no.
    #[error("You did not allow the connection. Nothing was shared.")]
    Denied,
    /// The Withings account is connected for somebody else already.
    #[error("This Withings account is connected already.")]
    DuplicateConnection,
    /// The person left out a permission without which there is no connection.
    #[error("A permission that is needed was not given. Ask for a new link and leave all permissions on.")]
    RequiredScopesMissing,
    /// The person is not at the browser in which the page was opened.
    #[error(
        "You came from another browser than the one in which you opened the link, or it keeps no cookies. Open the link again and stay in one browser."
    )]
    OtherBrowser,
    /// Withings, or we, could not.
    #[error("Withings could not be reached, or did not answer as expected. Ask for a new link.")]
    ProviderError,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::TokenExpired,
        Self::TokenConsumed,
        Self::Denied,
        Self::DuplicateConnection,
        Self::RequiredScopesMissing,
        Self::OtherBrowser,
        Self::ProviderError,
    ];

    /// Its name in addresses and problems.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::TokenConsumed => "token_consumed",
            Self::Denied => "denied",
            Self::DuplicateConnection => "duplicate_connection",
            Self::RequiredScopesMissing => "required_scopes_missing",
            Self::OtherBrowser => "other_browser",
            Self::ProviderError => "provider_error",
        }
    }
}

/// A language that the page speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// Italian.
    It,
    /// Dutch.
    Nl,
    /// Portuguese.
    Pt,
    /// Japanese.
    Ja,
}

/// The text names no language that the page speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of en, de, fr, es, it, nl, pt and ja")]
pub struct UnknownLanguage;

impl Language {
    /// All of them.
    pub const ALL: [Self; 8] = [Self::En, Self::De, Self::Fr, Self::Es, Self::It, Self::Nl, Self::Pt, Self::Ja];

    /// Its code (BCP 47).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Es => "es",
            Self::It => "it",
            Self::Nl => "nl",
            Self::Pt => "pt",
            Self::Ja => "ja",
        }
    }

    /// The language that a browser's `Accept-Language` likes best of those there are (RFC 9110, 12.5.4), by the first
    /// part of each tag: `de-AT` is German. English if it likes none.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let liked = header.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let primary = parts.next()?.split('-').next()?.to_ascii_lowercase();
            let language = primary.parse::<Self>().ok()?;
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1000), thousandths)?;
            (weight > 0).then_some((language, weight))
        });
        // Of equals the first is meant.
        liked.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or(Self::En, |(language, _)| language)
    }
}

/// A weight from 0 to 1 with at most three digits after the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let part: u16 = format!("{part:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.into_iter().find(|language| language.code() == text).ok_or(UnknownLanguage)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Whether there is such a time zone (IANA), as `Europe/Berlin`.
#[must_use]
pub fn is_timezone(name: &str) -> bool {
    jiff::tz::TimeZone::get(name).is_ok()
}

/// The midnight (UTC) that a date such as `1980-05-31` begins with, in epoch seconds.
#[must_use]
pub fn midnight(date: &str) -> Option<i64> {
    let date: jiff::civil::Date = date.parse().ok().filter(|_| date.len() == "1980-05-31".len())?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    struct Steps(AtomicU64);

    impl Dice for Steps {
        fn roll(&self) -> u64 {
            self.0.fetch_add(1, Ordering::Relaxed)
        }
    }

    #[test]
    fn a_token_is_256_bits_and_is_known_by_its_hash() {
        let dice = Steps(AtomicU64::new(0));
        let (one, other) = (draw(&dice), draw(&dice));
        assert_eq!(one.reveal().len(), TOKEN.len() + 64);
        assert_ne!(hash(&one), hash(&other));
        assert_eq!(hash(&one).len(), 64);
        assert_eq!(
            hash(&Secret::new("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "FIPS 180-4"
        );
    }

    #[test]
    fn the_language_that_a_browser_likes_best_is_taken() {
        for (header, expected) in [
            ("de-AT,de;q=0.9,en;q=0.8", Language::De),
            ("en;q=0.5, fr;q=0.7, *;q=0.1", Language::Fr),
            ("ja", Language::Ja),
            ("pt-BR", Language::Pt),
            ("NL", Language::Nl),
            ("es, it", Language::Es),
            ("it;q=0, es;q=0.001", Language::Es),
            ("it;q=2, es;q=0.1", Language::Es),
            ("zh-CN, zh", Language::En),
            ("", Language::En),
            (";q=1,,", Language::En),
        ] {
            assert_eq!(Language::accepted(header), expected, "{header}");
        }
    }

    #[test]
    fn a_language_reads_back_by_its_code() {
        for language in Language::ALL {
            assert_eq!(language.code().parse(), Ok(language));
            assert_eq!(serde_json::to_string(&language).unwrap(), format!("{:?}", language.code()));
        }
        assert_eq!("EN".parse::<Language>(), Err(UnknownLanguage));
    }

    #[test]
    fn a_time_zone_is_one_that_iana_knows() {
        assert!(is_timezone("Europe/Berlin") && is_timezone("UTC"));
        assert!(!is_timezone("Europe/Atlantis") && !is_timezone("") && !is_timezone("+02:00"));
    }

    #[test]
    fn a_date_begins_at_midnight() {
        assert_eq!(midnight("1970-01-02"), Some(86_400));
        assert_eq!(midnight("1969-12-31"), Some(-86_400));
        for wrong in ["1970-02-30", "19700102", "1970-01-02T00:00:00", "", "yesterday"] {
            assert_eq!(midnight(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_header_means_some_language(header in ".*") {
            let _ = Language::accepted(&header);
        }
    }
}
