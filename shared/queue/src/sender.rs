//! Sending to a queue, and moving the alarm of a message.

use std::collections::HashMap;
use std::time::Duration;

use afferent_aws::{Aws, Service, Throttles, cause};
use afferent_domain::trace::Trace;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    QueueAttributeName, SendMessageBatchRequestEntry,
};

/// SQS: at most ten entries in a batch.
const BATCH: usize = 10;
/// SQS: `DelaySeconds` is 0 to 900.
pub(crate) const MAX_DELAY_SECS: u64 = 900;
/// SQS: a visibility timeout is 0 to 43,200 s (12 h).
pub(crate) const MAX_VISIBILITY_SECS: u64 = 43_200;

/// SQS did not take something. The text is for the operator's log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("SQS {operation} failed: {cause}")]
pub struct QueueError {
    /// The operation that failed.
    pub operation: &'static str,
    /// What SQS or the network said.
    pub cause: String,
}

impl QueueError {
    fn failed<E: ProvideErrorMetadata>(operation: &'static str) -> impl Fn(SdkError<E>) -> Self {
        move |error| Self { operation, cause: cause(&error) }
    }

    /// A request that the SDK would not build: a fault of ours.
    fn unbuilt(operation: &'static str) -> impl Fn(BuildError) -> Self {
        move |error| Self { operation, cause: error.to_string() }
    }
}

/// One message to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sending {
    /// The message's body, at most 1 MiB.
    pub body: String,
    /// The fair-queue group, at most 128 characters: a noisy group does not slow the others.
    pub group: Option<String>,
    /// Invisible for this long first; at most 15 minutes, more is cut to that.
    pub delay: Duration,
    /// The trace that it belongs to: the system attribute `AWSTraceHeader`. It goes before the header of the request, by which
    /// the SDK names the invocation that sends, and which names its lineage too (SQS developer guide, "Active tracing").
    pub trace: Option<Trace>,
}

impl Sending {
    fn system_attributes(&self) -> Result<Option<SystemAttributes>, BuildError> {
        let Some(trace) = &self.trace else { return Ok(None) };
        let value =
            MessageSystemAttributeValue::builder().data_type("String").string_value(trace.to_string()).build()?;
        Ok(Some([(MessageSystemAttributeNameForSends::AwsTraceHeader, value)].into()))
    }
}

type SystemAttributes = HashMap<MessageSystemAttributeNameForSends, MessageSystemAttributeValue>;

/// One queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue at `url`.
    #[must_use]
    pub fn new(aws: &Aws, url: String) -> Self {
        let config = Builder::from(&aws.config(Service::Sqs)).interceptor(Throttles).build();
        Self { client: Client::from_conf(config), url }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// SQS is out of reach or refuses the message.
    pub async fn send(&self, message: Sending) -> Result<(), QueueError> {
        let attributes = message.system_attributes().map_err(QueueError::unbuilt("SendMessage"))?;
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(message.body)
            .set_message_group_id(message.group)
            .set_message_system_attributes(attributes)
            .set_delay_seconds(delay_seconds(message.delay))
            .send()
            .await
            .map(drop)
            .map_err(QueueError::failed("SendMessage"))
    }

    /// Sends many messages in batches of ten. Stops at the first batch that fails as a whole; of a batch
    /// that fails in part the rest is sent.
    ///
    /// # Errors
    /// Any message was not taken. Which ones is not told: the caller repeats all, since messages may double.
    pub async fn send_all(&self, messages: Vec<Sending>) -> Result<(), QueueError> {
        const OPERATION: &str = "SendMessageBatch";
        for batch in messages.chunks(BATCH) {
            let entries = batch
                .iter()
                .enumerate()
                .map(|(index, message)| {
                    SendMessageBatchRequestEntry::builder()
                        .id(index.to_string())
                        .message_body(&message.body)
                        .set_message_group_id(message.group.clone())
                        .set_message_system_attributes(message.system_attributes()?)
                        .set_delay_seconds(delay_seconds(message.delay))
                        .build()
                })
                .collect::<Result<_, _>>()
                .map_err(QueueError::unbuilt(OPERATION))?;
            let answer = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(QueueError::failed(OPERATION))?;
            // HTTP 200 can hide failures of single entries.
            if let Some(failed) = answer.failed().first() {
                return Err(QueueError { operation: OPERATION, cause: failed.code().to_owned() });
            }
        }
        Ok(())
    }

    /// Makes each message (by its receipt handle) visible again after its wait, counted from now; a wait of
    /// more than 12 h is cut to that. SQS refuses a visibility that would end more than 12 h after the
    /// receive; such a message keeps the alarm it has.
    ///
    /// # Errors
    /// SQS is out of reach. A single entry that fails is logged and not an error: the alarm is not the truth.
    pub async fn alarm(&self, messages: &[(String, Duration)]) -> Result<(), QueueError> {
        const OPERATION: &str = "ChangeMessageVisibilityBatch";
        for batch in messages.chunks(BATCH) {
            let entries = batch
                .iter()
                .enumerate()
                .map(|(index, (handle, wait))| {
                    let secs = seconds_up(*wait).min(MAX_VISIBILITY_SECS);
                    ChangeMessageVisibilityBatchRequestEntry::builder()
                        .id(index.to_string())
                        .receipt_handle(handle)
                        .visibility_timeout(i32::try_from(secs).unwrap_or(i32::MAX))
                        .build()
                })
                .collect::<Result<_, _>>()
                .map_err(QueueError::unbuilt(OPERATION))?;
            let answer = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(QueueError::failed(OPERATION))?;
            for failed in answer.failed() {
                tracing::warn!(code = failed.code(), "SQS kept a message's visibility as it was");
            }
        }
        Ok(())
    }

    /// How many messages the queue holds: waiting, delayed, or received and not yet deleted. SQS's figures are
    /// approximate and up to a minute old.
    ///
    /// # Errors
    /// SQS is out of reach.
    pub async fn depth(&self) -> Result<u64, QueueError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(QueueError::failed("GetQueueAttributes"))?;
        let number = |name| answer.attributes().and_then(|all| all.get(name)?.parse::<u64>().ok()).unwrap_or(0);
        Ok(names.iter().map(number).sum())
    }

    /// How many messages are received and not yet deleted. SQS's figure is approximate and up to a minute old.
    ///
    /// # Errors
    /// SQS is out of reach.
    pub async fn in_flight(&self) -> Result<u64, QueueError> {
        let name = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(name.clone())
            .send()
            .await
            .map_err(QueueError::failed("GetQueueAttributes"))?;
        Ok(answer.attributes().and_then(|all| all.get(&name)?.parse().ok()).unwrap_or(0))
    }
}

/// Whole seconds, rounded up: an alarm never rings early.
fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn delay_seconds(delay: Duration) -> Option<i32> {
    match seconds_up(delay).min(MAX_DELAY_SECS) {
        0 => None,
        secs => i32::try_from(secs).ok(),
    }
}
