//! What a new key is to be, checked.

use std::ops::RangeInclusive;

use afferent_domain::Timestamp;
use afferent_domain::grant::Grants;

/// Requests a minute that a key may make unless it says otherwise.
pub const PER_MINUTE: u32 = 600;

/// Requests a minute that a key may be given.
const RATES: RangeInclusive<u32> = 1..=6_000;

/// How many grants and return addresses a key may have, and how long a label (characters) and an address (bytes) may be.
const GRANTS: usize = 20;
const RETURN_URLS: usize = 20;
const LABEL: usize = 100;
const ADDRESS: usize = 500;

/// A key that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// See [`super::Key::label`].
    pub label: String,
    /// See [`super::Key::grants`].
    pub grants: Grants,
    /// See [`super::Key::return_urls`].
    pub return_urls: Vec<String>,
    /// See [`super::Key::expires`].
    pub expires: Option<Timestamp>,
    /// See [`super::Key::per_minute`].
    pub per_minute: u32,
}

/// What is wrong with a wish: the field, and what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} should be {expected}")]
pub struct Wrong {
    /// The field at fault.
    pub field: &'static str,
    /// What it should be.
    pub expected: &'static str,
}

impl NewKey {
    /// A key of this name that may do this, at the usual rate and without an end.
    #[must_use]
    pub fn new(label: &str, grants: Grants) -> Self {
        Self { label: label.to_owned(), grants, return_urls: Vec::new(), expires: None, per_minute: PER_MINUTE }
    }

    /// Whether it can be made.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self, now: Timestamp) -> Result<(), Wrong> {
        let printable = |text: &str| !text.chars().any(char::is_control);
        let checks = [
            (
                "label",
                "a name of 1 to 100 printable characters",
                (1..=LABEL).contains(&self.label.trim().chars().count()) && printable(&self.label),
            ),
            ("grants", "1 to 20 grants", (1..=GRANTS).contains(&self.grants.iter().count())),
            (
                "return_urls",
                "at most 20 https addresses without query and fragment, of at most 500 bytes \
                 (http on localhost and 127.0.0.1)",
                self.return_urls.len() <= RETURN_URLS && self.return_urls.iter().all(|url| address(url)),
            ),
            ("expires", "a time that is still to come", self.expires.is_none_or(|expires| expires > now)),
            ("rate", "1 to 6000 requests a minute", RATES.contains(&self.per_minute)),
        ];
        let wrong = checks.into_iter().find(|(_, _, right)| !right);
        wrong.map_or(Ok(()), |(field, expected, _)| Err(Wrong { field, expected }))
    }
}

/// A place that a browser may be sent to.
fn address(url: &str) -> bool {
    let host_of = |rest: &str| rest.split('/').next().unwrap_or_default().to_owned();
    let local = |host: &str| matches!(host.split(':').next(), Some("localhost" | "127.0.0.1"));
    let placed = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => !host_of(rest).is_empty(),
        (None, Some(rest)) => local(&host_of(rest)),
        _ => false,
    };
    // A header holds visible ASCII and nothing else.
    let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '?' | '#' | '@' | '\\' | '"' | '<' | '>');
    placed && url.len() <= ADDRESS && !url.contains(odd)
}

#[cfg(test)]
mod tests {
    use afferent_domain::grant::Grant;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_244_400);

    fn new() -> NewKey {
        NewKey::new("ours", Grants::new([Grant::Read]))
    }

    fn wrong(new: &NewKey) -> Option<&'static str> {
        new.check(NOW).err().map(|wrong| wrong.field)
    }

    #[test]
    fn a_key_needs_a_name_and_something_that_it_may() {
        assert_eq!(wrong(&new()), None);
        assert_eq!(wrong(&NewKey { label: " ".to_owned(), ..new() }), Some("label"));
        assert_eq!(wrong(&NewKey { label: "x".repeat(101), ..new() }), Some("label"));
        assert_eq!(wrong(&NewKey { label: "a\nb".to_owned(), ..new() }), Some("label"));
        assert_eq!(wrong(&NewKey { grants: Grants::default(), ..new() }), Some("grants"));
        assert_eq!(wrong(&NewKey { expires: Some(NOW), ..new() }), Some("expires"));
        assert_eq!(wrong(&NewKey { per_minute: 0, ..new() }), Some("rate"));
        assert_eq!(wrong(&NewKey { per_minute: 6_001, ..new() }), Some("rate"));
    }

    #[test]
    fn people_are_sent_back_over_https_to_a_plain_address() {
        let with = |url: &str| wrong(&NewKey { return_urls: vec![url.to_owned()], ..new() });
        for right in ["https://app.example.org/back", "http://localhost:3000/back", "http://127.0.0.1/"] {
            assert_eq!(with(right), None, "{right}");
        }
        for url in [
            "http://app.example.org/",
            "https://",
            "https:///back",
            "javascript:alert(1)",
            "https://a.example/?q=1",
            "https://a.example/#f",
            "https://user@a.example/",
            "https://a.example/ b",
            "https://a.example/ü",
            "http://localhost.example/",
            "",
        ] {
            assert_eq!(with(url), Some("return_urls"), "{url}");
        }
        assert_eq!(
            wrong(&NewKey { return_urls: vec!["https://a.example/".to_owned(); 21], ..new() }),
            Some("return_urls")
        );
    }
}
