//! What customers ask for people: the checks that several routes share.

use std::collections::BTreeSet;

use afferent_domain::connection::{Scope, Scopes};
use afferent_domain::link::is_timezone;
use axum::http::Uri;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// The longest reference and the longest address, in bytes.
const REFERENCE: usize = 256;
const ADDRESS: usize = 2048;

/// A permission that a person grants at Withings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
#[schema(as = Scope)]
pub(crate) enum ScopeName {
    /// Devices, goals and the profile.
    #[serde(rename = "user.info")]
    Info,
    /// Measures, and recordings of heart and sound.
    #[serde(rename = "user.metrics")]
    Metrics,
    /// Activity, workouts and sleep.
    #[serde(rename = "user.activity")]
    Activity,
    /// Getting in and out of bed.
    #[serde(rename = "user.sleepevents")]
    SleepEvents,
}

impl ScopeName {
    pub(crate) const fn scope(self) -> Scope {
        match self {
            Self::Info => Scope::Info,
            Self::Metrics => Scope::Metrics,
            Self::Activity => Scope::Activity,
            Self::SleepEvents => Scope::SleepEvents,
        }
    }
}

/// The scopes that are asked for, and those of them without which there is to be no connection.
pub(crate) fn scopes(
    asked: Option<Vec<ScopeName>>,
    required: Vec<ScopeName>,
) -> Result<(BTreeSet<Scope>, BTreeSet<Scope>), Problem> {
    let set = |names: Vec<ScopeName>| names.into_iter().map(ScopeName::scope).collect::<BTreeSet<_>>();
    let (asked, required) = (asked.map_or_else(|| BTreeSet::from(Scope::ALL), set), set(required));
    if asked.is_empty() {
        return Err(Problem::field("scopes", "at least one scope"));
    }
    if !required.is_subset(&asked) {
        return Err(Problem::field("required_scopes", "a part of the scopes that are asked for"));
    }
    Ok((asked, required))
}

/// Scopes as the tables have them.
pub(crate) fn named(scopes: &BTreeSet<Scope>) -> Scopes {
    Scopes::new(scopes.iter().map(|scope| scope.name()))
}

/// What the customer calls a person.
pub(crate) fn reference(text: &str) -> Result<(), Problem> {
    let fits = !text.is_empty() && text.len() <= REFERENCE && !text.chars().any(char::is_control);
    let expected = "a text of 1 to 256 bytes without control characters: what you call the person";
    if fits { Ok(()) } else { Err(Problem::field("reference_id", expected)) }
}

/// A person's time zone.
pub(crate) fn timezone(name: Option<&str>) -> Result<(), Problem> {
    let fits = name.is_none_or(|name| name.len() <= 64 && is_timezone(name));
    if fits { Ok(()) } else { Err(Problem::field("timezone", "a time zone as IANA names it, such as Europe/Berlin")) }
}

/// Where a person may be sent back to: only where the key says. Anything else would make this a redirect for everybody.
pub(crate) fn return_url(url: &str, allowed: &[String]) -> Result<(), Problem> {
    let fits = url.len() <= ADDRESS && is_safe(url);
    let bare = url.split('?').next().unwrap_or_default();
    if fits && allowed.iter().any(|address| address == bare) {
        return Ok(());
    }
    Err(Problem::field(
        "return_url",
        "one of the key's return addresses (https), with a query if you like, in visible ASCII",
    ))
}

fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let secure = match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => matches!(host, "localhost" | "127.0.0.1"),
        _ => false,
    };
    // It goes into a header, which holds visible ASCII and nothing else.
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    secure && plain && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_word_everything_is_asked_for_and_nothing_is_required() {
        assert_eq!(scopes(None, Vec::new()).unwrap(), (BTreeSet::from(Scope::ALL), BTreeSet::new()));
        let some = scopes(Some(vec![ScopeName::Info, ScopeName::Metrics]), vec![ScopeName::Info]).unwrap();
        assert_eq!(named(&some.0).to_string(), "user.info,user.metrics");
        assert!(scopes(Some(Vec::new()), Vec::new()).is_err());
        assert!(scopes(Some(vec![ScopeName::Info]), vec![ScopeName::Metrics]).is_err());
    }

    #[test]
    fn a_scope_has_withings_own_name() {
        for scope in Scope::ALL {
            let name: ScopeName = serde_json::from_str(&format!("{:?}", scope.name())).unwrap();
            assert_eq!(name.scope(), scope);
        }
    }

    #[test]
    fn a_reference_is_a_short_line() {
        assert!(reference("person 1").is_ok() && reference(&"a".repeat(256)).is_ok());
        assert!(reference("").is_err() && reference("a\nb").is_err() && reference(&"a".repeat(257)).is_err());
    }

    #[test]
    fn people_return_only_to_an_address_of_the_key() {
        let allowed = ["https://app.example.org/back".to_owned(), "http://evil.example.org/".to_owned()];
        for url in ["https://app.example.org/back", "https://app.example.org/back?session=7"] {
            assert!(return_url(url, &allowed).is_ok(), "{url}");
        }
        for url in [
            "https://app.example.org/back/elsewhere",
            "https://app.example.org/",
            "https://app.example.org@evil.example.org/back",
            "https://app.example.org/back#x",
            "https://app.example.org/back?name=Jürgen",
            "https://app.example.org/back?name=J rgen",
            "http://evil.example.org/",
            "javascript:alert(1)",
            "//app.example.org/back",
            "",
        ] {
            assert!(return_url(url, &allowed).is_err(), "{url}");
        }
    }
}
