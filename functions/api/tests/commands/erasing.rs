use std::time::Duration;

use afferent_domain::backfill::Depth;
use afferent_domain::delivery::{Delivery, Key};
use afferent_domain::erasure::sha256;
use afferent_domain::id::{EndpointId, ErasureId, UserId};
use afferent_domain::secret::Secret;
use afferent_play::seed::{Consent, Seeder};
use afferent_store::connections::Connections;
use afferent_store::deliveries::{Attempt, Outcome, Phases};
use afferent_store::item::s;
use afferent_store::notifications::day;
use lambda_http::http::{Method, StatusCode};
use serde_json::{Value, json};
use withings_simulator::{Fault, FaultKind, sample};

use crate::world::{HOUR, MINUTE, World};

/// The person has data of several kinds. Nothing is swept: what else goes on is not looked at here.
async fn lived(seed: u64) -> World {
    live(World::with(seed, &OFF).await).await
}

const OFF: [(&str, &str); 4] =
    [("SweepUpdates", "off"), ("SweepRecent", "off"), ("SweepMonth", "off"), ("SweepEverything", "off")];

async fn live(world: World) -> World {
    for appli in [1, 4, 50] {
        sample::play(&world.rig.withings, &world.rig.person, appli).unwrap();
    }
    world.rig.settle(10 * MINUTE).await;
    assert_eq!(world.of_kind("blood_pressure").await.len(), 1);
    world
}

async fn erasure(world: &World) -> String {
    let (status, receipt) = world.post(&world.of_user("/erase"), Value::Null).await;
    assert_eq!((status, receipt["state"].as_str()), (StatusCode::ACCEPTED, Some("running")), "{receipt}");
    receipt["erasure"].as_str().unwrap().to_owned()
}

async fn receipt(world: &World, id: &str) -> Value {
    let (status, receipt) = world.get(&format!("/v1/erasures/{id}?verify=true")).await;
    assert_eq!(status, StatusCode::OK, "{receipt}");
    receipt
}

/// Everything that a table holds, as text.
async fn all_of(world: &World, table: &str) -> String {
    let mut text = String::new();
    let mut start = None;
    loop {
        let scan = world.rig.client.scan().table_name(world.rig.name(table)).set_exclusive_start_key(start);
        let page = scan.send().await.unwrap();
        text.push_str(&format!("{:?}", page.items()));
        start = page.last_evaluated_key;
        if start.is_none() {
            return text;
        }
    }
}

pub(crate) async fn consent(world: &World) -> Consent {
    let tokens = world.rig.withings.issue_tokens(world.rig.person.userid, None, "").unwrap();
    Consent {
        region: "eu".to_owned(),
        userid: world.rig.person.userid.to_string(),
        tz: "Europe/Lisbon".to_owned(),
        access_token: Secret::new(tokens.access_token),
        refresh_token: Secret::new(tokens.refresh_token),
        expires_in: HOUR,
    }
}

pub(crate) fn seeder(world: &World) -> Seeder {
    Seeder::new(&world.rig.stack.rim, &world.rig.stack.template.place.stack).reaching_back(Depth::Days(0))
}

