//! The event source mapping of a stream, in virtual time: every rule of it.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is a failed test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use afferent_aws::Service;
use afferent_local::dynamodb::Fault;
use afferent_local::{InvokeError, Setup, Simulation, Ticks};
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

const TABLE: &str = "afferent-records";
const FAILURES: &str = "afferent-fanout-failures";

/// When the function was invoked, and with the records of which numbers.
type Batches = Arc<Mutex<Vec<(u64, Vec<u32>)>>>;

fn number(record: &Value) -> u32 {
    record["dynamodb"]["Keys"]["record"]["S"].as_str().unwrap().parse().unwrap()
}

fn hear(
    simulation: &Simulation,
    answer: impl Fn(&[Value]) -> Result<Value, InvokeError> + Send + Sync + 'static,
) -> Batches {
    let (batches, began) = (Batches::default(), Instant::now());
    let seen = Arc::clone(&batches);
    simulation.set(
        "fanout",
        Arc::new(move |payload| {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            let records = event["Records"].as_array().unwrap();
            seen.lock().unwrap().push((began.elapsed().as_secs(), records.iter().map(number).collect()));
            let answer = answer(records).map(|answer| Bytes::from(answer.to_string()));
            Box::pin(async { answer })
        }),
    );
    batches
}

async fn bare() -> Simulation {
    Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap()
}

/// A simulation whose fanout sees the records of these numbers.
async fn simulation(
    numbers: std::ops::Range<u32>,
    answer: impl Fn(&[Value]) -> Result<Value, InvokeError> + Send + Sync + 'static,
) -> (Simulation, Batches) {
    let simulation = bare().await;
    let batches = hear(&simulation, answer);
    for number in numbers {
        write(&simulation, number, "first").await;
    }
    simulation.resume("fanout");
    (simulation, batches)
}

