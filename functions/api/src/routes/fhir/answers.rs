//! Answers in FHIR's media type, problems included.

use afferent_domain::id::UserId;
use afferent_fhir::search::Common;
use afferent_fhir::{Bundle, Entry, MEDIA_TYPE, Outcome, id};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::middleware::Next;
use serde::Serialize;

use super::asked::bad_cursor;
use super::{BASE, Problem};
use crate::extract::Cursors;
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

/// A page of what was found.
pub(crate) struct Page {
    address: String,
    understood: Vec<(String, String)>,
    cursors: Cursors,
    cursor: Option<String>,
    entries: Vec<Entry>,
}

impl Page {
    /// A page of what was asked for at this path under the server's base; `user` is whom alone it is about.
    pub(crate) fn of(base: &str, path: &str, user: Option<&UserId>, asked: &Common) -> Self {
        let about = user.map(|user| ("patient".to_owned(), id::of_user(user)));
        let bound = asked.understood.iter().cloned().chain(about);
        Self {
            address: format!("{base}/{path}"),
            understood: asked.understood.clone(),
            cursors: Cursors::to(&format!("{BASE}/{path}"), bound),
            cursor: asked.cursor.clone(),
            entries: Vec::new(),
        }
    }

    /// Where the page before ended, if there was one.
    ///
    /// # Errors
    /// The cursor is none of this search.
    pub(crate) fn place(&self) -> Result<Option<String>, Problem> {
        let cursor = self.cursor.as_deref();
        cursor.map(|text| self.cursors.read(text).map_err(|_| bad_cursor())).transpose()
    }

    pub(crate) fn put(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// The address of the search itself, without the place of a page.
    pub(crate) fn itself(&self) -> String {
        self.link(None)
    }

    fn link(&self, cursor: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.understood).extend_pairs(cursor.map(|cursor| ("_cursor", cursor)));
        format!("{}?{}", self.address, query.finish()).trim_end_matches('?').to_owned()
    }

    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The page as an answer; `next` is where the following one goes on.
pub(crate) fn page(page: Page, next: Option<String>) -> Answer {
    let next = next.map(|next| page.link(Some(&page.cursors.write(&next))));
    let itself = page.link(page.cursor.as_deref());
    resource(&Bundle::page(page.entries, itself, next), None)
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
