//! What callers get to see: received messages, and the queues as a page shows them.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;

use crate::handle::Handle;
use crate::message::{Attributes, Message, md5_of_attributes, md5_of_body};
use crate::queue::Queue;
use crate::state::State;

/// A message in the hands of a receiver, with all that an event source mapping passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// `MessageId`
    pub message_id: String,
    /// The handle of this receive.
    pub receipt_handle: String,
    /// The text.
    pub body: String,
    /// The sender's attributes.
    pub attributes: Attributes,
    /// The system attributes by AWS's names: `ApproximateReceiveCount`, `SentTimestamp`, …
    pub system: BTreeMap<String, String>,
    /// ARN of the queue.
    pub queue_arn: String,
}

impl Received {
    pub(crate) fn of(message: Message, queue: u64, arn: &str, account: &str) -> Self {
        let handle = Handle { queue, message: message.number, receive: message.receives };
        let mut system = BTreeMap::from([
            ("ApproximateReceiveCount".to_owned(), message.receives.to_string()),
            ("SenderId".to_owned(), account.to_owned()),
            ("SentTimestamp".to_owned(), message.sent.as_millis().to_string()),
        ]);
        let first = message.first_received.map(|first| first.as_millis().to_string());
        let trace = message.trace.and_then(|trace| trace.string_value);
        let optional = [
            ("ApproximateFirstReceiveTimestamp", first),
            ("AWSTraceHeader", trace),
            ("DeadLetterQueueSourceArn", message.dead_from),
            ("MessageGroupId", message.group),
        ];
        system.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Self {
            message_id: message.id,
            receipt_handle: handle.issue(),
            body: message.body,
            attributes: message.attributes,
            system,
            queue_arn: arn.to_owned(),
        }
    }

    /// `MD5OfBody`
    #[must_use]
    pub fn md5_of_body(&self) -> String {
        md5_of_body(&self.body)
    }

    /// `MD5OfMessageAttributes`, of all attributes; `None` without any.
    #[must_use]
    pub fn md5_of_attributes(&self) -> Option<String> {
        md5_of_attributes(self.attributes.iter().map(|(name, value)| (name.as_str(), value)))
    }

    /// How often the message was received, this time included.
    #[must_use]
    pub fn receive_count(&self) -> u64 {
        self.system.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(0)
    }
}

/// A queue at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Messages that can be received.
    pub visible: usize,
    /// Messages that were received and may come back.
    pub in_flight: usize,
    /// Messages that were sent with a delay that has not passed.
    pub delayed: usize,
    /// From when on a receive finds a message; in the past if it does now, `None` if there is nothing.
    pub next_visible: Option<Timestamp>,
    /// ARN of its dead-letter queue.
    pub dead_letter_target: Option<String>,
    /// Receives after which a message goes there.
    pub max_receives: Option<u64>,
    /// Its settings, by AWS's names.
    pub settings: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl QueueView {
    pub(crate) fn of(queue: &Queue, state: &State) -> Self {
        let redrive = queue.settings.redrive.as_ref();
        Self {
            name: queue.name.clone(),
            arn: state.arn(&queue.name),
            visible: queue.visible(),
            in_flight: queue.in_flight(),
            delayed: queue.delayed(),
            next_visible: queue.next_visible(state.config.in_flight_limit),
            dead_letter_target: redrive.map(|redrive| redrive.target.clone()),
            max_receives: redrive.map(|redrive| redrive.max_receives),
            settings: queue.settings.text().clone(),
            tags: queue.tags.clone(),
        }
    }
}

/// A message at one instant, looked at without receiving it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// `MessageId`
    pub message_id: String,
    /// The text. May hold what must not be logged.
    pub body: String,
    /// `MessageGroupId`
    pub group: Option<String>,
    /// When it was sent.
    pub sent: Timestamp,
    /// How often it was received.
    pub receives: u64,
    /// Since or from when on it can be received.
    pub visible: Timestamp,
    /// Whether a receiver has it.
    pub in_flight: bool,
    /// ARN of the queue that gave it up.
    pub dead_from: Option<String>,
}

impl MessageView {
    pub(crate) fn of((message, in_flight): (&Message, bool)) -> Self {
        Self {
            message_id: message.id.clone(),
            body: message.body.clone(),
            group: message.group.clone(),
            sent: message.sent,
            receives: message.receives,
            visible: message.visible,
            in_flight,
            dead_from: message.dead_from.clone(),
        }
    }
}
