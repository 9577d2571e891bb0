//! What goes wrong, as RFC 9457 has it: a stable `type`, the field at fault and what would be right.
//!
//! The texts are for the caller: they hold no secret, no health value and nothing of what a table or Withings said. That
//! goes to the log, here and nowhere else.

mod kind;

use afferent_gate::MOST_CONNECTIONS;
use afferent_queue::QueueError;
use afferent_registry::{Clash, RegistryError};
use afferent_secrets::SecretsError;
use afferent_store::StoreError;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use kind::{EXPLAINED, Kind, URN};

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// No route has this path.
    #[error("there is nothing at this path")]
    NoRoute,
    /// The path has routes, but none for this method.
    #[error("this path does not take this method; the header Allow names those that it takes")]
    Method,
    /// The caller accepts none of the forms in which the answer could come.
    #[error("none of the forms is accepted that there are: {0}")]
    NotAcceptable(&'static str),
    /// Nothing of that name, or it is not for this key to know of.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// No key, or none that is good.
    #[error("{0}")]
    Key(&'static str),
    /// The key does not have the grant.
    #[error("the key does not have the grant for this: {0} is needed")]
    Grant(&'static str),
    /// A parameter or a member of the body is not right.
    #[error("{field} should be {expected}")]
    Field { field: String, expected: String },
    /// The body is longer than the route takes.
    #[error("the body is longer than {limit} bytes")]
    TooLarge { limit: usize },
    /// It does not fit how things stand; the text says how they would have to stand.
    #[error("{detail}")]
    Conflict { kind: Kind, detail: String },
    /// What was asked for is no longer kept.
    #[error("events up to there are no longer kept; the oldest is {oldest}")]
    Gone { oldest: u64 },
    /// The header `Idempotency-Key` came before with another request.
    #[error("this Idempotency-Key came before with another request: draw a new one for a new request")]
    OtherRequest,
    /// Too many requests.
    #[error("too many requests{what}: ask again after {seconds} s")]
    Limited { what: &'static str, seconds: u64 },
    /// Withings refused, or could not be reached.
    #[error("{detail}")]
    Provider { kind: Kind, detail: String },
    /// Something that is needed is out of reach; asking again is right.
    #[error("{0}; ask again")]
    Unavailable(&'static str),
    /// What a table holds cannot be written as an answer.
    #[error("what the table holds cannot be written as an answer")]
    Unwritable,
}

impl Problem {
    /// A parameter or a member that is not right.
    pub(crate) fn field(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Field { field: field.into(), expected: expected.into() }
    }

    /// How things would have to stand.
    pub(crate) fn conflict(kind: Kind, detail: impl Into<String>) -> Self {
        Self::Conflict { kind, detail: detail.into() }
    }

    /// What kind of problem it is.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::NoRoute => Kind::NoRoute,
            Self::Method => Kind::MethodNotAllowed,
            Self::NotAcceptable(_) => Kind::NotAcceptable,
            Self::NotFound(_) => Kind::NotFound,
            Self::Key(_) => Kind::KeyNeeded,
            Self::Grant(_) => Kind::GrantMissing,
            Self::Field { .. } => Kind::BadField,
            Self::TooLarge { .. } => Kind::BodyTooLarge,
            Self::Conflict { kind, .. } | Self::Provider { kind, .. } => *kind,
            Self::Gone { .. } => Kind::EventsGone,
            Self::OtherRequest => Kind::KeyReused,
            Self::Limited { .. } => Kind::TooManyRequests,
            Self::Unavailable(_) => Kind::Unavailable,
            Self::Unwritable => Kind::Internal,
        }
    }

    /// The user has as many connections as one may have.
    pub(crate) fn too_many_connections() -> Self {
        let detail = format!("the user has {MOST_CONNECTIONS} connections, and nobody may have more");
        Self::conflict(Kind::TooManyConnections, detail)
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body of the answer.
    pub(crate) fn details(&self) -> Details {
        let (status, kind) = (self.status(), self.kind());
        let (field, expected) = match self {
            Self::Field { field, expected } => (Some(field.clone()), Some(expected.clone())),
            _ => (None, None),
        };
        Details {
            kind: format!("{URN}{}", kind.name()),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            field,
            expected,
            oldest: if let Self::Gone { oldest } = self { Some(*oldest) } else { None },
        }
    }
}

/// A problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Details {
    /// What kind of problem it is: a name that stays.
    #[serde(rename = "type")]
    #[schema(schema_with = kind::schema)]
    pub(crate) kind: String,
    /// The status in words.
    #[schema(example = "Bad Request")]
    pub(crate) title: String,
    /// The status.
    #[schema(example = 400)]
    pub(crate) status: u16,
    /// What is wrong, for people.
    pub(crate) detail: String,
    /// The parameter, or the path of the member of the body, that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    /// What it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<String>,
    /// The oldest event that is still kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest: Option<u64>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let details = self.details();
        let body = serde_json::to_string(&details).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(details.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::Key(_) => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::Limited { seconds, .. } => drop(headers.insert(RETRY_AFTER, HeaderValue::from(seconds))),
            _ => {}
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Erasing) {
            let detail = "the person is being erased, which takes a day: nothing can be made of them until then";
            return Self::conflict(Kind::Erasing, detail);
        }
        tracing::error!(%error, "a request met a table that does not answer");
        match error {
            StoreError::Item { .. } => Self::Unwritable,
            _ => Self::Unavailable("a table is out of reach"),
        }
    }
}

impl From<SecretsError> for Problem {
    fn from(error: SecretsError) -> Self {
        tracing::error!(%error, "a request needs a secret that cannot be had");
        Self::Unavailable("a secret is out of reach")
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        tracing::error!(%error, "a request met a queue that does not answer");
        Self::Unavailable("a queue is out of reach")
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::NotFound(what) => Self::NotFound(what),
            RegistryError::Invalid { field, expected } => Self::Field { field, expected },
            RegistryError::Refused(_) => Self::field("url", format!("an address that may be reached: {error}")),
            RegistryError::Beyond(need) => Self::Grant(need),
            RegistryError::Conflict(clash) => Self::conflict(kind_of(clash), clash.to_string()),
            RegistryError::TooManySecrets { .. } => Self::conflict(Kind::TooManySecrets, error.to_string()),
            RegistryError::Unavailable(what) => Self::Unavailable(what),
        }
    }
}