#[tokio::test(start_paused = true)]
async fn everything_of_a_person_goes_and_the_receipt_says_so() {
    let world = lived(531).await;
    let id = erasure(&world).await;
    let running = receipt(&world, &id).await;
    assert_eq!((&running["found"]["clean"], &running["backups_until"]), (&json!(false), &Value::Null));
    let (status, again) = world.post(&world.of_user("/erase"), Value::Null).await;
    assert_eq!((status, again["erasure"].as_str()), (StatusCode::ACCEPTED, Some(&*id)), "asking again is the same");

    tokio::time::sleep(10 * MINUTE).await;
    let soon = receipt(&world, &id).await;
    assert_eq!(soon["found"]["clean"], true, "only the last look is left: {soon}");
    assert_eq!(soon["state"], "running");
    assert_eq!(world.get(&world.of_user("/completeness")).await.0, StatusCode::NOT_FOUND);

    let userid = world.rig.person.userid.to_string();
    tokio::time::sleep(26 * HOUR).await;
    let done = receipt(&world, &id).await;
    assert_eq!((&done["state"], &done["passes"], &done["found"]["clean"]), (&json!("done"), &json!(3), &json!(true)));
    assert_eq!(done["reference_sha256"], sha256("sample"));
    let account = &done["accounts"][0];
    assert_eq!((&account["userid"], &account["consent"]), (&json!(userid), &json!("revoked")));
    for table in ["records", "events", "deliveries", "notifications", "connections"] {
        assert!(done["erased"][table].as_u64().unwrap() > 0, "{table}: {done}");
    }
    assert!(done["backups_until"].as_str() > done["ended"].as_str());
    for query in ["reference_id=sample".to_owned(), format!("user={}", world.rig.connection.user)] {
        let (status, found) = world.get(&format!("/v1/erasures?{query}")).await;
        assert_eq!((status, &found["erasures"][0]["erasure"]), (StatusCode::OK, &json!(id)), "{query}: {found}");
    }
    let (status, again) = world.post(&world.of_user("/erase"), Value::Null).await;
    assert_eq!((status, &again["erasure"], &again["state"]), (StatusCode::OK, &json!(id), &json!("done")), "{again}");
    for table in ["records", "events", "deliveries"] {
        let all = all_of(&world, table).await;
        for trace in ["body_weight", "blood_pressure", "bed_in"] {
            assert!(!all.contains(trace), "{table} holds {trace}");
        }
    }
    let all = all_of(&world, "connections").await;
    for trace in ["\"sample\"", "refresh_token", world.rig.connection.id.as_str()] {
        let left = all.matches(trace).count();
        // The receipt names the connection.
        assert_eq!(left, usize::from(trace.starts_with("con_")), "{trace}");
    }
    let deleted = |event: &Value| event["type"].as_str().unwrap().ends_with(".deleted");
    assert!(!world.rig.webhooks().iter().any(deleted), "no event comes of an erasure");
}

impl World {
    /// What is told of the notifications that stand so, received in the last three days.
    async fn that_are(&self, state: &str) -> Vec<Value> {
        let mut told = Vec::new();
        for days in 0..3 {
            let day = day(self.now() - 24 * days * HOUR);
            let (status, page) = self.get(&format!("/v1/notifications?state={state}&day={day}")).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            told.extend(page["notifications"].as_array().unwrap().clone());
        }
        told
    }
}

