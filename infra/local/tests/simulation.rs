//! The whole stack under virtual time, with its own functions.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is a failed test")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afferent_local::{CALLBACK_SECRET, Setup, Simulation, Ticks};
use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::json;
use tokio::time::Instant;

fn notification(secret: &str) -> Request<Bytes> {
    Request::post(format!("https://afferent.example/withings/{secret}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(b"userid=1&appli=1&startdate=1795240000&enddate=1795240060"))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_template_describes_a_stack_that_starts() {
    let simulation = Simulation::start(Setup::default()).await.unwrap();
    let functions: BTreeSet<&str> =
        simulation.template.functions.iter().map(|function| function.binary.as_str()).collect();
    assert_eq!(functions, BTreeSet::from(["api", "dispatcher", "fanout", "fetcher", "ingest", "keeper"]));
    assert!(functions.iter().all(|binary| {
        let name = format!("afferent-{binary}");
        simulation.functions.handler(&name).is_some()
    }));
}

#[tokio::test(start_paused = true)]
async fn a_notification_at_the_front_door_is_in_the_queue_and_a_wrong_secret_is_not() {
    let simulation = Simulation::start(Setup::default()).await.unwrap();
    simulation.pause("fetcher");
    assert_eq!(simulation.request(notification(CALLBACK_SECRET)).await.status(), StatusCode::OK);
    assert_eq!(simulation.request(notification("wrong")).await.status(), StatusCode::NOT_FOUND);
    let messages = simulation.sqs.messages("afferent-pulls", 10).unwrap();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].body.contains("userid=1&appli=1"));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let run = async |seed| {
        let simulation = Simulation::start(Setup { seed, ..Setup::default() }).await.unwrap();
        simulation.pause("fetcher");
        simulation.request(notification(CALLBACK_SECRET)).await;
        simulation.sqs.messages("afferent-pulls", 1).unwrap()[0].body.clone()
    };
    assert_eq!(run(7).await, run(7).await);
    assert_ne!(run(7).await, run(8).await);
}

#[tokio::test(start_paused = true)]
async fn twenty_idle_days_take_seconds() {
    let simulation = Simulation::start(Setup { ticks: Ticks::WhenDue, ..Setup::default() }).await.unwrap();
    let (began, real) = (simulation.clock.now(), std::time::Instant::now());
    tokio::time::sleep(Duration::from_secs(20 * 86_400)).await;
    assert_eq!(simulation.clock.now().since(began), Duration::from_secs(20 * 86_400));
    eprintln!("twenty idle days took {:?}", real.elapsed());
}

/// A simulation whose keeper only notes when it was invoked, in minutes from the start, and with what.
async fn ticking(ticks: Ticks) -> (Simulation, Arc<Mutex<Vec<(u64, String)>>>) {
    let simulation = Simulation::bare(Setup { ticks, ..Setup::default() }).await.unwrap();
    let (seen, began) = (Arc::new(Mutex::new(Vec::new())), Instant::now());
    let heard = Arc::clone(&seen);
    simulation.set(
        "keeper",
        Arc::new(move |payload| {
            let order = String::from_utf8(payload.to_vec()).unwrap();
            heard.lock().unwrap().push((began.elapsed().as_secs() / 60, order));
            Box::pin(async { Ok(Bytes::from_static(b"{}")) })
        }),
    );
    simulation.resume("keeper");
    (simulation, seen)
}

#[tokio::test(start_paused = true)]
async fn a_rate_schedule_invokes_at_each_multiple_of_its_period_with_the_template_s_input() {
    let (_simulation, seen) = ticking(Ticks::Every).await;
    tokio::time::sleep(Duration::from_secs(86_401)).await;
    let seen = seen.lock().unwrap();
    let times = |order: &str| seen.iter().filter(|(_, input)| input == order).count();
    assert_eq!(times(r#"{"task":"minute"}"#), 1440);
    assert_eq!(times(r#"{"task":"daily"}"#), 1);
}

#[tokio::test(start_paused = true)]
async fn minutes_in_which_nothing_is_due_can_be_skipped() {
    let (simulation, seen) = ticking(Ticks::WhenDue).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(seen.lock().unwrap().is_empty());
    let due = simulation.clock.now() + Duration::from_secs(3600);
    let write = |due_ms: Option<i64>| {
        let mut item = json!({"event": {"S": "evt"}, "item": {"S": "ep"}});
        if let Some(due_ms) = due_ms {
            item["due_shard"] = json!({"S": "03"});
            item["due_ms"] = json!({"N": due_ms.to_string()});
        }
        let request = json!({"TableName": "afferent-deliveries", "Item": item}).to_string();
        assert_eq!(simulation.dynamodb.handle("DynamoDB_20120810.PutItem", request.as_bytes()).status, 200);
    };
    write(Some(due.as_millis()));
    tokio::time::sleep(Duration::from_secs(2 * 3600 - 30)).await;
    let minutes: Vec<u64> = seen.lock().unwrap().iter().map(|(minute, _)| *minute).collect();
    assert_eq!(minutes, (117..180).collect::<Vec<_>>(), "from three minutes before, for as long as it stays due");
    write(None);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(seen.lock().unwrap().len() <= minutes.len() + 1);
}
