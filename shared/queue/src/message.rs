//! What is written on a queue, as JSON. Shapes: `docs/messages.md`.

use afferent_domain::Timestamp;
use afferent_domain::id::{ConnectionId, EndpointId, EventId, NotificationId};
use serde::{Deserialize, Serialize};

/// The version of the message shapes. A reader accepts every version up to its own.
const VERSION: u8 = 1;

/// A message that this version cannot read. It stays on the queue and ends in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the JSON of any message; the position is where reading stopped.
    #[error("the message is not one that this function knows (line {line}, column {column})")]
    Unreadable {
        /// Line of the body, from 1.
        line: usize,
        /// Column of the line, from 1.
        column: usize,
    },
    /// A later version wrote it.
    #[error("the message has version {0}, and this function reads up to {VERSION}")]
    TooNew(u8),
}

/// A message on `pulls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Pull {
    /// Withings sent a notification.
    Notification(Notification),
    /// A mark is overdue; sent by `keeper`.
    Wake(Wake),
    /// A duty is due; sent by `keeper`, also on `backfill`.
    Duty(Duty),
    /// A notification that was put away is to be sorted again; sent by `api`.
    Replay(Replay),
}

/// A notification as `ingest` took it: the body whole, nothing parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Given by `ingest`, so that a message delivered twice is one notification.
    pub id: NotificationId,
    /// When `ingest` took it.
    pub received_ms: Timestamp,
    /// The body of the POST.
    #[serde(flatten)]
    pub payload: Payload,
}

/// The body of a notification. Withings sends form-encoded ASCII; whatever else comes is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// UTF-8 text.
    #[serde(rename = "body")]
    Text(String),
    /// Anything else, base64.
    #[serde(rename = "body_base64")]
    Base64(String),
}

/// "Look at the mark of this connection's service."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// The connection.
    pub connection: ConnectionId,
    /// The service's name, as the mark's key has it.
    pub service: String,
}

/// "Look at this duty", by the key of its item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duty {
    /// Whose: the partition key.
    pub owner: String,
    /// Which: the sort key.
    pub item: String,
}

/// "Sort this notification again": what it says stands in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The notification.
    pub notification: NotificationId,
}

/// A message on `deliveries`: which delivery to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The event to deliver.
    pub event: EventId,
    /// The endpoint that gets it.
    pub endpoint: EndpointId,
}

#[derive(Serialize)]
struct Out<'a, T> {
    v: u8,
    #[serde(flatten)]
    message: &'a T,
}

#[derive(Deserialize)]
struct Version {
    v: u8,
}

fn write<T: Serialize>(message: &T) -> String {
    // Strings and integers only: serialising cannot fail.
    serde_json::to_string(&Out { v: VERSION, message }).unwrap_or_default()
}

fn read<T: for<'a> Deserialize<'a>>(body: &str) -> Result<T, MessageError> {
    let unreadable = |error: serde_json::Error| MessageError::Unreadable { line: error.line(), column: error.column() };
    let Version { v } = serde_json::from_str(body).map_err(unreadable)?;
    if v > VERSION {
        return Err(MessageError::TooNew(v));
    }
    serde_json::from_str(body).map_err(unreadable)
}

impl Pull {
    /// The message's body.
    #[must_use]
    pub fn to_body(&self) -> String {
        write(self)
    }

    /// Reads a body of `pulls`.
    ///
    /// # Errors
    /// It is not JSON, not a message, or of a later version.
    pub fn from_body(body: &str) -> Result<Self, MessageError> {
        read(body)
    }
}

impl Delivery {
    /// The message's body.
    #[must_use]
    pub fn to_body(&self) -> String {
        write(self)
    }

    /// Reads a body of `deliveries`.
    ///
    /// # Errors
    /// It is not JSON, not a message, or of a later version.
    pub fn from_body(body: &str) -> Result<Self, MessageError> {
        read(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_reads_back_as_it_was_written() {
        let pull = Pull::Notification(Notification {
            id: NotificationId::from("ntf_1"),
            received_ms: Timestamp::from_millis(5),
            payload: Payload::Text("userid=1&appli=1".to_owned()),
        });
        assert_eq!(
            pull.to_body(),
            r#"{"v":1,"type":"notification","id":"ntf_1","received_ms":5,"body":"userid=1&appli=1"}"#
        );
        assert_eq!(Pull::from_body(&pull.to_body()), Ok(pull));
    }

    #[test]
    fn a_replay_names_the_notification_and_nothing_of_it() {
        let pull = Pull::Replay(Replay { notification: NotificationId::from("ntf_1") });
        assert_eq!(pull.to_body(), r#"{"v":1,"type":"replay","notification":"ntf_1"}"#);
        assert_eq!(Pull::from_body(&pull.to_body()), Ok(pull));
    }

    #[test]
    fn a_message_of_a_later_version_is_told_from_a_broken_one() {
        assert_eq!(Delivery::from_body(r#"{"v":2}"#), Err(MessageError::TooNew(2)));
        assert!(matches!(Delivery::from_body("{"), Err(MessageError::Unreadable { .. })));
    }
}
