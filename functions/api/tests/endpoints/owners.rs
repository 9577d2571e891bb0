//! What the key of an endpoint's owner may, and what it may not.

use lambda_http::Body;
use lambda_http::http::{Method, StatusCode};
use serde_json::json;

use crate::stack::{Stack, URL, seconds, text};

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

#[tokio::test(start_paused = true)]
async fn an_owner_does_not_change_what_their_endpoint_may_see() {
    let stack = Stack::start().await;
    let wish = json!({"url": URL, "users": ["usr_ben"], "types": ["body_weight.*"], "payload": "thin", "backfill": "none",
        "headers": {"authorization": "t0ken"}});
    let registered = stack.post("/v1/endpoints", wish).await;
    let id = registered.body["endpoint"].as_str().unwrap();
    let (own, theirs) = (format!("/v1/endpoints/{id}"), format!("/api/v1/webhooks/endpoints/{id}"));
    let owner = stack.key(&format!("endpoint:{id}")).await;
    let was = stack.get(&own).await.body;
    let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/other";
    for (path, change) in [
        (&own, json!({"users": null})),
        (&own, json!({"users": ["usr_anna", "usr_ben"]})),
        (&own, json!({"types": ["*"]})),
        (&own, json!({"payload": "full"})),
        (&own, json!({"backfill": "events"})),
        (&own, json!({"queue_url": queue})),
        (&own, json!({"url": format!("{URL}/mine"), "users": "_all"})),
        (&theirs, json!({"user_id": null})),
        (&theirs, json!({"filter_types": []})),
    ] {
        let refused = stack.ask_with(&owner, Method::PATCH, path, text(&change)).await;
        let kind = &refused.body["type"];
        assert_eq!(
            (refused.status, kind),
            (StatusCode::FORBIDDEN, &json!("urn:afferent:problem:grant-missing")),
            "{change}"
        );
        assert!(refused.body["detail"].as_str().unwrap().contains("write"), "{}", refused.body);
        assert_eq!(stack.get(&own).await.body, was, "{change}: nothing is changed");
    }
    // Nothing of another user's comes, however it is asked for.
    stack.record("rec_1").await;
    let replay = json!({"since": "2026-01-01T00:00:00Z"});
    let asked = stack.ask_with(&owner, Method::POST, &format!("{own}/replay"), text(&replay)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED);
    seconds(600).await;
    assert!(stack.receiver.seen().is_empty());

    // The address is theirs to change, and is not told what was set for the one before.
    let moved = stack.ask_with(&owner, Method::PATCH, &own, text(&json!({"url": format!("{URL}/mine")}))).await;
    assert_eq!((moved.status, moved.body.get("headers")), (StatusCode::OK, None));
    let widened = stack.patch(&own, json!({"users": null, "types": ["*"], "payload": "full"})).await;
    assert_eq!((widened.status, &widened.body["users"]), (StatusCode::OK, &json!("_all")));
}

#[tokio::test(start_paused = true)]
async fn what_was_disabled_with_a_key_to_all_endpoints_is_not_enabled_with_the_key_to_one() {
    let stack = Stack::start().await;
    let (own, _) = stack.endpoint().await;
    let owner = stack.key(&format!("endpoint:{}", own.rsplit('/').next().unwrap())).await;
    let (enable, disable) = (format!("{own}/enable"), format!("{own}/disable"));
    let disabled = stack.ask_with(&owner, Method::POST, &disable, Body::Empty).await;
    assert_eq!(disabled.body["standing"]["cause"], "owner");
    assert_eq!(stack.poke(&disable).await.body["standing"]["cause"], "operator");
    assert_eq!(stack.ask_with(&owner, Method::POST, &enable, Body::Empty).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stack.get(&own).await.body["standing"]["state"], "disabled");
    assert_eq!(stack.poke(&enable).await.body["endpoint"]["standing"]["state"], "enabled");
}
