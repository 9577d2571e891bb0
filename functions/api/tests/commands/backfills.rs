use std::time::Duration;

use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, World};

async fn ended(world: &World, run: &str) -> Value {
    for _ in 0..360 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let (status, run) = world.get(&world.of(&format!("/backfills/{run}"))).await;
        assert_eq!(status, StatusCode::OK, "{run}");
        if run["state"] != "running" {
            return run;
        }
    }
    panic!("the run does not end");
}

#[tokio::test(start_paused = true)]
async fn a_past_is_estimated_read_and_told() {
    let world = World::start(511).await;
    world.pressures([200, 400, 800]);
    let wish = json!({"start_date": "2025-01-01", "services": ["getmeas"], "preview": true});
    let (status, estimate) = world.post(&world.of("/backfills"), wish).await;
    assert_eq!(status, StatusCode::OK, "{estimate}");
    assert_eq!((&estimate["slices"], &estimate["calls"]), (&json!(2), &json!(2)), "{estimate}");
    assert!(estimate["seconds_at_worst"].as_u64() > estimate["seconds_at_best"].as_u64());
    assert_eq!(estimate["budget"]["per_minute"], 120);
    assert_eq!(estimate["start"], "2025-01-01T00:00:00.000Z", "in Lisbon");
    let (_, list) = world.get(&world.of("/backfills")).await;
    assert_eq!(list, json!({"backfills": [], "next": null}), "an estimate begins nothing");

    let wish = json!({"start_date": "2025-01-01", "services": ["getmeas"]});
    let (status, run) = world.post(&world.of("/backfills"), wish.clone()).await;
    assert_eq!((status, run["state"].as_str()), (StatusCode::ACCEPTED, Some("running")), "{run}");
    let id = run["run"].as_str().unwrap().to_owned();
    for less in [wish.clone(), json!({"start_date": "2026-01-01", "end_date": "2026-02-01", "services": ["getmeas"]})] {
        let (status, problem) = world.post(&world.of("/backfills"), less).await;
        assert_eq!(
            (status, &problem["type"]),
            (StatusCode::CONFLICT, &json!("urn:afferent:problem:backfill-under-way"))
        );
        assert!(problem["detail"].as_str().unwrap().contains(&id), "{problem}");
    }
    let run = ended(&world, &id).await;
    assert_eq!(run["state"], "done");
    assert_eq!((&run["progress"]["percent"], &run["progress"]["slices_done"]), (&json!(100), &json!(2)), "{run}");
    assert_eq!(run["problems"], json!([]));
    let mut stored = world.of_kind("blood_pressure").await;
    // The person's own day lies behind too.
    stored.retain(|record| record.effective_ms < (world.now().as_secs() - 2 * DAY) * 1000);
    assert_eq!(stored.len(), 2, "800 days ago was not asked for");
    assert!(stored.iter().all(|record| record.run.as_deref() == Some(&id)));
    let (status, _) = world.post(&world.of("/backfills"), wish).await;
    assert_eq!(status, StatusCode::ACCEPTED, "it is over, and may be read again");
}

