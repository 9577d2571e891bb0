use std::time::Duration;

use afferent_domain::connection::State;
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::secret::Secret;
use afferent_domain::service::Service;
use afferent_play::seed::{Consent, Seeder};
use afferent_store::item::s;
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use withings_simulator::NewUser;

use crate::world::{HOUR, MINUTE, World};

async fn asked(world: &World, query: &str) -> Value {
    let (status, answer) = world.get(&world.of_user(&format!("/completeness{query}"))).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

fn reasons(answer: &Value) -> Vec<&str> {
    answer["why"].as_array().unwrap().iter().map(|why| why["reason"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_complete_before_anybody_has_looked() {
    let world = World::start(551).await;
    let answer = asked(&world, "").await;
    assert_eq!(answer["complete"], false);
    assert!(reasons(&answer).iter().all(|reason| *reason == "never_read"), "{answer}");
    assert_eq!((&answer["edits"], &answer["deletions"]), (&json!([]), &json!([])));
    assert!(answer["sentence"].as_str().unwrap().contains("not proven"));
}

#[tokio::test(start_paused = true)]
async fn what_the_sweeps_have_proven_is_complete_and_what_came_since_is_not() {
    let world = World::swept(552, &[]).await;
    let asked_at = world.now();
    assert_eq!(asked(&world, &format!("?to={asked_at}")).await["complete"], false, "nobody has looked since");
    tokio::time::sleep(25 * HOUR).await;
    let answer = asked(&world, &format!("?to={asked_at}")).await;
    assert_eq!((&answer["complete"], &answer["why"]), (&json!(true), &json!([])), "{answer}");
    assert!(answer["edits"][0]["complete_to"].as_str() >= Some(&*asked_at.to_string()));
    assert!(answer["deletions"][0]["complete_to"].as_str() >= Some(&*asked_at.to_string()), "days are read daily");
    assert!(answer["sentence"].as_str().unwrap().starts_with("Nothing that was added or edited"));

    let now = asked(&world, "").await;
    assert_eq!(now["complete"], false);
    assert!(reasons(&now).contains(&"behind"), "{now}");
    let long_ago = asked(&world, &format!("?from=2010-01-01&to={asked_at}")).await;
    assert_eq!(long_ago["complete"], false);
    assert!(reasons(&long_ago).contains(&"not_so_far_back"), "ninety days were read: {long_ago}");
}

#[tokio::test(start_paused = true)]
async fn one_connection_can_be_asked_about_beside_one_that_has_ended() {
    let world = World::swept(558, &[]).await;
    let asked_at = world.now();
    let userid = world.rig.withings.create_user(NewUser::default()).unwrap();
    let tokens = world.rig.withings.issue_tokens(userid, None, "").unwrap();
    let consent = Consent {
        region: "eu".to_owned(),
        userid: userid.to_string(),
        tz: "UTC".to_owned(),
        access_token: Secret::new(tokens.access_token),
        refresh_token: Secret::new(tokens.refresh_token),
        expires_in: Duration::from_secs(tokens.expires_in),
    };
    let seeder = Seeder::new(&world.rig.stack.rim, &world.rig.stack.template.place.stack);
    let ended = seeder.connect_quietly("sample", &consent).await.unwrap();
    assert!(world.rig.connections.set_state(&ended, State::Unlinked).await.unwrap());
    tokio::time::sleep(25 * HOUR).await;
    let all = asked(&world, &format!("?to={asked_at}")).await;
    assert_eq!((&all["complete"], all["connections"].as_array().unwrap().len()), (&json!(false), 2), "{all}");
    let one = asked(&world, &format!("?to={asked_at}&connection={}", world.rig.connection.id)).await;
    assert_eq!((&one["complete"], one["connections"].as_array().unwrap().len()), (&json!(true), 1), "{one}");

    let (status, answer) = world.get(&world.of_user("/completeness?connection=con_of_another")).await;
    assert_eq!((status, &answer["field"]), (StatusCode::BAD_REQUEST, &json!("connection")));
}

#[tokio::test(start_paused = true)]
async fn what_was_announced_and_not_read_makes_it_incomplete() {
    let world = World::swept(553, &[]).await;
    let asked_at = world.now();
    world.rig.stack.pause("fetcher");
    world.post(&world.of("/refresh"), json!({"services": ["getmeas"]})).await;
    tokio::time::sleep(MINUTE).await;
    let answer = asked(&world, &format!("?to={}", world.now())).await;
    assert!(reasons(&answer).contains(&"unread"), "{answer}");
    world.rig.stack.resume("fetcher");
    tokio::time::sleep(25 * HOUR).await;
    assert_eq!(asked(&world, &format!("?to={asked_at}")).await["complete"], true);
}

#[tokio::test(start_paused = true)]
async fn signals_that_are_not_read_count_and_services_that_were_not_granted_are_named() {
    let world = World::swept(556, &[]).await;
    let asked_at = world.now();
    let entry = Entry { cause: Cause::Refresh, received: asked_at, window: None };
    tokio::time::sleep(25 * HOUR).await;
    let query = format!("?to={asked_at}");
    let whole = asked(&world, &query).await;
    assert_eq!(whole["complete"], true, "{whole}");
    let sentence = whole["sentence"].as_str().unwrap();
    assert!(sentence.contains("in the services that were granted") && !sentence.contains("Not granted"), "{sentence}");

    world.rig.stack.pause("fetcher");
    let connections = &world.rig.connections;
    connections.mark(&world.rig.connection.id, Service::HeartGet, &entry, None, world.now()).await.unwrap();
    let answer = asked(&world, &query).await;
    assert_eq!((&answer["complete"], &answer["why"][0]["service"]), (&json!(false), &json!(Service::HeartGet.name())));
    assert_eq!(reasons(&answer), ["unread"]);

    world.grant("user.info,user.metrics").await;
    let sentence = asked(&world, &query).await["sentence"].as_str().unwrap().to_owned();
    for name in [Service::Getactivity.name(), Service::SleepGetsummary.name()] {
        assert!(sentence.contains(name), "{name}: {sentence}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_the_index_names_and_that_is_gone_hides_none_that_waits() {
    let world = World::swept(557, &[]).await;
    world.rig.withings.kill_tokens(world.rig.person.userid);
    world.post(&world.of("/disconnect"), Value::Null).await;
    let userid = world.rig.person.userid;
    for _ in 0..2 {
        let now = world.now().as_secs();
        world.rig.post(&format!("userid={userid}&appli=4&startdate={}&enddate={now}", now - 1)).await;
        tokio::time::sleep(MINUTE).await;
    }
    let (waiting, _) = world.rig.tables.notifications.awaiting(&userid.to_string(), None, 10).await.unwrap();
    assert_eq!(waiting.len(), 2);
    // It is in the index still, and not in quarantine any more.
    let update = world
        .rig
        .client
        .update_item()
        .table_name(world.rig.name("notifications"))
        .key("notification", s(waiting[0].as_str()))
        .update_expression("SET #state = :state")
        .expression_attribute_names("#state", "state")
        .expression_attribute_values(":state", s("satisfied"));
    update.send().await.unwrap();
    let answer = asked(&world, "").await;
    assert!(reasons(&answer).contains(&"quarantined"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_link_and_what_waits_in_quarantine_make_it_incomplete() {
    let world = World::swept(554, &[]).await;
    tokio::time::sleep(25 * HOUR).await;
    let before = world.now();
    world.rig.withings.kill_tokens(world.rig.person.userid);
    let now = world.now().as_secs();
    world.rig.post(&format!("userid={}&appli=4&startdate={}&enddate={now}", world.rig.person.userid, now - 1)).await;
    tokio::time::sleep(25 * HOUR).await;
    world.rig.post(&format!("userid={}&appli=4&startdate={}&enddate={now}", world.rig.person.userid, now - 1)).await;
    tokio::time::sleep(HOUR).await;
    let answer = asked(&world, "").await;
    for reason in ["behind", "not_connected", "quarantined"] {
        assert!(reasons(&answer).contains(&reason), "{reason}: {answer}");
    }
    assert_eq!(answer["connections"][0]["quarantined"], 2);
    let earlier = asked(&world, &format!("?to={}", before - 25 * HOUR)).await;
    assert_eq!(earlier["complete"], true, "what was proven stays proven: {earlier}");
}

#[tokio::test(start_paused = true)]
async fn a_user_without_a_connection_has_nothing_and_another_is_not_there() {
    let world = World::start(555).await;
    let (_, user) = world.post("/v1/users", json!({"reference_id": "nobody"})).await;
    let (status, answer) = world.get(&format!("/v1/users/{}/completeness", user["user"].as_str().unwrap())).await;
    assert_eq!((status, &answer["complete"]), (StatusCode::OK, &json!(false)));
    assert_eq!(reasons(&answer), ["no_connection"]);
    assert_eq!(world.get("/v1/users/usr_0/completeness").await.0, StatusCode::NOT_FOUND);
    for (query, field) in [("to=tomorrow", "to"), ("from=x", "from"), ("until=2026-01-01", "until")] {
        let (status, problem) = world.get(&world.of_user(&format!("/completeness?{query}"))).await;
        assert_eq!((status, problem["field"].as_str()), (StatusCode::BAD_REQUEST, Some(field)), "{query}");
    }
}
