//! Keys over HTTP.

use std::time::Duration;

use afferent_store::keys::NewKey;
use serde_json::{Value, json};

use crate::stack::Stack;

const QUIET: &str = "/v1/notifications";

#[tokio::test(start_paused = true)]
async fn a_browser_is_never_told_that_a_page_of_another_site_may_use_a_key() {
    let stack = Stack::start().await;
    let key = stack.key(&["read"]).await;
    let bearer = format!("Bearer {key}");
    for (method, path) in
        [("GET", "/v1/health"), ("GET", "/v1/users"), ("OPTIONS", "/v1/users"), ("OPTIONS", "/v1/keys")]
    {
        let headers = [
            ("authorization", bearer.as_str()),
            ("origin", "https://evil.example"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "authorization"),
        ];
        let answer = stack.ask(method, path, &headers, &Value::Null).await;
        assert_eq!(answer.status(), if method == "GET" { 200 } else { 405 }, "{method} {path}");
        let allowed = answer.0.headers().keys().find(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(allowed, None, "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_shown_once_and_works() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    let wish =
        json!({"label": "dashboard", "grants": ["read", "user:usr_1"], "return_urls": ["https://app.example/back"]});
    let made = stack.post(&admin, "/v1/keys", &wish).await;
    assert_eq!((made.status(), made.header("cache-control")), (201, Some("no-store")));
    let made = made.json();
    let text = made["text"].as_str().unwrap();
    assert_eq!(stack.get(text, QUIET).await.status(), 200);
    let shown = stack.get(&admin, &format!("/v1/keys/{}", made["key"].as_str().unwrap())).await.json();
    assert_eq!(shown["text"], Value::Null);
    assert_eq!(
        (&shown["grants"], &shown["rate"], &shown["state"]),
        (&json!(["read", "user:usr_1"]), &json!(600), &json!("active"))
    );
    assert!(shown["last_used"].is_string());
    let list = stack.get(&admin, "/v1/keys").await;
    assert_eq!(list.json()["keys"].as_array().unwrap().len(), 2);
    assert!(!list.json().to_string().contains(&text[35..]), "no list holds what opens the door");
}

#[tokio::test(start_paused = true)]
async fn without_a_good_key_there_is_nothing() {
    let stack = Stack::start().await;
    let reader = stack.key(&["read"]).await;
    let none = stack.ask("GET", QUIET, &[], &Value::Null).await;
    assert_eq!((none.status(), none.header("www-authenticate")), (401, Some("Bearer")));
    for wrong in ["", "afk_unknown", &reader[..reader.len() - 1], &reader.replace("afk_", "key_")] {
        assert_eq!(stack.get(wrong, QUIET).await.status(), 401, "{wrong}");
    }
    let basic = stack.ask("GET", QUIET, &[("authorization", &format!("Basic {reader}"))], &Value::Null).await;
    assert_eq!(basic.status(), 401);
    let lower = stack.ask("GET", QUIET, &[("authorization", &format!("bearer {reader}"))], &Value::Null).await;
    assert_eq!(lower.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_has_expired_or_is_revoked_says_so() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    let soon = stack.simulation.clock.now() + Duration::from_secs(10);
    let expiring = stack.make(&NewKey { expires: Some(soon), ..Stack::new_key(&["read"]) }).await;
    assert_eq!(stack.get(&expiring, QUIET).await.status(), 200);
    stack.sleep(10).await;
    let refused = stack.get(&expiring, QUIET).await;
    assert_eq!((refused.status(), &refused.json()["detail"]), (401, &json!("this key has expired")));
    let keys = stack.get(&admin, "/v1/keys").await.json();
    let id = |index: usize| keys["keys"][index]["key"].as_str().unwrap().to_owned();
    let delete = async |id: &str| {
        let headers = [("authorization", &*format!("Bearer {admin}"))];
        stack.ask("DELETE", &format!("/v1/keys/{id}"), &headers, &Value::Null).await.status()
    };
    assert_eq!(keys["keys"][1]["state"], "expired");
    assert_eq!((delete(&id(1)).await, delete(&id(1)).await), (204, 204));
    assert_eq!(delete("key_none").await, 404);
    assert_eq!(delete(&id(0)).await, 204, "an admin key may revoke itself");
    let refused = stack.get(&admin, "/v1/keys").await;
    assert_eq!((refused.status(), &refused.json()["detail"]), (401, &json!("this key is revoked")));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_too_often_is_told_when_to_come_back() {
    let stack = Stack::start().await;
    let key = stack.make(&NewKey { per_minute: 2, ..Stack::new_key(&["read"]) }).await;
    let first = stack.get(&key, QUIET).await;
    assert_eq!((first.status(), first.header("ratelimit-policy")), (200, Some(r#""key";q=2;w=60"#)));
    assert_eq!(first.header("ratelimit"), Some(r#""key";r=1;t=30"#));
    stack.get(&key, QUIET).await;
    let refused = stack.get(&key, QUIET).await;
    assert_eq!((refused.status(), refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.header("ratelimit"), Some(r#""key";r=0;t=60"#));
    stack.sleep(1).await;
    assert_eq!(stack.get(&key, QUIET).await.status(), 200);
    assert_eq!(stack.get(&key, QUIET).await.header("retry-after"), Some("30"));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_new_key_is_named() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    let field = async |body: Value| stack.post(&admin, "/v1/keys", &body).await.problem().1.unwrap();
    assert_eq!(field(json!({"grants": ["read"]})).await, "label");
    assert_eq!(field(json!({"label": "", "grants": ["read"]})).await, "label");
    assert_eq!(field(json!({"label": "a", "grants": []})).await, "grants");
    assert_eq!(field(json!({"label": "a", "grants": ["read", "all"]})).await, "grants[1]");
    assert_eq!(field(json!({"label": "a", "grants": ["read"], "expires": "tomorrow"})).await, "expires");
    assert_eq!(field(json!({"label": "a", "grants": ["read"], "expires": "2020-01-01T00:00:00Z"})).await, "expires");
    assert_eq!(field(json!({"label": "a", "grants": ["read"], "rate": 0})).await, "rate");
    assert_eq!(
        field(json!({"label": "a", "grants": ["read"], "return_urls": ["http://a.example/"]})).await,
        "return_urls"
    );
    assert_eq!(field(json!({"label": "a", "grants": ["read"], "colour": "red"})).await, "colour");
}

#[tokio::test(start_paused = true)]
async fn keys_are_paged_and_a_cursor_is_only_good_where_it_came_from() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    stack.sleep(1).await;
    stack.key(&["read"]).await;
    let page = stack.get(&admin, "/v1/keys?limit=1").await.json();
    let next = page["next"].as_str().unwrap();
    let rest = stack.get(&admin, &format!("/v1/keys?limit=1&cursor={next}")).await.json();
    assert_ne!(page["keys"][0]["key"], rest["keys"][0]["key"]);
    assert_eq!(stack.get(&admin, "/v1/keys?cursor=eA").await.problem().1.unwrap(), "cursor");
    assert_eq!(stack.get(&admin, &format!("/v1/audit?cursor={next}")).await.problem().1.unwrap(), "cursor");
    assert_eq!(stack.get(&admin, "/v1/keys?limit=101").await.problem().1.unwrap(), "limit");
}

#[tokio::test(start_paused = true)]
async fn clients_of_open_wearables_put_their_key_where_they_are_used_to() {
    let stack = Stack::start().await;
    let key = stack.key(&["write"]).await;
    let headers = [("x-open-wearables-api-key", &*key)];
    assert_eq!(stack.ask("GET", "/api/v1/webhooks/endpoints", &headers, &Value::Null).await.status(), 200);
    assert_eq!(stack.ask("GET", QUIET, &headers, &Value::Null).await.status(), 401, "but only under its paths");
}
