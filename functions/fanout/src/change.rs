//! What a change of the stream means.

use std::panic::{AssertUnwindSafe, catch_unwind};

use afferent_domain::Timestamp;
use afferent_domain::event::{Draft, Unfit};
use afferent_store::events::Failure;
use afferent_store::item::{Item, Reading, to_json};
use aws_lambda_events::dynamodb::EventRecord;

/// What a change of the stream means.
#[derive(Debug)]
pub(crate) enum Change {
    /// An event.
    Event(Box<Draft>),
    /// A record was erased: nothing is told.
    Erasure,
    /// A later version of the functions wrote the record, and knows what it means.
    Later(u32),
    /// Nothing can be made of it, now or later.
    Unfit(Failure),
}

/// Reads a change. It never fails and never panics: what cannot be read is [`Change::Unfit`].
pub(crate) fn read(record: &EventRecord, now: Timestamp) -> Change {
    if record.event_name == "REMOVE" {
        return Change::Erasure;
    }
    let image: Item = record.change.new_image.clone().into();
    match catch_unwind(AssertUnwindSafe(|| Draft::of_record(&to_json(&image)))) {
        Ok(Ok(draft)) => Change::Event(Box::new(draft)),
        Ok(Err(Unfit::Later(version))) => Change::Later(version),
        Ok(Err(never)) => Change::Unfit(failure(record, &image, never.to_string(), now)),
        Err(_) => Change::Unfit(failure(record, &image, "reading it panicked".to_owned(), now)),
    }
}

fn failure(record: &EventRecord, image: &Item, reason: String, at: Timestamp) -> Failure {
    let keys: Item = record.change.keys.clone().into();
    let text = |name: &str| {
        let key = Reading::new("records", &keys).maybe_text(name).map(str::to_owned);
        key.or_else(|| Reading::new("records", image).maybe_text(name).map(str::to_owned))
    };
    Failure { change: record.event_id.clone(), user: text("user"), record: text("record"), reason, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(json: serde_json::Value) -> EventRecord {
        serde_json::from_value(json).unwrap()
    }

    fn image(rev: serde_json::Value) -> serde_json::Value {
        serde_json::json!({
            "awsRegion": "eu-west-1", "eventID": "e1", "eventName": "MODIFY",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_244_591.0, "SequenceNumber": "100", "SizeBytes": 1,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
                "Keys": {"user": {"S": "usr_1"}, "record": {"S": "rec_1"}},
                "NewImage": {
                    "user": {"S": "usr_1"}, "record": {"S": "rec_1"}, "rev": rev, "status": {"S": "final"},
                    "kind": {"S": "body_weight"}, "connection": {"S": "con_1"}, "synckind": {"S": "live"},
                    "changed_ms": {"N": "1795244591412"}, "value": {"N": "81.2"}, "digest": {"S": "00"}
                }
            }
        })
    }

    #[test]
    fn a_new_image_is_an_event_with_the_digits_of_the_stream() {
        let Change::Event(draft) = read(&change(image(serde_json::json!({"N": "2"}))), Timestamp::default()) else {
            panic!("it is an event");
        };
        assert_eq!(draft.event_type, "body_weight.updated");
        assert!(draft.data.contains(r#""value":81.2"#) && !draft.data.contains("digest"));
    }

    #[test]
    fn a_removed_record_is_an_erasure_and_tells_nothing() {
        let mut json = image(serde_json::json!({"N": "2"}));
        json["eventName"] = "REMOVE".into();
        assert!(matches!(read(&change(json), Timestamp::default()), Change::Erasure));
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_ids_and_not_by_its_values() {
        let Change::Unfit(failure) = read(&change(image(serde_json::json!({"S": "secret"}))), Timestamp::default())
        else {
            panic!("a revision is a number");
        };
        assert_eq!((failure.user.as_deref(), failure.record.as_deref()), (Some("usr_1"), Some("rec_1")));
        assert!(!format!("{failure:?}").contains("secret"));
    }
}
