//! What this API is and what it sends, for programs and for people.

use std::sync::{LazyLock, OnceLock};

use afferent_domain::erasure::sha256;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderValue, IF_NONE_MATCH};
use axum::http::{HeaderMap, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::endpoints::Part;
use super::{Answer, json, text};
use crate::extract::{Path, Query};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;
use crate::{openapi, reference};

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; show_openapi, show_reference, list_event_types, show_event_type)
}

/// How long whoever got them need not ask again, in seconds.
const FRESH: &str = "public, max-age=300";

/// A text that stays as it is while the function runs, and its tag.
struct Kept {
    text: String,
    tag: String,
}

impl Kept {
    fn new(text: String) -> Self {
        let tag = format!("\"{}\"", sha256(&text).chars().take(32).collect::<String>());
        Self { text, tag }
    }

    /// The text, or that whoever asks has it already.
    fn answer(&self, content_type: &'static str, headers: &HeaderMap) -> Response<Body> {
        let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let weakly = |tag: &str| tag.trim().trim_start_matches("W/") == self.tag || tag.trim() == "*";
        let mut response = if known.flat_map(|tags| tags.split(',')).any(weakly) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            text(StatusCode::OK, content_type, self.text.clone())
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(FRESH));
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

/// Gives this document: OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "About",
    security(()),
    responses(
        (status = 200, description = "The document.", body = Object, headers(
            ("ETag" = String, description = "Of this text."),
            ("Cache-Control" = String, description = "How long it is fresh."),
        )),
        (status = 304, description = "It is what `If-None-Match` names."),
    )
)]
async fn show_openapi(headers: HeaderMap) -> Answer {
    static DOCUMENT: LazyLock<Kept> = LazyLock::new(|| Kept::new(openapi::KEPT.to_owned()));
    Ok(DOCUMENT.answer("application/json", &headers))
}

/// Gives this document as a page for people.
#[utoipa::path(
    get,
    path = "/v1/docs",
    tag = "About",
    security(()),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html", headers(
            ("ETag" = String, description = "Of this text."),
            ("Cache-Control" = String, description = "How long it is fresh."),
        )),
        (status = 304, description = "It is what `If-None-Match` names."),
    )
)]
async fn show_reference(headers: HeaderMap) -> Answer {
    // Told from the document once: that takes far longer than sending it.
    static PAGE: OnceLock<Kept> = OnceLock::new();
    let page = if let Some(page) = PAGE.get() {
        page
    } else {
        let document: Value = serde_json::from_str(openapi::KEPT)?;
        PAGE.get_or_init(|| Kept::new(reference::html(&document)))
    };
    let mut response = page.answer("text/html; charset=utf-8", &headers);
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
    let (types, next) = part.of(afferent_schemas::types().collect(), |name| (0, name.clone()))?;
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
async fn show_event_type(State(_): State<Shared>, Path(name): Path<String>) -> Answer {
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
