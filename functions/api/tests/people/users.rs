//! Users over HTTP.

use lambda_http::http::{Method, StatusCode};
use serde_json::json;

use crate::stack::Stack;

#[tokio::test(start_paused = true)]
async fn a_user_is_made_once_however_often_it_is_asked_for() {
    let stack = Stack::start().await;
    let (status, user) = stack.post("/v1/users", &json!({"reference_id": "a", "timezone": "Europe/Berlin"})).await;
    assert_eq!(status, StatusCode::CREATED, "{user}");
    assert_eq!((user["reference_id"].as_str(), user["timezone"].as_str()), (Some("a"), Some("Europe/Berlin")));
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let again = stack.post("/v1/users", &json!({"reference_id": "a"})).await;
    assert_eq!(again, (StatusCode::OK, user.clone()), "a time zone that is not given stays");
    let (status, moved) = stack.post("/v1/users", &json!({"reference_id": "a", "timezone": "Asia/Tokyo"})).await;
    assert_eq!((status, moved["timezone"].as_str()), (StatusCode::OK, Some("Asia/Tokyo")));
    assert_eq!(moved["created"], user["created"]);
    let path = format!("/v1/users/{}", user["user"].as_str().unwrap());
    assert_eq!(stack.get(&path).await, (StatusCode::OK, moved));
    for (body, field) in [
        (json!({}), "reference_id"),
        (json!({"reference_id": "a\u{7}"}), "reference_id"),
        (json!({"reference_id": "a", "timezone": "Europe/Atlantis"}), "timezone"),
        (json!({"reference_id": "a", "name": "x"}), "name"),
    ] {
        let (status, problem) = stack.post("/v1/users", &body).await;
        assert_eq!((status, problem["field"].as_str()), (StatusCode::BAD_REQUEST, Some(field)), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn users_are_listed_page_by_page_each_once() {
    let stack = Stack::start().await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let (_, user) = stack.post("/v1/users", &json!({"reference_id": format!("person {number}")})).await;
        expected.push(user["user"].as_str().unwrap().to_owned());
    }
    // Connecting makes a user as well.
    expected.push(stack.connect("person 7").await["user"].as_str().unwrap().to_owned());
    expected.sort();
    let (mut found, mut path) = (Vec::new(), "/v1/users?limit=3".to_owned());
    loop {
        let (status, page) = stack.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let users = page["users"].as_array().unwrap();
        assert!(users.len() <= 3);
        found.extend(users.iter().map(|user| user["user"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/users?limit=3&cursor={next}");
    }
    assert_eq!(found, expected);

    let (_, one) = stack.get("/v1/users?reference_id=person+7").await;
    assert_eq!(one["users"].as_array().unwrap().len(), 1);
    assert_eq!(stack.get("/v1/users?reference_id=nobody").await.1, json!({"users": [], "next": null}));
    for path in ["/v1/users?cursor=x", "/v1/users?limit=101", "/v1/users?colour=red", "/v1/users?reference_id="] {
        assert_eq!(stack.get(path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_s_own_key_sees_that_user_and_nobody_else() {
    let stack = Stack::start().await;
    let one = stack.connect("one").await;
    let (_, two) = stack.post("/v1/users", &json!({"reference_id": "two"})).await;
    let (one, two) = (one["user"].as_str().unwrap(), two["user"].as_str().unwrap());
    let own = stack.key_for(&[&format!("user:{one}")]).await;
    for list in ["", "/connections"] {
        assert_eq!(stack.get_as(&own, &format!("/v1/users/{one}{list}")).await.0, StatusCode::OK);
        for other in [two, "usr_0", "_app", "x"] {
            assert_eq!(
                stack.get_as(&own, &format!("/v1/users/{other}{list}")).await.0,
                StatusCode::NOT_FOUND,
                "{other}"
            );
        }
        for nobody in ["usr_0", "_app", "x"] {
            assert_eq!(stack.get(&format!("/v1/users/{nobody}{list}")).await.0, StatusCode::NOT_FOUND, "{nobody}");
        }
    }
    assert_eq!(stack.get_as(&own, "/v1/users").await.0, StatusCode::FORBIDDEN);
    let made = stack.call(&own, Method::POST, "/v1/users", Some(&json!({"reference_id": "one"}))).await;
    assert_eq!(made.status(), StatusCode::FORBIDDEN);
    assert_eq!(stack.get(&format!("/v1/users/{two}/connections")).await.1, json!({"connections": [], "next": null}));
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_forgotten_leaves_nothing_but_connections() {
    let stack = Stack::start().await;
    let told = stack.connect("a").await;
    stack.post("/v1/link", &json!({"reference_id": "a"})).await;
    let user = afferent_domain::id::UserId::from(told["user"].as_str().unwrap());
    // The entry of the directory, the user, one connection's pointer, and a state and a link with theirs.
    assert_eq!(stack.connections.forget_user(&user).await.unwrap(), 7);
    assert_eq!(stack.get("/v1/users").await.1["users"], json!([]));
    assert_eq!(stack.get(&format!("/v1/users/{user}")).await.0, StatusCode::NOT_FOUND);
    let table = format!("{}-connections", stack.simulation.template.place.stack);
    let items = afferent_store::client(&stack.simulation.rim.aws).scan().table_name(table).send().await.unwrap();
    let left = items.items().iter().filter(|item| item["owner"].as_s().unwrap().starts_with("user#"));
    assert_eq!(left.count(), 0);
    assert!(items.items().iter().all(|item| !item.contains_key("reference")));
}
