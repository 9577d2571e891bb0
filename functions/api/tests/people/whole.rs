//! What follows from connecting and importing, with everything behind the function running.

use std::time::Duration;

use afferent_domain::backfill::State;
use afferent_domain::id::ConnectionId;

use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use withings_simulator::{Notify, sample};

use crate::stack::Stack;

const HOUR: Duration = Duration::from_secs(3600);

/// Of the connection: as the API shows it, and what it brought.
async fn brought(stack: &Stack, connection: &Value) -> (Value, Vec<String>) {
    let (status, shown) = stack.get(&format!("/v1/connections/{}", connection.as_str().unwrap())).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    let user = shown["user"].as_str().unwrap();
    let (_, records) = stack.get(&format!("/v1/users/{user}/records?limit=200")).await;
    let records = records["records"].as_array().unwrap();
    let mut kinds: Vec<String> = records.iter().map(|record| record["kind"].as_str().unwrap().to_owned()).collect();
    kinds.sort();
    kinds.dedup();
    (shown, kinds)
}

#[tokio::test(start_paused = true)]
async fn an_imported_connection_is_subscribed_read_and_told_of_like_any_other() {
    let stack = Stack::whole(&[("WithingsLimit", "600")]).await;
    let person = sample::person(&stack.withings, Notify::No).unwrap();
    tokio::time::sleep(HOUR).await;
    let pair = stack.withings.issue_tokens(person.userid, None, "").unwrap();
    let body = json!({"connections": [
        {"reference_id": "a", "userid": person.userid, "refresh_token": pair.refresh_token, "backfill": 30},
    ]});
    let (_, answer) = stack.post("/v1/connections/import", &body).await;
    let connection = &answer["connections"][0]["connection"];
    let runs = || async {
        let id = ConnectionId::from(connection.as_str().unwrap());
        stack.connections.runs(&id).await.unwrap()
    };
    let end = stack.simulation.clock.now() + HOUR;
    while !runs().await.iter().any(|run| run.state == State::Done) {
        assert!(stack.simulation.clock.now() < end, "{:?}", runs().await);
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    let [run] = &runs().await[..] else { panic!("not one run") };
    assert_eq!((run.ask.to - run.ask.oldest()) / 86_400, 30);
    // The account's care subscribes one category after the other.
    tokio::time::sleep(HOUR).await;
    let (shown, kinds) = brought(&stack, connection).await;
    assert_eq!((shown["state"].as_str(), &shown["scopes"]["granted"]), (Some("connected"), &Value::Null));
    let subscriptions = shown["subscriptions"].as_array().unwrap();
    assert!(subscriptions.len() >= 10 && subscriptions.iter().all(|one| one["standing"] == "on"), "{subscriptions:?}");
    for kind in ["activity_day", "body_weight", "connection", "sleep_session"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind} in {kinds:?}");
    }
    let (_, events) = stack.get(&format!("/v1/users/{}/events", shown["user"].as_str().unwrap())).await;
    assert_eq!(events["events"][0]["type"], "connection.created");
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_withings_does_not_take_ends_as_a_connection_to_be_made_again() {
    let stack = Stack::whole(&[]).await;
    let body = json!({"connections": [{"reference_id": "a", "userid": stack.userid, "refresh_token": "wrong"}]});
    let (_, answer) = stack.post("/v1/connections/import", &body).await;
    assert_eq!(answer["connections"][0]["result"], "imported");
    tokio::time::sleep(HOUR).await;
    let connection = &answer["connections"][0]["connection"];
    let (shown, kinds) = brought(&stack, connection).await;
    assert_eq!((shown["state"].as_str(), kinds), (Some("reauthorise"), vec!["connection".to_owned()]));

    // A link mends it.
    let told = stack.connect("a").await;
    assert_eq!(&told["connection"], connection);
    assert_eq!(brought(&stack, connection).await.0["state"], "connected");
}
