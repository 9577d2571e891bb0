//! Queues, tables and secrets.

use std::time::Duration;

use serde_json::Value;

use super::TemplateError;
use super::reader::Reader;
use super::scope::Scope;

/// One `AWS::SQS::Queue`.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its name in the template.
    pub logical: String,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its URL.
    pub url: String,
    /// How long a received message stays invisible.
    pub visibility: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// How long a new message stays invisible.
    pub delay: Duration,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
}

/// A queue's `RedrivePolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue's ARN.
    pub target_arn: String,
    /// After so many receives.
    pub max_receives: u32,
}

/// One `AWS::DynamoDB::Table`.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name in the template.
    pub logical: String,
    /// Its name.
    pub name: String,
    /// `AttributeDefinitions`, as `CreateTable` takes them.
    pub attributes: Value,
    /// `KeySchema`, as `CreateTable` takes it.
    pub keys: Value,
    /// Its global secondary indexes.
    pub indexes: Vec<Index>,
    /// Its stream's view type, if it has a stream.
    pub stream: Option<String>,
    /// The attribute that says when an item expires, in epoch seconds.
    pub ttl: Option<String>,
}

/// A global secondary index.
#[derive(Clone, Debug)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// `KeySchema`, as `CreateTable` takes it.
    pub keys: Value,
    /// What of an item is in it.
    pub projection: Projection,
}

/// `Projection`, as `CreateTable` takes it.
pub type Projection = Value;

/// One `AWS::SecretsManager::Secret`.
#[derive(Clone)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Where its value comes from.
    pub value: SecretValue,
}

/// Where a secret's value comes from.
#[derive(Clone)]
pub enum SecretValue {
    /// It is written in the template (by way of parameters).
    Given(String),
    /// It is drawn once: a text of `length` letters and digits, put under `key` of the JSON object `template`.
    Generated {
        /// A JSON object, as text.
        template: String,
        /// The key that is added to it.
        key: String,
        /// How many characters are drawn.
        length: usize,
    },
}

/// Without the value.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Defaults: SQS API Reference, `SetQueueAttributes`.
pub(super) fn queue(scope: &Scope<'_>, logical: &str, resource: &Value) -> Result<Queue, TemplateError> {
    const READ: &[&str] =
        &["DelaySeconds", "MessageRetentionPeriod", "QueueName", "RedrivePolicy", "VisibilityTimeout"];
    const SKIPPED: &[&str] = &[
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "ReceiveMessageWaitTimeSeconds",
        "RedriveAllowPolicy",
        "SqsManagedSseEnabled",
        "Tags",
    ];
    let at = format!("Resources.{logical}.Properties");
    let reader = Reader::new(scope, at, &resource["Properties"], READ, SKIPPED)?;
    let redrive = match reader.get("RedrivePolicy") {
        None => None,
        Some(_) => Some(Redrive {
            target_arn: reader.text("RedrivePolicy.deadLetterTargetArn")?,
            max_receives: u32::try_from(reader.number_in("RedrivePolicy.maxReceiveCount", 1, 1000, 10)?).unwrap_or(1),
        }),
    };
    let name = scope.name(logical, resource)?;
    Ok(Queue {
        logical: logical.to_owned(),
        arn: scope.arn(logical, resource)?,
        url: scope.queue_url(&name),
        visibility: seconds(reader.number_in("VisibilityTimeout", 0, 43_200, 30)?),
        retention: seconds(reader.number_in("MessageRetentionPeriod", 60, 1_209_600, 345_600)?),
        delay: seconds(reader.number_in("DelaySeconds", 0, 900, 0)?),
        redrive,
        name,
    })
}

pub(super) fn table(scope: &Scope<'_>, logical: &str, resource: &Value) -> Result<Table, TemplateError> {
    const READ: &[&str] = &[
        "AttributeDefinitions",
        "BillingMode",
        "GlobalSecondaryIndexes",
        "KeySchema",
        "StreamSpecification",
        "TableName",
        "TimeToLiveSpecification",
    ];
    const SKIPPED: &[&str] = &[
        "ContributorInsightsSpecification",
        "DeletionProtectionEnabled",
        "KinesisStreamSpecification",
        "OnDemandThroughput",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "TableClass",
        "Tags",
    ];
    let at = format!("Resources.{logical}.Properties");
    let reader = Reader::new(scope, at, &resource["Properties"], READ, SKIPPED)?;
    if reader.text("BillingMode")? != "PAY_PER_REQUEST" {
        return Err(reader.error("BillingMode", "should be PAY_PER_REQUEST"));
    }
    let mut indexes = Vec::new();
    for index in reader.list("GlobalSecondaryIndexes")? {
        let name = index["IndexName"].as_str();
        let name = name.ok_or_else(|| reader.error("GlobalSecondaryIndexes", "an index has no name"))?;
        indexes.push(Index {
            name: name.to_owned(),
            keys: index["KeySchema"].clone(),
            projection: index["Projection"].clone(),
        });
    }
    let ttl = reader.flag("TimeToLiveSpecification.Enabled", false)?;
    Ok(Table {
        logical: logical.to_owned(),
        name: scope.name(logical, resource)?,
        attributes: reader.list("AttributeDefinitions")?.into(),
        keys: reader.list("KeySchema")?.into(),
        indexes,
        stream: reader.optional_text("StreamSpecification.StreamViewType")?,
        ttl: if ttl { Some(reader.text("TimeToLiveSpecification.AttributeName")?) } else { None },
    })
}

pub(super) fn secret(scope: &Scope<'_>, logical: &str, resource: &Value) -> Result<Secret, TemplateError> {
    const READ: &[&str] = &["GenerateSecretString", "Name", "SecretString"];
    let at = format!("Resources.{logical}.Properties");
    let reader = Reader::new(scope, at, &resource["Properties"], READ, &["Description", "KmsKeyId", "Tags"])?;
    let value = match reader.optional_text("SecretString")? {
        Some(text) => SecretValue::Given(text),
        None => SecretValue::Generated {
            template: reader.text("GenerateSecretString.SecretStringTemplate")?,
            key: reader.text("GenerateSecretString.GenerateStringKey")?,
            length: usize::try_from(reader.number_in("GenerateSecretString.PasswordLength", 1, 4096, 32)?)
                .unwrap_or(32),
        },
    };
    Ok(Secret { name: scope.name(logical, resource)?, arn: scope.arn(logical, resource)?, value })
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(number.unsigned_abs())
}
