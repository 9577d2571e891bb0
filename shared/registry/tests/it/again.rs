//! Test events, and deliveries made anew.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::End;
use afferent_domain::health::{OPENING_TIME, OPENING_TRIES};
use afferent_domain::id::{EventId, JobId};
use afferent_domain::job::{MOST_PER_MINUTE, PER_MINUTE, State};
use afferent_local::network::Reply;
use afferent_registry::{By, Clash, ListWish, MOST_JOBS, New, RegistryError, Span};
use afferent_store::endpoints::Endpoints;

use crate::stack::{OTHER, Stack, URL, body, field, header, seconds};

#[tokio::test(start_paused = true)]
async fn a_test_event_goes_by_no_filter_to_the_one_endpoint_that_asked_and_says_that_it_is_a_test() {
    let stack = Stack::start().await;
    let (endpoint, secret) =
        stack.registered(&format!(r#"{{"url":"{URL}","types":["ecg.*"],"users":["usr_anna"]}}"#)).await;
    stack.registry.register(New::at(OTHER).unwrap()).await.unwrap();
    for event_type in ["webhook.test", "body_weight.created", "blood_pressure.deleted", "ecg.updated"] {
        stack.receiver.clear();
        let event = stack.registry.send_test(&endpoint.endpoint, event_type).await.unwrap();
        seconds(5).await;
        let seen = stack.verified(&secret);
        assert_eq!((seen.len(), header(&seen[0], "webhook-id")), (1, event.as_str()), "{event_type}");
        let body = body(&seen[0]);
        assert_eq!((&body["type"], &body["test"]), (&event_type.into(), &true.into()));
        let example: serde_json::Value = serde_json::from_str(&afferent_schemas::example(event_type).unwrap()).unwrap();
        assert_eq!(body["data"], example);
        assert_eq!(stack.state(&event, &endpoint.endpoint).await, End::Delivered.as_str());
    }
    assert!(stack.other.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn there_is_a_test_event_of_every_type() {
    let stack = Stack::start().await;
    let (endpoint, secret) = stack.endpoint().await;
    let mut types: Vec<String> = afferent_schemas::types().collect();
    for event_type in &types {
        stack.registry.send_test(&endpoint.endpoint, event_type).await.unwrap();
    }
    seconds(120).await;
    let bodies = stack.verified(&secret);
    let mut got: Vec<String> = bodies.iter().map(|seen| body(seen)["type"].as_str().unwrap().to_owned()).collect();
    got.sort();
    types.sort();
    assert_eq!(got, types);
}

#[tokio::test(start_paused = true)]
async fn a_test_shows_what_live_deliveries_meet_and_is_refused_where_none_is_made() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    assert_eq!(field(stack.registry.send_test(&id, "no.such.type").await), "type");
    // The name stands for another address by now.
    stack.simulation.network.set_addresses("receiver.example", &["10.0.0.1".parse().unwrap()]);
    let event = stack.registry.send_test(&id, "webhook.test").await.unwrap();
    seconds(5).await;
    let delivery = stack.registry.delivery(&event, &id).await.unwrap();
    let attempt = serde_json::to_value(&delivery.attempts[0]).unwrap();
    assert!(attempt["error"].as_str().unwrap().starts_with("refused: "), "{attempt}");
    assert_eq!(attempt["fault"], "receiver");
    assert!(stack.receiver.seen().is_empty());
    stack.registry.disable(&id, None, By::Owner).await.unwrap();
    let refused = stack.registry.send_test(&id, "webhook.test").await.unwrap_err();
    assert_eq!(refused, Clash::Disabled.into());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_sent_again_is_the_same_event_with_every_try() {
    let stack = Stack::start().await;
    let (endpoint, secret) =
        stack.registered(&format!(r#"{{"url":"{URL}","policy":{{"custom":{{"waits_s":[1]}}}}}}"#)).await;
    let id = endpoint.endpoint;
    stack.receiver.next([Reply::Status(500), Reply::Status(500)]);
    stack.record("rec_1").await;
    seconds(30).await;
    let event = stack.events()[0].clone();
    assert_eq!(stack.state(&event, &id).await, "exhausted");
    stack.receiver.next([Reply::Status(500)]);
    stack.registry.resend(&event, &id).await.unwrap();
    let refused = stack.registry.resend(&event, &id).await.unwrap_err();
    assert_eq!(refused, Clash::DeliveryWaits.into());
    seconds(30).await;
    let delivery = stack.registry.delivery(&event, &id).await.unwrap();
    assert_eq!((delivery.state.as_str(), delivery.attempts.len()), ("delivered", 4));
    assert!(delivery.since_ms > delivery.created_ms);
    assert_eq!(stack.events(), vec![event.clone(); 4]);
    // What was delivered can be had again too.
    stack.registry.resend(&event, &id).await.unwrap();
    seconds(30).await;
    assert_eq!(stack.verified(&secret).len(), 5);
    for unknown in ["evt_none", ""] {
        let refused = stack.registry.resend(&EventId::from(unknown), &id).await.unwrap_err();
        assert_eq!(refused, RegistryError::NotFound("delivery"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_waits_can_be_cancelled_however_it_waits_and_is_not_recovered() {
    let stack = Stack::start().await;
    let (endpoint, secret) =
        stack.registered(&format!(r#"{{"url":"{URL}","policy":{{"custom":{{"waits_s":[600]}}}}}}"#)).await;
    let (id, since) = (endpoint.endpoint, stack.now());
    let later = |seconds: &str| Reply::Full(503, vec![("retry-after", seconds.to_owned())], "later".into());
    stack.receiver.next([Reply::Status(500)]);
    stack.record("rec_held").await;
    stack.receiver.next([later("3600")]);
    stack.record("rec_parked").await;
    let endpoints = Endpoints::new(stack.client(), "afferent-endpoints".to_owned());
    endpoints.count_tries(&id, OPENING_TRIES, stack.now() - OPENING_TIME).await.unwrap();
    assert!(endpoints.open_breaker(&id, stack.now()).await.unwrap());
    stack.record("rec_kept_back").await;
    let page = stack.registry.deliveries(&id, &ListWish::default()).await.unwrap();
    let rows: Vec<_> = page.deliveries.into_iter().rev().collect();
    let states: Vec<&str> = rows.iter().map(|row| row.state.as_str()).collect();
    assert_eq!(states, ["held", "parked", "parked"]);
    let kept_back = stack.registry.delivery(&rows[2].event, &id).await.unwrap();
    assert_eq!(kept_back.waits_for, Some("breaker"));

    for row in &rows {
        stack.registry.cancel(&row.event, &id).await.unwrap();
        stack.registry.cancel(&row.event, &id).await.unwrap();
        let delivery = stack.registry.delivery(&row.event, &id).await.unwrap();
        assert_eq!(
            (delivery.state.as_str(), delivery.reason.as_deref()),
            ("cancelled", Some("its owner cancelled it"))
        );
    }
    endpoints.note_success(&id, stack.now()).await.unwrap();
    seconds(5_000).await;
    assert_eq!(stack.receiver.seen().len(), 2, "nothing was sent any more");
    let job = stack.registry.recover(&id, Span::since(since)).await.unwrap();
    assert_eq!(stack.over(&id, &job.job).await.progress.matched, 0);
    stack.receiver.clear();
    stack.registry.resend(&rows[0].event, &id).await.unwrap();
    seconds(30).await;
    assert_eq!(stack.verified(&secret).len(), 1, "unless its owner asks for it");
}

#[tokio::test(start_paused = true)]
async fn what_is_being_tried_or_has_ended_cannot_be_cancelled() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    stack.receiver.next([Reply::After(Duration::from_secs(9), Box::new(Reply::Status(200)))]);
    stack.record("rec_1").await;
    let event = stack.events()[0].clone();
    let refused = stack.registry.cancel(&event, &id).await.unwrap_err();
    assert_eq!(refused, Clash::TryUnderWay.into());
    seconds(10).await;
    assert_eq!(stack.state(&event, &id).await, "delivered");
    let refused = stack.registry.cancel(&event, &id).await.unwrap_err();
    assert_eq!(refused, Clash::DeliveryOver.into());
    for unknown in ["evt_none", ""] {
        let refused = stack.registry.cancel(&EventId::from(unknown), &id).await.unwrap_err();
        assert_eq!(refused, RegistryError::NotFound("delivery"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_since_the_outage_began_brings_what_was_made_before_and_failed_in_it() {
    let stack = Stack::start().await;
    let (endpoint, secret) =
        stack.registered(&format!(r#"{{"url":"{URL}","policy":{{"custom":{{"waits_s":[600]}}}}}}"#)).await;
    let id = endpoint.endpoint;
    stack.receiver.next([Reply::Status(500)]);
    stack.record("rec_1").await;
    let outage = stack.now();
    stack.receiver.always(Reply::Status(500));
    seconds(1_200).await;
    assert_eq!(stack.state(&stack.events()[0], &id).await, "exhausted");
    stack.receiver.always(Reply::Status(200));
    stack.receiver.clear();
    let job = stack.registry.recover(&id, Span::since(outage)).await.unwrap();
    assert_eq!(stack.over(&id, &job.job).await.progress.matched, 1);
    seconds(120).await;
    assert_eq!(stack.verified(&secret).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_sent_comes_later_and_the_wish_is_granted() {
    let stack = Stack::start().await;
    let (endpoint, secret) = stack.endpoint().await;
    stack.simulation.sqs.out_of_reach(true);
    stack.registry.send_test(&endpoint.endpoint, "webhook.test").await.unwrap();
    stack.simulation.sqs.heal();
    seconds(300).await;
    assert_eq!(stack.verified(&secret).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_has_a_time_that_is_over_and_a_pace_within_bounds() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    seconds(100).await;
    let now = stack.now();
    let before = now - Duration::from_secs(50);
    let wrong = async |span: Span| field(stack.registry.recover(&id, span).await);
    assert_eq!(wrong(Span::since(now)).await, "since");
    assert_eq!(wrong(Span { until_ms: Some(before), ..Span::since(before) }).await, "since");
    assert_eq!(wrong(Span { per_minute: Some(0), ..Span::since(before) }).await, "per_minute");
    assert_eq!(wrong(Span { per_minute: Some(MOST_PER_MINUTE + 1), ..Span::since(before) }).await, "per_minute");
    let late = Span { until_ms: Some(now + Duration::from_secs(1_000)), ..Span::since(Timestamp::default()) };
    let job = stack.registry.replay(&id, late).await.unwrap();
    assert_eq!((job.until_ms, job.per_minute, job.preview), (now, PER_MINUTE, false), "what comes later is live");
    let span: Span = serde_json::from_str(r#"{"since_ms":5,"preview":true}"#).unwrap();
    assert_eq!(span, Span { preview: true, ..Span::since(Timestamp::from_millis(5)) });
    assert!(serde_json::from_str::<Span>(r#"{"since_ms":5,"dry_run":true}"#).is_err(), "a misspelt preview is no job");
}

#[tokio::test(start_paused = true)]
async fn jobs_are_listed_ended_and_limited() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    stack.simulation.pause("keeper");
    seconds(10).await;
    let span = Span { preview: true, ..Span::since(Timestamp::default()) };
    let first = stack.registry.recover(&id, span).await.unwrap();
    for _ in 1..MOST_JOBS {
        stack.registry.replay(&id, span).await.unwrap();
    }
    let refused = stack.registry.recover(&id, span).await.unwrap_err();
    assert_eq!(refused, Clash::TooManyJobs.into());
    assert_eq!(stack.registry.jobs(&id).await.unwrap().len(), MOST_JOBS);
    let ended = stack.registry.cancel_job(&id, &first.job).await.unwrap();
    assert_eq!((ended.state, ended.progress.ended_ms), (State::Cancelled, Some(stack.now())));
    assert_eq!(stack.registry.cancel_job(&id, &first.job).await.unwrap_err(), Clash::JobOver.into());
    stack.registry.recover(&id, span).await.unwrap();
    let none = JobId::from("job_none");
    assert_eq!(stack.registry.job(&id, &none).await.unwrap_err(), RegistryError::NotFound("job"));
    assert_eq!(stack.registry.cancel_job(&id, &none).await.unwrap_err(), RegistryError::NotFound("job"));
    assert_eq!(stack.registry.jobs(&"ep_none".into()).await.unwrap_err(), RegistryError::NotFound("endpoint"));

    stack.registry.disable(&id, None, By::Owner).await.unwrap();
    let refused = stack.registry.recover(&id, span).await.unwrap_err();
    assert_eq!(refused, Clash::Disabled.into());
    let jobs = stack.registry.jobs(&id).await.unwrap();
    let cancel = jobs.iter().find(|job| job.kind == afferent_domain::job::Kind::Cancel).unwrap();
    assert_eq!(stack.registry.cancel_job(&id, &cancel.job).await.unwrap_err(), Clash::JobNeeded.into());
}

#[tokio::test(start_paused = true)]
async fn a_recovery_sends_as_many_as_its_preview_counted() {
    let stack = Stack::start().await;
    let (endpoint, secret) =
        stack.registered(&format!(r#"{{"url":"{URL}","policy":{{"custom":{{"waits_s":[]}}}}}}"#)).await;
    let id = endpoint.endpoint;
    let since = stack.now();
    stack.record("rec_good").await;
    stack.receiver.always(Reply::Status(503));
    for number in 0..6 {
        stack.record(&format!("rec_{number}")).await;
    }
    stack.receiver.always(Reply::Status(200));
    stack.receiver.clear();
    let preview = stack.registry.recover(&id, Span { preview: true, ..Span::since(since) }).await.unwrap();
    assert_eq!(stack.over(&id, &preview.job).await.progress.matched, 6);
    assert!(stack.receiver.seen().is_empty());
    let job = stack.registry.recover(&id, Span::since(since)).await.unwrap();
    assert_eq!(stack.over(&id, &job.job).await.progress.matched, 6);
    seconds(120).await;
    assert_eq!(stack.verified(&secret).len(), 6);
}
