//! What became of the deliveries to an endpoint.

use afferent_domain::id::EventId;
use afferent_registry::{ListWish, MOST_LISTED, Only};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::commands::Nothing;
use super::{Answer, json, json_with};
use crate::door::EndpointOwner;
use crate::extract::{MaybeBody, Path, Query, limit};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; list_deliveries, show_delivery, resend_delivery, cancel_delivery)
}

/// Which deliveries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wish {
    /// Only those that stand so: `waiting`, `delivered`, `exhausted` (every try failed), `expired` (too old), `cancelled`, or
    /// `undelivered` (the last three).
    #[param(value_type = Option<shapes::OnlyState>, inline)]
    state: Option<Only>,
    /// How many at most, from 1 to 200; 50 unless it is said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next` of the answer before.
    cursor: Option<String>,
}

/// Lists the deliveries to an endpoint, the newest first.
///
/// Of a rare state a part may hold few, or none, and yet have a `next`: go on until it is `null`.
#[utoipa::path(
    get,
    path = "/v1/endpoints/{endpoint}/deliveries",
    tag = "Deliveries",
    params(("endpoint" = String, Path, description = "The endpoint."), Wish),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "A part of the list.", body = shapes::DeliveryList))
)]
async fn list_deliveries(State(app): State<Shared>, owner: EndpointOwner, Query(wish): Query<Wish>) -> Answer {
    let limit = wish.limit.map(|asked| limit(Some(asked), MOST_LISTED, MOST_LISTED)).transpose()?;
    let wish = ListWish { state: wish.state, cursor: wish.cursor, limit };
    json(&app.registry().await?.deliveries(&owner.endpoint, &wish).await?)
}

/// An event, as the path names it.
fn event(text: &str) -> Result<EventId, Problem> {
    EventId::parse(text).ok_or(Problem::NotFound("delivery"))
}

/// Shows a delivery, with every attempt.
#[utoipa::path(
    get,
    path = "/v1/endpoints/{endpoint}/deliveries/{event}",
    tag = "Deliveries",
    params(
        ("endpoint" = String, Path, description = "The endpoint."),
        ("event" = String, Path, description = "The event that is delivered."),
    ),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The delivery.", body = shapes::Delivery))
)]
async fn show_delivery(
    State(app): State<Shared>,
    owner: EndpointOwner,
    Path((_, id)): Path<(String, String)>,
) -> Answer {
    json(&app.registry().await?.delivery(&event(&id)?, &owner.endpoint).await?)
}

/// Delivers an event again, whether it was delivered or not.
///
/// It keeps its `webhook-id`, and has every try of the policy.
#[utoipa::path(
    post,
    path = "/v1/endpoints/{endpoint}/deliveries/{event}/resend",
    tag = "Deliveries",
    params(
        ("endpoint" = String, Path, description = "The endpoint."),
        ("event" = String, Path, description = "The event that is delivered."),
    ),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["endpoint"])),
    responses((status = 202, description = "The delivery, which is on its way.", body = shapes::Delivery))
)]
async fn resend_delivery(
    State(app): State<Shared>,
    owner: EndpointOwner,
    Path((_, id)): Path<(String, String)>,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    let (registry, event) = (app.registry().await?, event(&id)?);
    registry.resend(&event, &owner.endpoint).await?;
    json_with(StatusCode::ACCEPTED, &registry.delivery(&event, &owner.endpoint).await?)
}

/// Cancels a delivery that waits.
///
/// It can be sent again; no recovery does so.
#[utoipa::path(
    post,
    path = "/v1/endpoints/{endpoint}/deliveries/{event}/cancel",
    tag = "Deliveries",
    params(
        ("endpoint" = String, Path, description = "The endpoint."),
        ("event" = String, Path, description = "The event that is delivered."),
    ),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The delivery as it is now.", body = shapes::Delivery))
)]
async fn cancel_delivery(
    State(app): State<Shared>,
    owner: EndpointOwner,
    Path((_, id)): Path<(String, String)>,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    let (registry, event) = (app.registry().await?, event(&id)?);
    registry.cancel(&event, &owner.endpoint).await?;
    json(&registry.delivery(&event, &owner.endpoint).await?)
}

/// What answers look like, for the OpenAPI document. The registry writes the values; tests hold these shapes against them.
mod shapes {
    #![expect(dead_code, reason = "only their shapes are used, and those by the document alone")]