#[tokio::test(start_paused = true)]
async fn a_run_up_to_now_that_is_asked_for_again_a_little_later_is_the_same_one() {
    let world = World::start(515).await;
    world.rig.stack.pause("fetcher");
    let wish = |start: &str| json!({"start_date": start, "services": ["getmeas"]});
    let (_, run) = world.post(&world.of("/backfills"), wish("2025-01-01")).await;
    let id = run["run"].as_str().unwrap();
    let asked_at = world.now() + Duration::from_secs(1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (status, problem) = world.post(&world.of("/backfills"), wish("2025-01-01")).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::CONFLICT, &json!("urn:afferent:problem:backfill-under-way")),
        "{problem}"
    );
    assert!(problem["detail"].as_str().unwrap().contains(id), "{problem}");
    for other in [&*asked_at.to_string(), "2024-12-31"] {
        let (status, run) = world.post(&world.of("/backfills"), wish(other)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{other}: {run}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_cancelled_and_told_and_reads_no_more() {
    let world = World::start(512).await;
    let (_, run) = world.post(&world.of("/backfills"), json!({"start_date": "2010-01-01", "details": true})).await;
    let id = run["run"].as_str().unwrap().to_owned();
    assert!(run["progress"]["slices"].as_u64().unwrap() > 1_000, "{run}");
    tokio::time::sleep(Duration::from_secs(150)).await;
    let cancel = world.of(&format!("/backfills/{id}/cancel"));
    for _ in 0..2 {
        let (status, run) = world.post(&cancel, Value::Null).await;
        assert_eq!((status, run["state"].as_str()), (StatusCode::OK, Some("cancelled")), "{run}");
        assert!(run["ended"].is_string());
    }
    // What was being read then comes to its end.
    tokio::time::sleep(Duration::from_secs(180)).await;
    world.rig.withings.clear_calls();
    tokio::time::sleep(HOUR).await;
    let calls = world.rig.withings.calls().len();
    assert!(calls < 20, "{calls} calls for a run that is cancelled");
    let told = world.of_kind("backfill").await;
    assert_eq!(told[0].value_code.as_deref(), Some("cancelled"));
    let (_, again) =
        world.post(&world.of("/backfills"), json!({"start_date": "2026-11-20", "services": ["getgoals"]})).await;
    let over = ended(&world, again["run"].as_str().unwrap()).await;
    let cancel = world.of(&format!("/backfills/{}/cancel", over["run"].as_str().unwrap()));
    assert_eq!(world.post(&cancel, Value::Null).await.0, StatusCode::CONFLICT, "it is done");
}

#[tokio::test(start_paused = true)]
async fn runs_are_listed_in_pages_the_newest_first() {
    let world = World::start(513).await;
    let mut ids = Vec::new();
    for day in 1..=3 {
        let wish = json!({"start_date": format!("2026-11-0{day}"), "end_date": format!("2026-11-0{day}"), "services": ["getgoals"]});
        let (status, run) = world.post(&world.of("/backfills"), wish).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{run}");
        ids.insert(0, run["run"].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (mut listed, mut path) = (Vec::new(), world.of("/backfills?limit=2"));
    loop {
        let (_, page) = world.get(&path).await;
        listed.extend(page["backfills"].as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = world.of(&format!("/backfills?limit=2&cursor={next}"));
    }
    assert_eq!(listed, ids);
    assert_eq!(world.get(&world.of("/backfills?cursor=x")).await.1["field"], "cursor");
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_at_most_five_runs_at_once() {
    let world = World::start(514).await;
    for day in 1..=6 {
        let wish = json!({"start_date": format!("2026-10-0{day}"), "end_date": format!("2026-10-0{day}"), "services": ["getmeas"]});
        let (status, answer) = world.post(&world.of("/backfills"), wish).await;
        let expected = if day <= 5 { StatusCode::ACCEPTED } else { StatusCode::CONFLICT };
        assert_eq!(status, expected, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_wish_is_named() {
    let world = World::start(515).await;
    world.grant("user.activity").await;
    for (wish, field) in [
        (json!({}), "start_date"),
        (json!({"start_date": "yesterday"}), "start_date"),
        (json!({"start_date": "2008-12-31"}), "start_date"),
        (json!({"start_date": "2026-12-01"}), "start_date"),
        (json!({"start_date": "2026-10-02", "end_date": "2026-10-01"}), "start_date"),
        (json!({"start_date": "2026-10-02", "end_date": "2027-10-01"}), "end_date"),
        (json!({"start_date": "2026-10-02", "services": ["sleep_get"]}), "services[0]"),
        (json!({"start_date": "2026-10-02", "details": "yes"}), "details"),
        (json!({"start_date": "2026-10-02", "days": 3}), "days"),
    ] {
        let (status, problem) = world.post(&world.of("/backfills"), wish.clone()).await;
        assert_eq!((status, problem["field"].as_str()), (StatusCode::BAD_REQUEST, Some(field)), "{wish}: {problem}");
    }
    let wish = json!({"start_date": "2026-10-02", "services": ["getmeas"]});
    let (status, problem) = world.post(&world.of("/backfills"), wish).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("urn:afferent:problem:not-granted")));
    for path in ["/backfills/run_0", "/backfills/x"] {
        assert_eq!(world.get(&world.of(path)).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn however_many_ask_at_once_no_more_than_five_runs_are_begun() {
    let world = World::slow(516, &[]).await;
    let asks = (1..=9).map(|day| {
        let wish = json!({"start_date": format!("2026-10-0{day}"), "end_date": format!("2026-10-0{day}"), "services": ["getmeas"]});
        let world = &world;
        async move { world.post(&world.of("/backfills"), wish).await.0 }
    });
    let answers = futures_util::future::join_all(asks).await;
    let begun = answers.iter().filter(|status| **status == StatusCode::ACCEPTED).count();
    assert!((1..=5).contains(&begun), "{answers:?}");
    let (_, list) = world.get(&world.of("/backfills?limit=100")).await;
    let running = list["backfills"].as_array().unwrap().iter().filter(|run| run["state"] == "running").count();
    assert!(running <= 5, "{list}");
}
