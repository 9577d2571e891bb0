//! The way to the API. What is safe to ask again is asked again: a reading, and a POST, because it names itself.

use std::time::Duration;

use afferent_http::{Answer, Call};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use serde_json::Value;

use crate::{Failure, Tool};

/// How long one answer may take; the function itself has 15 s.
const DEADLINE: Duration = Duration::from_secs(30);

/// The longest answer, in bytes: what Lambda gives.
const ANSWER: usize = 7 * 1024 * 1024;

/// How often something is asked again: when nothing came back or something was out of reach, and when it was too often.
const TRIES: u32 = 4;
const TURNS: u32 = 20;

/// The longest that it waits for its turn, in seconds.
const LONGEST_WAIT: u64 = 60;

/// How often, and after how long, it is looked again whether somebody who does the same act is through: a function that died
/// on the way holds it for 60 s.
const LOOKS: u32 = 14;
const LOOK: Duration = Duration::from_secs(5);

/// The problem of a POST whose name is in use: an earlier try of it is being done, or was cut off.
const UNDER_WAY: &str = "idempotency-under-way";

/// Whom to ask, and as whom.
pub(crate) struct Client<'a> {
    tool: &'a Tool,
    url: String,
    key: String,
}

impl<'a> Client<'a> {
    pub(crate) fn new(tool: &'a Tool, url: Option<String>, key: Option<String>) -> Result<Self, Failure> {
        let missing = |name: &str, flag: &str| Failure::new(format!("{name} is not set: set it, or give {flag}"));
        let url = url.filter(|url| !url.is_empty()).ok_or_else(|| missing("AFFERENT_URL", "--url"))?;
        let key = key.filter(|key| !key.is_empty()).ok_or_else(|| missing("AFFERENT_KEY", "--key"))?;
        if !is_safe(&url) {
            return Err(Failure::new(
                "the address of the API should begin with https:// (http:// on this machine): a key goes over it",
            ));
        }
        Ok(Self { tool, url: url.trim_end_matches('/').to_owned(), key })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<String, Failure> {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<String, Failure> {
        self.ask(Method::POST, path, Some(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<String, Failure> {
        self.ask(Method::PATCH, path, Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<String, Failure> {
        self.ask(Method::DELETE, path, None).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<String, Failure> {
        // One name for all tries, so that the act is done once.
        let name = format!("afferent-{:016x}{:016x}", self.tool.dice.roll(), self.tool.dice.roll());
        let (mut tries, mut turns, mut looks) = (0, 0, 0);
        loop {
            let request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.url));
            let request =
                request.header("authorization", format!("Bearer {}", self.key)).header("accept", "application/json");
            let request = if method == Method::POST { request.header("idempotency-key", &name) } else { request };
            let request = request.header("content-type", "application/json");
            let request = request.body(Bytes::from(body.clone().unwrap_or_default()));
            let request = request.map_err(|_| Failure::new(format!("{}{path} is no address", self.url)))?;
            let call = Call { request, deadline: DEADLINE, body_limit: ANSWER, stopwatch: None };
            match self.tool.http.send(call).await {
                Ok(answer) if answer.status.is_success() => return text(answer),
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS && turns < TURNS => {
                    turns += 1;
                    match retry_after(&answer) {
                        seconds if seconds <= LONGEST_WAIT => tokio::time::sleep(Duration::from_secs(seconds)).await,
                        _ => return Err(refused(&answer)),
                    }
                }
                Ok(answer) if answer.status.is_server_error() && tries + 1 < TRIES => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_secs(1 << tries)).await;
                }
                Ok(answer) => {
                    let failure = refused(&answer);
                    if failure.kind() != Some(UNDER_WAY) || looks == LOOKS {
                        return Err(failure);
                    }
                    looks += 1;
                    tokio::time::sleep(LOOK).await;
                }
                Err(error) if tries + 1 < TRIES && method != Method::DELETE => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_secs(1 << tries)).await;
                    let _ = error;
                }
                Err(error) => return Err(Failure::new(format!("{} does not answer: {error}", self.url))),
            }
        }
    }
}

/// Whether a key may be sent there: over TLS, or to this machine.
fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(host)) => !host.is_empty(),
        (Some("http"), Some(host)) => matches!(host, "localhost" | "127.0.0.1" | "[::1]"),
        _ => false,
    }
}

