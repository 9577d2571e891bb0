//! The paths and words of Open Wearables.

use lambda_http::Body;
use lambda_http::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::answers::Answer;
use crate::stack::{Stack, URL, seconds, text};

const ENDPOINTS: &str = "/api/v1/webhooks/endpoints";

impl Stack {
    /// Asks as a client of Open Wearables does.
    async fn theirs(&self, method: &str, path: &str, body: Body) -> Answer {
        let request = Request::builder().method(method).uri(format!("https://api.example.org{path}"));
        self.send(request.header("x-open-wearables-api-key", &self.writer).body(body).unwrap()).await
    }
}

#[tokio::test(start_paused = true)]
async fn three_requests_of_open_wearables_register_an_endpoint_show_its_secret_and_send_a_test_event() {
    let stack = Stack::start().await;
    let registered = stack.theirs("POST", ENDPOINTS, text(&json!({"url": URL}))).await;
    assert_eq!(registered.status, StatusCode::CREATED);
    assert_eq!(registered.body["filter_types"], Value::Null);
    let path = format!("{ENDPOINTS}/{}", registered.body["id"].as_str().unwrap());
    let secret = stack.theirs("GET", &format!("{path}/secret"), Body::Empty).await;
    let sent = stack.theirs("POST", &format!("{path}/test"), Body::Empty).await;
    seconds(5).await;
    let secret = secret.body["key"].as_str().unwrap().parse_secret();
    let seen = stack.verified(&secret);
    assert_eq!(seen[0].request.headers()["webhook-id"].to_str().unwrap(), sent.body["message_id"]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_the_same_in_both_wordings() {
    let stack = Stack::start().await;
    let wish = json!({"url": URL, "filter_types": ["workout.created"], "user_id": "usr_anna", "description": "ours"});
    let registered = stack.theirs("POST", ENDPOINTS, text(&wish)).await;
    let id = registered.body["id"].as_str().unwrap().to_owned();
    let shown = stack.get(&format!("/v1/endpoints/{id}")).await;
    assert_eq!((&shown.body["types"], &shown.body["users"]), (&json!(["workout.created"]), &json!(["usr_anna"])));
    for name in ["url", "filter_types", "user_id", "description"] {
        assert_eq!(registered.body[name], wish[name], "{name}");
    }
    let path = format!("{ENDPOINTS}/{id}");
    let changed = stack.theirs("PATCH", &path, text(&json!({"user_id": null, "filter_types": []}))).await;
    assert_eq!((&changed.body["user_id"], &changed.body["filter_types"]), (&Value::Null, &Value::Null));
    assert_eq!(changed.body["description"], "ours");
    assert_eq!(stack.theirs("GET", &path, Body::Empty).await.body, changed.body);
    assert_eq!(stack.theirs("GET", ENDPOINTS, Body::Empty).await.body, json!([changed.body]));
    assert_eq!(stack.theirs("DELETE", &path, Body::Empty).await.status, StatusCode::NO_CONTENT);
    assert_eq!(stack.theirs("GET", &path, Body::Empty).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_named_in_their_words() {
    let stack = Stack::start().await;
    for (body, field) in [
        (json!({"url": URL, "filter_types": ["*", "Body Weight"]}), "filter_types[1]"),
        (json!({"url": URL, "user_id": "anna"}), "user_id"),
        (json!({"url": "ftp://example.org"}), "url"),
        (json!({"url": URL, "colour": "red"}), "colour"),
        (json!({}), "url"),
    ] {
        let refused = stack.theirs("POST", ENDPOINTS, text(&body)).await;
        assert_eq!((refused.status, &refused.body["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{body}");
    }
    let id = stack.endpoint().await.0.rsplit('/').next().unwrap().to_owned();
    let wrong = json!({"event_type": "nothing.happened"});
    let refused = stack.theirs("POST", &format!("{ENDPOINTS}/{id}/test"), text(&wrong)).await;
    assert_eq!(refused.body["field"], "event_type");
}

trait ParseSecret {
    fn parse_secret(&self) -> afferent_domain::signature::SigningSecret;
}

impl ParseSecret for str {
    fn parse_secret(&self) -> afferent_domain::signature::SigningSecret {
        afferent_domain::signature::SigningSecret::parse(self).unwrap()
    }
}
