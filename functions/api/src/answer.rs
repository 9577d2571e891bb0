//! What the lists hold, and what goes wrong.

use afferent_secrets::SecretsError;
use afferent_store::StoreError;
use afferent_store::events::After;
use afferent_store::notifications::State;
use lambda_http::http::StatusCode;
use lambda_http::http::header::CONTENT_TYPE;
use lambda_http::{Body, Response};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::Api;
use crate::consent::{Invitation, InviteError};
use crate::route::{Route, cursor};

/// Why a request is refused. The texts go to the caller; a table's own error does not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("there is nothing at this path")]
    NotFound,
    #[error("this path takes {0} and nothing else")]
    Method(&'static str),
    #[error("a key is needed: Authorization: Bearer afk_…")]
    Key,
    #[error("the key does not have the scope for this")]
    Scope,
    #[error("the parameter {name} should be {expected}")]
    Parameter { name: String, expected: &'static str },
    #[error("events up to there are no longer kept; the oldest is {oldest}")]
    Gone { oldest: u64 },
    #[error("a table is out of reach; try again")]
    Store(#[from] StoreError),
    #[error("a secret is out of reach; try again")]
    Secrets(#[from] SecretsError),
    #[error("what the table holds cannot be written as JSON")]
    Unwritable(#[from] serde_json::Error),
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::Store(error) => Self::Store(error),
            InviteError::Secrets(error) => Self::Secrets(error),
        }
    }
}

impl Problem {
    /// The status, and the last part of the problem's `type`.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Self::Key => (StatusCode::UNAUTHORIZED, "key-needed"),
            Self::Scope => (StatusCode::FORBIDDEN, "scope-missing"),
            Self::Parameter { .. } => (StatusCode::BAD_REQUEST, "bad-parameter"),
            Self::Gone { .. } => (StatusCode::GONE, "events-gone"),
            Self::Store(_) | Self::Secrets(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Unwritable(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// The problem as RFC 9457 has it.
    pub(crate) fn response(&self) -> Response<Body> {
        let (status, kind) = self.kind();
        let mut body = json!({
            "type": format!("urn:afferent:problem:{kind}"),
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        match self {
            Self::Parameter { name, .. } => body["parameter"] = json!(name),
            Self::Gone { oldest } => body["oldest"] = json!(oldest),
            _ => {}
        }
        respond(status, "application/problem+json", body.to_string())
    }
}

/// Where a person is to be sent.
pub(crate) fn invitation(invitation: &Invitation) -> Response<Body> {
    let body = json!({"authorize_url": invitation.url, "expires": invitation.expires.to_string()});
    respond(StatusCode::OK, "application/json", body.to_string())
}

impl Api {
    pub(crate) async fn list(&self, route: Route) -> Result<Response<Body>, Problem> {
        let body = match route {
            Route::Health => json!({"status": "ok"}).to_string(),
            Route::Endpoints => {
                let endpoints = self.endpoints.all().await?;
                json!({"endpoints": endpoints}).to_string()
            }
            Route::Notifications { day } => {
                let mut counts = Map::new();
                for state in State::ALL {
                    counts.insert(state.name().to_owned(), Value::from(self.notifications.count(state, &day).await?));
                }
                json!({"day": day, "notifications": counts}).to_string()
            }
            Route::Records { user, kind, after, limit } => {
                let (records, next) = self.records.page(&user, kind.as_deref(), after.as_ref(), limit).await?;
                let records = records.iter().map(serde_json::value::to_raw_value).collect::<Result<Vec<_>, _>>();
                page("records", &records?, next.map(|next| cursor(&next)))
            }
            Route::Events { user, after, limit } => match self.events.after(&user, after, limit).await? {
                After::Gone { oldest } => return Err(Problem::Gone { oldest }),
                After::Events(events) => {
                    let last = events.last().map(|event| event.sequence.to_string());
                    // All or none: a list that left one out would show a gap that the journal does not have.
                    let bodies = events.into_iter().map(|event| RawValue::from_string(event.body));
                    page("events", &bodies.collect::<Result<Vec<_>, _>>()?, last)
                }
            },
        };
        Ok(respond(StatusCode::OK, "application/json", body))
    }
}

/// A list whose members keep their exact text (decimals would be bent on the way through a `Value`).
fn page(name: &str, members: &[Box<RawValue>], next: Option<String>) -> String {
    let members: Vec<&str> = members.iter().map(|member| member.get()).collect();
    format!(r#"{{"{name}":[{}],"next":{}}}"#, members.join(","), json!(next))
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::Text(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, lambda_http::http::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(problem: Problem) -> StatusCode {
        problem.response().status()
    }

    #[test]
    fn what_cannot_be_written_is_our_fault_and_not_a_wrong_path() {
        let error = RawValue::from_string("{".to_owned()).unwrap_err();
        assert_eq!(status(Problem::from(error)), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(status(Problem::NotFound), StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_list_keeps_the_exact_text_of_its_members() {
        let member = RawValue::from_string(r#"{"value":81.20}"#.to_owned()).unwrap();
        assert_eq!(page("records", &[member], None), r#"{"records":[{"value":81.20}],"next":null}"#);
    }
}
