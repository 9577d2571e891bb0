//! What a person sees after consenting, or the way on to the customer.

use afferent_store::states::Ask;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY,
};
use lambda_http::{Body, Response};
use serde_json::json;

use crate::consent::{Outcome, Refusal};

/// The answer to a browser; to a program that asks for JSON the same as JSON.
pub(crate) fn outcome(outcome: &Outcome, as_json: bool) -> Response<Body> {
    match outcome.ask.as_ref().and_then(|ask| Some((ask, ask.return_url.as_ref()?))) {
        Some((ask, url)) if !as_json => onward(&address(url, ask, outcome)),
        _ if as_json => json_of(outcome),
        _ => page(outcome),
    }
}

/// The customer's address with the result: `result`, `reference_id`, and who was connected.
fn address(url: &str, ask: &Ask, outcome: &Outcome) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    match &outcome.result {
        Ok(connected) => query
            .append_pair("result", "connected")
            .append_pair("user", connected.user.as_str())
            .append_pair("connection", connected.connection.as_str()),
        Err(refusal) => query.append_pair("result", refusal.name()),
    };
    query.append_pair("reference_id", &ask.reference);
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{}", query.finish())
}

const fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::TokenExpired => StatusCode::GONE,
        Refusal::TokenConsumed | Refusal::DuplicateConnection => StatusCode::CONFLICT,
        Refusal::Denied | Refusal::RequiredScopesMissing => StatusCode::FORBIDDEN,
        Refusal::ProviderError => StatusCode::BAD_GATEWAY,
    }
}

fn json_of(outcome: &Outcome) -> Response<Body> {
    match &outcome.result {
        Ok(connected) => {
            let body = json!({"result": "connected", "user": connected.user, "connection": connected.connection});
            respond(StatusCode::OK, "application/json", body.to_string())
        }
        Err(refusal) => {
            let status = status(*refusal);
            let body = json!({
                "type": format!("urn:afferent:problem:{}", refusal.name()),
                "title": status.canonical_reason(),
                "status": status.as_u16(),
                "detail": refusal.to_string(),
                "result": refusal.name(),
            });
            respond(status, "application/problem+json", body.to_string())
        }
    }
}

/// Nothing in it comes from a request.
fn page(outcome: &Outcome) -> Response<Body> {
    let (status, title, text) = match &outcome.result {
        Ok(_) => {
            (StatusCode::OK, "Connected", "Your Withings account is connected. You can close this page.".to_owned())
        }
        Err(refusal) => (status(*refusal), "Not connected", refusal.to_string()),
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}}</style>\
         <main><h1>{title}</h1><p>{text}</p></main></html>"
    );
    respond(status, "text/html; charset=utf-8", html)
}

fn onward(address: &str) -> Response<Body> {
    let mut response = respond(StatusCode::SEE_OTHER, "text/plain", String::new());
    match HeaderValue::from_str(address) {
        Ok(address) => drop(response.headers_mut().insert(LOCATION, address)),
        // Cannot be: it was read as a URI when it was asked for.
        Err(_) => *response.status_mut() = StatusCode::NO_CONTENT,
    }
    response
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::Text(body));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        // The address holds code and state: they are kept nowhere and told to nobody.
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
