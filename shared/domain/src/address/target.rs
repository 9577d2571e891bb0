//! What a URL says before anything is looked up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Forbidden;

/// The longest name of the DNS as text without its last dot (RFC 1035, 2.3.4), in bytes.
const LONGEST_NAME: usize = 253;

/// The longest part of a name (RFC 1035, 2.3.4), in bytes.
const LONGEST_LABEL: usize = 63;

/// Who is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port: that of the URL, else 443 or 80.
    pub port: u16,
    /// Whether by https.
    pub tls: bool,
}

/// A host as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name of the DNS, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for Host {
    /// As in a URL: an IPv6 address in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl Target {
    /// Reads scheme, host and port. Strict on purpose: whatever two programs could read differently is refused, so
    /// that the host that is judged is the one that is called.
    pub(super) fn read(url: &str) -> Result<Self, Forbidden> {
        let (scheme, rest) = url.split_once("://").ok_or(Forbidden::Form)?;
        let tls = match () {
            () if scheme.eq_ignore_ascii_case("https") => true,
            () if scheme.eq_ignore_ascii_case("http") => false,
            () => return Err(Forbidden::Form),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(Forbidden::Credentials);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (inside, after) = bracketed.split_once(']').ok_or(Forbidden::Brackets)?;
                let port = match after.strip_prefix(':') {
                    None if after.is_empty() => None,
                    None => return Err(Forbidden::Form),
                    Some(port) => Some(port),
                };
                (in_brackets(inside)?, port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (named(host)?, Some(port)),
                None => (named(authority)?, None),
            },
        };
        let usual = if tls { 443 } else { 80 };
        let port = port.map_or(Some(usual), self::port).ok_or(Forbidden::Port)?;
        Ok(Self { host, port, tls })
    }
}

/// A port: decimal digits, no sign, no zeros before them, not 0.
pub(super) fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

fn in_brackets(inside: &str) -> Result<Host, Forbidden> {
    if inside.contains('%') {
        return Err(Forbidden::Zone);
    }
    inside.parse::<Ipv6Addr>().map(|address| Host::Address(address.into())).map_err(|_| Forbidden::Brackets)
}

/// A name, or an IPv4 address in its one usual spelling.
///
/// `0177.0.0.1`, `0x7f.1`, `127.1` and `2130706433` are 127.0.0.1 to one reader, another address to a second and
/// a name to a third (a browser's URL parser, `inet_aton`, `inet_pton`). No reading is safe to judge by, so all are
/// refused: a host whose last part is a number must be a dotted quad. That no name of the DNS ends in a number is
/// the rule of the WHATWG's URL standard too ("ends in a number checker").
fn named(host: &str) -> Result<Host, Forbidden> {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    if is_number(last) {
        return host.parse::<Ipv4Addr>().map(|address| Host::Address(address.into())).map_err(|_| Forbidden::Spelling);
    }
    // A name with a dot at its end is the same host, but another name to certificates and to whoever compares.
    if host.len() > LONGEST_NAME || !host.split('.').all(is_label) {
        return Err(Forbidden::Name);
    }
    Ok(Host::Name(host.to_ascii_lowercase()))
}

fn is_number(label: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    digits(label) || hex.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Letters, digits and hyphens (RFC 1123, 2.1), and underscores, which names in use have.
fn is_label(label: &str) -> bool {
    let fits = (1..=LONGEST_LABEL).contains(&label.len());
    let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    fits && letters && !label.starts_with('-') && !label.ends_with('-')
}
