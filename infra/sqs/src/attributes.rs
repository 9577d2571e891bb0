//! A queue's settings: what may be set, within which bounds (AWS: `SetQueueAttributes`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::errors::{Error, ErrorKind, Result};

/// Numeric attributes: name, least, most, default.
const NUMBERS: [(&str, u64, u64, Option<u64>); 6] = [
    ("DelaySeconds", 0, 900, Some(0)),
    ("KmsDataKeyReusePeriodSeconds", 60, 86_400, None),
    ("MaximumMessageSize", 1024, 1_048_576, Some(1_048_576)),
    ("MessageRetentionPeriod", 60, 1_209_600, Some(345_600)),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, Some(0)),
    ("VisibilityTimeout", 0, 43_200, Some(30)),
];

/// Attributes that queues have and nobody sets.
pub(crate) const MEASURED: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// Stored and given back; they change nothing here.
const KEPT: [&str; 4] = ["KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "SqsManagedSseEnabled"];

/// `RedrivePolicy`: where messages go that were received too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    /// `deadLetterTargetArn`
    pub target: String,
    /// `maxReceiveCount`, 1 to 1,000.
    pub max_receives: u64,
}

/// The settings as they were given, and those among them that the queue works by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    text: BTreeMap<String, String>,
    pub delay: Duration,
    pub max_bytes: usize,
    pub retention: Duration,
    pub wait: Duration,
    pub visibility: Duration,
    pub redrive: Option<Redrive>,
}

impl Settings {
    /// The settings of a queue that was created with `given`.
    pub fn of(given: &BTreeMap<String, String>) -> Result<Self> {
        let mut text: BTreeMap<String, String> = NUMBERS
            .iter()
            .filter_map(|(name, _, _, value)| Some(((*name).to_owned(), (*value)?.to_string())))
            .collect();
        text.insert("SqsManagedSseEnabled".into(), "true".into());
        Self { text, ..Self::blank() }.with(given)
    }

    /// These settings, changed by `given`. An empty policy removes it.
    pub fn with(&self, given: &BTreeMap<String, String>) -> Result<Self> {
        let mut text = self.text.clone();
        // First, or a FIFO queue would be refused for one of the attributes that only FIFO queues have.
        if let Some(value) = given.get("FifoQueue") {
            check("FifoQueue", value)?;
        }
        for (name, value) in given {
            check(name, value)?;
            match (name.as_str(), value.is_empty()) {
                (_, true) => text.remove(name),
                _ => text.insert(name.clone(), value.clone()),
            };
        }
        let number = |name: &str| text.get(name).and_then(|value| value.parse().ok()).unwrap_or(0_u64);
        Ok(Self {
            delay: Duration::from_secs(number("DelaySeconds")),
            max_bytes: usize::try_from(number("MaximumMessageSize")).unwrap_or(usize::MAX),
            retention: Duration::from_secs(number("MessageRetentionPeriod")),
            wait: Duration::from_secs(number("ReceiveMessageWaitTimeSeconds")),
            visibility: Duration::from_secs(number("VisibilityTimeout")),
            redrive: text.get("RedrivePolicy").map(|policy| redrive(policy)).transpose()?,
            text,
        })
    }

    /// The settings by name.
    pub fn text(&self) -> &BTreeMap<String, String> {
        &self.text
    }

    /// The first attribute of `given` that has another value here (AWS: `CreateQueue` is idempotent only
    /// "with the exact names and values").
    pub fn differing<'a>(&self, given: &'a BTreeMap<String, String>) -> Option<&'a str> {
        let same = |name: &str, value: &String| match name {
            // Two texts of one policy may differ in white space and in the order of their members.
            "RedrivePolicy" => match redrive(value) {
                Ok(policy) => Some(policy) == self.redrive,
                Err(_) => false,
            },
            _ => self.text.get(name).map_or("", String::as_str) == value,
        };
        given.iter().find(|(name, value)| !same(name, value)).map(|(name, _)| name.as_str())
    }

    fn blank() -> Self {
        let zero = Duration::ZERO;
        let text = BTreeMap::new();
        Self { text, delay: zero, max_bytes: 0, retention: zero, wait: zero, visibility: zero, redrive: None }
    }
}

fn check(name: &str, value: &str) -> Result<()> {
    let invalid = |reason: &str| {
        let message = format!("Invalid value for the parameter {name}. Reason: {reason}");
        Err(Error::new(ErrorKind::InvalidAttributeValue, message))
    };
    if let Some((_, least, most, _)) = NUMBERS.iter().find(|(number, ..)| *number == name) {
        let within = value.parse::<u64>().is_ok_and(|value| (*least..=*most).contains(&value));
        return if within { Ok(()) } else { invalid(&format!("Must be an integer from {least} to {most}.")) };
    }
    match name {
        "FifoQueue" if value == "true" => invalid("FIFO queues are not supported here, only standard queues."),
        "FifoQueue" => invalid("Can only be 'true', and FIFO queues are not supported here."),
        "RedrivePolicy" if !value.is_empty() => redrive(value).map(|_| ()),
        "RedriveAllowPolicy" if !value.is_empty() => redrive_allow(value),
        "SqsManagedSseEnabled" if !matches!(value, "true" | "false") => invalid("Must be true or false."),
        "RedrivePolicy" => Ok(()),
        _ if KEPT.contains(&name) => Ok(()),
        _ => Err(unknown(name)),
    }
}

pub(crate) fn unknown(name: &str) -> Error {
    Error::new(ErrorKind::InvalidAttributeName, format!("Unknown Attribute {name}."))
}

/// Whether `GetQueueAttributes` may ask for `name`.
pub(crate) fn is_known(name: &str) -> bool {
    NUMBERS.iter().any(|(number, ..)| *number == name)
        || KEPT.contains(&name)
        || MEASURED.contains(&name)
        || matches!(name, "All" | "RedrivePolicy" | "FifoQueue" | "ContentBasedDeduplication")
        || matches!(name, "DeduplicationScope" | "FifoThroughputLimit")
}

fn redrive(policy: &str) -> Result<Redrive> {
    /// AWS takes the count as a number and as a text.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Number(u64),
        Text(String),
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Policy {
        dead_letter_target_arn: String,
        max_receive_count: Count,
    }

    let refuse = |reason: &str| Error::value("RedrivePolicy", policy, reason);
    let read: Policy = serde_json::from_str(policy)
        .map_err(|_| refuse("Redrive policy must be JSON with deadLetterTargetArn and maxReceiveCount."))?;
    let max_receives = match read.max_receive_count {
        Count::Number(count) => Some(count),
        Count::Text(count) => count.parse().ok(),
    };
    match max_receives {
        Some(max_receives @ 1..=1000) => Ok(Redrive { target: read.dead_letter_target_arn, max_receives }),
        _ => Err(refuse("Invalid value for maxReceiveCount, must be an integer from 1 to 1000.")),
    }
}

fn redrive_allow(policy: &str) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Policy {
        redrive_permission: String,
        #[serde(default)]
        source_queue_arns: Vec<String>,
    }

    let valid = serde_json::from_str(policy).is_ok_and(|policy: Policy| match policy.redrive_permission.as_str() {
        "allowAll" | "denyAll" => policy.source_queue_arns.is_empty(),
        "byQueue" => (1..=10).contains(&policy.source_queue_arns.len()),
        _ => false,
    });
    let reason = "redrivePermission must be allowAll, denyAll, or byQueue with 1 to 10 sourceQueueArns.";
    if valid { Ok(()) } else { Err(Error::value("RedriveAllowPolicy", policy, reason)) }
}
