//! Event source mappings: what on AWS reads queues and streams and invokes functions with batches of them.
//!
//! Nothing here polls: a source sleeps until the next message is visible or a record is written, so that a
//! paused clock can jump over idle hours.

mod backoff;
mod position;
mod queue;
mod queue_event;
mod response;
mod stream;
mod stream_event;

pub use position::Positions;
pub(crate) use position::position_name;
pub use queue::QueueReader;
pub use response::{Outcome, read};
pub use stream::{Notify, StreamReader};
