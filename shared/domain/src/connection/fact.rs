//! The public record of a connection: token-free, so that its events take the one road from `records`.

use std::collections::BTreeMap;
use std::fmt;

use super::{Scopes, State};
use crate::clock::Timestamp;
use crate::exact::Json;
use crate::id::{ConnectionId, RecordId, UserId};
use crate::record::{Category, Component, Fact, Source};

/// The kind of the record, and the first word of its events: `connection.created`, `connection.updated`.
pub const KIND: &str = "connection";

/// How the subscription to each category stands, by its number: a word such as `on` or `callback_unreachable`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscriptions(BTreeMap<u16, String>);

impl Subscriptions {
    /// The standing of a category, if anything is known of it.
    #[must_use]
    pub fn get(&self, appli: u16) -> Option<&str> {
        self.0.get(&appli).map(String::as_str)
    }

    /// Notes the standing of a category.
    pub fn set(&mut self, appli: u16, standing: &str) {
        self.0.insert(appli, standing.to_owned());
    }

    /// Every category of which something is known, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        self.0.iter().map(|(appli, standing)| (*appli, standing.as_str()))
    }

    /// Reads what its `Display` wrote; what is not of that shape is left out.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let pair = |pair: &str| {
            let (appli, standing) = pair.split_once('=')?;
            Some((appli.parse().ok()?, standing.to_owned()))
        };
        Self(text.split(',').filter_map(pair).collect())
    }
}

/// As the table has it: `1=on,4=on`.
impl fmt::Display for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.iter().map(|(appli, standing)| format!("{appli}={standing}")).collect();
        f.write_str(&pairs.join(","))
    }
}

/// What may be known of a connection outside the `connections` table.
#[derive(Clone, Copy, Debug)]
pub struct Public<'a> {
    /// Whose it is.
    pub user: &'a UserId,
    /// Which it is.
    pub connection: &'a ConnectionId,
    /// Withings' cloud.
    pub region: &'a str,
    /// Withings' userid.
    pub userid: &'a str,
    /// Whether it lives.
    pub state: State,
    /// What the person granted.
    pub scopes: &'a Scopes,
    /// What Withings notifies of.
    pub subscriptions: &'a Subscriptions,
    /// When it was first made: the instant of the record.
    pub first_connected: Timestamp,
    /// When it was last made.
    pub connected: Timestamp,
}

/// The record's fact: the same connection is always the same record, and each change of what is public a revision.
#[must_use]
pub fn fact(public: &Public<'_>) -> Fact {
    let record = RecordId::derive(&[public.user.as_str(), KIND, public.connection.as_str()]);
    let mut source = Source::withings("afferent");
    "afferent".clone_into(&mut source.provider);
    let text = |text: &str| Json::Text(text.to_owned());
    source.other = BTreeMap::from([
        ("connected".to_owned(), text(&public.connected.to_string())),
        ("region".to_owned(), text(public.region)),
        ("userid".to_owned(), text(public.userid)),
    ]);
    let (user, connection) = (public.user.clone(), public.connection.clone());
    let mut fact = Fact::bare(user, connection, record, KIND, Category::Account, public.first_connected, source);
    fact.value_code = Some(public.state.name().to_owned());
    let part = |kind: String, code: &str| Component { kind, value_code: Some(code.to_owned()), ..Component::default() };
    let scopes = public.scopes.names().map(|scope| part("scope".to_owned(), scope));
    let subscriptions =
        public.subscriptions.iter().map(|(appli, standing)| part(format!("subscription.{appli}"), standing));
    fact.components = scopes.chain(subscriptions).collect();
    fact
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: State, connected: i64) -> Fact {
        let (user, connection) = (UserId::from("usr_1"), ConnectionId::from("con_1"));
        fact(&Public {
            user: &user,
            connection: &connection,
            region: "eu",
            userid: "90001001",
            state,
            scopes: &Scopes::new(["user.metrics", "user.info"]),
            subscriptions: &Subscriptions::of("4=on,1=missing"),
            first_connected: Timestamp::from_secs(1_795_244_400),
            connected: Timestamp::from_secs(connected),
        })
    }

    #[test]
    fn a_connection_is_one_record_whatever_becomes_of_it() {
        let (first, later) = (told(State::Connected, 1_795_244_400), told(State::Reauthorise, 1_795_244_400));
        assert_eq!(first.record, later.record);
        assert_eq!(first.effective_ms, later.effective_ms);
        assert_ne!(first.digest(), later.digest());
        assert_eq!(later.value_code.as_deref(), Some("reauthorise"));
    }

    #[test]
    fn connecting_again_is_a_change_and_telling_the_same_again_is_none() {
        let first = told(State::Connected, 1_795_244_400);
        assert_eq!(first.digest(), told(State::Connected, 1_795_244_400).digest());
        assert_ne!(first.digest(), told(State::Connected, 1_795_330_800).digest());
    }

    #[test]
    fn scopes_and_subscriptions_are_parts() {
        let parts: Vec<_> = told(State::Connected, 0)
            .components
            .into_iter()
            .map(|part| (part.kind, part.value_code.unwrap_or_default()))
            .collect();
        let expected = [
            ("scope", "user.info"),
            ("scope", "user.metrics"),
            ("subscription.1", "missing"),
            ("subscription.4", "on"),
        ];
        assert_eq!(parts, expected.map(|(kind, code)| (kind.to_owned(), code.to_owned())));
    }

    #[test]
    fn subscriptions_read_back_as_they_were_written() {
        let mut subscriptions = Subscriptions::default();
        assert_eq!(Subscriptions::of(&subscriptions.to_string()), subscriptions);
        subscriptions.set(44, "on");
        subscriptions.set(1, "callback_unreachable");
        assert_eq!(subscriptions.to_string(), "1=callback_unreachable,44=on");
        assert_eq!(Subscriptions::of(&subscriptions.to_string()), subscriptions);
        assert_eq!(Subscriptions::of("x=1,,4=on,5"), Subscriptions::of("4=on"));
    }
}
