//! Faults on demand: what AWS does now and then and a local DynamoDB never does.

use std::sync::{Arc, Mutex, PoisonError};

use afferent_domain::Dice;
use serde::Deserialize;
use serde_json::{Value, json};

use super::operations::Answer;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// `ProvisionedThroughputExceededException`; nothing is done.
    Throttled,
    /// Another transaction has the item: `TransactionCanceledException` for a transaction,
    /// `TransactionConflictException` for a single write; nothing is done.
    Conflict,
    /// `InternalServerError`; nothing is done.
    Failed,
    /// `InternalServerError`, but the operation *is* done: the answer was lost.
    AnswerLost,
}

/// Faults as somebody asks for them over HTTP: see [`Faults::next`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    fault: Fault,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    about: String,
    times: u32,
}

/// The faults to come.
#[derive(Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
}

struct Rule {
    fault: Fault,
    /// The operation, such as `PutItem`; any if empty.
    operation: String,
    /// Part of the request's body, such as a table's name; any if empty.
    about: String,
    when: When,
}

enum When {
    Times(u32),
    Chance { per_mille: u64, dice: Arc<dyn Dice> },
}

impl Faults {
    /// The next `times` requests of `operation` (any but `DescribeTable`, if empty) whose body holds `about` (any, if
    /// empty) meet the fault. The SDK tries throttled and failed requests again by itself, so a few of these only cost
    /// time.
    pub fn next(&self, fault: Fault, operation: &str, about: &str, times: u32) {
        self.add(fault, operation, about, When::Times(times));
    }

    /// From now on, `per_mille` of 1,000 such requests meet the fault, as the dice decides.
    pub fn sometimes(&self, fault: Fault, operation: &str, about: &str, per_mille: u64, dice: Arc<dyn Dice>) {
        self.add(fault, operation, about, When::Chance { per_mille, dice });
    }

    /// The same, as it was asked for over HTTP.
    pub(super) fn asked(&self, asked: &Asked) {
        self.next(asked.fault, &asked.operation, &asked.about, asked.times);
    }

    /// No more faults.
    pub fn clear(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn add(&self, fault: Fault, operation: &str, about: &str, when: When) {
        let rule = Rule { fault, operation: operation.to_owned(), about: about.to_owned(), when };
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }

    /// The fault that this request meets, if any.
    pub(super) fn take(&self, operation: &str, body: &[u8]) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.is_empty() {
            return None;
        }
        let body = String::from_utf8_lossy(body);
        let hit = rules.iter_mut().find_map(|rule| {
            // What a table is can be asked while its items are throttled.
            let fits = rule.operation == operation || (rule.operation.is_empty() && operation != "DescribeTable");
            (fits && body.contains(&rule.about) && rule.when.strikes()).then_some(rule.fault)
        });
        rules.retain(|rule| !matches!(rule.when, When::Times(0)));
        hit
    }
}

impl When {
    fn strikes(&mut self) -> bool {
        match self {
            Self::Times(0) => false,
            Self::Times(left) => {
                *left -= 1;
                true
            }
            Self::Chance { per_mille, dice } => dice.between(0, 999) < *per_mille,
        }
    }
}

impl Fault {
    /// The answer in place of doing anything.
    pub(super) fn instead(self, operation: &str, body: &[u8]) -> Option<Answer> {
        match self {
            Self::Throttled => Some(Answer::error(
                400,
                "ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded.",
            )),
            Self::Conflict if operation == "TransactWriteItems" => Some(cancelled(body)),
            Self::Conflict => {
                Some(Answer::error(400, "TransactionConflictException", "Transaction is ongoing for the item"))
            }
            Self::Failed => Some(internal()),
            Self::AnswerLost => None,
        }
    }

    /// The answer after it was done.
    pub(super) fn after(self) -> Answer {
        internal()
    }
}

fn internal() -> Answer {
    Answer::error(500, "InternalServerError", "Internal server error")
}

/// The first item is the one in conflict.
fn cancelled(body: &[u8]) -> Answer {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = request["TransactItems"].as_array().map_or(1, |items| items.len().max(1));
    let reasons: Vec<Value> = (0..items)
        .map(|index| match index {
            0 => json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}),
            _ => json!({"Code": "None"}),
        })
        .collect();
    let codes: Vec<&str> = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        ),
        "CancellationReasons": reasons,
    });
    Answer { status: 400, body: body.to_string().into_bytes() }
}
