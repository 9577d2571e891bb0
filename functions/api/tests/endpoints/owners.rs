//! What the key of an endpoint's owner may, and what it may not.

use lambda_http::Body;
use lambda_http::http::{Method, StatusCode};
use serde_json::json;

use crate::stack::{Stack, URL, text};

#[tokio::test(start_paused = true)]
async fn an_owner_may_do_everything_with_their_endpoint_and_sees_no_other() {
    let stack = Stack::start().await;
    let (own, _) = stack.endpoint().await;
    let (other, _) = stack.endpoint().await;
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let owner = stack.key(&format!("endpoint:{}", id(&own))).await;
    for (method, rest, body) in [
        (Method::GET, "", Body::Empty),
        (Method::PATCH, "", text(&json!({"description": "ours"}))),
        (Method::GET, "/secret", Body::Empty),
        (Method::GET, "/secrets", Body::Empty),
        (Method::POST, "/secret/rotate", Body::Empty),
        (Method::POST, "/test", Body::Empty),
        (Method::GET, "/deliveries", Body::Empty),
        (Method::GET, "/jobs", Body::Empty),
        (Method::POST, "/recover", text(&json!({"since": "2026-01-01T00:00:00Z"}))),
        (Method::POST, "/disable", Body::Empty),
        (Method::POST, "/enable", Body::Empty),
    ] {
        let allowed = stack.ask_with(&owner, method.clone(), &format!("{own}{rest}"), body.clone()).await;
        assert!(allowed.status.is_success(), "{method} {rest}: {}", allowed.body);
        for hidden in [other.clone(), "/v1/endpoints/ep_nobodys".to_owned(), "/v1/endpoints/nonsense".to_owned()] {
            let answer = stack.ask_with(&owner, method.clone(), &format!("{hidden}{rest}"), body.clone()).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {hidden}{rest}");
        }
    }
    let theirs = format!("/api/v1/webhooks/endpoints/{}", id(&own));
    assert_eq!(stack.ask_with(&owner, Method::GET, &theirs, Body::Empty).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn only_who_may_change_everything_registers_and_lists() {
    let stack = Stack::start().await;
    let (own, _) = stack.endpoint().await;
    let owner = format!("endpoint:{}", own.rsplit('/').next().unwrap());
    for grant in [owner.as_str(), "read", "user:usr_anna"] {
        let key = stack.key(grant).await;
        for path in ["/v1/endpoints", "/api/v1/webhooks/endpoints"] {
            let listed = stack.ask_with(&key, Method::GET, path, Body::Empty).await;
            let registered = stack.ask_with(&key, Method::POST, path, text(&json!({"url": URL}))).await;
            assert_eq!([listed.status, registered.status], [StatusCode::FORBIDDEN; 2], "{grant} {path}");
        }
    }
    for grant in ["read", "user:usr_anna"] {
        let key = stack.key(grant).await;
        let shown = stack.ask_with(&key, Method::GET, &format!("{own}/secret"), Body::Empty).await;
        assert_eq!(shown.status, StatusCode::FORBIDDEN, "{grant}");
    }
    let admin = stack.key("admin").await;
    assert_eq!(stack.ask_with(&admin, Method::GET, &own, Body::Empty).await.status, StatusCode::OK);
}
