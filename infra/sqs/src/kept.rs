//! The messages of a queue, as they may be kept and put into another queue of the same machine's kind: what was in
//! flight is in flight there, and comes back when it would have.

use afferent_domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::errors::Result;
use crate::message::{Attribute, Attributes, Message};
use crate::sqs::Sqs;

/// A message with all that SQS knows of it but its id and its handles, which are the queue's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The text.
    pub body: String,
    /// The sender's attributes.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// `MessageGroupId`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `AWSTraceHeader`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Attribute>,
    /// When it was sent.
    pub sent_ms: Timestamp,
    /// When it was first received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_received_ms: Option<Timestamp>,
    /// When it was last received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_ms: Option<Timestamp>,
    /// `ApproximateReceiveCount`
    #[serde(default)]
    pub receives: u64,
    /// Since or from when on it can be received.
    pub visible_ms: Timestamp,
    /// ARN of the queue that gave it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_from: Option<String>,
}

impl From<&Message> for Kept {
    fn from(message: &Message) -> Self {
        Self {
            body: message.body.clone(),
            attributes: message.attributes.clone(),
            group: message.group.clone(),
            trace: message.trace.clone(),
            sent_ms: message.sent,
            first_received_ms: message.first_received,
            received_ms: message.received,
            receives: message.receives,
            visible_ms: message.visible,
            dead_from: message.dead_from.clone(),
        }
    }
}

impl Sqs {
    /// Every message of a queue, the oldest first; the queue stays as it is.
    ///
    /// # Errors
    /// No such queue.
    pub fn kept(&self, queue: &str) -> Result<Vec<Kept>> {
        self.step(|state, now| Ok(state.queue(queue, now)?.oldest(usize::MAX).map(|(one, _)| one.into()).collect()))
    }

    /// Puts messages into a queue as they were. AWS has nothing like it.
    ///
    /// # Errors
    /// No such queue.
    pub fn put_back(&self, queue: &str, messages: impl IntoIterator<Item = Kept>) -> Result<()> {
        self.step(|state, now| {
            for kept in messages {
                let (number, id) = state.identity();
                let message = Message {
                    number,
                    id,
                    body: kept.body,
                    attributes: kept.attributes,
                    group: kept.group,
                    trace: kept.trace,
                    sent: kept.sent_ms,
                    first_received: kept.first_received_ms,
                    received: kept.received_ms,
                    receives: kept.receives,
                    visible: kept.visible_ms,
                    dead_from: kept.dead_from,
                };
                state.queue(queue, now)?.add(message, now);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use afferent_domain::Clock;

    use super::*;
    use crate::message::Draft;
    use crate::sqs::Receive;

    /// A clock that shows what it is told.
    #[derive(Default)]
    struct Told(Mutex<Timestamp>);

    impl Clock for Told {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    fn queue(clock: &Arc<Told>) -> Sqs {
        let sqs = Sqs::in_memory(Arc::clone(clock) as Arc<dyn Clock>);
        sqs.create_queue("one", &[("VisibilityTimeout", "60")]).unwrap();
        sqs
    }

    #[tokio::test]
    async fn what_was_in_flight_is_in_flight_in_the_other_queue_and_comes_back_with_its_count() {
        let clock = Arc::new(Told(Mutex::new(Timestamp::from_secs(1_000))));
        let first = queue(&clock);
        first.send("one", Draft::of("taken")).unwrap();
        let ask = || Receive { max: 10, wait_s: Some(0), visibility_s: None };
        assert_eq!(first.receive("one", ask()).await.unwrap().len(), 1);
        first.send("one", Draft { group: Some("g".to_owned()), ..Draft::of("waiting") }).unwrap();

        let second = queue(&clock);
        second.put_back("one", first.kept("one").unwrap()).unwrap();
        assert_eq!(second.kept("one").unwrap(), first.kept("one").unwrap());
        let got = second.receive("one", ask()).await.unwrap();
        assert_eq!(got.iter().map(|one| one.body.as_str()).collect::<Vec<_>>(), ["waiting"]);
        *clock.0.lock().unwrap() = Timestamp::from_secs(1_060);
        let back = second.receive("one", ask()).await.unwrap();
        let back = back.iter().find(|one| one.body == "taken").unwrap();
        assert_eq!(back.receive_count(), 2);
    }
}
