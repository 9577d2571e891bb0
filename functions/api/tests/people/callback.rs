//! The way over Withings' consent page without a hosted link.

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::connection::State;
use afferent_domain::id::UserId;
use afferent_local::dynamodb::Fault as TableFault;
use lambda_http::Body;
use lambda_http::http::{Request, StatusCode};
use serde_json::json;
use withings_simulator::{AutoConsent, Fault, FaultKind};

use crate::stack::{BACK, REDIRECT, Stack, json_of, query_of, text_of};

#[tokio::test(start_paused = true)]
async fn a_person_is_connected_and_told_so_on_a_page() {
    let stack = Stack::start().await;
    let url = stack.invite(&json!({"reference_id": "person-1"})).await;
    assert!(url.starts_with("https://account.withings.com/oauth2_user/authorize2?"), "{url}");
    let asked = query_of(&url);
    assert_eq!(asked["scope"], "user.info,user.metrics,user.activity,user.sleepevents");
    assert_eq!(asked["redirect_uri"], REDIRECT);
    assert!(asked["state"].len() >= 32, "at least 128 bits of chance");

    let page = stack.visit(&stack.consent(&url).await).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(text_of(&page).contains("is connected"));
    assert_eq!(page.headers()["cache-control"], "no-store");
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    let [connection] = &stack.connected().await[..] else { panic!("not one connection") };
    assert_eq!(connection.user, UserId::derive(&["person-1"]));
    assert_eq!(connection.state, State::Connected);
    assert_eq!(connection.scopes.names().count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_person_returns_to_the_customer_with_the_result() {
    let stack = Stack::start().await;
    let body = json!({"reference_id": "person 1", "return_url": format!("{BACK}?session=7")});
    let callback = stack.consent(&stack.invite(&body).await).await;
    let answer = stack.visit(&callback).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let location = answer.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(&format!("{BACK}?session=7&")), "{location}");
    let told = query_of(location);
    assert_eq!((told["result"].as_str(), told["reference_id"].as_str()), ("connected", "person 1"));
    assert_eq!(told["connection"], stack.connected().await[0].id.as_str());
    for secret in ["code", "state", "token"] {
        assert!(!told.contains_key(secret));
    }
    let twice = stack.visit(&callback).await;
    assert_eq!(twice.headers()["location"].to_str().unwrap(), location, "who loads the page again is told the same");
}

#[tokio::test(start_paused = true)]
async fn a_state_is_used_once_and_dies_and_another_is_none() {
    let stack = Stack::start().await;
    let callback = stack.consent(&stack.invite(&json!({"reference_id": "a"})).await).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "connected");
    assert_eq!(stack.visit_for_json(&callback).await["result"], "connected", "and says so again");
    assert_eq!(stack.withings.calls().len(), 1, "without another exchange");

    let url = stack.invite(&json!({"reference_id": "a"})).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(stack.visit_for_json(&stack.consent(&url).await).await["result"], "token_expired");
    for query in ["code=x&state=0123", "code=x", "state=", ""] {
        let answer = stack.visit_for_json(&format!("{REDIRECT}?{query}")).await;
        assert_eq!(answer["result"], "token_expired", "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_whether_somebody_is_there_uses_nothing_up() {
    let stack = Stack::start().await;
    let callback = stack.consent(&stack.invite(&json!({"reference_id": "a"})).await).await;
    let head = Request::head(&callback).header("host", "api.example.org").body(Body::Empty).unwrap();
    assert_eq!(stack.send(head).await.status(), StatusCode::OK);
    assert_eq!(stack.visit_for_json(&callback).await["result"], "connected");
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_told_as_what_it_is_and_connects_nobody() {
    let stack = Stack::start().await;
    stack.withings.configure(|settings| settings.auto_consent = AutoConsent::Deny);
    let callback = stack.consent(&stack.invite(&json!({"reference_id": "a"})).await).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "denied");
    stack.withings.configure(|settings| settings.auto_consent = AutoConsent::FirstUser);

    // A code dies in 30 s.
    let callback = stack.consent(&stack.invite(&json!({"reference_id": "a"})).await).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "token_expired");

    for kind in [FaultKind::Hang, FaultKind::Http(500), FaultKind::NotJson] {
        let callback = stack.consent(&stack.invite(&json!({"reference_id": "a"})).await).await;
        stack.withings.fail(Fault { service: None, action: None, count: 1, after_effect: true, kind });
        stack.withings.clear_calls();
        let began = stack.simulation.clock.now();
        assert_eq!(stack.visit_for_json(&callback).await["result"], "provider_error");
        assert!(stack.simulation.clock.now().since(began) <= Duration::from_secs(10), "the function has 15 s");
        assert_eq!(stack.withings.calls().len(), 1, "a code is never sent twice");
    }
    assert_eq!(stack.connected().await, []);
    assert_eq!(stack.withings.stats().calls, 4);
}

#[tokio::test(start_paused = true)]
async fn a_partial_grant_connects_unless_what_is_required_is_missing() {
    let stack = Stack::start().await;
    let granted = BTreeSet::from(["user.info".to_owned(), "user.activity".to_owned()]);
    stack.withings.configure(|settings| settings.granted_scopes = Some(granted));
    let required = json!({"reference_id": "a", "required_scopes": ["user.metrics"]});
    let callback = stack.consent(&stack.invite(&required).await).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "required_scopes_missing");
    assert_eq!(stack.connected().await, []);

    let callback = stack.consent(&stack.invite(&json!({"reference_id": "a"})).await).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "connected");
    assert_eq!(stack.connected().await[0].scopes.to_string(), "user.activity,user.info");
}

