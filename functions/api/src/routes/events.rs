//! The journal of a user.

use afferent_store::events::After;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, text};
use crate::door::UserReader;
use crate::extract::{Query, limit};
use crate::problem::Problem;
use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list_events))
}

/// Which part of a journal.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wish {
    /// The sequence number after which to begin; 0 for the beginning.
    #[serde(default)]
    after: u64,
    /// How many at most, from 1 to 100; 25 unless it is said.
    limit: Option<u32>,
}

/// Lists the events of a user after a sequence number, exactly as they are sent to endpoints.
#[utoipa::path(
    get,
    path = "/v1/users/{user}/events",
    tag = "Data",
    params(("user" = String, Path, description = "The user, or `_app` for what has no person."), Wish),
    security(("key" = ["user"])),
    responses(
        (status = 200, description = "The events, and the number to go on after.", body = Object),
        (status = 410, description = "Some that follow are no longer kept; `oldest` is the oldest that is.", body = crate::problem::Details, content_type = "application/problem+json"),
    )
)]
async fn list_events(State(app): State<Shared>, reader: UserReader, Query(wish): Query<Wish>) -> Answer {
    let limit = limit(wish.limit, 25, 100)?;
    let events = match app.outbox.events().after(&reader.user, wish.after, limit).await? {
        After::Gone { oldest } => return Err(Problem::Gone { oldest }),
        After::Events(events) => events,
    };
    let last = events.last().map(|event| event.sequence.to_string());
    // All or none: a list that left one out would show a gap that the journal does not have.
    let bodies = events.into_iter().map(|event| RawValue::from_string(event.body)).collect::<Result<Vec<_>, _>>()?;
    Ok(text(StatusCode::OK, "application/json", super::page("events", &bodies, last)))
}
