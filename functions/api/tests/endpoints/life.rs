//! An endpoint from its registration to its end.

use afferent_local::network::Reply;
use lambda_http::http::StatusCode;
use serde_json::json;

use crate::stack::{Stack, URL, seconds};

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_registered_its_secret_shown_and_a_test_event_sent_with_three_requests() {
    let stack = Stack::start().await;
    let (path, secret) = stack.endpoint().await;
    assert_eq!(stack.get(&format!("{path}/secret")).await.body["secret"], secret.reveal());
    let sent = stack.poke(&format!("{path}/test")).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED);
    seconds(5).await;
    let seen = stack.verified(&secret);
    assert_eq!(
        (seen.len(), seen[0].request.headers()["webhook-id"].to_str().unwrap()),
        (1, sent.body["event"].as_str().unwrap())
    );
    let delivery = stack.get(&format!("{path}/deliveries/{}", sent.body["event"].as_str().unwrap())).await;
    assert_eq!((&delivery.body["state"], &delivery.body["type"]), (&json!("delivered"), &json!("webhook.test")));
    assert_eq!(delivery.body["attempts"][0]["status"], 200);
}

#[tokio::test(start_paused = true)]
async fn what_an_endpoint_wants_is_changed_and_shown() {
    let stack = Stack::start().await;
    let wish = json!({
        "url": URL, "types": ["ecg.*"], "users": ["usr_anna"], "backfill": "marker", "payload": {"fields": {"ecg.*": ["value"]}},
        "policy": {"custom": {"waits_s": [5, 300]}}, "rate": {"requests": 10, "per_s": 1},
        "headers": {"authorization": "Bearer t0ken"}, "contact": "ops@example.org", "description": "hearts",
    });
    let registered = stack.post("/v1/endpoints", wish.clone()).await;
    for name in ["types", "users", "backfill", "payload", "policy", "rate", "contact", "description"] {
        assert_eq!(registered.body[name], wish[name], "{name}");
    }
    let path = format!("/v1/endpoints/{}", registered.body["endpoint"].as_str().unwrap());
    assert_eq!(registered.body["headers"], json!(["authorization"]));
    let changed = stack.patch(&path, json!({"types": ["*"], "users": null, "rate": null, "payload": "thin"})).await;
    assert_eq!((&changed.body["types"], &changed.body["users"]), (&json!(["*"]), &json!("_all")));
    assert_eq!((changed.body.get("rate"), &changed.body["description"]), (None, &json!("hearts")));
    let shown = stack.get(&path).await;
    assert_eq!((&shown.body["payload"], &shown.body["health"]["breaker"]), (&json!("thin"), &json!("closed")));
    assert!(!shown.body.to_string().contains("t0ken") && !shown.body.to_string().contains("whsec_"));
    let queue =
        json!({"queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/health", "policy": "standard-webhooks"});
    assert_eq!(stack.post("/v1/endpoints", queue).await.status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_replaced_and_the_old_one_ended() {
    let stack = Stack::start().await;
    let (path, old) = stack.endpoint().await;
    let new = stack.post(&format!("{path}/secret/rotate"), json!({"overlap_s": 3600})).await;
    assert_eq!(new.body["number"], 2);
    stack.record("rec_1").await;
    assert_eq!(stack.verified(&old).len(), 1, "both sign");
    let secrets = stack.get(&format!("{path}/secrets")).await;
    assert_eq!(secrets.body["secrets"].as_array().unwrap().len(), 2);
    assert!(secrets.body["secrets"][0]["until_ms"].is_number());
    assert_eq!(stack.delete(&format!("{path}/secrets/1")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(stack.delete(&format!("{path}/secrets/2")).await.status, StatusCode::CONFLICT);
    assert_eq!(stack.delete(&format!("{path}/secrets/3")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stack.delete(&format!("{path}/secrets/first")).await.status, StatusCode::NOT_FOUND);
    stack.record("rec_2").await;
    assert_eq!(stack.verified(&old).len(), 1, "it signs no more");
    let own = json!({"secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"});
    assert_eq!(stack.post(&format!("{path}/secret/rotate"), own.clone()).await.body["secret"], own["secret"]);
}

#[tokio::test(start_paused = true)]
async fn what_an_endpoint_missed_while_it_was_disabled_is_counted_and_brought() {
    let stack = Stack::start().await;
    let (path, secret) = stack.endpoint().await;
    let disabled = stack.post(&format!("{path}/disable"), json!({"note": "moving"})).await;
    assert_eq!(
        (&disabled.body["standing"]["cause"], &disabled.body["standing"]["note"]),
        (&json!("operator"), &json!("moving"))
    );
    assert_eq!(stack.poke(&format!("{path}/test")).await.status, StatusCode::CONFLICT);
    stack.record("rec_1").await;
    let enabled = stack.poke(&format!("{path}/enable")).await;
    let offer = enabled.body["offer"]["replay"].clone();
    assert_eq!((&offer["preview"], &offer["state"]), (&json!(true), &json!("running")));
    assert_eq!(stack.poke(&format!("{path}/enable")).await.body.get("offer"), None);
    seconds(600).await;
    let counted = stack.get(&format!("{path}/jobs/{}", offer["job"].as_str().unwrap())).await;
    assert_eq!((&counted.body["state"], &counted.body["matched"]), (&json!("done"), &json!(1)));
    assert!(stack.verified(&secret).is_empty(), "a preview brings nothing");

    let since = stack.now() - std::time::Duration::from_secs(3_600);
    let job = stack.post(&format!("{path}/replay"), json!({"since": since.to_string()})).await;
    assert_eq!(job.status, StatusCode::ACCEPTED);
    seconds(600).await;
    assert_eq!(stack.verified(&secret).len(), 1);
    let first = stack.get(&format!("{path}/jobs?limit=2")).await;
    assert_eq!(first.body["jobs"].as_array().unwrap().len(), 2);
    let next = stack.get(&format!("{path}/jobs?cursor={}", first.body["next"].as_str().unwrap())).await;
    assert_eq!((next.body["jobs"].as_array().unwrap().is_empty(), &next.body["next"]), (false, &json!(null)));
    let over = format!("{path}/jobs/{}/cancel", job.body["job"].as_str().unwrap());
    assert_eq!(stack.poke(&over).await.status, StatusCode::CONFLICT);
    let long = stack.post(&format!("{path}/recover"), json!({"since": since.to_string(), "per_minute": 1})).await;
    let ended = stack.poke(&format!("{path}/jobs/{}/cancel", long.body["job"].as_str().unwrap())).await;
    assert_eq!(ended.body["state"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_listed_shown_cancelled_and_sent_again() {
    let stack = Stack::start().await;
    let (path, secret) = stack.endpoint().await;
    for number in 1..=3 {
        stack.record(&format!("rec_{number}")).await;
    }
    let first = stack.get(&format!("{path}/deliveries?limit=2&state=delivered")).await;
    assert_eq!(first.body["deliveries"].as_array().unwrap().len(), 2);
    let next = first.body["next"].as_str().unwrap();
    let rest = stack.get(&format!("{path}/deliveries?limit=2&state=delivered&cursor={next}")).await;
    assert_eq!(rest.body["deliveries"].as_array().unwrap().len(), 1);
    let event = first.body["deliveries"][0]["event"].as_str().unwrap().to_owned();
    let again = stack.poke(&format!("{path}/deliveries/{event}/resend")).await;
    assert_eq!((again.status, &again.body["event"]), (StatusCode::ACCEPTED, &json!(event)));
    seconds(5).await;
    assert_eq!(stack.verified(&secret).len(), 4);

    stack.receiver.always(Reply::Status(500));
    let failing = stack.post(&format!("{path}/test"), json!({"type": "body_weight.created"})).await;
    let failing = format!("{path}/deliveries/{}", failing.body["event"].as_str().unwrap());
    seconds(30).await;
    assert_eq!(stack.get(&failing).await.body["waits_for"], "schedule");
    assert_eq!(stack.poke(&format!("{failing}/resend")).await.status, StatusCode::CONFLICT);
    assert_eq!(stack.poke(&format!("{failing}/cancel")).await.body["state"], "cancelled");
    assert_eq!(
        stack.get(&format!("{path}/deliveries?state=undelivered")).await.body["deliveries"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_endpoint_is_gone() {
    let stack = Stack::start().await;
    let (path, _) = stack.endpoint().await;
    assert_eq!(stack.delete(&path).await.status, StatusCode::NO_CONTENT);
    for path in
        [path.clone(), format!("{path}/secret"), format!("{path}/jobs/job_1"), format!("{path}/deliveries/evt_1")]
    {
        assert_eq!(stack.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(stack.delete(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stack.get("/v1/endpoints").await.body, json!({"endpoints": [], "next": null}));
}

#[tokio::test(start_paused = true)]
async fn the_list_of_endpoints_has_parts() {
    let stack = Stack::start().await;
    let mut registered = Vec::new();
    for _ in 0..3 {
        registered.push(stack.endpoint().await.0);
        seconds(1).await;
    }
    let (mut listed, mut path) = (Vec::new(), "/v1/endpoints?limit=2".to_owned());
    loop {
        let part = stack.get(&path).await;
        let ids = part.body["endpoints"].as_array().unwrap().iter();
        listed.extend(ids.map(|one| format!("/v1/endpoints/{}", one["endpoint"].as_str().unwrap())));
        let Some(next) = part.body["next"].as_str() else { break };
        path = format!("/v1/endpoints?limit=2&cursor={next}");
    }
    assert_eq!(listed, registered);
}
