//! The messages on the queues, and how a batch of them is handled.
//!
//! A message is a hint to look: what is due and how often it was tried stands in the tables. So a lost
//! or doubled message changes nothing, and a body never changes meaning between versions (`v`).

mod batch;
mod message;
mod sender;

pub use batch::{MissingId, Outcome, each};
pub use message::{Delivery, Duty, MessageError, Notification, Payload, Pull, Replay, Wake};
pub use sender::{Queue, QueueError, Sending};