#[tokio::test(start_paused = true)]
async fn the_consent_of_who_is_not_connected_is_taken_back_unless_the_account_lives_for_others() {
    let stack = Stack::start().await;
    let actions = || stack.withings.calls().into_iter().map(|call| call.action).collect::<Vec<_>>();
    let granted = BTreeSet::from(["user.info".to_owned()]);
    stack.withings.configure(|settings| settings.granted_scopes = Some(granted));
    let required = json!({"reference_id": "a", "required_scopes": ["user.metrics"]});
    let callback = stack.consent(&stack.invite(&required).await).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "required_scopes_missing");
    assert_eq!(actions(), ["requesttoken", "getnonce", "revoke"]);

    // Whom the customer has erased while they consented.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (_, user) = stack.post("/v1/users", &json!({"reference_id": "b"})).await;
    let callback = stack.consent(&stack.invite(&json!({"reference_id": "b"})).await).await;
    let erase = format!("/v1/users/{}/erase", user["user"].as_str().unwrap());
    assert_eq!(stack.post(&erase, &json!({})).await.0, StatusCode::ACCEPTED);
    stack.withings.clear_calls();
    assert_eq!(stack.visit_for_json(&callback).await["result"], "provider_error");
    assert_eq!(actions(), ["requesttoken", "getnonce", "revoke"]);

    stack.connect("c").await;
    stack.withings.clear_calls();
    let callback = stack.consent(&stack.invite(&required).await).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "required_scopes_missing");
    assert_eq!(actions(), ["requesttoken"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_scopes_grants_nothing_that_is_required() {
    let stack = Stack::start().await;
    stack.withings.configure(|settings| settings.granted_scopes = Some(BTreeSet::new()));
    let required = json!({"reference_id": "a", "required_scopes": ["user.metrics"]});
    let callback = stack.consent(&stack.invite(&required).await).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "required_scopes_missing");
    assert_eq!(stack.connected().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_visit_ends_within_the_function_s_time_however_slow_the_storing_is() {
    let stack = Stack::slow(300).await;
    let callback = stack.consent(&stack.invite(&json!({"reference_id": "a"})).await).await;
    stack.simulation.network.set_latency(3_000, 3_000);
    stack.simulation.dynamodb.faults().next(TableFault::Conflict, "TransactWriteItems", "access_token", 1_000);
    let began = stack.simulation.clock.now();
    assert_eq!(stack.visit_for_json(&callback).await["result"], "provider_error");
    let took = stack.simulation.clock.now().since(began);
    assert!(took <= Duration::from_secs(14), "the function has 15 s: {took:?}");
    assert!(took >= Duration::from_secs(12), "it was still at it: {took:?}");
    assert_eq!(stack.withings.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_withings_account_under_two_users_is_shared_or_refused() {
    for (policy, result, connections) in [("allow", "connected", 2), ("refuse", "duplicate_connection", 1)] {
        let stack = Stack::with(&[("SharedAccounts", policy)]).await;
        for (reference, expected) in [("one", "connected"), ("one", "connected"), ("two", result)] {
            let callback = stack.consent(&stack.invite(&json!({"reference_id": reference})).await).await;
            assert_eq!(stack.visit_for_json(&callback).await["result"], expected, "{policy} {reference}");
        }
        assert_eq!(stack.connected().await.len(), connections);
    }
}

#[tokio::test(start_paused = true)]
async fn the_other_cloud_has_its_own_page() {
    let stack = Stack::with(&[("WithingsRegion", "us")]).await;
    let url = stack.invite(&json!({"reference_id": "a", "demo": true})).await;
    assert!(url.starts_with("https://account.us.withingsmed.com/oauth2_user/authorize2?"), "{url}");
    assert_eq!(query_of(&url)["mode"], "demo");
    let stack = Stack::with(&[("RedirectUrl", "https://withings.example.org/back/")]).await;
    let url = stack.invite(&json!({"reference_id": "a"})).await;
    assert_eq!(query_of(&url)["redirect_uri"], "https://withings.example.org/back/");
}

#[tokio::test(start_paused = true)]
async fn asking_needs_a_key_that_may_write_and_a_request_that_makes_sense() {
    let stack = Stack::start().await;
    let body = json!({"reference_id": "a"});
    assert_eq!(stack.ask("afk_unknown", &body).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stack.ask(&stack.reader, &body).await.status(), StatusCode::FORBIDDEN);
    let wrong = stack.ask(&stack.key, &json!({"reference_id": "a", "return_url": "https://evil.example.org/"})).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(&wrong)["field"], "return_url");
    let get = Request::get("https://api.example.org/v1/connections/authorize").body(Body::Empty).unwrap();
    assert_eq!(stack.send(get).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let post = Request::post(REDIRECT).body(Body::Empty).unwrap();
    assert_eq!(stack.send(post).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}
