//! The journal of a user.

use afferent_store::events::After;
use afferent_store::records::{PAGE_BYTES, escaped_len};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{Answer, text};
use crate::door::UserReader;
use crate::extract::{Query, limit};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; list_events)
}

/// Which part of a journal.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wish {
    /// The sequence number after which to begin; 0 for the beginning.
    #[serde(default)]
    after: u64,
    /// How many at most, from 1 to 100; 25 unless it is said. Fewer come where events are large.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// An event, as endpoints get it in the form `full`: at once a CloudEvents 1.0 event and a Standard Webhooks payload. What
/// `data` has depends on the type: `GET /v1/event-types/{type}` gives the schema.
#[derive(ToSchema)]
#[schema(as = Event)]
#[expect(dead_code, reason = "it says to readers of the document what the answer is; events keep their exact text")]
struct EventShape {
    /// `1.0`: of CloudEvents.
    #[schema(pattern = r"^1\.0$")]
    specversion: String,
    /// The same in every delivery and every try: `webhook-id`.
    id: String,
    /// The connection, `/withings/con_…`; of a notice and a test event the endpoint, `/afferent/ep_…`.
    source: String,
    /// What happened to what.
    #[schema(example = "body_weight.created")]
    r#type: String,
    /// Whose journal the event is in.
    subject: String,
    /// When it happened (RFC 3339, UTC).
    time: String,
    /// The same as `time`, for Standard Webhooks.
    timestamp: String,
    /// `application/json`.
    datacontenttype: String,
    /// The `$id` of the schema that the event follows.
    dataschema: String,
    /// The number in the journal of the subject, 20 digits: by one more for each event, without gaps.
    #[schema(pattern = "^[0-9]{20}$")]
    sequence: String,
    /// Grows when the journal is restored from a backup: numbers may then come again.
    epoch: u32,
    /// `live` or `backfill`.
    synckind: String,
    /// The backfill run that brought it.
    run: Option<String>,
    /// `true` in a test event: nothing happened, and the data are an example.
    test: Option<bool>,
    /// What it is about: a record, but for what only tells how it is kept.
    #[schema(value_type = BTreeMap<String, Value>)]
    data: Box<RawValue>,
}

/// A part of a journal.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what the answer is; events keep their exact text")]
struct EventPage {
    /// The events, in the order of their numbers.
    #[schema(value_type = Vec<EventShape>)]
    events: Vec<Box<RawValue>>,
    /// The number to go on with as `after`: that of the last event here. `null` if there are no events; whoever follows a
    /// journal then asks again with the number that was used before.
    #[schema(required, pattern = "^[0-9]+$")]
    next: Option<String>,
}

/// Lists the events of a user after a sequence number, exactly as they are sent to endpoints.
#[utoipa::path(
    get,
    path = "/v1/users/{user}/events",
    tag = "Data",
    params(("user" = String, Path, description = "The user, or `_app` for what has no person."), Wish),
    security(("key" = ["user"])),
    responses(
        (status = 200, description = "The events, and the number to go on after.", body = EventPage),
        (status = 410, description = "Some that follow are no longer kept; `oldest` is the oldest that is.", body = crate::problem::Details, content_type = "application/problem+json"),
    )
)]
async fn list_events(State(app): State<Shared>, reader: UserReader, Query(wish): Query<Wish>) -> Answer {
    let limit = limit(wish.limit, 25, 100)?;
    let mut events = match app.outbox.events().after(&reader.user, wish.after, limit).await? {
        After::Gone { oldest } => return Err(Problem::Gone { oldest }),
        After::Events(events) => events,
    };
    reader.exists(&app, events.is_empty()).await?;
    events.truncate(fitting(events.iter().map(|event| escaped_len(&event.body))));
    let last = events.last().map(|event| event.sequence.to_string());
    // All or none: a list that left one out would show a gap that the journal does not have.
    let bodies = events.into_iter().map(|event| RawValue::from_string(event.body)).collect::<Result<Vec<_>, _>>()?;
    Ok(text(StatusCode::OK, "application/json", super::page("events", &bodies, last)))
}

/// How many of the first events an answer can hold, by their bytes: one at least, whatever its size.
fn fitting(sizes: impl Iterator<Item = usize>) -> usize {
    let sums = sizes.scan(0, |sum, bytes| {
        *sum += bytes;
        Some(*sum)
    });
    sums.enumerate().take_while(|(number, sum)| *number == 0 || *sum <= PAGE_BYTES).count()
}
