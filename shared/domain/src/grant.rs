//! What a key may do.
//!
//! | grant | text | allows |
//! |---|---|---|
//! | [`Grant::Admin`] | `admin` | everything, keys included |
//! | [`Grant::Write`] | `write` | everything about users, connections and endpoints |
//! | [`Grant::Read`] | `read` | reading users, connections, notifications, records and events |
//! | [`Grant::Endpoint`] | `endpoint:ep_…` | everything about this one endpoint but what it may see |
//! | [`Grant::User`] | `user:usr_…` | reading what is known of this one user |
//!
//! Whoever has a key to one user or endpoint is not told whether another one exists: those are [`Sight::Hidden`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{EndpointId, UserId};

/// One thing that a key may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Grant {
    /// Everything.
    Admin,
    /// Reading, and changing everything but keys.
    Write,
    /// Reading, secrets excepted.
    Read,
    /// One endpoint.
    Endpoint(EndpointId),
    /// Reading one user.
    User(UserId),
}

/// The text is no grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("admin, write, read, endpoint:<id of an endpoint> or user:<id of a user>")]
pub struct UnknownGrant;

impl FromStr for Grant {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, UnknownGrant> {
        match text.split_once(':') {
            None if text == "admin" => Ok(Self::Admin),
            None if text == "write" => Ok(Self::Write),
            None if text == "read" => Ok(Self::Read),
            Some(("endpoint", id)) => EndpointId::parse(id).map(Self::Endpoint).ok_or(UnknownGrant),
            Some(("user", id)) => UserId::parse(id).map(Self::User).ok_or(UnknownGrant),
            _ => Err(UnknownGrant),
        }
    }
}

impl TryFrom<String> for Grant {
    type Error = UnknownGrant;

    fn try_from(text: String) -> Result<Self, UnknownGrant> {
        text.parse()
    }
}

impl From<Grant> for String {
    fn from(grant: Grant) -> Self {
        grant.to_string()
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("admin"),
            Self::Write => f.write_str("write"),
            Self::Read => f.write_str("read"),
            Self::Endpoint(id) => write!(f, "endpoint:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
        }
    }
}

/// How something looks to whoever holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It may be had.
    Allowed,
    /// A key of this kind never may: 403.
    Forbidden,
    /// It is another one's: 404, as if it were not there.
    Hidden,
}

/// All that a key may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(BTreeSet<Grant>);

impl Grants {
    /// These.
    pub fn new(grants: impl IntoIterator<Item = Grant>) -> Self {
        Self(grants.into_iter().collect())
    }

    /// One by one, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether keys and the audit log may be had.
    #[must_use]
    pub fn administer(&self) -> bool {
        self.0.contains(&Grant::Admin)
    }

    /// Whether every user and endpoint may be changed.
    #[must_use]
    pub fn write(&self) -> bool {
        self.administer() || self.0.contains(&Grant::Write)
    }

    /// Whether every user and endpoint may be read.
    #[must_use]
    pub fn read(&self) -> bool {
        self.write() || self.0.contains(&Grant::Read)
    }

    /// How reading this user looks.
    #[must_use]
    pub fn read_user(&self, user: &UserId) -> Sight {
        let own = |grant: &Grant| matches!(grant, Grant::User(_));
        Self::sight(self.read() || self.0.contains(&Grant::User(user.clone())), self.0.iter().any(own))
    }

    /// How everything about this endpoint looks.
    #[must_use]
    pub fn own_endpoint(&self, endpoint: &EndpointId) -> Sight {
        let own = |grant: &Grant| matches!(grant, Grant::Endpoint(_));
        Self::sight(self.write() || self.0.contains(&Grant::Endpoint(endpoint.clone())), self.0.iter().any(own))
    }

    const fn sight(allowed: bool, of_this_kind: bool) -> Sight {
        match (allowed, of_this_kind) {
            (true, _) => Sight::Allowed,
            (false, true) => Sight::Hidden,
            (false, false) => Sight::Forbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        Grants::new(texts.iter().map(|text| text.parse().unwrap()))
    }

    #[test]
    fn a_grant_reads_back_as_it_was_written() {
        for text in ["admin", "write", "read", "endpoint:ep_1", "user:usr_1"] {
            assert_eq!(text.parse::<Grant>().unwrap().to_string(), text);
        }
        for text in
            ["", "Admin", "user", "user:", "user:usr_", "user:ep_1", "endpoint:usr_1", "user:usr_1/2", "user:_app"]
        {
            assert_eq!(text.parse::<Grant>(), Err(UnknownGrant), "{text}");
        }
    }

    #[test]
    fn admin_is_more_than_write_and_write_more_than_read() {
        let can = |text: &str| {
            let grants = grants(&[text]);
            (grants.administer(), grants.write(), grants.read())
        };
        assert_eq!(can("admin"), (true, true, true));
        assert_eq!(can("write"), (false, true, true));
        assert_eq!(can("read"), (false, false, true));
        assert_eq!(can("user:usr_1"), (false, false, false));
        assert_eq!(can("endpoint:ep_1"), (false, false, false));
    }

    #[test]
    fn what_is_another_ones_is_hidden_and_what_a_key_is_not_for_is_forbidden() {
        let (user, endpoint) = (UserId::from("usr_1"), EndpointId::from("ep_1"));
        let sights = |texts: &[&str]| (grants(texts).read_user(&user), grants(texts).own_endpoint(&endpoint));
        assert_eq!(sights(&["read"]), (Sight::Allowed, Sight::Forbidden));
        assert_eq!(sights(&["write"]), (Sight::Allowed, Sight::Allowed));
        assert_eq!(sights(&["user:usr_1"]), (Sight::Allowed, Sight::Forbidden));
        assert_eq!(sights(&["user:usr_2", "endpoint:ep_1"]), (Sight::Hidden, Sight::Allowed));
        assert_eq!(sights(&["endpoint:ep_2"]), (Sight::Forbidden, Sight::Hidden));
        assert_eq!(sights(&[]), (Sight::Forbidden, Sight::Forbidden));
    }
}
