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
