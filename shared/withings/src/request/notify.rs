//! Subscriptions, per user and per category (`appli`).

use super::{Auth, Request};
use crate::sign::signature;
use afferent_domain::secret::App;

const PATH: &str = "/notify";

/// Asks for the notifications of a category. Withings sends HEAD to the URL first; subscribing twice is no
/// error.
#[must_use]
pub fn subscribe(callback_url: &str, appli: i64) -> Request {
    Request::new(PATH, "subscribe", Auth::Bearer).with("callbackurl", callback_url).with("appli", appli)
}

/// Category 53, which has no user: once per application, signed.
#[must_use]
pub fn subscribe_application(app: &App, nonce: &str, callback_url: &str) -> Request {
    Request::new(PATH, "subscribe", Auth::Application)
        .with("client_id", &app.client_id)
        .with("nonce", nonce)
        .with("signature", signature(&app.client_secret, "subscribe", &app.client_id, nonce))
        .with("callbackurl", callback_url)
        .with("appli", 53)
}

/// All subscriptions of the user, of every category and URL.
#[must_use]
pub fn list() -> Request {
    Request::new(PATH, "list", Auth::Bearer)
}

/// Ends a subscription. The URL must be spelt as [`list`] spells it.
#[must_use]
pub fn revoke(callback_url: &str, appli: i64) -> Request {
    Request::new(PATH, "revoke", Auth::Bearer).with("callbackurl", callback_url).with("appli", appli)
}

/// Whether two spellings mean one callback URL: `list` may spell it otherwise than it was subscribed (case of scheme
/// and host, a default port, a slash at the end, the order of parameters, percent-encoding).
#[must_use]
pub fn same_url(one: &str, other: &str) -> bool {
    one == other || plain(one).is_some_and(|one| plain(other) == Some(one))
}

/// Whether two URLs differ in their last segment at most, and not in what is before it.
#[must_use]
pub fn same_place(one: &str, other: &str) -> bool {
    let place = |url: &str| {
        let mut plain = plain(url)?;
        plain.segments.pop().map(|_| plain)
    };
    place(one).is_some_and(|one| one.segments.len() > 1 && place(other) == Some(one))
}

/// A URL without its spelling.
#[derive(PartialEq, Eq)]
struct Plain {
    scheme: String,
    host: String,
    port: Option<u16>,
    segments: Vec<Vec<u8>>,
    query: Vec<(String, String)>,
}

fn plain(url: &str) -> Option<Plain> {
    let uri: http::Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let default = match scheme.as_str() {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    };
    let mut segments: Vec<Vec<u8>> = uri.path().split('/').map(unescaped).collect();
    while segments.last().is_some_and(Vec::is_empty) {
        segments.pop();
    }
    let mut query: Vec<(String, String)> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    query.sort();
    Some(Plain { host: uri.host()?.to_ascii_lowercase(), port: uri.port_u16().or(default), scheme, segments, query })
}

/// A segment's bytes, `%41` read as `A`. What is no escape stays.
fn unescaped(segment: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://hooks.example.org/withings/S3cret?a=1&b=x%20y";

    #[test]
    fn a_url_is_the_same_however_it_is_spelt() {
        for spelling in [
            "https://HOOKS.Example.org/withings/S3cret?a=1&b=x%20y",
            "https://hooks.example.org:443/withings/S3cret?a=1&b=x%20y",
            "https://hooks.example.org/withings/S3cret/?a=1&b=x%20y",
            "https://hooks.example.org/withings/S3cret?b=x+y&a=1",
            "https://hooks.example.org/withings/%533cret?a=1&b=x%20y",
            "HTTPS://hooks.example.org/withings/S3cret?a=%31&b=x%20y",
        ] {
            assert!(same_url(spelling, OURS), "{spelling}");
        }
    }

    #[test]
    fn a_url_is_another_if_anything_but_its_spelling_differs() {
        for other in [
            "http://hooks.example.org/withings/S3cret?a=1&b=x%20y",
            "https://hooks.example.org:80/withings/S3cret?a=1&b=x%20y",
            "https://hooks2.example.org/withings/S3cret?a=1&b=x%20y",
            "https://hooks.example.org/withings/s3cret?a=1&b=x%20y",
            "https://hooks.example.org/withings%2FS3cret?a=1&b=x%20y",
            "https://hooks.example.org/withings/S3cret?a=1",
            "https://hooks.example.org/withings/S3cret?a=2&b=x%20y",
            "",
            "%",
        ] {
            assert!(!same_url(other, OURS), "{other}");
        }
    }
}
