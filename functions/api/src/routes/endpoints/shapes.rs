//! What requests and answers about endpoints look like, for the OpenAPI document. The registry reads and writes the values;
//! tests hold these shapes against it.

#![expect(dead_code, reason = "only their shapes are used, and those by the document alone")]

use std::collections::BTreeMap;

use afferent_registry::Offer;
use serde::Serialize;
use utoipa::ToSchema;

use crate::routes::jobs::JobShown;

/// Where events go.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EndpointDestination {
    /// A server.
    Http {
        /// Its address.
        #[schema(example = "https://example.org/hooks")]
        url: String,
    },
    /// A queue of the customer's own.
    Sqs {
        /// Its URL.
        #[schema(example = "https://sqs.eu-west-1.amazonaws.com/123456789012/health")]
        queue_url: String,
    },
}

/// Whose events: `_all`, or a list of 1 to 45 ids of users.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum EventUsers {
    /// Those of every user, and those without one.
    All(EveryUser),
    /// Those of these users.
    Only(Vec<String>),
}

#[derive(Serialize, ToSchema)]
enum EveryUser {
    #[serde(rename = "_all")]
    All,
}

/// What an endpoint gets of a backfill: every event, only the events of the run itself, or nothing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum BackfillEvents {
    Events,
    Marker,
    None,
}

/// How much of a record is sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EventPayload {
    /// All of it.
    Full,
    /// Which, which revision, and whether it still holds: nothing that was measured.
    Thin,
    /// The same, and these attributes for the types that fit.
    Fields(BTreeMap<String, Vec<String>>),
}

/// When a failed delivery is tried again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum RetryPolicy {
    /// As Withings does: five cycles of two tries, over about six hours; any status below 400 is a success.
    Withings,
    /// As Standard Webhooks recommends: ten tries over about 76 hours; 2xx is a success.
    StandardWebhooks,
    /// One's own waits; 2xx is a success.
    Custom {
        /// The waits between the tries in seconds, 1 to 86400 each, at most 20.
        waits_s: Vec<u32>,
    },
}

/// How often an endpoint may be called: at least once in five minutes.
#[derive(Serialize, ToSchema)]
struct EndpointRate {
    /// So many requests,
    #[schema(minimum = 1, maximum = 1000, example = 10)]
    requests: u32,
    /// in so many seconds.
    #[schema(minimum = 1, maximum = 3600, example = 1)]
    per_s: u32,
}

/// A new endpoint: `url`, or else `queue_url`, and what it wants.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://example.org/hooks", "types": ["body_weight.*", "*.deleted"]}))]
pub(crate) struct NewEndpoint {
    /// The address of a server. Its name must resolve to public addresses.
    url: Option<String>,
    /// The URL of an SQS queue that lets this stack send.
    queue_url: Option<String>,
    /// Patterns of event types, 1 to 100: `body_weight.created`, `body_weight.*`, `*.deleted`, `*`. All unless it is said.
    types: Option<Vec<String>>,
    /// Whose events; everybody's unless it is said.
    users: Option<EventUsers>,
    /// What of a backfill; `events` unless it is said.
    backfill: Option<BackfillEvents>,
    /// How much of a record; `full` unless it is said.
    payload: Option<EventPayload>,
    /// When a failed delivery is tried again; `withings` unless it is said.
    policy: Option<RetryPolicy>,
    /// How often it may be called; as often as there is something unless it is said.
    rate: Option<EndpointRate>,
    /// Up to ten headers of one's own, such as `authorization`. Kept sealed, and never shown.
    headers: Option<BTreeMap<String, String>>,
    /// The email address that is told when the endpoint fails.
    contact: Option<String>,
    /// What its owner calls it: at most 200 characters in one line.
    description: Option<String>,
    /// A secret of one's own: `whsec_` and 24 to 64 bytes in base64. Drawn unless it is given.
    secret: Option<String>,
}

/// A change of an endpoint. What is not named stays.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"types": ["ecg.*"], "rate": {"requests": 10, "per_s": 1}}))]
pub(super) struct EndpointChange {
    /// The address of a server.
    url: Option<String>,
    /// The URL of an SQS queue.
    queue_url: Option<String>,
    /// Patterns of event types.
    types: Option<Vec<String>>,
    /// Whose events.
    users: Option<EventUsers>,
    /// What of a backfill.
    backfill: Option<BackfillEvents>,
    /// How much of a record.
    payload: Option<EventPayload>,
    /// When a failed delivery is tried again.
    policy: Option<RetryPolicy>,
    /// How often it may be called. More often, and nothing new stands behind what already waits for its turn.
    rate: Option<EndpointRate>,
    /// All headers of one's own anew.
    headers: Option<BTreeMap<String, String>>,
    /// The email address that is told when the endpoint fails.
    contact: Option<String>,
    /// What its owner calls it.
    description: Option<String>,
}

/// Whether an endpoint receives anything.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
enum EndpointStanding {
    /// It does.
    Enabled,
    /// It does not.
    Disabled {
        /// Why.
        cause: DisableCause,
        /// What whoever disabled it wrote about it.
        #[schema(nullable = false)]
        note: Option<String>,
        /// Since when, in milliseconds since 1970.
        since_ms: i64,
    },
}

/// Why an endpoint is disabled: its owner did it; it was done with a key to all endpoints, and its owner does not undo that;
/// it answered 410; it answered `webhook-delivery: disable`; it failed for 20 days.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DisableCause {
    Owner,
    Operator,
    Gone,
    Receiver,
    Failing,
}

