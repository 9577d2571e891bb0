//! Disabling, and enabling with the offer of what was missed.

use afferent_domain::endpoint::{Cause, Standing};
use afferent_domain::job::{Kind, State};
use afferent_local::dynamodb::Fault;
use afferent_local::network::Reply;
use afferent_registry::{By, New, RegistryError, Span};

use crate::stack::{OTHER, Stack, body, field, seconds};

#[tokio::test(start_paused = true)]
async fn nothing_goes_to_a_disabled_endpoint_and_what_waits_is_cancelled() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    stack.receiver.always(Reply::Status(500));
    stack.record("rec_1").await;
    let event = stack.events()[0].clone();
    let disabled = stack.registry.disable(&id, Some("we move house"), By::Owner).await.unwrap();
    let note = Some("we move house".to_owned());
    assert_eq!(disabled.standing, Standing::Disabled { cause: Cause::Owner, note, since_ms: stack.now() });
    let before = stack.receiver.seen().len();
    stack.record("rec_2").await;
    seconds(600).await;
    assert_eq!(stack.receiver.seen().len(), before);
    assert_eq!(stack.state(&event, &id).await, "cancelled");
    let again = stack.registry.disable(&id, None, By::Owner).await.unwrap();
    assert_eq!(again, disabled, "asking again changes nothing");
    assert_eq!(stack.registry.jobs(&id).await.unwrap().len(), 1);
    assert_eq!(field(stack.registry.disable(&id, Some("two\nlines"), By::Owner).await), "note");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_enabled_again_is_offered_all_that_it_missed() {
    let stack = Stack::start().await;
    let (endpoint, secret) = stack.endpoint().await;
    let id = endpoint.endpoint.clone();
    stack.registry.register(New::at(OTHER).unwrap()).await.unwrap();
    stack.receiver.always(Reply::Status(500));
    // Two wait and are cancelled, three come while it is disabled.
    stack.record("rec_1").await;
    stack.record("rec_2").await;
    stack.registry.disable(&id, None, By::Owner).await.unwrap();
    seconds(600).await;
    for record in ["rec_3", "rec_4", "rec_5"] {
        stack.record(record).await;
    }
    stack.receiver.always(Reply::Status(200));
    stack.receiver.clear();
    let enabled = stack.registry.enable(&id, By::Owner).await.unwrap();
    assert!(enabled.endpoint.is_enabled());
    let offer = enabled.offer.unwrap();
    assert_eq!((offer.recover.kind, offer.replay.kind), (Kind::Recover, Kind::Replay));
    let (recover, replay) = (stack.over(&id, &offer.recover.job).await, stack.over(&id, &offer.replay.job).await);
    assert_eq!((recover.state, recover.progress.matched), (State::Done, 2));
    assert_eq!((replay.state, replay.progress.matched), (State::Done, 3));
    assert!(stack.receiver.seen().is_empty(), "previews send nothing");

    let recover = stack.registry.recover(&id, Span::since(offer.recover.since_ms)).await.unwrap();
    let replay = stack.registry.replay(&id, Span::since(offer.replay.since_ms)).await.unwrap();
    assert_eq!(stack.over(&id, &recover.job).await.progress.matched, 2);
    assert_eq!(stack.over(&id, &replay.job).await.progress.matched, 3);
    seconds(120).await;
    let mut got: Vec<String> = stack
        .verified(&secret)
        .iter()
        .map(|seen| body(seen)["data"]["record"]["record"].as_str().unwrap_or_default().to_owned())
        .collect();
    got.sort();
    assert_eq!(got, ["rec_1", "rec_2", "rec_3", "rec_4", "rec_5"]);
    assert!(stack.registry.enable(&id, By::Owner).await.unwrap().offer.is_none(), "it is enabled");
}

