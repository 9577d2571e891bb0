//! The front door: function URLs over HTTP on one port.
//!
//! `/withings/*` goes to `ingest`, `/function-url/<function>/*` to that function, everything else to `api`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use afferent_domain::{Clock, Timestamp};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::request::Parts;
use serde_json::{Map, Value, json};

use crate::invoke::{Invoke, InvokeError};
use crate::template::Template;
use crate::traces::logs;

/// Lambda: a request holds at most 6 MB.
const BODY_LIMIT: usize = 6 * 1024 * 1024;

/// The front door of a stack.
#[derive(Clone)]
pub struct Front {
    invoke: Arc<dyn Invoke>,
    clock: Arc<dyn Clock>,
    ingest: String,
    api: String,
    requests: Arc<AtomicU64>,
}

impl Front {
    /// The front door of the template's functions.
    #[must_use]
    pub fn new(template: &Template, invoke: Arc<dyn Invoke>, clock: Arc<dyn Clock>) -> Self {
        let name = |binary: &str| template.function(binary).map(|function| function.name.clone()).unwrap_or_default();
        Self { invoke, clock, ingest: name("ingest"), api: name("api"), requests: Arc::default() }
    }

    /// The HTTP service.
    pub fn router(&self) -> Router {
        Router::new()
            .fallback(async |State(front): State<Self>, request: Request<Body>| front.serve(request).await)
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone())
    }

    async fn serve(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        match axum::body::to_bytes(body, BODY_LIMIT).await {
            Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Ok(body) => self.answer(&parts, &body).await.map(Body::from),
        }
    }

    /// Answers one request, as a function URL does.
    pub async fn answer(&self, parts: &Parts, body: &Bytes) -> Response<Bytes> {
        let path = parts.uri.path();
        let (function, path) = match path.strip_prefix("/function-url/") {
            Some(rest) => {
                let (function, path) = rest.split_once('/').unwrap_or((rest, ""));
                (function, format!("/{path}"))
            }
            None if path.starts_with("/withings/") => (self.ingest.as_str(), path.to_owned()),
            None => (self.api.as_str(), path.to_owned()),
        };
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let event = event(parts, &path, body, self.clock.now(), number);
        let answer = match self.invoke.invoke(function, event.to_string().into()).await {
            Ok(answer) => response(&answer),
            Err(InvokeError::Throttled) => plain(StatusCode::TOO_MANY_REQUESTS),
            Err(InvokeError::Unknown) => plain(StatusCode::NOT_FOUND),
            Err(_) => plain(StatusCode::BAD_GATEWAY),
        };
        logs::answered(&answer);
        answer
    }
}

/// Lambda Developer Guide, "Invoking Lambda function URLs", request payload format 2.0.
fn event(parts: &Parts, path: &str, body: &Bytes, now: Timestamp, number: u64) -> Value {
    let headers = joined(&parts.headers);
    let query = parts.uri.query().unwrap_or_default();
    let text = if is_text(&parts.headers) { std::str::from_utf8(body).ok() } else { None };
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "local",
            "domainName": headers.get("host").cloned().unwrap_or_else(|| "localhost".into()),
            "domainPrefix": "local",
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": headers.get("user-agent").cloned().unwrap_or_else(|| "".into()),
            },
            "requestId": format!("00000000-0000-4000-8000-{number:012x}"),
            "routeKey": "$default",
            "stage": "$default",
            "time": now.to_string(),
            "timeEpoch": now.as_millis(),
        },
        "isBase64Encoded": text.is_none() && !body.is_empty(),
    });
    if !query.is_empty() {
        event["queryStringParameters"] = parameters(query).into();
    }
    if !body.is_empty() {
        event["body"] = text.map_or_else(|| STANDARD.encode(body), str::to_owned).into();
    }
    event
}

/// Header names in lower case; the values of a repeated header joined by commas.
fn joined(headers: &HeaderMap) -> Map<String, Value> {
    let mut map = Map::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        map.insert(name.as_str().to_owned(), values.collect::<Vec<_>>().join(",").into());
    }
    map
}

/// What arrives as it is; anything else, forms included, arrives in base 64.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || matches!(kind.as_str(), "application/json" | "application/javascript" | "application/xml")
        || kind.ends_with("+json")
}