/// A receiver of events.
#[derive(Serialize, ToSchema)]
pub(super) struct Endpoint {
    /// Its id.
    #[schema(example = "ep_5v6j1g23tk2p6eb2h2fk4dzvym")]
    endpoint: String,
    destination: EndpointDestination,
    /// Patterns of event types.
    types: Vec<String>,
    users: EventUsers,
    backfill: BackfillEvents,
    payload: EventPayload,
    policy: RetryPolicy,
    #[schema(nullable = false)]
    rate: Option<EndpointRate>,
    /// The names of the headers of its owner's own.
    #[schema(nullable = false)]
    headers: Option<Vec<String>>,
    /// The email address that is told when it fails.
    #[schema(nullable = false)]
    contact: Option<String>,
    /// What its owner calls it.
    #[schema(nullable = false)]
    description: Option<String>,
    /// When it was registered, in milliseconds since 1970.
    created_ms: i64,
    standing: EndpointStanding,
}

/// An endpoint that was registered just now.
#[derive(Serialize, ToSchema)]
pub(super) struct EndpointRegistered {
    #[schema(inline)]
    #[serde(flatten)]
    endpoint: Endpoint,
    /// The secret that signs.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
}

/// A part of the list of endpoints.
#[derive(Serialize, ToSchema)]
pub(super) struct EndpointList {
    /// The endpoints.
    endpoints: Vec<Endpoint>,
    /// The cursor of the next part; `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

/// An endpoint with all that may be shown of it.
#[derive(Serialize, ToSchema)]
pub(super) struct EndpointShown {
    #[serde(flatten)]
    endpoint: Endpoint,
    health: EndpointHealth,
    /// Its secrets, without what they are.
    secrets: Vec<EndpointSecretState>,
}

/// Whether an endpoint is called: it is; it is not, but for a probe now and then; it is again, and what was kept back is on
/// its way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EndpointBreaker {
    Closed,
    Open,
    Draining,
}

/// How an endpoint fares. Times in milliseconds since 1970.
#[derive(Serialize, ToSchema)]
struct EndpointHealth {
    breaker: EndpointBreaker,
    /// The last delivery that succeeded, to the minute.
    #[schema(nullable = false)]
    last_success_ms: Option<i64>,
    /// The first failed try after that.
    #[schema(nullable = false)]
    failing_since_ms: Option<i64>,
    /// Failed tries after that.
    failed_tries: u32,
    /// Deliveries that ended undelivered after that.
    failures_in_a_row: u32,
    /// When the next probe may be made, while the breaker is open.
    #[schema(nullable = false)]
    next_probe_ms: Option<i64>,
    /// When the endpoint is disabled if nothing succeeds.
    #[schema(nullable = false)]
    disabled_at_ms: Option<i64>,
}

/// A secret, without what it is. Times in milliseconds since 1970.
#[derive(Serialize, ToSchema)]
struct EndpointSecretState {
    /// Which of the endpoint's secrets, from 1.
    number: u16,
    /// When it was made.
    created_ms: i64,
    /// When it stops signing; of the current one nothing.
    #[schema(nullable = false)]
    until_ms: Option<i64>,
    /// Whether it signs now.
    signs: bool,
}

/// The secrets of an endpoint.
#[derive(Serialize, ToSchema)]
pub(super) struct EndpointSecretList {
    /// The secrets, by their numbers.
    secrets: Vec<EndpointSecretState>,
    /// Always `null`: the list is whole.
    #[schema(required)]
    next: Option<String>,
}

/// A secret as its owner is shown it.
#[derive(Serialize, ToSchema)]
pub(super) struct EndpointSecret {
    /// Which of the endpoint's secrets, from 1.
    number: u16,
    /// The secret.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
}

/// What an endpoint missed: two previews, which are counting. The same without `preview` brings it.
#[derive(Serialize, ToSchema)]
pub(crate) struct MissedEvents {
    /// What ended without being delivered.
    recover: JobShown,
    /// What was never made a delivery of.
    replay: JobShown,
}

impl MissedEvents {
    pub(super) fn new(offer: Offer) -> Self {
        Self { recover: offer.recover.into(), replay: offer.replay.into() }
    }
}

/// What came of enabling an endpoint.
#[derive(Serialize, ToSchema)]
pub(super) struct EndpointEnabled {
    endpoint: Endpoint,
    /// What it missed; nothing if it was enabled already.
    #[schema(nullable = false)]
    offer: Option<MissedEvents>,
}

/// The value of [`EndpointEnabled`].
#[derive(Serialize)]
pub(super) struct EnabledBody {
    pub(super) endpoint: afferent_domain::endpoint::Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offer: Option<MissedEvents>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::PartialSchema;
    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::{Object, Schema};

    use super::*;

    fn members<T: PartialSchema>() -> BTreeSet<String> {
        match T::schema() {
            RefOr::T(Schema::Object(Object { properties, .. })) => properties.into_keys().collect(),
            _ => panic!("it is no object"),
        }
    }

    #[test]
    fn the_members_that_are_documented_are_those_that_the_registry_reads() {
        let mut read: BTreeSet<String> = afferent_registry::wish::names().map(str::to_owned).collect();
        assert_eq!(members::<NewEndpoint>(), read);
        read.remove("secret");
        assert_eq!(members::<EndpointChange>(), read);
    }
}
