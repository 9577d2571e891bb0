//! What is refused, and how that is said.

use lambda_http::http::StatusCode;
use serde_json::json;

use crate::stack::{Stack, URL};

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_named_with_what_would_be_right() {
    let stack = Stack::start().await;
    let (path, _) = stack.endpoint().await;
    for (place, body, field) in [
        ("/v1/endpoints", json!({}), "url"),
        ("/v1/endpoints", json!({"url": "https://10.0.0.1/"}), "url"),
        ("/v1/endpoints", json!({"url": URL, "colour": "red"}), "colour"),
        ("/v1/endpoints", json!({"url": URL, "types": ["*", "Body Weight"]}), "types[1]"),
        (&format!("{path}/test"), json!({"type": "nothing.happened"}), "type"),
        (&format!("{path}/test"), json!({"colour": "red"}), "colour"),
        (&format!("{path}/disable"), json!({"note": "a\nb"}), "note"),
        (&format!("{path}/secret/rotate"), json!({"overlap_s": 700_000}), "overlap_s"),
        (&format!("{path}/secret/rotate"), json!({"overlap_s": -1}), "overlap_s"),
        (&format!("{path}/secret/rotate"), json!({"secret": "whsec_short"}), "secret"),
        (&format!("{path}/recover"), json!({}), "since"),
        (&format!("{path}/recover"), json!({"since": "yesterday"}), "since"),
        (&format!("{path}/recover"), json!({"since": "2999-01-01T00:00:00Z"}), "since"),
        (&format!("{path}/recover"), json!({"since": "2026-01-01T00:00:00Z", "until": 5}), "until"),
        (&format!("{path}/replay"), json!({"since": "2026-01-01T00:00:00Z", "per_minute": 0}), "per_minute"),
    ] {
        let refused = stack.post(place, body.clone()).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (StatusCode::BAD_REQUEST, &json!(field)),
            "{place} {body}"
        );
        assert!(refused.body["expected"].as_str().is_some_and(|expected| !expected.is_empty()), "{place} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_that_are_not_right_or_not_known_are_refused_by_name() {
    let stack = Stack::start().await;
    let (path, _) = stack.endpoint().await;
    for (query, field) in [
        ("/v1/endpoints?limit=101", "limit"),
        ("/v1/endpoints?limit=none", "limit"),
        ("/v1/endpoints?cursor=elsewhere", "cursor"),
        ("/v1/endpoints?colour=red", "colour"),
        (&format!("{path}?colour=red"), "colour"),
        (&format!("{path}/secret?colour=red"), "colour"),
        (&format!("{path}/deliveries?limit=0"), "limit"),
        (&format!("{path}/deliveries?state=lost"), "state"),
        (&format!("{path}/deliveries?cursor=elsewhere"), "cursor"),
        (&format!("{path}/jobs?cursor=elsewhere"), "cursor"),
    ] {
        let refused = stack.get(query).await;
        assert_eq!((refused.status, &refused.body["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_not_found() {
    let stack = Stack::start().await;
    let (path, _) = stack.endpoint().await;
    for rest in ["/deliveries/evt_nobodys", "/deliveries/nonsense", "/jobs/job_nobodys", "/jobs/nonsense"] {
        assert_eq!(stack.get(&format!("{path}{rest}")).await.status, StatusCode::NOT_FOUND, "{rest}");
    }
    for rest in ["/deliveries/evt_nobodys/resend", "/deliveries/evt_nobodys/cancel", "/jobs/job_nobodys/cancel"] {
        assert_eq!(stack.poke(&format!("{path}{rest}")).await.status, StatusCode::NOT_FOUND, "{rest}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_event_type_has_a_schema_and_an_example() {
    let stack = Stack::start().await;
    let (mut types, mut path) = (Vec::new(), "/v1/event-types?limit=100".to_owned());
    loop {
        let part = stack.get(&path).await;
        types.extend(part.body["event_types"].as_array().unwrap().clone());
        let Some(next) = part.body["next"].as_str() else { break };
        path = format!("/v1/event-types?limit=100&cursor={next}");
    }
    assert_eq!(types.len(), afferent_schemas::types().count());
    for name in ["body_weight.created", "webhook.test", "endpoint.warning", "withings.meastype.77.updated"] {
        let shown = stack.get(&format!("/v1/event-types/{name}")).await;
        assert_eq!(shown.body["schema"]["$id"], shown.body["dataschema"], "{name}");
    }
    assert_eq!(stack.get("/v1/event-types/nothing.happened").await.status, StatusCode::NOT_FOUND);
}
