//! The routes, one file per noun. Each file has a function `routes` that puts its handlers, together with what the
//! OpenAPI document says of them, into a router or into the document ([`put`]); here they are put together, behind the door
//! or before it.

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
mod format;
mod health;
mod introspection;
mod jobs;
mod keys;
mod link;
mod notifications;
pub(crate) mod put;
mod query;
mod records;
mod reference;
mod retractions;
mod rounds;
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

pub(crate) use fhir::{BASE as FHIR, FhirOperationOutcome};
use put::Routes;

use crate::problem::Problem;
use crate::state::Shared;
use crate::{door, openapi};

/// The longest body, in bytes, that a route takes unless it says otherwise.
pub(crate) const BODY_LIMIT: usize = 256 * 1024;

/// What a handler gives: an answer, or why there is none.
pub(crate) type Answer = Result<Response<Body>, Problem>;

/// What needs no key.
fn open<R: Routes>(routes: R) -> R {
    let routes = health::routes(link::routes(routes));
    fhir::open(reference::routes(routes))
}

/// What needs one.
fn behind_the_door<R: Routes>(routes: R) -> R {
    let routes = users::routes(routes);
    let routes = connections::routes(routes);
    let routes = devices::routes(routes);
    let routes = commands::routes(routes);
    let routes = introspection::routes(routes);
    let routes = erasures::routes(routes);
    let routes = retractions::routes(routes);
    let routes = records::routes(routes);
    let routes = series::routes(routes);
    let routes = summaries::routes(routes);
    let routes = events::routes(routes);
    let routes = export::routes(routes);
    let routes = fhir::routes(routes);
    let routes = endpoints::routes(routes);
    let routes = deliveries::routes(routes);
    let routes = jobs::routes(routes);
    let routes = compat::routes(routes);
    let routes = notifications::routes(routes);
    let routes = rounds::routes(routes);
    keys::routes(routes)
}

/// All routes.
pub(crate) fn all(app: Shared) -> Router {
    let key = from_fn_with_state(app.clone(), door::authenticate);
    let unknown = || from_fn(query::refuse_unknown);
    // The door is the outer one: whoever has no key is told that first.
    let behind = behind_the_door(Router::new()).route_layer(unknown()).route_layer(key);
    behind
        .merge(open(Router::new()).route_layer(unknown()))
        .fallback(|| async { Problem::NoRoute })
        .method_not_allowed_fallback(|| async { Problem::Method })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(fhir::outcomes))
        .with_state(app)
}

/// What the document says of them.
pub(crate) fn document() -> OpenApi {
    let all = behind_the_door(open(OpenApiRouter::with_openapi(openapi::frame())));
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

/// An answer that says nothing.
pub(crate) fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A list whose members keep their exact text (decimals would be bent on the way through a `Value`).
pub(crate) fn page(name: &str, members: &[Box<RawValue>], next: Option<String>) -> String {
    page_of(name, members.iter().map(|member| member.get()), next)
}

/// The same of texts that are JSON.
pub(crate) fn page_of<'a>(name: &str, members: impl Iterator<Item = &'a str>, next: Option<String>) -> String {
    format!(r#"{{"{name}":[{}],"next":{}}}"#, members.collect::<Vec<_>>().join(","), serde_json::json!(next))
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
