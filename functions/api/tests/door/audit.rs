//! What is noted of writes.

use afferent_local::dynamodb::Fault;
use serde_json::{Value, json};

use crate::stack::Stack;

async fn entries(stack: &Stack, admin: &str) -> Vec<Value> {
    stack.get(admin, "/v1/audit?limit=100").await.json()["entries"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn every_write_is_noted_with_who_what_and_how_it_ended() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    let reader = stack.key(&["read"]).await;
    let wish = json!({"label": "secret-label", "grants": ["read"]});
    stack.post_named(&admin, "/v1/keys", "one", &wish).await;
    stack.post_named(&admin, "/v1/keys", "one", &wish).await;
    stack.sleep(1).await;
    stack.post(&reader, "/v1/keys", &wish).await;
    stack.sleep(1).await;
    let headers = [("authorization", &*format!("Bearer {admin}"))];
    stack.ask("DELETE", "/v1/keys/key_none", &headers, &Value::Null).await;
    stack.get(&admin, "/v1/keys").await;
    let entries = entries(&stack, &admin).await;
    let seen: Vec<_> =
        entries.iter().map(|entry| (entry["method"].as_str().unwrap(), entry["status"].as_u64())).collect();
    assert_eq!(
        seen,
        [("DELETE", Some(404)), ("POST", Some(403)), ("POST", Some(201))],
        "a repeated answer is no write"
    );
    assert_eq!((&entries[0]["route"], &entries[0]["ids"]), (&json!("/v1/keys/{key}"), &json!({"key": "key_none"})));
    assert_eq!(entries[0]["label"], "ours");
    assert!(entries[0]["key"].as_str().unwrap().starts_with("key_") && entries[0]["key"] != entries[1]["key"]);
    assert!(!json!(entries).to_string().contains("secret-label"), "no body");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_noted_is_not_done() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    stack.simulation.dynamodb.faults().next(Fault::Throttled, "PutItem", "_audit", 4);
    let refused = stack.post(&admin, "/v1/keys", &json!({"label": "a", "grants": ["read"]})).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(stack.get(&admin, "/v1/keys").await.json()["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_act_whose_end_was_not_noted_has_an_unknown_outcome() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    stack.simulation.dynamodb.faults().next(Fault::Throttled, "UpdateItem", "_audit", 4);
    let made = stack.post(&admin, "/v1/keys", &json!({"label": "a", "grants": ["read"]})).await;
    assert_eq!(made.status(), 201, "it was done, and says so");
    assert_eq!(entries(&stack, &admin).await[0]["status"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_is_noted_by_its_id() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    let post = async |path: &str, body: Value| {
        let answer = stack.post(&admin, path, &body).await;
        assert!(matches!(answer.status(), 200..=202), "{path}: {}", answer.status());
        stack.sleep(1).await;
        answer.json()
    };
    let key = post("/v1/keys", json!({"label": "a", "grants": ["read"]})).await;
    let user = post("/v1/users", json!({"reference_id": "secret-person"})).await;
    let link = post("/v1/link", json!({"reference_id": "secret-person"})).await;
    post("/v1/connections/authorize", json!({"reference_id": "secret-person"})).await;
    let one = |reference: &str, userid: u64| json!({"reference_id": reference, "userid": userid, "refresh_token": "t"});
    let imported = post(
        "/v1/connections/import",
        json!({"connections": [one("secret-person", 7), one("secret-other", 8), one("", 9)]}),
    )
    .await;
    let erasure = post(&format!("/v1/users/{}/erase", user["user"].as_str().unwrap()), json!({})).await;
    let noted = entries(&stack, &admin).await;
    let ids = |route: &str| noted.iter().find(|entry| entry["route"] == route).unwrap()["ids"].clone();
    assert_eq!(ids("/v1/keys"), json!({"key": key["key"]}));
    assert_eq!(ids("/v1/users"), json!({"user": user["user"]}));
    assert_eq!(ids("/v1/link"), json!({"link": link["link"], "user": user["user"]}));
    assert_eq!(ids("/v1/connections/authorize"), json!({"user": user["user"]}));
    assert_eq!(ids("/v1/users/{user}/erase"), json!({"user": user["user"], "erasure": erasure["erasure"]}));
    for (kind, of) in [("users", "user"), ("connections", "connection")] {
        let listed = ids("/v1/connections/import")[kind].clone();
        let mut each: Vec<_> = listed.as_str().unwrap().split(' ').collect();
        let mut made: Vec<_> =
            imported["connections"].as_array().unwrap()[..2].iter().map(|one| one[of].as_str().unwrap()).collect();
        each.sort_unstable();
        made.sort_unstable();
        assert_eq!(each, made, "{kind}");
    }
    let text = json!(noted).to_string();
    assert!(!text.contains("secret-") && !text.contains(link["link_url"].as_str().unwrap()), "no names and no secrets");
    assert!(!text.contains(key["text"].as_str().unwrap()));
}
