use afferent_domain::id::RecordId;
use afferent_domain::record::{Record, Status};
use lambda_http::http::{Method, StatusCode};
use serde_json::{Value, json};
use withings_simulator::{Fault, FaultKind, sample};

use crate::world::{DAY, MINUTE, World};

async fn service(world: &World, name: &str) -> Value {
    let (status, answer) = world.get(&world.of("/services")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["services"].as_array().unwrap().iter().find(|one| one["service"] == name).unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_service_tells_what_announced_it_when_it_was_read_and_what_there_is() {
    let world = World::swept(561, &[]).await;
    let before = world.now();
    sample::play(&world.rig.withings, &world.rig.person, 1).unwrap();
    world.rig.settle(5 * MINUTE).await;
    let weight = service(&world, "getmeas").await;
    assert!(weight["last_notification"].as_str() >= Some(&*before.to_string()), "{weight}");
    assert_eq!((&weight["last_reading"]["result"], &weight["unread"]), (&json!("ok"), &Value::Null));
    assert!(weight["last_success"].as_str() >= Some(&*before.to_string()));
    assert!(weight["last_reading"]["pull"].as_str().unwrap().starts_with("pul_"));
    assert!(
        weight["oldest_record"].as_str() <= weight["newest_record"].as_str() && weight["newest_record"].is_string()
    );
    assert!(weight["modified_up_to"].is_string());
    let categories: Vec<u64> =
        weight["subscriptions"].as_array().unwrap().iter().map(|one| one["category"].as_u64().unwrap()).collect();
    assert_eq!(categories, [1, 2, 4, 54, 58, 61, 62, 63]);
    let tiers: Vec<&str> =
        weight["sweeps"].as_array().unwrap().iter().map(|one| one["tier"].as_str().unwrap()).collect();
    assert_eq!(tiers, ["updates", "recent", "month", "everything"]);
    let (_, all) = world.get(&world.of("/services")).await;
    assert_eq!((all["services"].as_array().unwrap().len(), &all["backfills"][0]["state"]), (13, &json!("done")));
}

#[tokio::test(start_paused = true)]
async fn the_ends_of_what_there_is_are_found_behind_many_that_were_retracted() {
    let world = World::swept(564, &[]).await;
    world.pressures([3]);
    world.post(&world.of("/refresh"), json!({"services": ["getmeas"]})).await;
    tokio::time::sleep(MINUTE).await;
    let ends = |weight: &Value| (weight["oldest_record"].clone(), weight["newest_record"].clone());
    let before = ends(&service(&world, "getmeas").await);
    assert!(before.1.is_string());
    let stored = world.of_kind("blood_pressure").await.remove(0);
    for number in 0..60 {
        // Half of them before the rest, half after it.
        let days = if number % 2 == 0 { 400 } else { -1 };
        let record = Record {
            record: RecordId::from(format!("rec_retracted_{number}")),
            effective_ms: stored.effective_ms - days * DAY * 1_000 + number,
            status: Status::EnteredInError,
            ..stored.clone()
        };
        world.rig.tables.records.put(&record).await.unwrap();
    }
    assert_eq!(ends(&service(&world, "getmeas").await), before);
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_failed_says_why_and_when_it_is_tried_again() {
    let world = World::start(562).await;
    let fault = Fault {
        service: None,
        action: Some("getmeas".to_owned()),
        count: 100,
        after_effect: false,
        kind: FaultKind::Http(500),
    };
    world.rig.withings.fail(fault);
    world
        .rig
        .post(&format!("userid={}&appli=1&startdate=1795240000&enddate=1795240001", world.rig.person.userid))
        .await;
    tokio::time::sleep(3 * MINUTE).await;
    let weight = service(&world, "getmeas").await;
    assert_eq!(
        (&weight["last_reading"]["result"], &weight["last_success"]),
        (&json!("retry"), &Value::Null),
        "{weight}"
    );
    assert!(weight["failures"].as_u64().unwrap() > 0);
    assert_eq!(weight["unread"]["causes"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_granted_is_said_of_each_service() {
    let world = World::start(563).await;
    assert_eq!(service(&world, "getmeas").await["granted"], Value::Null, "of an import it is not known");
    world.grant("user.activity").await;
    let granted = async |name| service(&world, name).await["granted"].clone();
    assert_eq!((granted("getmeas").await, granted("getactivity").await), (json!(false), json!(true)));
    assert_eq!(granted("answers_get").await, json!(true), "it needs no scope");
    assert_eq!(service(&world, "getmeas").await["subscriptions"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_users_own_key_reads_its_own_and_no_other() {
    let world = World::start(564).await;
    let own = world.key_for(&format!("user:{}", world.rig.connection.user)).await;
    let other = world.key_for("user:usr_0").await;
    for path in [world.of("/services"), world.of_user("/completeness")] {
        for (key, status) in [(&own, StatusCode::OK), (&other, StatusCode::NOT_FOUND)] {
            let answer = world.call(key, Method::GET, &path, &Value::Null).await;
            assert_eq!(answer.status(), status, "{path}");
        }
    }
    let answer = world.call(&own, Method::POST, &world.of("/refresh"), &Value::Null).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "reading is all that it may");
}
