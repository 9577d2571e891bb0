//! The log of attempts: items beside their delivery.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{KEPT, Key, LIFE};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::{Deliveries, TABLE};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

/// One try, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// The cycle, from 1.
    pub cycle: u16,
    /// Which try of the cycle, from 1.
    pub number: u16,
    /// How long it took.
    pub duration: Duration,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer.
    Answered {
        /// Its status code.
        status: u16,
        /// The beginning of its body, redacted.
        excerpt: String,
        /// Whether the body was longer than what was read of it.
        truncated: bool,
    },
    /// No answer, and the class of the error.
    Unanswered {
        /// `resolve`, `connect`, `tls`, `timeout`, `broken` or `request`.
        error: String,
    },
}

impl Deliveries {
    /// Writes an attempt into the log, under the next free number from `from`; returns the number it got.
    /// A claim that was lost between an attempt and its end leaves an attempt behind, which is kept.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn log(&self, key: &Key, from: u32, attempt: &Attempt) -> Result<u32, StoreError> {
        let mut number = from.max(1);
        loop {
            let put = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(write_attempt(key, number, attempt)))
                .condition_expression("attribute_not_exists(event)")
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            match put {
                Ok(_) => return Ok(number),
                Err(error) => match error.as_service_error() {
                    Some(PutItemError::ConditionalCheckFailedException(taken)) => {
                        // Our own write, whose answer was lost and which the SDK sent again.
                        if taken.item().is_some_and(|there| is_same(there, attempt)) {
                            return Ok(number);
                        }
                        number += 1;
                    }
                    _ => return Err(StoreError::failed("PutItem")(error)),
                },
            }
        }
    }

    /// The attempts of a delivery in their order, with their numbers.
    ///
    /// # Errors
    /// DynamoDB failed, or an item is not one of ours.
    pub async fn attempts(&self, key: &Key) -> Result<Vec<(u32, Attempt)>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("event = :event AND begins_with(#item, :prefix)")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":event", s(key.event.as_str()))
            .expression_attribute_values(":prefix", s(format!("{}#", key.endpoint)))
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        answer.items().iter().map(read_attempt).collect()
    }
}

/// `<endpoint>#0001`, so that attempts sort as they were made.
fn attempt_key(key: &Key, number: u32) -> String {
    format!("{}#{number:04}", key.endpoint)
}

fn write_attempt(key: &Key, number: u32, attempt: &Attempt) -> Item {
    let mut item = Item::from([
        ("event".to_owned(), s(key.event.as_str())),
        ("item".to_owned(), s(attempt_key(key, number))),
        ("at_ms".to_owned(), n(attempt.at.as_millis())),
        ("cycle".to_owned(), n(attempt.cycle)),
        ("try".to_owned(), n(attempt.number)),
        ("duration_ms".to_owned(), n(attempt.duration.as_millis())),
        // The delivery outlives none of its attempts: they expire after it.
        ("expires_at".to_owned(), n((attempt.at + KEPT + LIFE + LIFE).as_secs())),
    ]);
    match &attempt.outcome {
        Outcome::Answered { status, excerpt, truncated } => item.extend([
            ("status".to_owned(), n(status)),
            ("excerpt".to_owned(), s(excerpt)),
            ("truncated".to_owned(), AttributeValue::Bool(*truncated)),
        ]),
        Outcome::Unanswered { error } => item.extend([("error".to_owned(), s(error))]),
    }
    item
}

fn is_same(item: &Item, attempt: &Attempt) -> bool {
    let same = |there: &Attempt| (there.at, there.cycle, there.number) == (attempt.at, attempt.cycle, attempt.number);
    read_attempt(item).is_ok_and(|(_, there)| same(&there))
}

fn read_attempt(item: &Item) -> Result<(u32, Attempt), StoreError> {
    let read = Reading::new(TABLE, item);
    let wrong = || StoreError::Item { table: TABLE, attribute: "item".to_owned() };
    let (_, number) = read.text("item")?.rsplit_once('#').ok_or_else(wrong)?;
    let outcome = match read.maybe_text("error") {
        Some(error) => Outcome::Unanswered { error: error.to_owned() },
        None => Outcome::Answered {
            status: read.number("status")?,
            excerpt: read.text("excerpt")?.to_owned(),
            truncated: item.get("truncated").is_some_and(|flag| flag.as_bool() == Ok(&true)),
        },
    };
    let attempt = Attempt {
        at: Timestamp::from_millis(read.number("at_ms")?),
        cycle: read.number("cycle")?,
        number: read.number("try")?,
        duration: Duration::from_millis(read.number("duration_ms")?),
        outcome,
    };
    Ok((number.parse().map_err(|_| wrong())?, attempt))
}