fn retry_after(answer: &Answer) -> u64 {
    let header = answer.headers.get("retry-after").and_then(|value| value.to_str().ok());
    header.and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn text(answer: Answer) -> Result<String, Failure> {
    if answer.truncated {
        return Err(Failure::new("the answer is longer than the API's own limit"));
    }
    String::from_utf8(answer.body.into()).map_err(|_| Failure::new("the answer is no text"))
}

/// What the API says is wrong, and what would be right.
fn refused(answer: &Answer) -> Failure {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let detail = problem["detail"].as_str().or_else(|| answer.status.canonical_reason()).unwrap_or("refused");
    let hint = match answer.status {
        StatusCode::UNAUTHORIZED => "; AFFERENT_KEY should be a key that is neither revoked nor expired",
        StatusCode::FORBIDDEN => "; `afferent keys create --grant …` makes another one",
        _ => "",
    };
    let text = format!("{} ({}){hint}", detail, answer.status.as_u16());
    // A load balancer's or Lambda's own answer may be an object too.
    if problem["type"].is_string() {
        Failure::of(problem, text)
    } else {
        Failure::answered(answer.status.as_u16(), text)
    }
}

/// Reads an answer that the tool itself has to understand.
pub(crate) fn json(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|_| Failure::new("the answer is no JSON: is the address that of the API?"))
}

/// A part of a path.
pub(crate) fn segment(text: &str) -> Result<&str, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'.');
    if !text.is_empty() && text.bytes().all(plain) && text.trim_matches('.') == text {
        return Ok(text);
    }
    Err(Failure::new(format!("{text:?} is no id")))
}

/// A query: what is there of these.
pub(crate) fn query(pairs: &[(&str, Option<String>)]) -> String {
    let mut writer = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value {
            writer.append_pair(name, value);
        }
    }
    let text = writer.finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_over_tls_or_stays_on_this_machine() {
        for safe in ["https://api.example.org", "http://127.0.0.1:8000", "http://localhost:8000/", "http://[::1]:8000"]
        {
            assert!(is_safe(safe), "{safe}");
        }
        for url in [
            "http://api.example.org",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1@evil.example",
            "ftp://127.0.0.1",
            "api.example.org",
            "",
        ] {
            assert!(!is_safe(url), "{url}");
        }
    }

    #[test]
    fn what_was_answered_on_the_way_has_a_status_and_a_problem_of_the_api_stays_as_it_is() {
        let said = |status: StatusCode, body: &str| {
            let (headers, body) = (http::HeaderMap::new(), Bytes::from(body.to_owned()));
            let failure = refused(&Answer { status, headers, body, truncated: false });
            serde_json::from_str::<Value>(&failure.to_json()).unwrap()
        };
        for body in [r#"{"message":"Service Unavailable"}"#, r#"{"Message":null}"#, "<html>", "[]", ""] {
            let said = said(StatusCode::SERVICE_UNAVAILABLE, body);
            assert_eq!((&said["type"], &said["status"]), (&"about:blank".into(), &503.into()), "{body}");
            assert_eq!(said["detail"], "Service Unavailable (503)");
        }
        let problem = r#"{"type":"urn:afferent:problem:unavailable","title":"Service Unavailable","status":503}"#;
        assert_eq!(said(StatusCode::SERVICE_UNAVAILABLE, problem), serde_json::from_str::<Value>(problem).unwrap());
    }

    #[test]
    fn an_id_cannot_lead_to_another_path() {
        for id in ["key_1", "con_01hzx", "00:24:e4:00:00:01"] {
            assert_eq!(segment(id).unwrap(), id);
        }
        for other in ["", "..", ".", "a/b", "a?b", "a#b", "%2e", "a b"] {
            assert!(segment(other).is_err(), "{other}");
        }
    }
}
