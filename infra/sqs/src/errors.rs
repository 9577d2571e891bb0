//! What SQS answers when it refuses, and how each refusal is written on the wire.

use crate::wire::Answer;

/// Why SQS refused a call. The names are AWS's (API reference, "Errors" of each action).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Two entries of a batch carry the same id.
    BatchEntryIdsNotDistinct,
    /// The messages of a batch are longer than 1 MiB together.
    BatchRequestTooLong,
    /// A batch without entries.
    EmptyBatchRequest,
    /// The service failed; nothing is known about what was asked. Only faults and a broken store cause it.
    InternalFailure,
    /// A queue has no attribute of this name.
    InvalidAttributeName,
    /// A queue attribute cannot have this value.
    InvalidAttributeValue,
    /// An entry's id is not 1 to 80 letters, digits, hyphens or underscores.
    InvalidBatchEntryId,
    /// The body has characters that SQS does not take.
    InvalidMessageContents,
    /// A parameter is out of its range.
    InvalidParameterValue,
    /// The message is visible (again), so that it has no visibility timeout to change.
    MessageNotInflight,
    /// A required parameter is absent.
    MissingParameter,
    /// As many messages are in flight as the queue allows.
    OverLimit,
    /// The queue was purged less than 60 s ago.
    PurgeQueueInProgress,
    /// A queue of this name was deleted less than 60 s ago.
    QueueDeletedRecently,
    /// No queue of this name.
    QueueDoesNotExist,
    /// A queue of this name exists with other attributes.
    QueueNameExists,
    /// The receipt handle was never issued by this queue.
    ReceiptHandleIsInvalid,
    /// What the call names (a queue by ARN, a task) does not exist.
    ResourceNotFound,
    /// The request is not what this operation's shape says.
    Serialization,
    /// SQS is out of reach. Only faults cause it.
    ServiceUnavailable,
    /// More than ten entries in a batch.
    TooManyEntriesInBatchRequest,
    /// No operation of this name.
    UnknownOperation,
    /// A part of SQS that is not modelled here.
    UnsupportedOperation,
}

impl ErrorKind {
    /// The shape's name, as the JSON protocol writes it behind the `#` of `__type`.
    fn shape(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "com.amazonaws.sqs#BatchRequestTooLong",
            Self::EmptyBatchRequest => "com.amazonaws.sqs#EmptyBatchRequest",
            Self::InternalFailure => "com.amazon.coral.service#InternalFailure",
            Self::InvalidAttributeName => "com.amazonaws.sqs#InvalidAttributeName",
            Self::InvalidAttributeValue => "com.amazonaws.sqs#InvalidAttributeValue",
            Self::InvalidBatchEntryId => "com.amazonaws.sqs#InvalidBatchEntryId",
            Self::InvalidMessageContents => "com.amazonaws.sqs#InvalidMessageContents",
            Self::InvalidParameterValue => "com.amazon.coral.service#InvalidParameterValueException",
            Self::MessageNotInflight => "com.amazonaws.sqs#MessageNotInflight",
            Self::MissingParameter => "com.amazon.coral.service#MissingRequiredParameterException",
            Self::OverLimit => "com.amazonaws.sqs#OverLimit",
            Self::PurgeQueueInProgress => "com.amazonaws.sqs#PurgeQueueInProgress",
            Self::QueueDeletedRecently => "com.amazonaws.sqs#QueueDeletedRecently",
            Self::QueueDoesNotExist => "com.amazonaws.sqs#QueueDoesNotExist",
            Self::QueueNameExists => "com.amazonaws.sqs#QueueNameExists",
            Self::ReceiptHandleIsInvalid => "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            Self::ResourceNotFound => "com.amazonaws.sqs#ResourceNotFoundException",
            Self::Serialization => "com.amazon.coral.service#SerializationException",
            Self::ServiceUnavailable => "com.amazon.coral.service#ServiceUnavailable",
            Self::TooManyEntriesInBatchRequest => "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
            Self::UnknownOperation => "com.amazon.coral.service#UnknownOperationException",
            Self::UnsupportedOperation => "com.amazonaws.sqs#UnsupportedOperation",
        }
    }

    /// The code that the older query protocol had for it. SDKs report this one, from the header
    /// `x-amzn-query-error` (AWS: the trait `awsQueryError` on each error of the SQS model).
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "AWS.SimpleQueueService.BatchRequestTooLong",
            Self::EmptyBatchRequest => "AWS.SimpleQueueService.EmptyBatchRequest",
            Self::InternalFailure => "InternalFailure",
            Self::InvalidAttributeName => "InvalidAttributeName",
            Self::InvalidAttributeValue => "InvalidAttributeValue",
            Self::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
            Self::InvalidMessageContents => "InvalidMessageContents",
            Self::InvalidParameterValue => "InvalidParameterValue",
            Self::MessageNotInflight => "AWS.SimpleQueueService.MessageNotInflight",
            Self::MissingParameter => "MissingParameter",
            Self::OverLimit => "OverLimit",
            Self::PurgeQueueInProgress => "AWS.SimpleQueueService.PurgeQueueInProgress",
            Self::QueueDeletedRecently => "AWS.SimpleQueueService.QueueDeletedRecently",
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
            Self::QueueNameExists => "QueueAlreadyExists",
            Self::ReceiptHandleIsInvalid => "ReceiptHandleIsInvalid",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Serialization => "MalformedInput",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::TooManyEntriesInBatchRequest => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            Self::UnknownOperation => "InvalidAction",
            Self::UnsupportedOperation => "AWS.SimpleQueueService.UnsupportedOperation",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InternalFailure => 500,
            Self::ServiceUnavailable => 503,
            _ => 400,
        }
    }

    /// Whether the caller is to blame, and a retry of the same call useless.
    #[must_use]
    pub fn sender_fault(self) -> bool {
        self.status() < 500
    }
}

/// A refusal: its kind, and AWS's sentence (or one as clear, where AWS's is not published).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.code())]
pub struct Error {
    /// Why.
    pub kind: ErrorKind,
    /// The sentence for people.
    pub message: String,
}

/// What every call of this library returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// "Value … for parameter … is invalid. Reason: …", the sentence of most of AWS's refusals.
    pub(crate) fn value(parameter: &str, value: impl std::fmt::Display, reason: &str) -> Self {
        let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Self::new(ErrorKind::InvalidParameterValue, message)
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new(ErrorKind::MissingParameter, format!("The request must contain the parameter {parameter}."))
    }

    pub(crate) fn no_queue() -> Self {
        Self::new(ErrorKind::QueueDoesNotExist, "The specified queue does not exist.")
    }

    pub(crate) fn answer(&self) -> Answer {
        let fault = if self.kind.sender_fault() { "Sender" } else { "Receiver" };
        let body = serde_json::json!({ "__type": self.kind.shape(), "message": self.message });
        let mut answer = Answer::json(self.kind.status(), &body);
        answer.headers.push(("x-amzn-query-error", format!("{};{fault}", self.kind.code())));
        answer
    }
}