fn parameters(query: &str) -> Map<String, Value> {
    let mut map: Map<String, Value> = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = match map.get(name.as_ref()).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.into_owned(),
        };
        map.insert(name.into_owned(), value.into());
    }
    map
}

/// The function's answer in payload format 2.0. Without a status it is itself the body.
fn response(answer: &Bytes) -> Response<Bytes> {
    let value: Value = serde_json::from_slice(answer).unwrap_or_default();
    let Some(status) = value["statusCode"].as_u64() else {
        let mut response = Response::new(answer.clone());
        response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        return response;
    };
    let text = value["body"].as_str().unwrap_or_default();
    let body = match value["isBase64Encoded"].as_bool() {
        Some(true) => STANDARD.decode(text).unwrap_or_default().into(),
        _ => Bytes::from(text.to_owned()),
    };
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut builder = Response::builder().status(status.unwrap_or(StatusCode::BAD_GATEWAY));
    for (name, value) in value["headers"].as_object().into_iter().flatten() {
        builder = builder.header(name, value.as_str().unwrap_or_default());
    }
    for (name, values) in value["multiValueHeaders"].as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten().filter(|_| value["headers"].get(name).is_none()) {
            builder = builder.header(name, value.as_str().unwrap_or_default());
        }
    }
    for cookie in value["cookies"].as_array().into_iter().flatten() {
        builder = builder.header(header::SET_COOKIE, cookie.as_str().unwrap_or_default());
    }
    builder.body(body).unwrap_or_else(|_| plain(StatusCode::BAD_GATEWAY))
}

fn plain(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(status.canonical_reason().unwrap_or_default()));
    *response.status_mut() = status;
    response
}

/// An answer of `lambda_http`, in payload format 2.0, as its runtime writes it.
pub(crate) fn gateway(response: Response<lambda_http::Body>) -> Bytes {
    let (parts, body) = response.into_parts();
    let (text, encoded) = match body {
        lambda_http::Body::Text(text) => (text, false),
        lambda_http::Body::Binary(bytes) => (STANDARD.encode(bytes), true),
        _ => (String::new(), false),
    };
    json!({
        "statusCode": parts.status.as_u16(),
        "headers": joined(&parts.headers),
        "body": text,
        "isBase64Encoded": encoded,
    })
    .to_string()
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request: Request<()>, body: &'static [u8]) -> Value {
        let (parts, ()) = request.into_parts();
        let path = parts.uri.path().to_owned();
        event(&parts, &path, &Bytes::from_static(body), Timestamp::from_secs(1), 1)
    }

    #[test]
    fn a_form_arrives_in_base_64_and_text_as_it_is() {
        let form = Request::post("/withings/x").header("Content-Type", "application/x-www-form-urlencoded");
        let event = sent(form.body(()).unwrap(), b"userid=1&appli=1");
        assert_eq!(event["body"], "dXNlcmlkPTEmYXBwbGk9MQ==");
        assert_eq!(event["isBase64Encoded"], true);
        let json = Request::post("/users").header("content-type", "application/json; charset=utf-8");
        let event = sent(json.body(()).unwrap(), b"{}");
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&"{}".into(), &false.into()));
    }

    #[test]
    fn repeated_headers_and_parameters_are_joined_by_commas() {
        let request = Request::get("/a?x=1&x=2&y=%C3%A9").header("accept", "a").header("Accept", "b").body(()).unwrap();
        let event = sent(request, b"");
        assert_eq!(event["headers"]["accept"], "a,b");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": "é"}));
        assert_eq!(event["rawQueryString"], "x=1&x=2&y=%C3%A9");
        assert_eq!((event.get("body"), &event["isBase64Encoded"]), (None, &false.into()));
        assert_eq!(event["requestContext"]["http"]["method"], "GET");
    }

    #[test]
    fn an_answer_is_read_by_payload_format_2() {
        let answer = json!({"statusCode": 201, "headers": {"x-a": "b"}, "body": "AP8=", "isBase64Encoded": true});
        let answer = response(&answer.to_string().into());
        assert_eq!((answer.status(), &answer.headers()["x-a"]), (StatusCode::CREATED, &"b".parse().unwrap()));
        assert_eq!(answer.into_body(), &[0, 255][..]);
        let bare = response(&Bytes::from_static(b"{\"a\":1}"));
        assert_eq!(bare.status(), StatusCode::OK);
        assert_eq!(bare.headers()[header::CONTENT_TYPE], "application/json");
    }
}
