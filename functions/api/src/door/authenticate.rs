//! Whose key it is, and whether it asks too often.

use afferent_store::keys::{Allowance, Authenticated};
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::{Caller, audit, idempotency};
use crate::problem::Problem;
use crate::state::Shared;

/// Names of headers of `draft-ietf-httpapi-ratelimit-headers`.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Where clients of Open Wearables put their key, and under which paths it is taken from there.
const OPEN_WEARABLES: (&str, &str) = ("x-open-wearables-api-key", "/api/v1/");

/// Lets in who has a key that is good, and notes what is done with it.
pub(crate) async fn authenticate(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let Some(text) = key(&request) else {
        return Problem::Key("a key is needed: Authorization: Bearer afk_…").into_response();
    };
    let (key, allowance) = match app.keys.authenticate(text, app.now()).await {
        Ok(Authenticated::Yes(key, allowance)) => (key, allowance),
        Ok(Authenticated::Unknown) => return Problem::Key("this is no key of ours").into_response(),
        Ok(Authenticated::Revoked) => return Problem::Key("this key is revoked").into_response(),
        Ok(Authenticated::Expired) => return Problem::Key("this key has expired").into_response(),
        Ok(Authenticated::Limited { retry_after, allowance }) => {
            let seconds = u64::try_from(retry_after.as_millis().div_ceil(1_000)).unwrap_or(1);
            let refused = Problem::Limited { what: " with this key", seconds }.into_response();
            return telling(refused, allowance);
        }
        Err(error) => return Problem::from(error).into_response(),
    };
    let caller = Caller { key: key.id, label: key.label, grants: key.grants, return_urls: key.return_urls };
    request.extensions_mut().insert(caller.clone());
    let answered = match *request.method() {
        Method::GET | Method::HEAD => Ok(next.run(request).await),
        // A search by a form (FHIR) reads: there is nothing to do once only, and nothing to note.
        Method::POST if request.uri().path().ends_with("/_search") => Ok(next.run(request).await),
        Method::POST => idempotency::once(&app, &caller, request, next).await,
        _ => audit::noted(&app, &caller, request, next).await,
    };
    telling(answered.unwrap_or_else(Problem::into_response), allowance)
}

/// The text of the key that the request came with.
fn key(request: &Request) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer =
        header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (name, under) = OPEN_WEARABLES;
    let theirs = || request.headers().get(name).filter(|_| request.uri().path().starts_with(under));
    let text = bearer.map(|(_, text)| text).or_else(|| theirs()?.to_str().ok())?;
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// Adds what the key may still ask for.
fn telling(mut response: Response, allowance: Allowance) -> Response {
    let Allowance { per_minute, remaining, whole_after } = allowance;
    let seconds = whole_after.as_millis().div_ceil(1_000);
    put(response.headers_mut(), RATE_LIMIT_POLICY, &format!(r#""key";q={per_minute};w=60"#));
    put(response.headers_mut(), RATE_LIMIT, &format!(r#""key";r={remaining};t={seconds}"#));
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
