//! SQS on one machine: its wire protocol and its semantics, on any clock.
//!
//! For tests in virtual time, for the local stack, and as a program (`local-sqs --port 9324`). Standard queues
//! with everything that Afferent leans on, refusals and limits included; what AWS leaves open is decided for
//! the worse (a delete with an older handle deletes nothing). The conformance suite in `tests/conformance`
//! holds it against other programs, and against AWS itself for whoever has an account.
//!
//! Not here: FIFO queues, permissions and encryption (policies and keys are stored, and change nothing), the
//! query protocol, `CancelMessageMoveTask`, and Lambda's loop detection, which is not SQS's.
//!
//! - [`Sqs`]: the service. [`Sqs::in_memory`] or [`Sqs::open`], then typed calls, or [`Sqs::handle`] for what came
//!   over the wire, or [`router`] for all of HTTP.
//! - Time: "now" is always the given `Clock`; waiting is `tokio::time`. Under a paused tokio clock the two must
//!   move together.
//! - Faults: [`Sqs::fail_next`], [`Sqs::out_of_reach`], [`Sqs::duplicate_next`], [`Sqs::forget_deletes`].

mod attributes;
mod batch;
mod errors;
mod fair;
mod faults;
mod handle;
mod http;
mod kept;
mod message;
mod queue;
mod queues;
mod sqs;
mod state;
mod store;
mod tasks;
mod views;
mod wire;

pub use errors::{Error, ErrorKind, Result};
pub use faults::{Failure, Operation};
pub use http::router;
pub use kept::Kept;
pub use message::{Attribute, Attributes, Draft, MAX_BYTES};
pub use queue::MAX_VISIBILITY;
pub use sqs::{MAX_WAIT, Receive, Sqs};
pub use state::Config;
pub use store::StoreError;
pub use views::{MessageView, QueueView, Received};
pub use wire::Answer;
