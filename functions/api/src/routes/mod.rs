//! The routes, one file per noun. Each file has a function `routes` that gives its handlers together with what the OpenAPI
//! document says of them; here they are put together, behind the door or before it.

#![expect(unused_qualifications, reason = "what the macro `utoipa::path` writes for `params`")]

mod commands;
mod compat;
mod connections;
mod deliveries;
mod devices;
mod endpoints;
mod erasures;
mod events;
mod export;
mod fhir;
mod health;
mod introspection;
mod jobs;
mod keys;
mod link;
mod notifications;
mod records;
mod reference;
mod retractions;
mod series;
mod summaries;
mod users;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::problem::Problem;
use crate::state::Shared;
use crate::{door, openapi};

/// The longest body, in bytes, that a route takes unless it says otherwise.
pub(crate) const BODY_LIMIT: usize = 256 * 1024;

/// What a handler gives: an answer, or why there is none.
pub(crate) type Answer = Result<Response<Body>, Problem>;

/// What needs no key.
fn open() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().merge(health::routes()).merge(link::routes()).merge(reference::routes()).merge(fhir::open())
}

/// What needs one.
fn behind_the_door() -> OpenApiRouter<Shared> {
    [
        users::routes(),
        connections::routes(),
        devices::routes(),
        commands::routes(),
        introspection::routes(),
        erasures::routes(),
        retractions::routes(),
        records::routes(),
        series::routes(),
        summaries::routes(),
        events::routes(),
        export::routes(),
        fhir::routes(),
        endpoints::routes(),
        deliveries::routes(),
        jobs::routes(),
        compat::routes(),
        notifications::routes(),
        keys::routes(),
    ]
    .into_iter()
    .fold(OpenApiRouter::new(), OpenApiRouter::merge)
}

/// All routes.
pub(crate) fn all(app: Shared) -> Router {
    let key = from_fn_with_state(app.clone(), door::authenticate);
    let (router, _) = OpenApiRouter::with_openapi(openapi::frame())
        .merge(behind_the_door().route_layer(key))
        .merge(open())
        .split_for_parts();
    router
        .fallback(|| async { Problem::NoRoute })
        .method_not_allowed_fallback(|| async { Problem::Method })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(fhir::outcomes))
        .with_state(app)
}

/// What the document says of them.
pub(crate) fn document() -> OpenApi {
    let all = OpenApiRouter::with_openapi(openapi::frame()).merge(open()).merge(behind_the_door());
    openapi::finish(all.into_openapi())
}

/// An answer in JSON.
pub(crate) fn json(body: &impl Serialize) -> Answer {
    json_with(StatusCode::OK, body)
}

/// The same with another status.
pub(crate) fn json_with(status: StatusCode, body: &impl Serialize) -> Answer {
    Ok(text(status, "application/json", serde_json::to_string(body)?))
}

/// An answer that is a text already, such as JSON whose decimals are to stay as they are.
pub(crate) fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A list whose members keep their exact text (decimals would be bent on the way through a `Value`).
pub(crate) fn page(name: &str, members: &[Box<RawValue>], next: Option<String>) -> String {
    let members: Vec<&str> = members.iter().map(|member| member.get()).collect();
    format!(r#"{{"{name}":[{}],"next":{}}}"#, members.join(","), serde_json::json!(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_the_exact_text_of_its_members() {
        let member = RawValue::from_string(r#"{"value":81.20}"#.to_owned()).unwrap();
        assert_eq!(page("records", &[member], None), r#"{"records":[{"value":81.20}],"next":null}"#);
    }
}
