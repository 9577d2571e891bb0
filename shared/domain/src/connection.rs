//! A user's link to a Withings account: what was granted, and whether it lives.

mod fact;

use std::collections::BTreeSet;
use std::fmt;

pub use fact::{KIND, Public, Subscriptions, fact};

use crate::notification::Category;
use crate::service::Service;

/// A permission that a user grants (Withings' OpenAPI, security schemes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `user.info`: devices, goals, the profile.
    Info,
    /// `user.metrics`: measures, recordings of heart and sound.
    Metrics,
    /// `user.activity`: activity, workouts and sleep.
    Activity,
    /// `user.sleepevents`: getting in and out of bed.
    SleepEvents,
}

impl Scope {
    /// Every scope, in the order in which they are asked for.
    pub const ALL: [Self; 4] = [Self::Info, Self::Metrics, Self::Activity, Self::SleepEvents];

    /// As Withings writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "user.info",
            Self::Metrics => "user.metrics",
            Self::Activity => "user.activity",
            Self::SleepEvents => "user.sleepevents",
        }
    }
}

/// The scopes that a token pair came with, as Withings wrote them; a user may grant fewer than were asked
/// for. None at all means that it is not known (a pair that was imported), and then everything is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// The scopes of a list.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(Into::into).filter(|name: &String| !name.is_empty()).collect())
    }

    /// Their names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether it is not known what was granted.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this was granted, as far as it is known.
    #[must_use]
    pub fn grant(&self, scope: Option<Scope>) -> bool {
        scope.is_none_or(|scope| self.is_unknown() || self.0.contains(scope.name()))
    }

    /// Whether the service may be read.
    #[must_use]
    pub fn allow(&self, service: Service) -> bool {
        self.grant(service.scope())
    }

    /// Whether a subscription to the category would ever be served. (Without the scope Withings takes it and
    /// delivers nothing.)
    #[must_use]
    pub fn allow_category(&self, category: Category) -> bool {
        self.grant(category.scope())
    }
}

/// Comma separated, as Withings writes it.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(String::as_str).collect::<Vec<_>>().join(","))
    }
}

/// Whether a connection lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Its account has a token pair.
    Connected,
    /// The token pair is dead; the person must connect again. Nothing is dropped until then.
    Reauthorise,
    /// The person unlinked the application or deleted the profile at Withings, and a call has shown it.
    Unlinked,
    /// The customer ended it.
    Disconnected,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connected, Self::Reauthorise, Self::Unlinked, Self::Disconnected];

    /// As tables and events have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Reauthorise => "reauthorise",
            Self::Unlinked => "unlinked",
            Self::Disconnected => "disconnected",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What happens to a person's data when Withings' link is found dead after the person unlinked it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnlink {
    /// The records stay.
    #[default]
    Keep,
    /// The records and what was made of them are erased.
    Erase,
}

/// The text is neither `keep` nor `erase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither keep nor erase")]
pub struct UnknownPolicy;

impl std::str::FromStr for OnUnlink {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "keep" => Ok(Self::Keep),
            "erase" => Ok(Self::Erase),
            _ => Err(UnknownPolicy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_grant_allows_what_it_names() {
        let scopes = Scopes::new(["user.info", "user.activity"]);
        assert!(scopes.allow(Service::SleepGet) && scopes.allow(Service::Getdevice));
        assert!(!scopes.allow(Service::Getmeas) && !scopes.allow_category(Category::BedIn));
        assert!(scopes.allow(Service::AnswersGet), "signed by the application");
        assert_eq!(scopes.to_string(), "user.activity,user.info");
    }

    #[test]
    fn an_unknown_grant_allows_everything() {
        assert!(Service::ALL.into_iter().all(|service| Scopes::default().allow(service)));
    }

    #[test]
    fn a_state_reads_back_as_it_was_written() {
        for state in State::ALL {
            assert_eq!(State::of(state.name()), Some(state));
        }
    }
}
