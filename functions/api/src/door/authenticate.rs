//! Whose key it is, and whether it asks too often.

use afferent_store::keys::{Allowance, Authenticated};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::caller::PATIENCE;
use super::{Caller, audit, idempotency};
use crate::openapi::{is_open_wearables, is_search};
use crate::problem::Problem;
use crate::state::Shared;

/// Names of headers of `draft-ietf-httpapi-ratelimit-headers`.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Where clients of Open Wearables put their key.
const OPEN_WEARABLES: HeaderName = HeaderName::from_static("x-open-wearables-api-key");

/// Lets in who has a key that is good, and notes what is done with it.
pub(crate) async fn authenticate(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let Some(text) = key(&request) else {
        return Problem::Key("a key is needed: Authorization: Bearer afk_…").into_response();
    };
    let now = app.now();
    let (key, allowance) = match app.keys.authenticate(text, now).await {
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
    let caller = Caller {
        key: key.id,
        label: key.label,
        grants: key.grants,
        return_urls: key.return_urls,
        until: now + PATIENCE,
    };
    request.extensions_mut().insert(caller.clone());
    let answered = match *request.method() {
        Method::GET | Method::HEAD => Ok(next.run(request).await),
        // There is nothing to do once only, and nothing to note.
        Method::POST if is_search(route(&request)) => Ok(next.run(request).await),
        Method::POST => idempotency::once(&app, &caller, request, next).await,
        _ => audit::noted(&app, &caller, request, next).await,
    };
    telling(answered.unwrap_or_else(Problem::into_response), allowance)
}

/// The route that the request is for: its path with names for what is free in it. What the path itself looks like is the
/// caller's to choose.
fn route(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str)
}

/// The text of the key that the request came with.
fn key(request: &Request) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer =
        header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let theirs = || request.headers().get(OPEN_WEARABLES).filter(|_| is_open_wearables(route(request)));
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::post;
    use tower_service::Service as _;

    use super::*;

    /// Whether the door takes what is posted there for a search, and takes the key of Open Wearables' header.
    async fn seen(path: &str) -> (bool, bool) {
        async fn tell(request: Request) -> StatusCode {
            match (is_search(route(&request)), key(&request).is_some()) {
                (true, true) => StatusCode::OK,
                (true, false) => StatusCode::ACCEPTED,
                (false, true) => StatusCode::CREATED,
                (false, false) => StatusCode::NO_CONTENT,
            }
        }
        let mut router: Router = Router::new();
        for route in ["/v1/things/_search", "/v1/others/{id}", "/api/v1/webhooks/endpoints", "/{first}/v1/{rest}"] {
            router = router.route(route, post(tell));
        }
        let request = Request::post(path).header("x-open-wearables-api-key", "afk_1").body(Body::empty()).unwrap();
        let status = router.call(request).await.unwrap().status();
        (matches!(status.as_u16(), 200 | 202), matches!(status.as_u16(), 200 | 201))
    }

    #[tokio::test]
    async fn what_is_let_through_is_a_matter_of_the_route_and_not_of_what_its_path_looks_like() {
        assert_eq!(seen("/v1/things/_search").await, (true, false));
        assert_eq!(seen("/v1/others/_search").await, (false, false), "the id of one of them");
        assert_eq!(seen("/api/v1/webhooks/endpoints").await, (false, true));
        assert_eq!(seen("/api/v1/other").await, (false, false), "of another route");
    }
}
