//! What kinds of problems there are. The names stay: programs go by them.

use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// What the type of a problem begins with.
pub(crate) const URN: &str = "urn:afferent:problem:";

/// The name under which the document says of each type what it means.
pub(crate) const EXPLAINED: &str = "x-types";

macro_rules! kinds {
    ($($variant:ident $name:literal $status:literal $again:literal $when:literal;)*) => {
        /// The kind of a problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $(#[doc = $when] $variant,)*
        }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$variant),*];

            /// The last part of its type.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its status.
            pub(crate) const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Whether the same request may be answered otherwise later.
            const fn again(self) -> &'static str {
                match self { $(Self::$variant => $again,)* }
            }

            /// When it is answered.
            const fn when(self) -> &'static str {
                match self { $(Self::$variant => $when,)* }
            }
        }
    };
}

kinds! {
    BadField "bad-field" 400 "no" "A parameter or a member of the body is not right: `field` says which, `expected` what would be.";
    KeyNeeded "key-needed" 401 "no" "There is no key, or it is unknown, revoked or over.";
    GrantMissing "grant-missing" 403 "no" "The key does not have the grant that this needs.";
    NoRoute "no-route" 404 "no" "There is nothing at this path.";
    NotFound "not-found" 404 "no" "There is no such thing, or it is not for this key to know of.";
    MethodNotAllowed "method-not-allowed" 405 "no" "The path does not take this method.";
    NotAcceptable "not-acceptable" 406 "no" "None of the accepted forms is one that there is.";
    EndpointDisabled "endpoint-disabled" 409 "once it is enabled" "The endpoint is disabled: nothing is delivered to it.";
    EndpointChanging "endpoint-changing" 409 "yes" "Others make or change the endpoint, or its secrets, at the same time.";
    CurrentSecret "current-secret" 409 "no" "The secret is the current one: rotating it with an overlap of 0 ends it.";
    TooManySecrets "too-many-secrets" 409 "once one ended" "As many secrets of the endpoint sign as there may be.";
    NoMoreSecrets "no-more-secrets" 409 "no" "The endpoint has had as many secrets as it may ever have.";
    DeliveryWaits "delivery-waits" 409 "once it ended" "The delivery has not ended: it is tried again by itself.";
    DeliveryOver "delivery-over" 409 "no" "The delivery has ended.";
    TryUnderWay "try-under-way" 409 "yes" "A try of the delivery is under way.";
    TooManyJobs "too-many-jobs" 409 "once one is over" "As many jobs of the endpoint run as may.";
    JobOver "job-over" 409 "no" "The job is over.";
    JobNeeded "job-needed" 409 "no" "The job cancels what waits for a disabled endpoint: enabling the endpoint ends it.";
    NotConnected "not-connected" 409 "once it lives" "The connection does not live, or the user has none that does.";
    Reauthorise "reauthorise" 409 "once the person connected again" "The connection's tokens are dead.";
    NotAllowed "not-allowed" 409 "no" "The person's consent, or the plan at Withings, does not allow it.";
    NotGranted "not-granted" 409 "once it is granted" "The person has not granted what a service needs.";
    DeviceRefused "device-refused" 409 "no" "Withings does not take the device.";
    ConnectedAgain "connected-again" 409 "yes" "The person is connecting again just now.";
    TooManyConnections "too-many-connections" 409 "no" "The user has as many connections as one may have.";
    Erasing "erasing" 409 "after a day" "The person is being erased.";
    BackfillUnderWay "backfill-under-way" 409 "once it is over" "A backfill that reads all of this is under way.";
    TooManyBackfills "too-many-backfills" 409 "once one is over" "As many backfills of the connection are under way as there may be.";
    BackfillOver "backfill-over" 409 "no" "The backfill is over.";
    RoundUnderWay "round-under-way" 409 "once it is over" "A round is under way.";
    NotQuarantined "not-quarantined" 409 "no" "The notification is not in quarantine.";
    NotHeld "not-held" 409 "no" "The retraction is not held.";
    VisitUnderWay "visit-under-way" 409 "yes" "A person's visit with this state is under way.";
    KeyUnderWay "idempotency-under-way" 409 "yes" "The request with this `Idempotency-Key` is being done.";
    AnswerNotKept "idempotency-answer-not-kept" 409 "no" "The request with this `Idempotency-Key` was done, and its answer could not be kept.";
    EventsGone "events-gone" 410 "no" "Events up to there are no longer kept; `oldest` is the first that is.";
    BodyTooLarge "body-too-large" 413 "no" "The body is too long.";
    KeyReused "idempotency-key-reused" 422 "no" "The `Idempotency-Key` came before with another request.";
    TooManyRequests "too-many-requests" 429 "yes" "Too many requests: `Retry-After` says when to come back.";
    Internal "internal" 500 "no" "What is stored cannot be written as an answer.";
    ProviderError "provider-error" 502 "yes" "Withings refused, or could not be reached.";
    Unavailable "unavailable" 503 "yes" "Something that is needed is out of reach.";
    Denied "denied" 403 "with a new link" "Of a link: the person said no.";
    ScopesMissing "required_scopes_missing" 403 "with a new link" "Of a link: a permission that is needed was not given.";
    OtherBrowser "other_browser" 403 "in the first browser" "Of a link: it was opened in another browser.";
    TokenConsumed "token_consumed" 409 "with a new link" "Of a link: it was used.";
    Duplicate "duplicate_connection" 409 "no" "Of a link: the Withings account is connected for another user.";
    TokenExpired "token_expired" 410 "with a new link" "Of a link: it is too old or unknown.";
    LinkFailed "provider_error" 502 "with a new link" "Of a link: Withings, or Afferent, could not.";
}

/// The schema of a problem's `type`: all that there are, and what each means.
pub(super) fn schema() -> RefOr<Schema> {
    let types = Kind::ALL.iter().map(|kind| format!("{URN}{}", kind.name()));
    let explained = |kind: &Kind| serde_json::json!({"type": kind.name(), "status": kind.status(), "again": kind.again(), "when": kind.when()});
    let explained: Vec<_> = Kind::ALL.iter().map(explained).collect();
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(types))
        .description(Some("What kind of problem it is: a name that stays."))
        .examples([format!("{URN}bad-field")])
        .extensions(Some(ExtensionsBuilder::new().add(EXPLAINED, explained).build()))
        .into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use afferent_domain::link::Refusal;

    use super::*;

    #[test]
    fn no_name_is_given_twice_and_each_is_told() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert!((400..600).contains(&kind.status()), "{kind:?}");
            assert!(kind.when().ends_with('.') && !kind.again().is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn every_way_in_which_a_link_ends_is_a_kind() {
        for refusal in Refusal::ALL {
            assert!(Kind::ALL.iter().any(|kind| kind.name() == refusal.name()), "{refusal:?}");
        }
    }

    /// Programs go by these names: one that is taken away or renamed here breaks them.
    #[test]
    fn the_names_stay() {
        let kept: serde_json::Value = serde_json::from_str(crate::openapi::KEPT).unwrap();
        let kept = kept["components"]["schemas"]["Problem"]["properties"]["type"]["enum"].as_array().unwrap();
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| format!("{URN}{}", kind.name())).collect();
        for name in kept {
            assert!(names.contains(name.as_str().unwrap()), "{name} is gone");
        }
    }
}
