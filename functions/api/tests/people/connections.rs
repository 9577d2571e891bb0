//! Connections over HTTP.

use std::time::Duration;

use afferent_domain::connection::State;
use afferent_domain::id::ConnectionId;
use afferent_domain::service::Service;
use lambda_http::http::StatusCode;
use serde_json::json;
use withings_simulator::NewUser;

use crate::stack::Stack;

const DAY: i64 = 86_400;

#[tokio::test(start_paused = true)]
async fn a_connection_is_shown_without_its_tokens() {
    let stack = Stack::start().await;
    let granted = ["user.info".to_owned(), "user.activity".to_owned()].into();
    stack.withings.configure(|settings| settings.granted_scopes = Some(granted));
    stack.post("/v1/users", &json!({"reference_id": "a", "timezone": "Europe/Berlin"})).await;
    let told = stack.connect("a").await;
    let path = format!("/v1/connections/{}", told["connection"].as_str().unwrap());
    let (status, shown) = stack.get(&path).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    assert_eq!((&shown["user"], &shown["connection"]), (&told["user"], &told["connection"]));
    assert_eq!((shown["userid"].as_str(), shown["region"].as_str()), (Some(&*stack.userid.to_string()), Some("eu")));
    assert_eq!((shown["state"].as_str(), shown["timezone"].as_str()), (Some("connected"), Some("Europe/Berlin")));
    let scopes = json!({"granted": ["user.activity", "user.info"], "missing": ["user.metrics", "user.sleepevents"]});
    assert_eq!(shown["scopes"], scopes);
    assert_eq!(shown["first_connected"], shown["connected"]);
    let mut members: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let expected = [
        "connected",
        "connection",
        "first_connected",
        "region",
        "scopes",
        "state",
        "subscriptions",
        "timezone",
        "user",
        "userid",
    ];
    assert_eq!(members, expected);
    let (_, list) = stack.get(&format!("/v1/users/{}/connections", told["user"].as_str().unwrap())).await;
    assert_eq!(list, json!({"connections": [shown], "next": null}));
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_seen_by_who_may_read_and_by_its_user_alone() {
    let stack = Stack::start().await;
    let one = stack.connect("one").await;
    let two = stack.connect("two").await;
    let path = |of: &serde_json::Value| format!("/v1/connections/{}", of["connection"].as_str().unwrap());
    let own = stack.key_for(&[&format!("user:{}", one["user"].as_str().unwrap())]).await;
    assert_eq!(stack.get_as(&own, &path(&one)).await.0, StatusCode::OK);
    for hidden in [path(&two), "/v1/connections/con_0".to_owned(), "/v1/connections/x".to_owned()] {
        assert_eq!(stack.get_as(&own, &hidden).await.0, StatusCode::NOT_FOUND, "{hidden}");
    }
    assert_eq!(stack.get("/v1/connections/con_0").await.0, StatusCode::NOT_FOUND);
    let endpoint = stack.key_for(&["endpoint:ep_1"]).await;
    for path in [path(&one), "/v1/connections/con_0".to_owned(), "/v1/connections/x".to_owned()] {
        assert_eq!(stack.get_as(&endpoint, &path).await.0, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_read_everything_lists_the_connections_of_everybody() {
    let stack = Stack::start().await;
    let mut expected = Vec::new();
    for reference in ["one", "two", "three"] {
        expected.push(stack.connect(reference).await["connection"].as_str().unwrap().to_owned());
    }
    expected.sort();
    let one = stack.key_for(&["user:usr_1"]).await;
    assert_eq!(stack.get_as(&one, "/v1/connections").await.0, StatusCode::FORBIDDEN);
    let reader = stack.key_for(&["read"]).await;
    let (_, first) = stack.get_as(&reader, "/v1/connections?limit=2").await;
    let next = first["next"].as_str().unwrap();
    let (_, second) = stack.get_as(&reader, &format!("/v1/connections?limit=2&cursor={next}")).await;
    assert_eq!(second["next"], json!(null));
    let listed = [first["connections"].as_array().unwrap().clone(), second["connections"].as_array().unwrap().clone()];
    let listed: Vec<_> = listed.concat().iter().map(|one| one["connection"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, expected);
}

#[tokio::test(start_paused = true)]
async fn connecting_again_keeps_the_ids_and_reads_the_gap_and_not_all_history() {
    let stack = Stack::with(&[("BackfillDays", "300")]).await;
    let first = stack.connect("a").await;
    let id = ConnectionId::from(first["connection"].as_str().unwrap());
    let begun = stack.connections.runs(&id).await.unwrap();
    assert_eq!(begun.len(), 1);
    assert_eq!((begun[0].ask.to - begun[0].ask.oldest()) / DAY, 300);

    tokio::time::sleep(Duration::from_secs(40 * 86_400)).await;
    let living = stack.connections.get(&id).await.unwrap().unwrap();
    stack.connections.set_state(&living, State::Reauthorise).await.unwrap();
    let (_, shown) = stack.get(&format!("/v1/connections/{id}")).await;
    assert_eq!(shown["state"], "reauthorise");
    let again = stack.connect("a").await;
    assert_eq!((&again["user"], &again["connection"]), (&first["user"], &first["connection"]));
    let (_, shown) = stack.get(&format!("/v1/connections/{id}")).await;
    assert_eq!(shown["state"], "connected");
    assert!(shown["connected"].as_str() > shown["first_connected"].as_str());
    let runs = stack.connections.runs(&id).await.unwrap();
    assert_eq!(runs.len(), 2);
    let gap = runs.iter().find(|run| run.id != begun[0].id).unwrap();
    let days = (gap.ask.to - gap.ask.oldest()) / DAY;
    assert!((40..=43).contains(&days), "{days} days");
    assert!(gap.ask.from.keys().all(|service: &Service| !service.uses_lastupdate()), "the cursor fills those");
}

#[tokio::test(start_paused = true)]
async fn a_user_may_have_two_accounts() {
    let stack = Stack::start().await;
    let one = stack.connect("a").await;
    let other = stack.withings.create_user(NewUser::default()).unwrap();
    stack.withings.configure(|settings| settings.auto_consent = withings_simulator::AutoConsent::User(other));
    let two = stack.connect("a").await;
    assert_eq!(one["user"], two["user"]);
    assert_ne!(one["connection"], two["connection"]);
    let (_, list) = stack.get(&format!("/v1/users/{}/connections", one["user"].as_str().unwrap())).await;
    assert_eq!(list["connections"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_connections_of_a_user_are_read_page_by_page() {
    let stack = Stack::start().await;
    let first = stack.connect("a").await;
    stack.connect("b").await;
    for _ in 0..4 {
        let other = stack.withings.create_user(NewUser::default()).unwrap();
        stack.withings.configure(|settings| settings.auto_consent = withings_simulator::AutoConsent::User(other));
        stack.connect("a").await;
    }
    let path = format!("/v1/users/{}/connections", first["user"].as_str().unwrap());
    let ids = |page: &serde_json::Value| -> Vec<String> {
        let all = page["connections"].as_array().unwrap().iter();
        all.map(|one| one["connection"].as_str().unwrap().to_owned()).collect()
    };
    let (_, whole) = stack.get(&path).await;
    let (whole_ids, next) = (ids(&whole), &whole["next"]);
    assert_eq!((whole_ids.len(), next), (5, &json!(null)));
    assert!(whole_ids.is_sorted());
    let (mut read, mut query) = (Vec::new(), "limit=2".to_owned());
    let mut lengths = Vec::new();
    loop {
        let (status, page) = stack.get(&format!("{path}?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        lengths.push(ids(&page).len());
        read.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!((read, lengths), (whole_ids, vec![2, 2, 1]));
    let (_, other) = stack.get("/v1/users?reference_id=b").await;
    let other = format!("/v1/users/{}/connections?{query}", other["users"][0]["user"].as_str().unwrap());
    for wrong in [other, format!("{path}?cursor=x"), format!("{path}?limit=101"), format!("{path}?limit=0")] {
        assert_eq!(stack.get(&wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
}
