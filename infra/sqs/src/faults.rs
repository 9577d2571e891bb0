//! Faults on demand: what AWS says may happen, made to happen.

use crate::errors::{Error, ErrorKind, Result};

macro_rules! operations {
    ($($name:ident)*) => {
        /// The operations of SQS that this library serves.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "AWS's names, documented there")]
        pub enum Operation { $($name),* }

        impl Operation {
            /// The operation behind an `X-Amz-Target` such as `AmazonSQS.SendMessage`.
            #[must_use]
            pub fn named(target: &str) -> Option<Self> {
                match target.rsplit('.').next() {
                    $(Some(stringify!($name)) => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    ChangeMessageVisibility ChangeMessageVisibilityBatch CreateQueue DeleteMessage DeleteMessageBatch DeleteQueue
    GetQueueAttributes GetQueueUrl ListDeadLetterSourceQueues ListMessageMoveTasks ListQueues ListQueueTags
    PurgeQueue ReceiveMessage SendMessage SendMessageBatch SetQueueAttributes StartMessageMoveTask TagQueue UntagQueue
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was done, and the answer says 500.
    Refused,
    /// All was done, and the answer says 500: the caller cannot know.
    AnswerLost,
    /// The call succeeds, and each of its batch entries fails with a fault of the service.
    EntriesRefused,
}

/// The faults that are armed.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub out_of_reach: bool,
    armed: Vec<(Operation, Failure, u32)>,
}

impl Faults {
    pub fn arm(&mut self, operation: Operation, failure: Failure, times: u32) {
        self.armed.push((operation, failure, times));
    }

    /// The failure that this call meets, which is then used up.
    pub fn meet(&mut self, operation: Operation) -> Result<Option<Failure>> {
        if self.out_of_reach {
            return Err(unavailable());
        }
        let Some(at) = self.armed.iter().position(|(armed, ..)| *armed == operation) else { return Ok(None) };
        let (_, failure, times) = &mut self.armed[at];
        let failure = *failure;
        *times = times.saturating_sub(1);
        if *times == 0 {
            self.armed.remove(at);
        }
        if failure == Failure::Refused { Err(internal()) } else { Ok(Some(failure)) }
    }
}

pub(crate) fn internal() -> Error {
    Error::new(ErrorKind::InternalFailure, "We encountered an internal error. Please try again.")
}

fn unavailable() -> Error {
    Error::new(ErrorKind::ServiceUnavailable, "The service is unavailable. Please try again.")
}
