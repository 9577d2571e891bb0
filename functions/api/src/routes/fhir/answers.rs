//! Answers in FHIR's media type, problems included.

use std::collections::BTreeMap;

use afferent_fhir::search::Common;
use afferent_fhir::{Bundle, Entry, MEDIA_TYPE, Outcome};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::middleware::Next;
use serde::Serialize;
use utoipa::IntoResponses;
use utoipa::openapi::schema::{Object, ObjectBuilder};
use utoipa::openapi::{ContentBuilder, RefOr, ResponseBuilder};

use super::BASE;
use crate::extract::write_cursor;
use crate::routes::{Answer, text};

/// The longest problem there is, in bytes.
const PROBLEM_BYTES: usize = 64 * 1024;

/// One resource, and the revision that it is of.
pub(crate) fn resource(resource: &impl Serialize, rev: Option<u32>) -> Answer {
    let mut answer = text(StatusCode::OK, MEDIA_TYPE, serde_json::to_string(resource)?);
    if let Some(tag) = rev.and_then(|rev| HeaderValue::from_str(&format!(r#"W/"{rev}""#)).ok()) {
        answer.headers_mut().insert(ETAG, tag);
    }
    Ok(answer)
}

/// A page of what a search at this address found; `next` is where the next page goes on.
pub(crate) fn page(address: &str, entries: Vec<Entry>, asked: &Common, next: Option<String>) -> Answer {
    let link = |cursor: Option<&str>| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&asked.understood).extend_pairs(cursor.map(|cursor| ("_cursor", cursor)));
        format!("{address}?{}", query.finish()).trim_end_matches('?').to_owned()
    };
    let next = next.map(|next| link(Some(&write_cursor(&next))));
    resource(&Bundle::page(entries, link(asked.cursor.as_deref()), next), None)
}

/// Makes an OperationOutcome of a problem that something under FHIR's address answers with, whoever refused it.
pub(crate) async fn outcomes(request: Request, next: Next) -> Response<Body> {
    let is_fhir = request.uri().path().starts_with(BASE);
    let answer = next.run(request).await;
    let is_problem = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    if !is_fhir || !is_problem {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let bytes = to_bytes(body, PROBLEM_BYTES).await.unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let said = |name: &str| problem[name].as_str().unwrap_or_default();
    let kind = said("type").rsplit(':').next().unwrap_or_default();
    let outcome = Outcome::of(parts.status.as_u16(), kind, said("detail"));
    let body = serde_json::to_string(&outcome).unwrap_or_default();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Response::from_parts(parts, Body::from(body))
}

/// What every route here may answer besides what it is for.
pub(crate) struct Said;

impl IntoResponses for Said {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let means = [
            ("400", "A parameter is not right."),
            ("401", "There is no key, or none that is good."),
            ("403", "A key of this kind may not do this."),
            ("404", "There is no such thing, or it is not for this key to know of."),
            ("429", "Too many requests: `Retry-After` says when to come back."),
            ("500", "What is stored cannot be written as an answer."),
            ("503", "Something that is needed is out of reach; asking again is right."),
        ];
        let outcome = |means: &str| {
            let schema: Object = ObjectBuilder::new().description(Some("An OperationOutcome.")).build();
            let content = ContentBuilder::new().schema(Some(schema)).build();
            RefOr::T(ResponseBuilder::new().description(means).content(MEDIA_TYPE, content).build())
        };
        means.into_iter().map(|(status, means)| (status.to_owned(), outcome(means))).collect()
    }
}