#[tokio::test(start_paused = true)]
async fn that_an_endpoint_is_enabled_is_told_to_others_and_not_to_itself() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    stack.registry.register(New::at(OTHER).unwrap()).await.unwrap();
    stack.registry.disable(&id, None, By::Owner).await.unwrap();
    stack.registry.enable(&id, By::Owner).await.unwrap();
    seconds(10).await;
    assert!(stack.receiver.seen().is_empty());
    let told = stack.other.seen();
    assert_eq!(told.len(), 1);
    assert_eq!(body(&told[0])["type"], "endpoint.enabled");
    assert_eq!(body(&told[0])["data"]["endpoint"]["id"], id.as_str());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_takes_neither_the_offer_nor_the_cancellation_away() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    stack.simulation.dynamodb.faults().next(Fault::AnswerLost, "UpdateItem", ":standing", 1);
    assert!(!stack.registry.disable(&id, None, By::Owner).await.unwrap().is_enabled());
    assert_eq!(stack.registry.jobs(&id).await.unwrap().len(), 1);
    stack.simulation.dynamodb.faults().next(Fault::AnswerLost, "UpdateItem", ":standing", 1);
    assert!(stack.registry.enable(&id, By::Owner).await.unwrap().offer.is_some());
    assert_eq!(stack.registry.jobs(&id).await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_answered_410_begins_anew_once_it_is_enabled() {
    let stack = Stack::start().await;
    let (endpoint, secret) = stack.endpoint().await;
    let id = endpoint.endpoint;
    stack.receiver.next([Reply::Status(410)]);
    stack.record("rec_1").await;
    seconds(180).await;
    let standing = stack.registry.get(&id).await.unwrap().endpoint.standing;
    assert!(matches!(standing, Standing::Disabled { cause: Cause::Gone, .. }), "{standing:?}");
    let offer = stack.registry.enable(&id, By::Owner).await.unwrap().offer.unwrap();
    assert_eq!(stack.over(&id, &offer.recover.job).await.progress.matched, 1);
    let health = stack.registry.get(&id).await.unwrap().health;
    assert_eq!((health.failed_tries, health.failures_in_a_row, health.breaker), (0, 0, "closed"));
    stack.record("rec_2").await;
    seconds(180).await;
    assert!(stack.registry.get(&id).await.unwrap().endpoint.is_enabled(), "what it said before is forgotten");
    assert_eq!(stack.verified(&secret).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_breaker_kept_back_is_delivered_after_it_was_enabled_in_time() {
    let stack = Stack::start().await;
    let (endpoint, secret) = stack.endpoint().await;
    let id = endpoint.endpoint;
    stack.receiver.always(Reply::Status(500));
    for number in 0..12 {
        stack.record(&format!("rec_{number}")).await;
    }
    seconds(900).await;
    assert_eq!(stack.registry.get(&id).await.unwrap().health.breaker, "open");
    stack.receiver.always(Reply::Status(200));
    stack.receiver.clear();
    // Disabled and enabled before the keeper came to cancel anything.
    stack.registry.disable(&id, None, By::Owner).await.unwrap();
    let enabled = stack.registry.enable(&id, By::Owner).await.unwrap();
    let jobs = stack.registry.jobs(&id).await.unwrap();
    assert!(jobs.iter().all(|job| job.kind != Kind::Cancel || job.state == State::Cancelled));
    assert!(enabled.offer.is_some());
    // What was not yet kept back waits for its own time.
    seconds(24 * 3_600).await;
    let mut got: Vec<String> =
        stack.verified(&secret).iter().map(|seen| crate::stack::header(seen, "webhook-id").to_owned()).collect();
    got.sort();
    got.dedup();
    assert_eq!(got.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn nobody_enables_or_disables_an_endpoint_that_is_not_there() {
    let stack = Stack::start().await;
    let nobody = "ep_none".into();
    assert_eq!(stack.registry.enable(&nobody, By::Owner).await.unwrap_err(), RegistryError::NotFound("endpoint"));
    assert_eq!(
        stack.registry.disable(&nobody, None, By::Owner).await.unwrap_err(),
        RegistryError::NotFound("endpoint")
    );
}

#[tokio::test(start_paused = true)]
async fn its_owner_does_not_undo_that_an_operator_disabled_an_endpoint() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    let cause = |endpoint: afferent_domain::endpoint::Endpoint| match endpoint.standing {
        Standing::Disabled { cause, .. } => Some(cause),
        Standing::Enabled => None,
    };
    let own = stack.registry.disable(&id, Some("moving"), By::Owner).await.unwrap();
    let since = stack.now();
    seconds(60).await;
    let theirs = stack.registry.disable(&id, None, By::Operator).await.unwrap();
    assert_eq!((cause(own), cause(theirs.clone())), (Some(Cause::Owner), Some(Cause::Operator)));
    let note = Some("moving".to_owned());
    assert_eq!(theirs.standing, Standing::Disabled { cause: Cause::Operator, note, since_ms: since });
    assert_eq!(stack.registry.disable(&id, None, By::Owner).await.unwrap(), theirs, "it stays an operator's");
    let refused = stack.registry.enable(&id, By::Owner).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Beyond(_)), "{refused}");
    assert!(!stack.registry.get(&id).await.unwrap().endpoint.is_enabled());
    assert!(stack.registry.enable(&id, By::Operator).await.unwrap().endpoint.is_enabled());
}
