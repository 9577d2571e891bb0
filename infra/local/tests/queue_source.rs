//! The event source mapping of a queue, in virtual time: every rule of it.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is a failed test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afferent_local::{Handler, InvokeError, Setup, Simulation, Ticks};
use bytes::Bytes;
use local_sqs::Draft;
use serde_json::{Value, json};
use tokio::time::Instant;

const QUEUE: &str = "afferent-deliveries";
const DEAD: &str = "afferent-deliveries-dead";

/// Every batch that the function was invoked with, and when.
type Batches = Arc<Mutex<Vec<(Duration, Vec<Value>)>>>;

async fn simulation(
    answer: impl Fn(&[Value]) -> Result<Value, InvokeError> + Send + Sync + 'static,
) -> (Simulation, Batches) {
    slow(Duration::ZERO, answer).await
}

async fn slow(
    work: Duration,
    answer: impl Fn(&[Value]) -> Result<Value, InvokeError> + Send + Sync + 'static,
) -> (Simulation, Batches) {
    let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
    let (batches, began) = (Batches::default(), Instant::now());
    let seen = Arc::clone(&batches);
    let answer = Arc::new(answer);
    let handler: Handler = Arc::new(move |payload: Bytes| {
        let event: Value = serde_json::from_slice(&payload).unwrap();
        let records = event["Records"].as_array().unwrap().clone();
        seen.lock().unwrap().push((began.elapsed(), records.clone()));
        let answer = Arc::clone(&answer);
        Box::pin(async move {
            tokio::time::sleep(work).await;
            answer(&records).map(|answer| Bytes::from(answer.to_string()))
        })
    });
    simulation.set("dispatcher", handler);
    simulation.resume("dispatcher");
    (simulation, batches)
}

fn send(simulation: &Simulation, bodies: impl IntoIterator<Item = String>) {
    for body in bodies {
        simulation.sqs.send(QUEUE, Draft::of(body)).unwrap();
    }
}

fn count(simulation: &Simulation, queue: &str) -> usize {
    simulation.sqs.messages(queue, 1000).unwrap().len()
}