    use super::ToSchema;

    #[derive(ToSchema)]
    #[schema(rename_all = "snake_case")]
    pub(super) enum OnlyState {
        Waiting,
        Delivered,
        Exhausted,
        Expired,
        Cancelled,
        Undelivered,
    }

    /// `queued`, `held` or `parked` while a delivery waits; `delivered`, `exhausted`, `expired` or `cancelled` once it ended.
    #[derive(ToSchema)]
    #[schema(rename_all = "snake_case")]
    enum DeliveryState {
        Queued,
        Held,
        Parked,
        Delivered,
        Exhausted,
        Expired,
        Cancelled,
    }

    /// A part of the list of deliveries.
    #[derive(ToSchema)]
    pub(super) struct DeliveryList {
        /// The deliveries, the newest first.
        deliveries: Vec<DeliveryRow>,
        /// The cursor of the next part; `null` at the end.
        #[schema(required)]
        next: Option<String>,
    }

    /// A delivery as a list has it.
    #[derive(ToSchema)]
    struct DeliveryRow {
        /// Its event.
        event: String,
        state: DeliveryState,
        /// When it was made, in milliseconds since 1970.
        created_ms: i64,
    }

    /// What the next try of a delivery waits for: its policy, the endpoint's rate, its breaker, or what the endpoint asked
    /// for.
    #[derive(ToSchema)]
    #[schema(rename_all = "snake_case")]
    enum DeliveryWait {
        Schedule,
        Rate,
        Breaker,
        RetryAfter,
    }

    /// A delivery, and every attempt. Times in milliseconds since 1970.
    #[derive(ToSchema)]
    pub(super) struct Delivery {
        /// Its event.
        event: String,
        /// Its endpoint.
        endpoint: String,
        /// The journal that the event is in: a user, or `_app`.
        user: String,
        /// The event's number there.
        sequence: u64,
        /// The event's type.
        #[schema(example = "body_weight.created")]
        r#type: String,
        state: DeliveryState,
        /// Why it ended.
        #[schema(nullable = false)]
        reason: Option<String>,
        /// When it was made.
        created_ms: i64,
        /// When it was last sent again; when it was made, if it never was.
        since_ms: i64,
        /// When it ended.
        #[schema(nullable = false)]
        ended_ms: Option<i64>,
        /// When the next try may be made.
        #[schema(nullable = false)]
        next_ms: Option<i64>,
        #[schema(nullable = false)]
        waits_for: Option<DeliveryWait>,
        /// Every attempt, in its order.
        attempts: Vec<DeliveryAttempt>,
    }

    /// One attempt: answered (`status`, `headers`, `excerpt`, `truncated`), taken by a queue (`message`), or neither (`error`,
    /// `fault`). Of the phases those that it came to.
    #[derive(ToSchema)]
    struct DeliveryAttempt {
        /// Its number, from 1.
        number: u32,
        /// When it began, in milliseconds since 1970.
        at_ms: i64,
        /// The cycle of the policy, from 1.
        cycle: u16,
        /// Which try of the cycle, from 1.
        r#try: u16,
        /// How long it took.
        duration_ms: u64,
        /// How long resolving the name took.
        #[schema(nullable = false)]
        resolve_ms: Option<u64>,
        /// Connecting, TLS included.
        #[schema(nullable = false)]
        connect_ms: Option<u64>,
        /// From the request to the first byte of the answer.
        #[schema(nullable = false)]
        first_byte_ms: Option<u64>,
        /// Reading the body.
        #[schema(nullable = false)]
        body_ms: Option<u64>,
        /// The status code of the answer.
        #[schema(nullable = false)]
        status: Option<u16>,
        /// The headers of the answer, redacted.
        #[schema(nullable = false)]
        headers: Option<Vec<String>>,
        /// The beginning of its body, redacted.
        #[schema(nullable = false)]
        excerpt: Option<String>,
        /// Whether the body was longer than what was read of it.
        #[schema(nullable = false)]
        truncated: Option<bool>,
        /// SQS's id of the message.
        #[schema(nullable = false)]
        message: Option<String>,
        /// The class of the error.
        #[schema(nullable = false)]
        error: Option<String>,
        /// Whose fault it is: `receiver`, `network` or `ours`.
        #[schema(nullable = false)]
        fault: Option<String>,
    }
}