async fn write(simulation: &Simulation, number: u32, value: &str) {
    let dynamodb = aws_sdk_dynamodb::Client::new(&simulation.rim.aws.config(Service::DynamoDb));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = dynamodb.put_item().table_name(TABLE).item("user", text("usr")).item("record", text(&number.to_string()));
    put.item("value", text(value)).send().await.unwrap();
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn failure(record: &Value) -> Value {
    json!({"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]})
}

fn batches_of(batches: &Batches) -> Vec<Vec<u32>> {
    batches.lock().unwrap().iter().map(|(_, batch)| batch.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn records_arrive_in_order_from_the_oldest_on_and_as_they_are_written() {
    let (simulation, batches) = simulation(0..250, |_| Ok(json!({}))).await;
    pass(1).await;
    write(&simulation, 250, "first").await;
    pass(1).await;
    let batches = batches_of(&batches);
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50, 1]);
    assert_eq!(batches.concat(), (0..251).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_partial_response_goes_on_from_the_lowest_record_that_failed() {
    let failed = Mutex::new(false);
    let (_simulation, batches) = simulation(0..10, move |records| {
        let mut failed = failed.lock().unwrap();
        if std::mem::replace(&mut *failed, true) {
            return Ok(json!({}));
        }
        let id = |place: usize| json!({"itemIdentifier": records[place]["dynamodb"]["SequenceNumber"]});
        Ok(json!({"batchItemFailures": [id(7), id(4)]}))
    })
    .await;
    pass(10).await;
    assert_eq!(batches_of(&batches), [(0..10).collect::<Vec<_>>(), (4..10).collect::<Vec<_>>()]);
}

#[tokio::test(start_paused = true)]
async fn an_error_splits_the_batch_until_the_record_at_fault_is_alone_and_blocks_what_is_behind_it() {
    let (_simulation, batches) = simulation(0..8, |records| {
        if records.iter().any(|record| number(record) == 5) {
            return Err(InvokeError::Failed("Error".to_owned()));
        }
        Ok(json!({}))
    })
    .await;
    pass(3600).await;
    let batches = batches_of(&batches);
    assert_eq!(batches[..5], [vec![0, 1, 2, 3, 4, 5, 6, 7], vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![4, 5], vec![4]]);
    assert!(batches.len() > 20 && batches[5..].iter().all(|batch| *batch == [5]));
}

#[tokio::test(start_paused = true)]
async fn failed_tries_are_spaced_by_doubling_waits_of_up_to_a_minute() {
    let (_simulation, batches) = simulation(0..1, |_| Err(InvokeError::TimedOut)).await;
    pass(300).await;
    let times: Vec<u64> = batches.lock().unwrap().iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
}

#[tokio::test(start_paused = true)]
async fn a_record_of_23_hours_is_given_up_and_its_position_goes_to_the_failures_queue() {
    let (simulation, batches) = simulation(0..1, |_| Err(InvokeError::Crashed)).await;
    pass(23 * 3600 - 10).await;
    write(&simulation, 1, "first").await;
    assert!(simulation.sqs.messages(FAILURES, 10).unwrap().is_empty());
    pass(120).await;
    let notices = simulation.sqs.messages(FAILURES, 10).unwrap();
    assert_eq!(notices.len(), 1);
    let notice: Value = serde_json::from_str(&notices[0].body).unwrap();
    assert_eq!(notice["requestContext"]["condition"], "RecordAgeExceeded");
    let info = &notice["DDBStreamBatchInfo"];
    assert_eq!((&info["batchSize"], &info["startSequenceNumber"]), (&json!(1), &info["endSequenceNumber"]));
    assert!(!notices[0].body.contains("first"), "positions only, never what is in the record");
    assert_eq!(batches_of(&batches).last().unwrap(), &[1]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_leaves_no_record() {
    let (simulation, batches) = simulation(0..1, |_| Ok(json!({}))).await;
    write(&simulation, 0, "first").await;
    pass(1).await;
    write(&simulation, 0, "second").await;
    pass(1).await;
    assert_eq!(batches_of(&batches), [[0], [0]]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_was_stopped_goes_on_where_it_was() {
    let (simulation, batches) = simulation(0..3, |records| Ok(failure(records.get(1).unwrap_or(&records[0])))).await;
    pass(20).await;
    simulation.pause("fanout");
    let again = hear(&simulation, |_| Ok(json!({})));
    simulation.resume("fanout");
    pass(1).await;
    assert_eq!(batches_of(&batches)[0], [0, 1, 2]);
    assert!(!batches_of(&again).concat().contains(&0));
    assert!(batches_of(&again).concat().ends_with(&[2]));
}

#[tokio::test(start_paused = true)]
async fn after_24_hours_the_stream_forgets() {
    let simulation = bare().await;
    let batches = hear(&simulation, |_| Ok(json!({})));
    write(&simulation, 0, "first").await;
    pass(86_402).await;
    write(&simulation, 1, "first").await;
    simulation.resume("fanout");
    pass(1).await;
    assert_eq!(batches_of(&batches), [[1]]);
}

#[tokio::test(start_paused = true)]
async fn the_event_has_the_shape_that_lambda_gives_it() {
    let simulation = bare().await;
    let seen = Arc::new(Mutex::new(Value::Null));
    let event = Arc::clone(&seen);
    simulation.set(
        "fanout",
        Arc::new(move |payload| {
            *event.lock().unwrap() = serde_json::from_slice(&payload).unwrap();
            Box::pin(async { Ok(Bytes::from_static(b"{}")) })
        }),
    );
    write(&simulation, 7, "first").await;
    simulation.resume("fanout");
    pass(1).await;
    let event = seen.lock().unwrap().clone();
    let record = &event["Records"][0];
    assert_eq!(record["eventName"], "INSERT");
    assert_eq!(record["eventSource"], "aws:dynamodb");
    assert_eq!(record["awsRegion"], "us-east-1");
    let arn = record["eventSourceARN"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:dynamodb:us-east-1:000000000000:table/afferent-records/stream/"), "{arn}");
    let change = &record["dynamodb"];
    assert_eq!(change["Keys"], json!({"user": {"S": "usr"}, "record": {"S": "7"}}));
    assert_eq!(change["NewImage"]["value"], json!({"S": "first"}));
    assert_eq!(change["StreamViewType"], "NEW_AND_OLD_IMAGES");
    assert_eq!(change["ApproximateCreationDateTime"].as_f64(), Some(1_795_244_400.0));
    assert!(change["SequenceNumber"].as_str().unwrap().len() >= 21);
}

#[tokio::test(start_paused = true)]
async fn an_expired_item_is_removed_by_dynamodb_itself_and_the_stream_says_so() {
    let simulation = bare().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&simulation.rim.aws.config(Service::DynamoDb));
    let expires = simulation.clock.now().as_secs() + 86_400;
    let put = dynamodb.put_item().table_name("afferent-keys").item("key", AttributeValue::S("k".to_owned()));
    let put = put.item("item", AttributeValue::S("i".to_owned()));
    put.item("expires_at", AttributeValue::N(expires.to_string())).send().await.unwrap();
    let left = async || dynamodb.scan().table_name("afferent-keys").send().await.unwrap().count();
    pass(86_400 - 60).await;
    assert_eq!(left().await, 1);
    pass(2 * 3600).await;
    assert_eq!(left().await, 0);
}

#[tokio::test(start_paused = true)]
async fn throttling_is_met_by_the_sdk_s_own_retries_and_a_conflict_is_seen_by_the_caller() {
    let simulation = bare().await;
    simulation.dynamodb.faults().next(Fault::Throttled, "PutItem", TABLE, 2);
    write(&simulation, 0, "first").await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&simulation.rim.aws.config(Service::DynamoDb));
    simulation.dynamodb.faults().next(Fault::Conflict, "TransactWriteItems", "", 1);
    let put = aws_sdk_dynamodb::types::Put::builder().table_name("afferent-keys");
    let put = put.item("key", AttributeValue::S("k".to_owned())).item("item", AttributeValue::S("i".to_owned()));
    let item = aws_sdk_dynamodb::types::TransactWriteItem::builder().put(put.build().unwrap()).build();
    let error = dynamodb.transact_write_items().transact_items(item).send().await.unwrap_err().into_service_error();
    let reasons = match error {
        aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
            cancelled,
        ) => cancelled.cancellation_reasons().to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reasons[0].code(), Some("TransactionConflict"));
}
