use std::time::Duration;

use afferent_local::dynamodb::Fault;
use lambda_http::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{MINUTE, World};

fn outcomes(answer: &Value) -> Vec<(&str, &str)> {
    let services = answer["services"].as_array().unwrap().iter();
    services.map(|one| (one["service"].as_str().unwrap(), one["outcome"].as_str().unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_refresh_reads_at_once_what_nobody_announced() {
    let world = World::start(501).await;
    world.pressures([0]);
    let (status, answer) = world.post(&world.of("/refresh"), Value::Null).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let outcomes = outcomes(&answer);
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == "queued"), "{outcomes:?}");
    assert_eq!(outcomes.len(), 9, "series and signals come with their rows");
    // Well before the keeper looks.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.of_kind("blood_pressure").await.len(), 1);
    let (_, services) = world.get(&world.of("/services")).await;
    let weight = services["services"].as_array().unwrap().iter().find(|one| one["service"] == "getmeas").unwrap();
    assert_eq!(weight["last_reading"]["result"], "ok", "{weight}");
    assert_eq!(weight["unread"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_whose_messages_are_lost_takes_a_minute_longer() {
    let world = World::start(502).await;
    world.pressures([0]);
    world.rig.stack.sqs.out_of_reach(true);
    let (status, _) = world.post(&world.of("/refresh"), json!({"services": ["getmeas"]})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.rig.stack.sqs.out_of_reach(false);
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(world.of_kind("blood_pressure").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_refreshed_at_most_once_a_minute() {
    let world = World::start(503).await;
    let wish = json!({"services": ["getmeas"]});
    assert_eq!(world.post(&world.of("/refresh"), wish.clone()).await.0, StatusCode::ACCEPTED);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let answer = world.call(&world.key, Method::POST, &world.of("/refresh"), &wish).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((38..=41).contains(&wait), "{wait}");
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(world.post(&world.of("/refresh"), wish).await.0, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_whose_first_write_was_answered_to_nobody_is_done_all_the_same() {
    let world = World::start(507).await;
    world.pressures([0]);
    world.rig.stack.dynamodb.faults().next(Fault::AnswerLost, "UpdateItem", "refreshed_ms", 1);
    let (status, answer) = world.post(&world.of("/refresh"), json!({"services": ["getmeas"]})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.of_kind("blood_pressure").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_granted_is_said_and_not_read() {
    let world = World::start(504).await;
    world.grant("user.activity").await;
    world.rig.withings.clear_calls();
    let (_, answer) = world.post(&world.of("/refresh"), json!({"services": ["getmeas", "getactivity"]})).await;
    assert_eq!(outcomes(&answer), [("getmeas", "not_granted"), ("getactivity", "queued")]);
    tokio::time::sleep(MINUTE).await;
    let called: Vec<String> = world.rig.withings.calls().into_iter().map(|call| call.action).collect();
    assert!(called.contains(&"getactivity".to_owned()) && !called.contains(&"getmeas".to_owned()), "{called:?}");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_marked_may_be_asked_for_again_at_once() {
    let world = World::start(508).await;
    world.rig.stack.dynamodb.faults().next(Fault::Failed, "UpdateItem", "service#getactivity", 1_000);
    let (status, _) = world.post(&world.of("/refresh"), Value::Null).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    world.rig.stack.dynamodb.faults().clear();
    let (status, answer) = world.post(&world.of("/refresh"), Value::Null).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert!(outcomes(&answer).contains(&("getactivity", "queued")), "{answer}");
    assert_eq!(world.post(&world.of("/refresh"), Value::Null).await.0, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(start_paused = true)]
async fn a_dead_link_cannot_be_refreshed_and_says_so() {
    let world = World::start(505).await;
    world.rig.withings.kill_tokens(world.rig.person.userid);
    world.post(&world.of("/refresh"), Value::Null).await;
    tokio::time::sleep(5 * MINUTE).await;
    for _ in 0..2 {
        let (status, problem) = world.post(&world.of("/refresh"), Value::Null).await;
        let not_connected = json!("urn:afferent:problem:not-connected");
        assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &not_connected), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_named() {
    let world = World::start(506).await;
    for (wish, field) in [
        (json!({"services": []}), "services"),
        (json!({"services": ["getmeas", "getmood"]}), "services[1]"),
        (json!({"services": ["getmeas", "getmeas"]}), "services[1]"),
        (json!({"services": ["sleep_get"]}), "services[0]"),
        (json!({"service": "getmeas"}), "service"),
    ] {
        let (status, problem) = world.post(&world.of("/refresh"), wish.clone()).await;
        assert_eq!((status, problem["field"].as_str()), (StatusCode::BAD_REQUEST, Some(field)), "{wish}: {problem}");
    }
    for id in ["con_0", "usr_1", "con_"] {
        let (status, _) = world.post(&format!("/v1/connections/{id}/refresh"), Value::Null).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{id}");
    }
}
