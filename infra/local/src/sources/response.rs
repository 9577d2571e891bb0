//! What a function's answer to a batch means, with `ReportBatchItemFailures`.
//!
//! Lambda Developer Guide, "Handling errors for an SQS event source" and "Configuring partial batch response
//! with DynamoDB": success is an empty or null list, or an empty or null answer; a batch failed as a whole if
//! the answer is no valid JSON, or names an item by an empty text, by null, under another key, or one that is
//! not in the batch.

use serde_json::Value;

/// What is to be done with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every item is done.
    Done,
    /// These items, by their place in the batch, are not.
    Failed(Vec<usize>),
    /// None is; why not.
    WholeBatchFailed(&'static str),
}

/// Reads an answer to a batch whose items are identified by `ids`.
#[must_use]
pub fn read(answer: &[u8], ids: &[&str]) -> Outcome {
    use Outcome::{Done, Failed, WholeBatchFailed};
    if answer.is_empty() {
        return Done;
    }
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else {
        return WholeBatchFailed("the answer is no valid JSON");
    };
    let failures = match &answer {
        Value::Null => return Done,
        Value::Object(map) if map.is_empty() => return Done,
        Value::Object(map) => match map.get("batchItemFailures") {
            Some(Value::Null) => return Done,
            Some(Value::Array(failures)) => failures,
            _ => return WholeBatchFailed("the answer holds no list batchItemFailures"),
        },
        _ => return WholeBatchFailed("the answer is no object"),
    };
    let mut failed = Vec::with_capacity(failures.len());
    for failure in failures {
        match failure.get("itemIdentifier").and_then(Value::as_str) {
            None => return WholeBatchFailed("an item has no itemIdentifier"),
            Some("") => return WholeBatchFailed("an itemIdentifier is empty"),
            Some(id) => match ids.iter().position(|known| *known == id) {
                None => return WholeBatchFailed("an itemIdentifier names nothing in the batch"),
                Some(place) => failed.push(place),
            },
        }
    }
    failed.sort_unstable();
    failed.dedup();
    if failed.is_empty() { Done } else { Failed(failed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: &[&str] = &["a", "b"];

    fn failed(answer: &str) -> bool {
        matches!(read(answer.as_bytes(), IDS), Outcome::WholeBatchFailed(_))
    }

    #[test]
    fn an_empty_answer_or_list_is_a_success() {
        for answer in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(read(answer.as_bytes(), IDS), Outcome::Done, "{answer}");
        }
    }

    #[test]
    fn named_items_failed_and_the_others_did_not() {
        let answer = br#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}]}"#;
        assert_eq!(read(answer, IDS), Outcome::Failed(vec![1]));
    }

    #[test]
    fn an_answer_that_lambda_cannot_read_fails_the_whole_batch() {
        for answer in [
            "not json",
            r#""done""#,
            r#"{"statusCode":200}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"messageId":"a"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"unknown"}]}"#,
        ] {
            assert!(failed(answer), "{answer}");
        }
    }
}
