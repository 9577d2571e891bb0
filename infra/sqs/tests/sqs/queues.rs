use local_sqs::ErrorKind;
use serde_json::{Value, json};

use crate::wire::{call, refusal};
use crate::world::{counts, kind, pass, s, send, take, with_queue};

#[tokio::test(start_paused = true)]
async fn creating_a_queue_again_with_the_same_attributes_changes_nothing() {
    let sqs = with_queue(&[("VisibilityTimeout", "40")]);
    send(&sqs, "x");
    sqs.create_queue("q", &[("VisibilityTimeout", "40")]).unwrap();
    sqs.create_queue("q", &[]).unwrap();
    assert_eq!(counts(&sqs, "q"), (1, 0, 0));
    assert_eq!(kind(sqs.create_queue("q", &[("VisibilityTimeout", "41")])), ErrorKind::QueueNameExists);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queue_is_refused_in_clear_words() {
    let sqs = with_queue(&[]);
    let refused =
        sqs.create_queue("f.fifo", &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidAttributeValue);
    assert!(refused.message.contains("FIFO queues are not supported"), "{refused}");
    assert_eq!(kind(sqs.create_queue("f.fifo", &[])), ErrorKind::InvalidParameterValue);
}

#[tokio::test(start_paused = true)]
async fn attributes_have_bounds() {
    let sqs = with_queue(&[]);
    for (name, good, bad) in [
        ("VisibilityTimeout", ["0", "43200"], ["-1", "43201"]),
        ("DelaySeconds", ["0", "900"], ["x", "901"]),
        ("MaximumMessageSize", ["1024", "1048576"], ["1023", "1048577"]),
        ("MessageRetentionPeriod", ["60", "1209600"], ["59", "1209601"]),
        ("ReceiveMessageWaitTimeSeconds", ["0", "20"], ["", "21"]),
        ("SqsManagedSseEnabled", ["true", "false"], ["yes", "1"]),
    ] {
        for value in good {
            let set = call(&sqs, "SetQueueAttributes", json!({ "QueueUrl": "q", "Attributes": { name: value } })).await;
            assert_eq!(set, json!({}), "{name}={value}");
        }
        for value in bad.into_iter().filter(|value| !value.is_empty() || name != "SqsManagedSseEnabled") {
            let set = json!({ "QueueUrl": "q", "Attributes": { name: value } });
            assert_eq!(
                refusal(&sqs, "SetQueueAttributes", set).await,
                "InvalidAttributeValue;Sender",
                "{name}={value}"
            );
        }
    }
    let unknown = json!({ "QueueUrl": "q", "Attributes": { "Colour": "blue" } });
    assert_eq!(refusal(&sqs, "SetQueueAttributes", unknown).await, "InvalidAttributeName;Sender");
    let allow = |policy: &str| json!({ "QueueUrl": "q", "Attributes": { "RedriveAllowPolicy": policy } });
    assert_eq!(call(&sqs, "SetQueueAttributes", allow(r#"{"redrivePermission":"denyAll"}"#)).await, json!({}));
    let refused = refusal(&sqs, "SetQueueAttributes", allow(r#"{"redrivePermission":"byQueue"}"#)).await;
    assert_eq!(refused, "InvalidParameterValue;Sender");
}

#[tokio::test(start_paused = true)]
async fn a_queue_tells_its_attributes_and_counts() {
    let sqs = with_queue(&[("VisibilityTimeout", "40")]);
    (0..3).for_each(|i| drop(send(&sqs, &i.to_string())));
    sqs.receive("q", local_sqs::Receive::default()).await.unwrap();
    let all = call(&sqs, "GetQueueAttributes", json!({ "QueueUrl": "q", "AttributeNames": ["All"] })).await;
    for (name, value) in [
        ("ApproximateNumberOfMessages", "2"),
        ("ApproximateNumberOfMessagesNotVisible", "1"),
        ("ApproximateNumberOfMessagesDelayed", "0"),
        ("CreatedTimestamp", "1795219200"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("QueueArn", "arn:aws:sqs:us-east-1:000000000000:q"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "40"),
    ] {
        assert_eq!(all["Attributes"][name], value, "{name}");
    }
    let some = call(&sqs, "GetQueueAttributes", json!({ "QueueUrl": "q", "AttributeNames": ["DelaySeconds"] })).await;
    assert_eq!(some, json!({ "Attributes": { "DelaySeconds": "0" } }));
    assert_eq!(call(&sqs, "GetQueueAttributes", json!({ "QueueUrl": "q" })).await, json!({}));
    let unknown = json!({ "QueueUrl": "q", "AttributeNames": ["Colour"] });
    assert_eq!(refusal(&sqs, "GetQueueAttributes", unknown).await, "InvalidAttributeName;Sender");
}

#[tokio::test(start_paused = true)]
async fn queues_are_listed_by_prefix_and_page() {
    let sqs = with_queue(&[]);
    for name in ["a-1", "a-2", "a-3"] {
        sqs.create_queue(name, &[]).unwrap();
    }
    let names = |answer: &Value| -> Vec<String> {
        let urls = answer["QueueUrls"].as_array().unwrap().iter();
        urls.map(|url| url.as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    };
    let first = call(&sqs, "ListQueues", json!({ "QueueNamePrefix": "a-", "MaxResults": 2 })).await;
    assert_eq!(names(&first), ["a-1", "a-2"]);
    let token = &first["NextToken"];
    let last = call(&sqs, "ListQueues", json!({ "QueueNamePrefix": "a-", "MaxResults": 2, "NextToken": token })).await;
    assert_eq!((names(&last), last.get("NextToken")), (vec!["a-3".to_owned()], None));
    let url = call(&sqs, "GetQueueUrl", json!({ "QueueName": "a-1" })).await;
    assert_eq!(url, json!({ "QueueUrl": "http://local/000000000000/a-1" }));
}

#[tokio::test(start_paused = true)]
async fn a_purge_takes_all_messages_and_the_next_must_wait_a_minute() {
    let sqs = with_queue(&[]);
    send(&sqs, "in flight");
    take(&sqs).await;
    send(&sqs, "visible");
    call(&sqs, "PurgeQueue", json!({ "QueueUrl": "q" })).await;
    assert_eq!(counts(&sqs, "q"), (0, 0, 0));
    let again = refusal(&sqs, "PurgeQueue", json!({ "QueueUrl": "q" })).await;
    assert_eq!(again, "AWS.SimpleQueueService.PurgeQueueInProgress;Sender");
    pass(s(60)).await;
    assert_eq!(call(&sqs, "PurgeQueue", json!({ "QueueUrl": "q" })).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_queue_is_gone_and_its_name_is_free_after_a_minute() {
    let sqs = with_queue(&[]);
    send(&sqs, "x");
    let handle = take(&sqs).await.remove(0).receipt_handle;
    call(&sqs, "DeleteQueue", json!({ "QueueUrl": "http://anywhere/000000000000/q" })).await;
    let gone = refusal(&sqs, "GetQueueUrl", json!({ "QueueName": "q" })).await;
    assert_eq!(gone, "AWS.SimpleQueueService.NonExistentQueue;Sender");
    assert_eq!(kind(sqs.create_queue("q", &[])), ErrorKind::QueueDeletedRecently);
    pass(s(60)).await;
    sqs.create_queue("q", &[]).unwrap();
    assert_eq!(kind(sqs.delete("q", &handle)), ErrorKind::ReceiptHandleIsInvalid, "of the queue before");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_of_a_queue_that_is_deleted_is_told() {
    let sqs = with_queue(&[]);
    let ask = local_sqs::Receive { wait_s: Some(20), ..Default::default() };
    let (received, _) = tokio::join!(sqs.receive("q", ask), async {
        pass(s(1)).await;
        call(&sqs, "DeleteQueue", json!({ "QueueUrl": "q" })).await
    });
    assert_eq!(kind(received), ErrorKind::QueueDoesNotExist);
}

#[tokio::test(start_paused = true)]
async fn tags_are_set_listed_and_removed() {
    let sqs = with_queue(&[]);
    call(&sqs, "TagQueue", json!({ "QueueUrl": "q", "Tags": { "a": "1", "b": "2" } })).await;
    call(&sqs, "UntagQueue", json!({ "QueueUrl": "q", "TagKeys": ["a"] })).await;
    let tags = call(&sqs, "ListQueueTags", json!({ "QueueUrl": "q" })).await;
    assert_eq!(tags, json!({ "Tags": { "b": "2" } }));
}
