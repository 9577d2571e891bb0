//! Requests that are made twice.

use afferent_local::dynamodb::Fault;
use serde_json::{Value, json};

use crate::stack::Stack;

const KEYS: &str = "/v1/keys";

fn wish(label: &str) -> Value {
    json!({"label": label, "grants": ["read"]})
}

async fn count(stack: &Stack, admin: &str) -> usize {
    stack.get(admin, KEYS).await.json()["keys"].as_array().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_request_that_names_itself_is_done_once_and_answered_twice() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    let first = stack.post_named(&admin, KEYS, "one", &wish("a")).await;
    let second = stack.post_named(&admin, KEYS, "one", &wish("a")).await;
    assert_eq!((first.status(), second.status()), (201, 201));
    assert_eq!((first.header("idempotency-replayed"), second.header("idempotency-replayed")), (None, Some("true")));
    assert_eq!(first.json(), second.json(), "the text of the key too, which nobody else can see");
    assert_eq!(second.header("content-type"), Some("application/json"));
    assert_eq!(second.header("ratelimit"), Some(r#""key";r=598;t=1"#), "asking twice is asking twice");
    assert_eq!(count(&stack, &admin).await, 2);
    stack.sleep(24 * 3600).await;
    assert_eq!(stack.post_named(&admin, KEYS, "one", &wish("b")).await.status(), 201, "the name is free after a day");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_cannot_be_read_in_the_table() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    let made = stack.post_named(&admin, KEYS, "one", &wish("a")).await.json();
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let all = client.scan().table_name("afferent-keys").send().await.unwrap();
    let text = format!("{:?}", all.items());
    assert!(text.contains("idem#") && !text.contains("\"one\""));
    assert!(!text.contains(&made["text"].as_str().unwrap()[31..]));
}

#[tokio::test(start_paused = true)]
async fn another_request_under_the_same_name_is_refused() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    stack.post_named(&admin, KEYS, "one", &wish("a")).await;
    let other = stack.post_named(&admin, KEYS, "one", &wish("b")).await;
    assert_eq!((other.status(), other.problem().0.as_str()), (422, "idempotency-key-reused"));
    let elsewhere = stack.post_named(&admin, "/v1/users", "one", &wish("a")).await;
    assert_eq!(elsewhere.status(), 422);
    let another = stack.key(&["admin"]).await;
    assert_eq!(stack.post_named(&another, KEYS, "one", &wish("b")).await.status(), 201, "another key, another name");
}

#[tokio::test(start_paused = true)]
async fn of_two_at_once_one_is_done_and_the_other_is_told_to_wait() {
    let stack = Stack::slow((5, 20)).await;
    let admin = stack.key(&["admin"]).await;
    let wish = wish("a");
    let (one, two) =
        tokio::join!(stack.post_named(&admin, KEYS, "one", &wish), stack.post_named(&admin, KEYS, "one", &wish));
    let mut statuses = [one.status(), two.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    let refused = if one.status() == 409 { one } else { two };
    assert_eq!(refused.problem().0, "idempotency-under-way");
    assert_eq!(count(&stack, &admin).await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_request_itself_is_kept_and_what_may_change_is_not() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    for again in [None, Some("true")] {
        let refused = stack.post_named(&admin, KEYS, "wrong", &json!({"label": "a", "grants": []})).await;
        assert_eq!((refused.status(), refused.header("idempotency-replayed")), (400, again));
    }
    for _ in 0..2 {
        let absent = stack.post_named(&admin, "/v1/notifications/ntf_1/replay", "absent", &Value::Null).await;
        assert_eq!((absent.status(), absent.header("idempotency-replayed")), (404, None));
    }
    // As often as the SDK tries.
    stack.simulation.dynamodb.faults().next(Fault::Throttled, "TransactWriteItems", "afferent-keys", 4);
    assert_eq!(stack.post_named(&admin, KEYS, "failed", &wish("a")).await.status(), 503);
    let again = stack.post_named(&admin, KEYS, "failed", &wish("a")).await;
    assert_eq!((again.status(), again.header("idempotency-replayed")), (201, None));
}

#[tokio::test(start_paused = true)]
async fn what_was_done_and_could_not_be_kept_is_not_done_again() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    stack.simulation.dynamodb.faults().next(Fault::Throttled, "UpdateItem", "SET answer", 4);
    assert_eq!(stack.post_named(&admin, KEYS, "one", &wish("a")).await.status(), 201);
    stack.sleep(120).await;
    let again = stack.post_named(&admin, KEYS, "one", &wish("a")).await;
    assert_eq!((again.status(), again.problem().0.as_str()), (409, "idempotency-answer-not-kept"));
    assert_eq!(count(&stack, &admin).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_printable_and_not_too_long() {
    let stack = Stack::start().await;
    let admin = stack.key(&["admin"]).await;
    for name in ["", &"x".repeat(256), "a\tb", "é"] {
        let refused = stack.post_named(&admin, KEYS, name, &wish("a")).await;
        assert_eq!((refused.status(), refused.problem().1.as_deref()), (400, Some("Idempotency-Key")), "{name:?}");
    }
    assert_eq!(stack.post_named(&admin, KEYS, &"x".repeat(255), &wish("a")).await.status(), 201);
}
