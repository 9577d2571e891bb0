use afferent_domain::connection::State;
use afferent_domain::erasure::Left;
use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use crate::erasing::{consent, seeder};
use crate::world::{MINUTE, World};

fn told(world: &World) -> Vec<String> {
    let events = world.rig.webhooks();
    let records = events.iter().map(|event| &event["data"]["record"]);
    let connections = records.filter(|record| record["kind"] == "connection");
    connections.filter_map(|record| record["value_code"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_ended_here_at_once_and_at_withings_soon_after() {
    let world = World::start(521).await;
    let (status, answer) = world.post(&world.of("/disconnect"), Value::Null).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert_eq!((&answer["state"], &answer["under_way"]), (&json!("disconnected"), &json!(true)));
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(told(&world), ["disconnected"]);
    let calls = world.rig.withings.calls();
    let revoked: Vec<_> = calls.iter().filter(|call| call.action == "revoke" && call.service == "v2/oauth2").collect();
    assert_eq!(revoked.len(), 1);
    assert_eq!(world.rig.connections.tokens(&world.rig.connection.account).await.unwrap(), None);

    let (status, answer) = world.post(&world.of("/disconnect"), Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!((&answer["under_way"], &answer["consent"]), (&json!(false), &json!("revoked")));
    tokio::time::sleep(10 * MINUTE).await;
    let calls = world.rig.withings.calls();
    assert_eq!(calls.iter().filter(|call| call.action == "revoke" && call.service == "v2/oauth2").count(), 1);

    world.pressures([0]);
    for (command, body) in [("/refresh", Value::Null), ("/backfills", json!({"start_date": "2026-01-01"}))] {
        let (status, problem) = world.post(&world.of(command), body).await;
        assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("urn:afferent:problem:not-connected")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_lives_again_says_nothing_of_how_it_ended_before() {
    let world = World::start(524).await;
    let (id, connections) = (&world.rig.connection.id, &world.rig.connections);
    world.post(&world.of("/disconnect"), Value::Null).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(connections.left(id).await.unwrap(), Some(Left::Revoked));
    let again = seeder(&world).connect("sample", &consent(&world).await).await.unwrap();
    assert_eq!(again.id, *id);
    assert_eq!(connections.left(id).await.unwrap(), None);
    let (status, answer) = world.post(&world.of("/disconnect"), Value::Null).await;
    assert_eq!((status, &answer["consent"]), (StatusCode::ACCEPTED, &Value::Null), "{answer}");
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(connections.left(id).await.unwrap(), Some(Left::Revoked));
    assert_eq!(connections.tokens(&world.rig.connection.account).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_consent_is_ended_at_withings_although_the_tokens_are_dead() {
    let world = World::start(525).await;
    world.rig.withings.kill_tokens(world.rig.person.userid);
    world.post(&world.of("/disconnect"), Value::Null).await;
    tokio::time::sleep(10 * MINUTE).await;
    let calls = world.rig.withings.calls();
    assert_eq!(calls.iter().filter(|call| call.action == "revoke" && call.service == "v2/oauth2").count(), 1);
    assert_eq!(world.rig.connections.left(&world.rig.connection.id).await.unwrap(), Some(Left::Revoked));
    assert_eq!(world.rig.connections.tokens(&world.rig.connection.account).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn one_who_dies_while_ending_a_connection_has_ended_all_of_it_or_nothing() {
    let mut ended = 0;
    for seed in 2_000..2_012 {
        let world = World::slow(seed, &[]).await;
        world.rig.stack.functions.crash_sometimes(1_000, world.rig.stack.dice.clone());
        world.post(&world.of("/disconnect"), Value::Null).await;
        world.rig.stack.functions.crash_sometimes(0, world.rig.stack.dice.clone());
        // Nobody asks again.
        tokio::time::sleep(30 * MINUTE).await;
        let (connection, connections) = (&world.rig.connection, &world.rig.connections);
        let state = connections.get(&connection.id).await.unwrap().unwrap().state;
        let copy = connections.of_account(&connection.account).await.unwrap().remove(0).state;
        assert_eq!(state, copy, "seed {seed}");
        let tokens = connections.tokens(&connection.account).await.unwrap().is_some();
        assert_eq!(tokens, state == State::Connected, "seed {seed}: {state:?}");
        ended += u32::from(!tokens);
    }
    assert!(ended > 0, "some die after it");
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_end_waits_for_the_person() {
    let world = World::start(522).await;
    world.post(&world.of("/disconnect"), Value::Null).await;
    world
        .rig
        .post(&format!("userid={}&appli=4&startdate=1795240000&enddate=1795240001", world.rig.person.userid))
        .await;
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(world.rig.tally().await.quarantined, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_none_cannot_be_ended() {
    let world = World::start(523).await;
    assert_eq!(world.post("/v1/connections/con_0/disconnect", Value::Null).await.0, StatusCode::NOT_FOUND);
    let (status, problem) = world.post(&world.of("/disconnect"), json!({"now": true})).await;
    assert_eq!((status, problem["field"].as_str()), (StatusCode::BAD_REQUEST, Some("now")), "{problem}");
}