fn failing(records: &[Value], bodies: &[&str]) -> Value {
    let failed = records.iter().filter(|record| bodies.contains(&record["body"].as_str().unwrap()));
    let failures: Vec<Value> = failed.map(|record| json!({"itemIdentifier": record["messageId"]})).collect();
    json!({"batchItemFailures": failures})
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_succeeds_is_deleted() {
    let (simulation, batches) = simulation(|_| Ok(json!({"batchItemFailures": []}))).await;
    send(&simulation, (0..25).map(|n| n.to_string()));
    pass(1).await;
    let sizes: Vec<usize> = batches.lock().unwrap().iter().map(|(_, batch)| batch.len()).collect();
    assert!(sizes.iter().all(|size| *size <= 10));
    assert_eq!(sizes.iter().sum::<usize>(), 25);
    assert_eq!(count(&simulation, QUEUE), 0);
}

#[tokio::test(start_paused = true)]
async fn only_the_messages_that_failed_come_back_and_after_the_queue_s_visibility_timeout() {
    let (simulation, batches) = simulation(|records| Ok(failing(records, &["bad"]))).await;
    send(&simulation, ["good".to_owned(), "bad".to_owned()]);
    pass(200).await;
    let batches = batches.lock().unwrap();
    let bad: Vec<u64> = batches.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(bad, [0, 180]);
    assert_eq!(batches[1].1.len(), 1);
    assert_eq!(batches[1].1[0]["body"], "bad");
    assert_eq!(batches[1].1[0]["attributes"]["ApproximateReceiveCount"], "2");
}

#[tokio::test(start_paused = true)]
async fn a_visibility_timeout_that_the_function_set_is_kept() {
    let (simulation, batches) = simulation(|records| Ok(failing(records, &["bad"]))).await;
    let sqs = Arc::clone(&simulation.sqs);
    let seen = Arc::clone(&batches);
    simulation.set(
        "dispatcher",
        Arc::new(move |payload| {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            let record = event["Records"][0].clone();
            sqs.change_visibility(QUEUE, record["receiptHandle"].as_str().unwrap(), 16_200).unwrap();
            seen.lock().unwrap().push((Duration::ZERO, vec![record.clone()]));
            Box::pin(async move { Ok(failing(&[record], &["bad"]).to_string().into()) })
        }),
    );
    send(&simulation, ["bad".to_owned()]);
    pass(16_199).await;
    assert_eq!(batches.lock().unwrap().len(), 1);
    pass(2).await;
    assert_eq!(batches.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_an_unreadable_answer_and_an_unknown_id_each_fail_the_whole_batch() {
    let answers: [Result<Value, InvokeError>; 4] = [
        Err(InvokeError::Failed("Error".to_owned())),
        Ok(json!("done")),
        Ok(json!({"batchItemFailures": [{"itemIdentifier": "unknown"}]})),
        Ok(json!({"batchItemFailures": [{"itemIdentifier": ""}]})),
    ];
    for answer in answers {
        let (simulation, _) = simulation(move |_| answer.clone()).await;
        send(&simulation, ["one".to_owned(), "two".to_owned()]);
        pass(1).await;
        assert_eq!(count(&simulation, QUEUE), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_received_too_often_goes_to_the_dead_letter_queue() {
    let (simulation, batches) = simulation(|records| Ok(failing(records, &["bad"]))).await;
    send(&simulation, ["bad".to_owned()]);
    pass(180 * 51).await;
    assert_eq!(batches.lock().unwrap().len(), 50);
    assert_eq!(count(&simulation, DEAD), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_invocations_run_at_once_than_the_maximum_concurrency() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    simulation.set(
        "fetcher",
        Arc::new(move |_| {
            let now = Arc::clone(&now);
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Box::pin(async move {
                pass(5).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(Bytes::from_static(b"{}"))
            })
        }),
    );
    simulation.resume("fetcher");
    for n in 0..100 {
        simulation.sqs.send("afferent-pulls", Draft::of(n.to_string())).unwrap();
    }
    pass(60).await;
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert_eq!(count(&simulation, "afferent-pulls"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_invocation_is_tried_again_until_the_messages_are_visible_again() {
    let (simulation, batches) = simulation(|_| Err(InvokeError::Throttled)).await;
    send(&simulation, ["one".to_owned()]);
    pass(170).await;
    let receive_counts = |batches: &Batches| {
        let batches = batches.lock().unwrap();
        batches.iter().map(|(_, batch)| batch[0]["attributes"]["ApproximateReceiveCount"].clone()).collect::<Vec<_>>()
    };
    assert!(batches.lock().unwrap().len() > 100);
    assert!(receive_counts(&batches).iter().all(|count| count == "1"));
    pass(20).await;
    assert_eq!(receive_counts(&batches).last().unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_times_out_deletes_nothing() {
    let (simulation, batches) = slow(Duration::from_secs(31), |_| Ok(json!({}))).await;
    send(&simulation, ["one".to_owned()]);
    pass(100).await;
    assert_eq!(batches.lock().unwrap().len(), 1);
    assert_eq!(count(&simulation, QUEUE), 1);
}

#[tokio::test(start_paused = true)]
async fn the_event_has_the_shape_that_lambda_gives_it() {
    let (simulation, batches) = simulation(|_| Ok(json!({}))).await;
    let draft = Draft { group: Some("ep_1".to_owned()), ..Draft::of("hello world") };
    simulation.sqs.send(QUEUE, draft).unwrap();
    pass(1).await;
    let record = batches.lock().unwrap()[0].1[0].clone();
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:us-east-1:000000000000:afferent-deliveries");
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["md5OfBody"], "5eb63bbbe01eeed093cb22bb8f5acdc3");
    assert_eq!(record["attributes"]["MessageGroupId"], "ep_1");
    assert_eq!(record["attributes"]["SentTimestamp"], "1795244400000");
    assert!(record["receiptHandle"].is_string() && record["messageId"].is_string());
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_costs_nothing_for_twenty_days() {
    let (simulation, batches) = simulation(|_| Ok(json!({}))).await;
    let real = std::time::Instant::now();
    pass(20 * 86_400).await;
    send(&simulation, ["late".to_owned()]);
    pass(1).await;
    assert_eq!(batches.lock().unwrap().len(), 1);
    eprintln!("twenty idle days took {:?}", real.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_crashes_leaves_its_messages_to_the_next() {
    let (simulation, batches) = slow(Duration::from_millis(50), |_| Ok(json!({}))).await;
    simulation.functions.crash_sometimes(1000, Arc::clone(&simulation.dice));
    // A handler that gives the dice many places to strike at.
    simulation.set(
        "dispatcher",
        Arc::new(move |payload: Bytes| {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            batches.lock().unwrap().push((Duration::ZERO, event["Records"].as_array().unwrap().clone()));
            Box::pin(async move {
                for _ in 0..100 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Ok(Bytes::from_static(b"{}"))
            })
        }),
    );
    send(&simulation, ["one".to_owned()]);
    pass(100).await;
    assert_eq!(count(&simulation, QUEUE), 1);
    simulation.functions.crash_sometimes(0, Arc::clone(&simulation.dice));
    pass(100).await;
    assert_eq!(count(&simulation, QUEUE), 0);
}
