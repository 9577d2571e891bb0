//! An endpoint: a receiver of events, where it is and what it wants. How it fares: [`health`](crate::health).

mod headers;
mod url;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::contact::EmailAddress;
use crate::event::TEST;
use crate::filter::{Pattern, Users};
use crate::id::{EndpointId, UserId};
use crate::payload::Payload;
use crate::rate::Rate;
use crate::record::SyncKind;
use crate::schedule::RetryPolicy;

pub use headers::{Headers, HeadersError};
pub use url::{EndpointUrl, QueueUrl, QueueUrlError, UrlError};

/// The longest time that a replaced secret goes on signing.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many secrets an endpoint has at most that sign at once.
pub const MOST_SECRETS: usize = 10;

/// The kind of what tells of endpoints themselves: `endpoint.warning`, `endpoint.disabled`, `endpoint.enabled`.
pub const KIND: &str = "endpoint";

/// The kind of the records that tell of backfill runs.
const RUNS: &str = "backfill.";

/// Where deliveries go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// An HTTP server: a signed POST.
    Http {
        /// Where to.
        url: EndpointUrl,
    },
    /// A queue of the customer's own, which lets us send by its queue policy: the same text, the signature in
    /// message attributes.
    Sqs {
        /// Which queue.
        queue_url: QueueUrl,
    },
}

impl Destination {
    /// Where deliveries go, without a path or a query: those may hold a token.
    #[must_use]
    pub fn host(&self) -> &str {
        let url = match self {
            Self::Http { url } => url.as_str(),
            Self::Sqs { queue_url } => queue_url.as_str(),
        };
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or_default()
    }
}

/// What an endpoint gets of a backfill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backfill {
    /// Every event, as if it were live.
    #[default]
    Events,
    /// Only the events of the run itself (`backfill.*`): the data are asked for.
    Marker,
    /// Nothing.
    None,
}

/// Whether an endpoint receives anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Standing {
    /// It does.
    #[default]
    Enabled,
    /// It does not: no delivery is made, and those that wait are cancelled.
    Disabled {
        /// Why.
        cause: Cause,
        /// What whoever disabled it wrote about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Since when.
        since_ms: Timestamp,
    },
}

/// Why an endpoint is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its owner did it.
    Owner,
    /// Whoever may change every endpoint did it, and its owner alone does not undo that.
    Operator,
    /// It answered 410 Gone.
    Gone,
    /// It answered with `webhook-delivery: disable`.
    Receiver,
    /// It failed for 20 days without a success.
    Failing,
}

impl Cause {
    /// As tables write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::Gone => "gone",
            Self::Receiver => "receiver",
            Self::Failing => "failing",
        }
    }

    /// Reads what [`Cause::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Owner, Self::Operator, Self::Gone, Self::Receiver, Self::Failing];
        all.into_iter().find(|cause| cause.as_str() == text)
    }

    /// As a sentence of a delivery's reason or a letter has it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Owner => "its owner disabled it",
            Self::Operator => "an operator disabled it",
            Self::Gone => "it answered 410 Gone",
            Self::Receiver => "it asked to be disabled",
            Self::Failing => "it failed for 20 days",
        }
    }
}

/// A receiver of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id, and its fair-queue group.
    pub endpoint: EndpointId,
    /// Where events go.
    pub destination: Destination,
    /// Which types; an endpoint without patterns receives nothing.
    pub types: Vec<Pattern>,
    /// Whose.
    #[serde(default)]
    pub users: Users,
    /// What of a backfill.
    #[serde(default)]
    pub backfill: Backfill,
    /// How much of a record.
    #[serde(default)]
    pub payload: Payload,
    /// When a failed delivery is tried again.
    #[serde(default)]
    pub policy: RetryPolicy,
    /// How often it may be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The names of the headers that its owner added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Who is told when it fails; the stack's contact, if nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<EmailAddress>,
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was registered.
    pub created_ms: Timestamp,
    /// Whether it receives anything.
    #[serde(default)]
    pub standing: Standing,
}

/// The members of an endpoint that need not be there.
pub const OPTIONAL: [&str; 4] = ["contact", "description", "headers", "rate"];

impl Endpoint {
    /// An endpoint that gets every live and backfilled event of every user, whole, on Withings' schedule.
    #[must_use]
    pub fn new(endpoint: EndpointId, destination: Destination, now: Timestamp) -> Self {
        Self {
            endpoint,
            destination,
            types: vec![Pattern::every()],
            users: Users::All,
            backfill: Backfill::Events,
            payload: Payload::Full,
            policy: RetryPolicy::default(),
            rate: None,
            headers: Vec::new(),
            contact: None,
            description: None,
            created_ms: now,
            standing: Standing::Enabled,
        }
    }

