use local_sqs::{Answer, Sqs};
use serde_json::{Value, json};

use crate::world::with_queue;

async fn raw(sqs: &Sqs, operation: &str, body: &Value) -> Answer {
    sqs.handle(&format!("AmazonSQS.{operation}"), body.to_string().as_bytes(), "http://local").await
}

/// The JSON of the answer, be it a success or not.
pub async fn call(sqs: &Sqs, operation: &str, body: Value) -> Value {
    serde_json::from_slice(&raw(sqs, operation, &body).await.body).unwrap()
}

/// The header that tells SDKs the code of an error.
pub async fn refusal(sqs: &Sqs, operation: &str, body: Value) -> String {
    let answer = raw(sqs, operation, &body).await;
    assert_eq!(answer.status, 400);
    answer.headers.into_iter().find(|(name, _)| *name == "x-amzn-query-error").unwrap().1
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_over_the_wire_with_digests_and_only_what_was_asked_for() {
    let sqs = with_queue(&[]);
    let attribute = |value: &str| json!({ "DataType": "String", "StringValue": value });
    let sent = call(
        &sqs,
        "SendMessage",
        json!({ "QueueUrl": "q", "MessageBody": "hello world", "MessageGroupId": "g",
                "MessageAttributes": { "a.x": attribute("1"), "a.y": attribute("2"), "b": attribute("3") } }),
    )
    .await;
    assert_eq!(sent["MD5OfMessageBody"], "5eb63bbbe01eeed093cb22bb8f5acdc3");
    let ask = json!({ "QueueUrl": "q", "VisibilityTimeout": 0, "MessageAttributeNames": ["a.*"],
                      "MessageSystemAttributeNames": ["ApproximateReceiveCount"], "AttributeNames": ["MessageGroupId"] });
    let message = &call(&sqs, "ReceiveMessage", ask).await["Messages"][0];
    assert_eq!(message["MD5OfBody"], sent["MD5OfMessageBody"]);
    assert_eq!(message["Attributes"], json!({ "ApproximateReceiveCount": "1", "MessageGroupId": "g" }));
    assert_eq!(message["MessageAttributes"].as_object().unwrap().keys().collect::<Vec<_>>(), ["a.x", "a.y"]);
    assert_ne!(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    let bare = &call(&sqs, "ReceiveMessage", json!({ "QueueUrl": "q" })).await["Messages"][0];
    assert_eq!((bare.get("Attributes"), bare.get("MessageAttributes")), (None, None));
    assert_eq!(call(&sqs, "ReceiveMessage", json!({ "QueueUrl": "q" })).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn the_trace_header_of_a_request_is_that_of_each_message_that_has_none() {
    let sqs = with_queue(&[]);
    let own = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": "own" } });
    let entries = json!([{ "Id": "0", "MessageBody": "by request" },
                         { "Id": "1", "MessageBody": "by message", "MessageSystemAttributes": own }]);
    let body = json!({ "QueueUrl": "q", "Entries": entries }).to_string();
    sqs.handle_traced("AmazonSQS.SendMessageBatch", body.as_bytes(), "http://local", Some("header")).await;
    let ask = json!({ "QueueUrl": "q", "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"] });
    let messages = call(&sqs, "ReceiveMessage", ask).await;
    let mut seen: Vec<_> = messages["Messages"].as_array().unwrap().iter().collect();
    seen.sort_by_key(|message| message["Body"].to_string());
    let traces: Vec<_> = seen.iter().map(|message| &message["Attributes"]["AWSTraceHeader"]).collect();
    assert_eq!(traces, ["own", "header"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_carries_both_of_its_names() {
    let sqs = with_queue(&[]);
    let answer =
        raw(&sqs, "SendMessage", &json!({ "QueueUrl": "http://x/000000000000/none", "MessageBody": "x" })).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(body["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
    let header = ("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender".to_owned());
    assert!(answer.headers.contains(&header));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_a_request_is_refused_and_nothing_panics() {
    let sqs = with_queue(&[]);
    for (operation, body) in [
        ("SendMessage", "not json"),
        ("SendMessage", "[]"),
        ("SendMessage", r#"{"QueueUrl":1}"#),
        ("SendMessage", "{}"),
        ("ReceiveMessage", r#"{"QueueUrl":"q","MaxNumberOfMessages":"x"}"#),
        ("Nonsense", "{}"),
        ("AddPermission", "{}"),
        ("", ""),
    ] {
        let answer = sqs.handle(&format!("AmazonSQS.{operation}"), body.as_bytes(), "http://local").await;
        assert_eq!(answer.status, 400, "{operation} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_1_to_10_entries_with_distinct_legal_ids() {
    let sqs = with_queue(&[]);
    let entry = |id: &str| json!({ "Id": id, "MessageBody": "x" });
    let batch = |entries: Vec<Value>| json!({ "QueueUrl": "q", "Entries": entries });
    let many = (0..11).map(|i| entry(&i.to_string())).collect();
    for (entries, code) in [
        (vec![], "EmptyBatchRequest"),
        (many, "TooManyEntriesInBatchRequest"),
        (vec![entry("a"), entry("a")], "BatchEntryIdsNotDistinct"),
        (vec![entry("a b")], "InvalidBatchEntryId"),
        (vec![entry(&"i".repeat(81))], "InvalidBatchEntryId"),
    ] {
        let refused = refusal(&sqs, "SendMessageBatch", batch(entries)).await;
        assert_eq!(refused, format!("AWS.SimpleQueueService.{code};Sender"));
    }
}

#[tokio::test(start_paused = true)]
async fn each_entry_of_a_batch_has_a_result_of_its_own() {
    let sqs = with_queue(&[]);
    let entries =
        json!([{ "Id": "good", "MessageBody": "x" }, { "Id": "late", "MessageBody": "x", "DelaySeconds": 901 }]);
    let sent = call(&sqs, "SendMessageBatch", json!({ "QueueUrl": "q", "Entries": entries })).await;
    assert_eq!((&sent["Successful"][0]["Id"], &sent["Failed"][0]["Id"]), (&json!("good"), &json!("late")));
    assert_eq!(sent["Failed"][0]["Code"], "InvalidParameterValue");
    assert_eq!(sent["Failed"][0]["SenderFault"], true);
    let received = call(&sqs, "ReceiveMessage", json!({ "QueueUrl": "q" })).await;
    let handle = &received["Messages"][0]["ReceiptHandle"];
    let entries = |timeout: i64| {
        json!([{ "Id": "good", "ReceiptHandle": handle, "VisibilityTimeout": timeout },
               { "Id": "bad", "ReceiptHandle": "bogus", "VisibilityTimeout": timeout }])
    };
    for operation in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
        let answer = call(&sqs, operation, json!({ "QueueUrl": "q", "Entries": entries(60) })).await;
        assert_eq!(answer["Successful"], json!([{ "Id": "good" }]), "{operation}");
        assert_eq!(answer["Failed"][0]["Code"], "ReceiptHandleIsInvalid", "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_at_most_one_mebibyte_long() {
    let sqs = with_queue(&[]);
    let half = "x".repeat(512 * 1024);
    let entries = |tail: &str| json!({ "QueueUrl": "q", "Entries": [{ "Id": "a", "MessageBody": half }, { "Id": "b", "MessageBody": format!("{half}{tail}") }] });
    let refused = refusal(&sqs, "SendMessageBatch", entries("x")).await;
    assert_eq!(refused, "AWS.SimpleQueueService.BatchRequestTooLong;Sender");
    let sent = call(&sqs, "SendMessageBatch", entries("")).await;
    assert_eq!(sent["Successful"].as_array().unwrap().len(), 2);
}