/// The kind of what the registry refuses by how things stand. The ids of endpoints are drawn here, so of one that is
/// taken it is right to ask again.
const fn kind_of(clash: Clash) -> Kind {
    match clash {
        Clash::Taken | Clash::BrokeOff | Clash::Changing => Kind::EndpointChanging,
        Clash::Disabled => Kind::EndpointDisabled,
        Clash::NoMoreSecrets => Kind::NoMoreSecrets,
        Clash::CurrentSecret => Kind::CurrentSecret,
        Clash::DeliveryWaits => Kind::DeliveryWaits,
        Clash::DeliveryOver => Kind::DeliveryOver,
        Clash::TryUnderWay => Kind::TryUnderWay,
        Clash::TooManyJobs => Kind::TooManyJobs,
        Clash::JobOver => Kind::JobOver,
        Clash::JobNeeded => Kind::JobNeeded,
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        tracing::error!(at = error.column(), "an answer could not be written");
        Self::Unwritable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_field_and_what_would_be_right() {
        let details = Problem::field("limit", "a number from 1 to 100").details();
        let json = serde_json::to_value(details).unwrap();
        assert_eq!(json["type"], "urn:afferent:problem:bad-field");
        assert_eq!(
            (json["field"].as_str(), json["expected"].as_str()),
            (Some("limit"), Some("a number from 1 to 100"))
        );
        assert_eq!(json["status"], 400);
        assert!(json.get("oldest").is_none());
    }

    #[test]
    fn whoever_asks_too_often_is_told_when_to_come_back() {
        let response = Problem::Limited { what: "", seconds: 7 }.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "7");
    }
}
