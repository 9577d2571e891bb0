//! What does not fit how things stand says by its type what the matter is: programs go by that.

use std::time::Duration;

use afferent_local::network::Reply;
use lambda_http::http::StatusCode;
use serde_json::json;

use crate::answers::Answer;
use crate::stack::{Stack, seconds};

/// The last part of the type of a 409.
fn clash(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
    answer.body["type"].as_str().unwrap().strip_prefix("urn:afferent:problem:").unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_delivery_says_whether_it_waits_is_being_tried_or_has_ended() {
    let stack = Stack::start().await;
    let (path, _) = stack.endpoint().await;
    stack.receiver.next([Reply::After(Duration::from_secs(9), Box::new(Reply::Status(200)))]);
    stack.record("rec_1").await;
    let listed = stack.get(&format!("{path}/deliveries")).await;
    let delivery = format!("{path}/deliveries/{}", listed.body["deliveries"][0]["event"].as_str().unwrap());
    assert_eq!(clash(&stack.poke(&format!("{delivery}/cancel")).await), "try-under-way");
    assert_eq!(clash(&stack.poke(&format!("{delivery}/resend")).await), "delivery-waits");
    seconds(10).await;
    assert_eq!(clash(&stack.poke(&format!("{delivery}/cancel")).await), "delivery-over");
}

#[tokio::test(start_paused = true)]
async fn a_job_says_whether_it_is_one_too_many_over_or_needed() {
    let stack = Stack::start().await;
    let (path, _) = stack.endpoint().await;
    stack.simulation.pause("keeper");
    seconds(10).await;
    let wish = json!({"since": "2026-01-01T00:00:00Z", "preview": true});
    let first = stack.post(&format!("{path}/recover"), wish.clone()).await;
    for _ in 1..5 {
        assert_eq!(stack.post(&format!("{path}/replay"), wish.clone()).await.status, StatusCode::ACCEPTED);
    }
    assert_eq!(clash(&stack.post(&format!("{path}/recover"), wish.clone()).await), "too-many-jobs");
    let cancel = format!("{path}/jobs/{}/cancel", first.body["job"].as_str().unwrap());
    assert_eq!(stack.poke(&cancel).await.status, StatusCode::OK);
    assert_eq!(clash(&stack.poke(&cancel).await), "job-over");

    stack.poke(&format!("{path}/disable")).await;
    for (command, body) in [("recover", wish.clone()), ("replay", wish), ("test", json!({}))] {
        assert_eq!(clash(&stack.post(&format!("{path}/{command}"), body).await), "endpoint-disabled", "{command}");
    }
    let jobs = stack.get(&format!("{path}/jobs?limit=100")).await;
    let jobs = jobs.body["jobs"].as_array().unwrap();
    let needed = jobs.iter().find(|job| job["kind"] == "cancel").unwrap()["job"].as_str().unwrap();
    assert_eq!(clash(&stack.poke(&format!("{path}/jobs/{needed}/cancel")).await), "job-needed");
}

#[tokio::test(start_paused = true)]
async fn a_secret_says_whether_it_is_the_current_one_or_one_too_many() {
    let stack = Stack::start().await;
    let (path, _) = stack.endpoint().await;
    assert_eq!(clash(&stack.delete(&format!("{path}/secrets/1")).await), "current-secret");
    let mut last = stack.poke(&format!("{path}/secret/rotate")).await;
    for _ in 0..10 {
        last = stack.poke(&format!("{path}/secret/rotate")).await;
    }
    assert_eq!(clash(&last), "too-many-secrets");
}
