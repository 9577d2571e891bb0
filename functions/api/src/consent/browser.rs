//! The browser of a person: who comes back from Withings has to be at the browser in which the page of the link was
//! opened (RFC 9700, 4.7).
//!
//! Without that, whoever has a link could continue it, send somebody else the address of Withings' consent page, and have
//! that person's account connected as their own, although that person never saw who asks. The page gives its browser a
//! mark, a cookie of 128 bits of chance. Continue demands it (a form of another site brings no such cookie, because it is
//! `SameSite=Lax`), the state keeps its SHA-256, and the way back demands it again.

use afferent_domain::Dice;
use afferent_domain::link::hash;
use afferent_domain::secret::Secret;
use axum::http::HeaderMap;
use axum::http::header::COOKIE;

/// How long a browser keeps a mark, in seconds: as long as a link, and a state that it opened in its last moment.
const LIFE: u32 = 70 * 60;

/// The most marks that are looked at, the newest: one browser may be handed from person to person. Browsers send the older
/// cookies first (RFC 6265, 5.4).
const MOST: usize = 90;

/// The marks that a browser brings.
pub(crate) struct Browser {
    /// Only TLS carries it; at this machine's own name there is none.
    secure: bool,
    /// Pairs of a cookie's name and a mark.
    marks: Vec<(String, Secret)>,
}

impl Browser {
    /// The one that sent these headers. `called_at` is where the function was called.
    pub(crate) fn of(headers: &HeaderMap, called_at: &str) -> Self {
        let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let secure = called_at.starts_with("https:");
        let known = |(name, mark): &(&str, &str)| {
            name.starts_with(prefix(secure)) && mark.len() == 32 && mark.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let mut marks: Vec<_> = pairs.filter(known).map(|(name, mark)| (name.to_owned(), Secret::new(mark))).collect();
        marks.drain(..marks.len().saturating_sub(MOST));
        Self { secure, marks }
    }

    /// The SHA-256 of the mark that it was given for this link.
    pub(crate) fn marked_for(&self, link: &Secret) -> Option<String> {
        let name = self.name(link);
        self.marks.iter().find(|(known, _)| *known == name).map(|(_, mark)| hash(mark))
    }

    /// The SHA-256 of all marks that it has.
    pub(crate) fn marks(&self) -> Vec<String> {
        self.marks.iter().map(|(_, mark)| hash(mark)).collect()
    }

    /// The cookie by which it is known again; none if it has one for this link, which states may name already.
    pub(crate) fn cookie(&self, link: &Secret, dice: &dyn Dice) -> Option<String> {
        if self.marked_for(link).is_some() {
            return None;
        }
        let (name, secure) = (self.name(link), if self.secure { "; Secure" } else { "" });
        let mark = format!("{:016x}{:016x}", dice.roll(), dice.roll());
        Some(format!("{name}={mark}; Path=/; Max-Age={LIFE}; HttpOnly; SameSite=Lax{secure}"))
    }

    /// Of each link its own, so that two links at once do not take each other's.
    fn name(&self, link: &Secret) -> String {
        format!("{}{}", prefix(self.secure), hash(link).get(..16).unwrap_or_default())
    }
}

/// What the names of our cookies begin with. `__Host-` keeps every other host, one of the same site too, from setting them
/// (RFC 6265bis, 4.1.3.2), and is taken over TLS alone.
const fn prefix(secure: bool) -> &'static str {
    if secure { "__Host-afferent-" } else { "afferent-" }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Dice for Ones {
        fn roll(&self) -> u64 {
            1
        }
    }

    fn browser(cookies: &str, called_at: &str) -> Browser {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookies.parse().unwrap());
        Browser::of(&headers, called_at)
    }

    #[test]
    fn a_browser_is_known_again_by_the_cookie_that_it_was_given() {
        let link = Secret::new("lnk_1");
        for (called_at, begins) in [("https://a.example", "__Host-afferent-"), ("http://127.0.0.1:8000", "afferent-")] {
            let cookie = browser("other=1", called_at).cookie(&link, &Ones).unwrap();
            assert!(cookie.starts_with(begins), "{cookie}");
            assert_eq!(
                cookie.ends_with("; Path=/; Max-Age=4200; HttpOnly; SameSite=Lax; Secure"),
                called_at.starts_with("https")
            );
            let pair = cookie.split(';').next().unwrap();
            let known = browser(&format!("a=b; {pair};c"), called_at);
            assert_eq!(known.marked_for(&link), Some(hash(&Secret::new("00000000000000010000000000000001"))));
            assert_eq!((known.marks().len(), known.cookie(&link, &Ones)), (1, None));
            assert_eq!(known.marked_for(&Secret::new("lnk_2")), None);
        }
    }

    #[test]
    fn of_very_many_marks_the_newest_are_known() {
        let cookies: Vec<String> = (0..200).map(|link| format!("afferent-{link}={link:032x}")).collect();
        let marks = browser(&cookies.join("; "), "http://127.0.0.1:8000").marks();
        let hashed = |link: u32| hash(&Secret::new(format!("{link:032x}")));
        assert_eq!((marks.len(), marks.first(), marks.last()), (90, Some(&hashed(110)), Some(&hashed(199))));
    }

    #[test]
    fn a_cookie_that_another_host_may_set_is_no_mark_over_tls() {
        let mark = "0".repeat(32);
        for cookie in
            [format!("afferent-1={mark}"), "__Host-afferent-1=short".to_owned(), format!("__Host-afferent-1={mark}0")]
        {
            assert_eq!(browser(&cookie, "https://a.example").marks(), Vec::<String>::new(), "{cookie}");
        }
    }
}