#[tokio::test(start_paused = true)]
async fn of_notifications_nothing_is_left_that_says_what_happened_and_of_later_ones_only_that_they_came() {
    let world = lived(537).await;
    let person = world.rig.person.userid;
    world.rig.post(&format!("userid={person}&appli=777")).await;
    tokio::time::sleep(MINUTE).await;
    let body = |told: &Value| told["body"].as_str().unwrap().to_owned();
    assert!(world.that_are("recorded").await.iter().any(|told| body(told).contains("appli=50")));
    assert_eq!(world.that_are("quarantined").await.len(), 1);

    let id = erasure(&world).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(world.that_are("recorded").await, Vec::<Value>::new());
    assert_eq!(world.that_are("quarantined").await, Vec::<Value>::new());
    let later = ["appli=4&startdate=1795240000&enddate=1795240001", "appli=50&date=1795240000", "appli=777"];
    let announce = async || {
        for text in later {
            world.rig.post(&format!("userid={person}&{text}")).await;
        }
        tokio::time::sleep(MINUTE).await;
    };
    announce().await;
    tokio::time::sleep(26 * HOUR).await;
    announce().await;
    let put_away = world.that_are("quarantined").await;
    assert_eq!(put_away.len(), 2 * later.len());
    for told in &put_away {
        assert_eq!((&told["reason"], &told["userid"], &*body(told)), (&json!("erased"), &Value::Null, ""), "{told}");
    }
    let text = all_of(&world, "notifications").await;
    assert!(!text.contains("appli=50") && !text.contains("appli=777"), "{text}");
    assert_eq!(receipt(&world, &id).await["found"]["clean"], true);

    seeder(&world).connect("sample", &consent(&world).await).await.unwrap();
    world.rig.post(&format!("userid={person}&appli=777")).await;
    tokio::time::sleep(MINUTE).await;
    let reasons: Vec<Value> = world.that_are("quarantined").await.iter().map(|told| told["reason"].clone()).collect();
    assert!(reasons.contains(&json!("unknown_category")), "who is back is nobody who was erased: {reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_written_about_an_event_when_it_is_gone_goes_in_the_last_pass() {
    let world = lived(538).await;
    let (deliveries, user) = (&world.rig.tables.deliveries, &world.rig.connection.user);
    let events = world.rig.tables.events.erasable(user, 0, 100).await.unwrap();
    let event = events.iter().find(|event| event.event_type.starts_with("blood_pressure")).unwrap();
    let id = erasure(&world).await;
    tokio::time::sleep(10 * MINUTE).await;

    // A job puts the delivery, and a dispatcher logs its try.
    let key = Key { event: event.id.clone(), endpoint: EndpointId::from("ep_1") };
    let late = Delivery::new(key.clone(), user.clone(), event.sequence, event.event_type.clone(), world.now());
    assert!(deliveries.put_if_absent(&late).await.unwrap());
    let outcome = Outcome::Queued { message: "1".to_owned() };
    let (at, duration, phases) = (world.now(), Duration::from_secs(1), Phases::default());
    deliveries.log(&key, 1, &Attempt { at, cycle: 1, number: 1, duration, phases, outcome }).await.unwrap();
    tokio::time::sleep(26 * HOUR).await;
    assert_eq!(receipt(&world, &id).await["state"], "done");
    assert!(!all_of(&world, "deliveries").await.contains(event.id.as_str()));
    assert!(!all_of(&world, "connections").await.contains("late#"), "nor is it kept that there was such an event");
}

#[tokio::test(start_paused = true)]
async fn the_keys_that_open_nothing_but_the_person_are_revoked() {
    let world = lived(539).await;
    let user = &world.rig.connection.user;
    let own = world.key_for(&format!("user:{user}")).await;
    let both = world.key_for_all(&[&format!("user:{user}"), "endpoint:ep_01hzx3v7k2m4n5p6q8r9s0t1v2"]).await;
    let others = world.key_for(&format!("user:{}", UserId::derive(&["other"]))).await;
    let id = erasure(&world).await;
    tokio::time::sleep(27 * HOUR).await;
    assert_eq!(receipt(&world, &id).await["keys_revoked"], 1);
    let answers = async |key: &str| world.call(key, Method::GET, &world.of_user(""), &Value::Null).await.status();
    assert_eq!(answers(&own).await, StatusCode::UNAUTHORIZED);
    assert_eq!(answers(&both).await, StatusCode::NOT_FOUND);
    assert_eq!(answers(&others).await, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_made_or_connected_again_until_it_is_over() {
    let world = lived(532).await;
    let id = erasure(&world).await;
    for _ in 0..2 {
        let error = seeder(&world).connect("sample", &consent(&world).await).await.unwrap_err();
        assert!(error.to_string().contains("erased"), "{error}");
        let (status, problem) = world.post("/v1/users", json!({"reference_id": "sample"})).await;
        assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("urn:afferent:problem:erasing")));
        tokio::time::sleep(20 * MINUTE).await;
    }
    tokio::time::sleep(26 * HOUR).await;
    seeder(&world).connect("sample", &consent(&world).await).await.unwrap();
    let (status, _) = world.post(&world.of_user("/erase"), Value::Null).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let (_, found) = world.get("/v1/erasures?reference_id=sample").await;
    assert_eq!(found["erasures"].as_array().unwrap().len(), 2);
    assert_eq!((&found["erasures"][0]["state"], &found["erasures"][1]["erasure"]), (&json!("running"), &json!(id)));
    let receipt = receipt(&world, &id).await;
    assert_eq!((&receipt["found"]["made_again"], &receipt["found"]["clean"]), (&json!(true), &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_two_users_share_stays_with_the_other() {
    let world = lived(533).await;
    let other = seeder(&world).connect("other", &consent(&world).await).await.unwrap();
    world.rig.settle(10 * MINUTE).await;
    let id = erasure(&world).await;
    tokio::time::sleep(27 * HOUR).await;
    let done = receipt(&world, &id).await;
    assert_eq!((&done["state"], &done["found"]["clean"]), (&json!("done"), &json!(true)), "{done}");
    assert_eq!(done["accounts"][0]["consent"], "shared");
    assert!(world.rig.connections.tokens(&other.account).await.unwrap().is_some());
    world.pressures([0]);
    let (status, _) = world.post(&format!("/v1/connections/{}/refresh", other.id), Value::Null).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    tokio::time::sleep(MINUTE).await;
    let (theirs, _) = world.rig.tables.records.page(&other.user, Some("blood_pressure"), None, 10).await.unwrap();
    assert!(!theirs.is_empty());
    assert!(world.of_kind("blood_pressure").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_withings_that_is_away_for_days_holds_up_no_data_and_the_rest_for_three_days() {
    let world = lived(534).await;
    let fault = Fault {
        service: Some("v2/oauth2".to_owned()),
        action: Some("revoke".to_owned()),
        count: u32::MAX,
        after_effect: false,
        kind: FaultKind::Http(500),
    };
    world.rig.withings.fail(fault);
    let id = erasure(&world).await;
    tokio::time::sleep(HOUR).await;
    assert!(world.of_kind("blood_pressure").await.is_empty(), "the data went at once");
    assert_eq!(receipt(&world, &id).await["accounts"][0]["consent"], Value::Null);
    tokio::time::sleep(Duration::from_secs(5 * 86_400)).await;
    let done = receipt(&world, &id).await;
    assert_eq!((&done["state"], &done["found"]["clean"]), (&json!("done"), &json!(true)), "{done}");
    assert_eq!(done["accounts"][0]["consent"], "unreachable");
}

#[tokio::test(start_paused = true)]
async fn keepers_that_die_on_the_way_leave_nothing_behind() {
    for seed in 540..548 {
        let world = live(World::slow(seed, &OFF).await).await;
        let id = erasure(&world).await;
        world.rig.stack.functions.crash_sometimes(700, world.rig.stack.dice.clone());
        tokio::time::sleep(2 * HOUR).await;
        world.rig.stack.functions.crash_sometimes(0, world.rig.stack.dice.clone());
        tokio::time::sleep(29 * HOUR).await;
        let done = receipt(&world, &id).await;
        assert_eq!((&done["state"], &done["found"]["clean"]), (&json!("done"), &json!(true)), "seed {seed}: {done}");
        assert_eq!(done["accounts"][0]["consent"], "revoked", "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn how_a_consent_ended_is_known_although_the_keeper_dies_when_the_connection_is_gone() {
    let world = live(World::slow(536, &OFF).await).await;
    let id = erasure(&world).await;
    while world.rig.connections.get(&world.rig.connection.id).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // What it would still say of its work counts no more, as if it had died.
    let key = Connections::erasure_key(&ErasureId::from(&*id));
    let update = world
        .rig
        .client
        .update_item()
        .table_name(world.rig.name("connections"))
        .key("owner", s(key.owner.to_string()))
        .key("item", s(key.duty.to_string()))
        .update_expression("SET lease_pull = :nobody")
        .condition_expression("attribute_exists(lease_pull)")
        .expression_attribute_values(":nobody", s("nobody"));
    update.send().await.unwrap();
    tokio::time::sleep(27 * HOUR).await;
    let done = receipt(&world, &id).await;
    assert_eq!((&done["state"], &done["found"]["clean"]), (&json!("done"), &json!(true)), "{done}");
    assert_eq!(done["accounts"][0]["consent"], "revoked");
}

#[tokio::test(start_paused = true)]
async fn a_person_without_connections_can_be_erased_and_one_who_is_not_there_cannot() {
    let world = World::start(535).await;
    let (_, user) = world.post("/v1/users", json!({"reference_id": "nobody"})).await;
    let path = format!("/v1/users/{}/erase", user["user"].as_str().unwrap());
    let (status, receipt) = world.post(&path, Value::Null).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{receipt}");
    for path in ["/v1/users/usr_0/erase", "/v1/users/_app/erase", "/v1/users/con_0/erase"] {
        assert_eq!(world.post(path, Value::Null).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/v1/erasures/ers_0", "/v1/erasures/x"] {
        assert_eq!(world.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for query in ["", "?user=sample", "?user=usr_0&reference_id=sample"] {
        let (status, problem) = world.get(&format!("/v1/erasures{query}")).await;
        assert_eq!((status, problem["field"].as_str()), (StatusCode::BAD_REQUEST, Some("user")), "{query}: {problem}");
    }
    let (status, problem) = world.get("/v1/erasures/ers_0?verify=perhaps").await;
    assert_eq!((status, problem["field"].as_str()), (StatusCode::BAD_REQUEST, Some("verify")), "{problem}");
}
