use std::time::Duration;

use afferent_domain::id::PullId;
use afferent_domain::record::Status;
use afferent_local::dynamodb::Fault;
use afferent_store::item::{n, s};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use withings_simulator::{MeasureGroup, Notify};

use crate::world::{HOUR, MINUTE, World};

/// Withings has lost 25 of 30 measurements, and that is held.
async fn held(seed: u64) -> (World, Value) {
    let world = World::start(seed).await;
    let now = world.now().as_secs();
    let groups: Vec<MeasureGroup> =
        (1..=30).map(|hour| world.rig.person.blood_pressure(now - hour * 3600, 80, 120, 60)).collect();
    let ids = world.rig.withings.add(world.rig.person.userid, groups, Notify::No).unwrap();
    world.rig.post(&format!("userid={}&appli=58", world.rig.person.userid)).await;
    world.rig.settle(10 * MINUTE).await;
    assert_eq!(world.of_kind("blood_pressure").await.len(), 30);
    for id in &ids[2..27] {
        world.rig.withings.delete::<MeasureGroup>(world.rig.person.userid, id, Notify::No).unwrap();
    }
    let window = format!("startdate={}&enddate={now}", now - 40 * 3600);
    world.rig.post(&format!("userid={}&appli=4&{window}", world.rig.person.userid)).await;
    tokio::time::sleep(5 * MINUTE).await;
    let (_, waiting) = world.get(&world.of("/retractions")).await;
    assert_eq!(waiting["retractions"][0]["state"], "waiting", "{waiting}");
    tokio::time::sleep(24 * HOUR).await;
    let (status, list) = world.get(&world.of("/retractions")).await;
    assert_eq!((status, list["retractions"].as_array().unwrap().len()), (StatusCode::OK, 1), "{list}");
    (world, list["retractions"][0].clone())
}

async fn retracted(world: &World) -> usize {
    world.of_kind("blood_pressure").await.iter().filter(|record| record.status == Status::EnteredInError).count()
}

async fn told(world: &World) -> Option<String> {
    world.of_kind("retraction").await[0].value_code.clone()
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_shown_in_numbers_and_applied_when_it_is_approved() {
    let (world, retraction) = held(571).await;
    assert_eq!((&retraction["state"], &retraction["service"]), (&json!("held"), &json!("getmeas")));
    assert_eq!(retraction["kinds"]["blood_pressure"], 25, "{retraction}");
    assert!(retraction["held_since"].is_string() && retraction["due"].is_string());
    assert_eq!(world.get(&world.of("/retractions?cursor=x")).await.1["field"], "cursor");
    let path = world.of(&format!("/retractions/{}/approve", retraction["retraction"].as_str().unwrap()));
    let (status, approved) = world.post(&path, Value::Null).await;
    assert_eq!((status, &approved["state"]), (StatusCode::ACCEPTED, &json!("approved")), "{approved}");
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!((retracted(&world).await, told(&world).await.as_deref()), (25, Some("applied")));
    assert_eq!(world.post(&path, Value::Null).await.0, StatusCode::NOT_FOUND, "it is done");
    assert_eq!(world.get(&world.of("/retractions")).await.1["retractions"], json!([]));
}

/// Somebody takes the lease on the doubt for so long, and dies.
async fn take(world: &World, lease: Duration) {
    let doubt = world.rig.connections.doubts(&world.rig.connection.id).await.unwrap().remove(0);
    let (now, holder) = (world.now(), PullId::from("pul_dead"));
    // As the fetcher does when the doubt is due.
    let update = world
        .rig
        .client
        .update_item()
        .table_name(world.rig.name("connections"))
        .key("owner", s(doubt.key().owner.to_string()))
        .key("item", s(doubt.key().duty.to_string()))
        .update_expression("SET lease_pull = :holder, lease_ms = :until")
        .expression_attribute_values(":holder", s(holder.as_str()))
        .expression_attribute_values(":until", n((now + lease).as_millis()));
    update.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_worker_has_taken_may_be_decided_once_its_lease_has_run_out() {
    for (seed, decision, expected) in [(573, "approve", StatusCode::ACCEPTED), (574, "reject", StatusCode::OK)] {
        let (world, retraction) = held(seed).await;
        let path = world.of(&format!("/retractions/{}/{decision}", retraction["retraction"].as_str().unwrap()));
        take(&world, 10 * MINUTE).await;
        assert_eq!(world.post(&path, Value::Null).await.0, StatusCode::CONFLICT, "{decision}");
        assert_ne!(told(&world).await.as_deref(), Some("rejected"), "nothing is told of what was refused");
        tokio::time::sleep(10 * MINUTE).await;
        assert_eq!(world.post(&path, Value::Null).await.0, expected, "{decision}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_that_is_cut_short_is_told_all_the_same_when_it_is_asked_for_again() {
    let (world, retraction) = held(575).await;
    let path = world.of(&format!("/retractions/{}/reject", retraction["retraction"].as_str().unwrap()));
    world.rig.stack.dynamodb.faults().next(Fault::Failed, "DeleteItem", "doubt#", 1_000);
    assert_eq!(world.post(&path, Value::Null).await.0, StatusCode::SERVICE_UNAVAILABLE);
    world.rig.stack.dynamodb.faults().clear();
    assert_eq!(world.post(&path, Value::Null).await.0, StatusCode::OK);
    assert_eq!(told(&world).await.as_deref(), Some("rejected"));
    assert_eq!(world.get(&world.of("/retractions")).await.1["retractions"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_leaves_the_records_as_they_are() {
    let (world, retraction) = held(572).await;
    let path = world.of(&format!("/retractions/{}/reject", retraction["retraction"].as_str().unwrap()));
    let (status, _) = world.post(&path, Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    tokio::time::sleep(9 * 24 * HOUR).await;
    assert_eq!((retracted(&world).await, told(&world).await.as_deref()), (0, Some("rejected")));
}