    /// Whether it receives anything at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.standing == Standing::Enabled
    }

    /// Whether it receives an event. `about` is the endpoint that an event tells of, which is never told itself:
    /// notices go another way than what they are about. Test events go to who asked for them, by no filter.
    #[must_use]
    pub fn wants(&self, event: &Wanted<'_>) -> bool {
        let of_backfill = match self.backfill {
            Backfill::Events => true,
            Backfill::Marker => event.synckind == SyncKind::Live || event.event_type.starts_with(RUNS),
            Backfill::None => event.synckind == SyncKind::Live && !event.event_type.starts_with(RUNS),
        };
        self.is_enabled()
            && of_backfill
            && event.event_type != TEST
            && event.about != Some(&self.endpoint)
            && self.users.hold(event.user)
            && self.types.iter().any(|pattern| pattern.fits(event.event_type))
    }
}

/// What decides whether an endpoint receives an event.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Whose journal it is in.
    pub user: &'a UserId,
    /// Its type.
    pub event_type: &'a str,
    /// Live, or from a backfill.
    pub synckind: SyncKind,
    /// The endpoint that it tells of, if it tells of one.
    pub about: Option<&'a EndpointId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        let url = EndpointUrl::parse("https://example.org/hook?key=1").unwrap();
        let mut endpoint =
            Endpoint::new(EndpointId::from("ep_1"), Destination::Http { url }, Timestamp::from_millis(1));
        endpoint.types = vec![Pattern::parse("ecg.*").unwrap(), Pattern::parse("*.deleted").unwrap()];
        endpoint.users = Users::only([UserId::from("usr_1")]).unwrap();
        endpoint
    }

    fn wants(endpoint: &Endpoint, user: &str, event_type: &str, synckind: SyncKind) -> bool {
        endpoint.wants(&Wanted { user: &UserId::from(user), event_type, synckind, about: None })
    }

    #[test]
    fn an_endpoint_wants_what_any_of_its_patterns_fits_for_its_users_while_it_is_enabled() {
        let mut endpoint = endpoint();
        let live =
            |endpoint: &Endpoint, user: &str, event_type: &str| wants(endpoint, user, event_type, SyncKind::Live);
        assert!(live(&endpoint, "usr_1", "ecg.created") && live(&endpoint, "usr_1", "workout.deleted"));
        assert!(!live(&endpoint, "usr_1", "workout.created") && !live(&endpoint, "usr_2", "ecg.created"));
        endpoint.standing = Standing::Disabled { cause: Cause::Owner, note: None, since_ms: Timestamp::default() };
        assert!(!live(&endpoint, "usr_1", "ecg.created"));
    }

    #[test]
    fn of_a_backfill_an_endpoint_gets_all_the_run_alone_or_nothing() {
        let mut endpoint = endpoint();
        endpoint.types = vec![Pattern::every()];
        for (choice, record, run) in
            [(Backfill::Events, true, true), (Backfill::Marker, false, true), (Backfill::None, false, false)]
        {
            endpoint.backfill = choice;
            assert_eq!(wants(&endpoint, "usr_1", "ecg.created", SyncKind::Backfill), record, "{choice:?}");
            assert_eq!(wants(&endpoint, "usr_1", "backfill.updated", SyncKind::Live), run, "{choice:?}");
            assert!(wants(&endpoint, "usr_1", "ecg.created", SyncKind::Live), "{choice:?}");
        }
    }

    #[test]
    fn an_endpoint_is_not_told_of_itself_and_test_events_go_by_no_filter() {
        let mut endpoint = endpoint();
        (endpoint.types, endpoint.users) = (vec![Pattern::every()], Users::All);
        let app = UserId::app();
        let of = |event_type, about| Wanted { user: &app, event_type, synckind: SyncKind::Live, about };
        let (itself, other) = (EndpointId::from("ep_1"), EndpointId::from("ep_2"));
        assert!(!endpoint.wants(&of("endpoint.warning", Some(&itself))));
        assert!(endpoint.wants(&of("endpoint.warning", Some(&other))));
        assert!(!endpoint.wants(&of(TEST, None)));
    }

    #[test]
    fn what_is_shown_of_a_destination_has_no_path_and_no_query() {
        assert_eq!(endpoint().destination.host(), "example.org");
    }

    #[test]
    fn what_need_not_be_there_is_listed() {
        let bare = serde_json::to_value(endpoint()).unwrap();
        let mut full = endpoint();
        full.contact = Some("a@example.org".parse().unwrap());
        full.description = Some("a".to_owned());
        full.headers = vec!["x-a".to_owned()];
        full.rate = Some(Rate::new(1, 1).unwrap());
        let full = serde_json::to_value(full).unwrap();
        let (full, bare) = (full.as_object().unwrap(), bare.as_object().unwrap());
        assert!(full.keys().filter(|name| !bare.contains_key(*name)).eq(OPTIONAL));
    }

    #[test]
    fn a_cause_reads_back_as_it_was_written() {
        for cause in [Cause::Owner, Cause::Operator, Cause::Gone, Cause::Receiver, Cause::Failing] {
            assert_eq!(Cause::parse(cause.as_str()), Some(cause));
        }
        assert_eq!(Cause::parse("because"), None);
    }
}
