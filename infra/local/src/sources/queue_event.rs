//! Messages in the shape that Lambda hands them to a function.

use bytes::Bytes;
use local_sqs::Received;
use serde_json::{Map, Value, json};

/// Lambda Developer Guide, "Using Lambda with Amazon SQS", the standard queue's event.
pub(super) fn batch(messages: &[Received], region: &str) -> Bytes {
    let records: Vec<Value> = messages.iter().map(|message| record(message, region)).collect();
    json!({"Records": records}).to_string().into()
}

fn record(message: &Received, region: &str) -> Value {
    let mut attributes = Map::new();
    for (name, attribute) in &message.attributes {
        let mut value = json!({"dataType": attribute.data_type, "stringListValues": [], "binaryListValues": []});
        if let Some(text) = &attribute.string_value {
            value["stringValue"] = text.as_str().into();
        }
        if let Some(bytes) = &attribute.binary_value {
            value["binaryValue"] = bytes.as_str().into();
        }
        attributes.insert(name.clone(), value);
    }
    let mut record = json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": message.system,
        "messageAttributes": attributes,
        "md5OfBody": message.md5_of_body(),
        "eventSource": "aws:sqs",
        "eventSourceARN": message.queue_arn,
        "awsRegion": region,
    });
    if let Some(md5) = message.md5_of_attributes() {
        record["md5OfMessageAttributes"] = md5.into();
    }
    record
}
