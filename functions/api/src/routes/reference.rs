//! What this API is and what it sends, for programs and for people.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::endpoints::{Nothing, Part};
use super::{Answer, json, text};
use crate::extract::{Path, Query};
use crate::problem::Problem;
use crate::state::Shared;
use crate::{openapi, reference};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(show_openapi))
        .routes(routes!(show_reference))
        .routes(routes!(list_event_types))
        .routes(routes!(show_event_type))
}

/// Gives this document: OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "About",
    security(()),
    responses((status = 200, description = "The document.", body = Object))
)]
async fn show_openapi(_: Query<Nothing>) -> Answer {
    Ok(text(StatusCode::OK, "application/json", openapi::KEPT.to_owned()))
}

/// Gives this document as a page for people.
#[utoipa::path(
    get,
    path = "/v1/docs",
    tag = "About",
    security(()),
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
async fn show_reference(_: Query<Nothing>) -> Answer {
    let document: Value = serde_json::from_str(openapi::KEPT)?;
    let mut response = text(StatusCode::OK, "text/html; charset=utf-8", reference::html(&document));
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    Ok(response)
}

/// An event type.
#[derive(Serialize, ToSchema)]
struct EventType {
    /// Its name: what happened to what.
    #[schema(example = "body_weight.created")]
    r#type: String,
    /// The `$id` of its schema, which its events name.
    #[schema(example = "urn:afferent:schema:body_weight:1")]
    dataschema: String,
}

/// A part of the list of event types.
#[derive(Serialize, ToSchema)]
struct EventTypes {
    /// The event types.
    event_types: Vec<EventType>,
    /// The cursor of the next part; `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

/// Lists the event types that have a name.
///
/// Those of measure types and series of Withings that nobody has named yet are not in the list: `withings.meastype.<n>.…`
/// and `withings.<field>.…`.
#[utoipa::path(
    get,
    path = "/v1/event-types",
    tag = "Endpoints",
    params(Part),
    security(()),
    responses((status = 200, description = "A part of the list.", body = EventTypes))
)]
async fn list_event_types(Query(part): Query<Part>) -> Answer {
    let (types, next) = part.of(afferent_schemas::types().collect(), String::clone)?;
    let of = |name: String| Some(EventType { dataschema: schema_of(&name)?.1, r#type: name });
    json(&EventTypes { event_types: types.into_iter().filter_map(of).collect(), next })
}

/// The schema of an event type, and its `$id`.
fn schema_of(event_type: &str) -> Option<(&'static str, String)> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "$id")]
        id: String,
    }
    let schema = afferent_schemas::schema(afferent_schemas::kind_of(event_type)?)?;
    Some((schema, serde_json::from_str::<Named>(schema).ok()?.id))
}

/// An event type, with what its events look like.
#[derive(Serialize, ToSchema)]
struct EventTypeShown {
    /// Its name.
    #[schema(example = "body_weight.created")]
    r#type: String,
    /// The `$id` of its schema, which its events name.
    dataschema: String,
    /// An example of the `data` of an event.
    #[schema(value_type = Object)]
    example: Box<RawValue>,
    /// The JSON Schema (2020-12) of a whole event.
    #[schema(value_type = Object)]
    schema: Box<RawValue>,
    /// The schema of what all events share, to which the other one refers by its `$id`.
    #[schema(value_type = Object)]
    common: Box<RawValue>,
}

/// Shows an event type: its schema, and an example.
#[utoipa::path(
    get,
    path = "/v1/event-types/{type}",
    tag = "Endpoints",
    params(("type" = String, Path, description = "The event type.", example = "body_weight.created")),
    security(()),
    responses((status = 200, description = "The event type.", body = EventTypeShown))
)]
async fn show_event_type(State(_): State<Shared>, _: Query<Nothing>, Path(name): Path<String>) -> Answer {
    let shown = afferent_schemas::example(&name).zip(schema_of(&name));
    let (example, (schema, dataschema)) = shown.ok_or(Problem::NotFound("event type"))?;
    json(&EventTypeShown {
        r#type: name,
        dataschema,
        example: RawValue::from_string(example)?,
        schema: RawValue::from_string(schema.to_owned())?,
        common: RawValue::from_string(afferent_schemas::common().to_owned())?,
    })
}
