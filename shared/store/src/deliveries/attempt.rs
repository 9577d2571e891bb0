//! The log of attempts: items beside their delivery. Of a delivery that its first claim ends with its first try, which is
//! the usual one, the try stands in the delivery's own item, and costs no write.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Key, LONGEST_LIFE};
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
    /// How long its parts took, as far as it came.
    pub phases: Phases,
    /// What came of it.
    pub outcome: Outcome,
}

/// How long the parts of a try took; `None` for one that it did not come to, or that a connection used again did not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Resolving the host's name.
    pub resolve: Option<Duration>,
    /// Connecting, TLS included.
    pub connect: Option<Duration>,
    /// From the request to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// Reading the body.
    pub body: Option<Duration>,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer.
    Answered {
        /// Its status code.
        status: u16,
        /// Its headers, redacted, each as `name: value`.
        headers: Vec<String>,
        /// The beginning of its body, redacted.
        excerpt: String,
        /// Whether the body was longer than what was read of it.
        truncated: bool,
    },
    /// The customer's queue took it.
    Queued {
        /// SQS's id of the message.
        message: String,
    },
    /// No answer, and the class of the error.
    Unanswered {
        /// `resolve`, `refused: ` and the rule, `unreachable`, `connect`, `tls`, `timeout`, `broken` or `request`; of a
        /// queue what SQS calls it.
        error: String,
        /// Whose fault it is: `receiver`, `network` or `ours`.
        fault: String,
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
                .set_item(Some(write_attempt(key, number, attempt, self.kept)))
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
        // The delivery's own item, which comes first, and what is beside it.
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("event = :event AND #item BETWEEN :endpoint AND :last")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":event", s(key.event.as_str()))
            .expression_attribute_values(":endpoint", s(key.endpoint.as_str()))
            .expression_attribute_values(":last", s(format!("{}#~", key.endpoint)))
            .into_paginator()
            .items()
            .send();
        let items = items.collect::<Result<Vec<_>, _>>().await.map_err(StoreError::failed("Query"))?;
        let (own, beside): (Vec<_>, Vec<_>) = items.iter().partition(|item| item.contains_key("claims"));
        let first = own.into_iter().find_map(first_of).transpose()?;
        // One whose end was written although nobody heard of it stands in both places.
        let beside = beside.into_iter().filter(|item| !first.as_ref().is_some_and(|first| is_same(item, first)));
        let beside: Vec<_> = beside.map(read_attempt).collect::<Result<_, _>>()?;
        Ok(first.map(|first| (FIRST_NUMBER, first)).into_iter().chain(beside).collect())
    }
}

/// The number of a try that stands in the delivery's own item.
const FIRST_NUMBER: u32 = 1;

/// The attribute of the delivery's item that holds it.
pub(super) const FIRST: &str = "first_attempt";

/// The try in the item of a delivery, if it is there.
fn first_of(item: &Item) -> Option<Result<Attempt, StoreError>> {
    Some(read_fields(item.get(FIRST)?.as_m().ok()?))
}

/// Whether the item of a delivery holds this try.
pub(super) fn holds(item: &Item, attempt: &Attempt) -> bool {
    first_of(item).is_some_and(|there| there.is_ok_and(|there| are_same(&there, attempt)))
}

/// `<endpoint>#0001`, so that attempts sort as they were made.
fn attempt_key(key: &Key, number: u32) -> String {
    format!("{}#{number:04}", key.endpoint)
}

fn write_attempt(key: &Key, number: u32, attempt: &Attempt, kept: Duration) -> Item {
    let mut item = fields(attempt);
    item.extend([
        ("event".to_owned(), s(key.event.as_str())),
        ("item".to_owned(), s(attempt_key(key, number))),
        // The delivery outlives none of its attempts: they expire after it.
        ("expires_at".to_owned(), n((attempt.at + kept + LONGEST_LIFE).as_secs())),
    ]);
    item
}

pub(super) fn fields(attempt: &Attempt) -> Item {
    let mut item = Item::from([
        ("at_ms".to_owned(), n(attempt.at.as_millis())),
        ("cycle".to_owned(), n(attempt.cycle)),
        ("try".to_owned(), n(attempt.number)),
        ("duration_ms".to_owned(), n(attempt.duration.as_millis())),
    ]);
    let Phases { resolve, connect, first_byte, body } = attempt.phases;
    for (name, phase) in PHASES.into_iter().zip([resolve, connect, first_byte, body]) {
        if let Some(phase) = phase {
            item.insert(name.to_owned(), n(phase.as_millis()));
        }
    }
    match &attempt.outcome {
        Outcome::Queued { message } => item.extend([("message".to_owned(), s(message))]),
        Outcome::Answered { status, headers, excerpt, truncated } => item.extend([
            ("status".to_owned(), n(status)),
            ("headers".to_owned(), AttributeValue::L(headers.iter().map(s).collect())),
            ("excerpt".to_owned(), s(excerpt)),
            ("truncated".to_owned(), AttributeValue::Bool(*truncated)),
        ]),
        Outcome::Unanswered { error, fault } => {
            item.extend([("error".to_owned(), s(error)), ("fault".to_owned(), s(fault))]);
        }
    }
    item
}

fn is_same(item: &Item, attempt: &Attempt) -> bool {
    read_fields(item).is_ok_and(|there| are_same(&there, attempt))
}

fn are_same(one: &Attempt, other: &Attempt) -> bool {
    (one.at, one.cycle, one.number) == (other.at, other.cycle, other.number)
}

fn read_attempt(item: &Item) -> Result<(u32, Attempt), StoreError> {
    let wrong = || StoreError::Item { table: TABLE, attribute: "item".to_owned() };
    let (_, number) = Reading::new(TABLE, item).text("item")?.rsplit_once('#').ok_or_else(wrong)?;
    Ok((number.parse().map_err(|_| wrong())?, read_fields(item)?))
}

fn read_fields(item: &Item) -> Result<Attempt, StoreError> {
    let read = Reading::new(TABLE, item);
    let outcome = match (read.maybe_text("error"), read.maybe_text("message")) {
        (Some(error), _) => Outcome::Unanswered { error: error.to_owned(), fault: read.text("fault")?.to_owned() },
        (None, Some(message)) => Outcome::Queued { message: message.to_owned() },
        (None, None) => Outcome::Answered {
            status: read.number("status")?,
            headers: texts(item, "headers"),
            excerpt: read.text("excerpt")?.to_owned(),
            truncated: item.get("truncated").is_some_and(|flag| flag.as_bool() == Ok(&true)),
        },
    };
    Ok(Attempt {
        at: Timestamp::from_millis(read.number("at_ms")?),
        cycle: read.number("cycle")?,
        number: read.number("try")?,
        duration: Duration::from_millis(read.number("duration_ms")?),
        phases: {
            let [resolve, connect, first_byte, body] =
                PHASES.map(|name| read.maybe_number(name).map(Duration::from_millis));
            Phases { resolve, connect, first_byte, body }
        },
        outcome,
    })
}

/// The attributes of [`Phases`], in their order.
const PHASES: [&str; 4] = ["resolve_ms", "connect_ms", "first_byte_ms", "body_ms"];

fn texts(item: &Item, name: &str) -> Vec<String> {
    let list = item.get(name).and_then(|value| value.as_l().ok()).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|value| value.as_s().ok().cloned()).collect()
}
