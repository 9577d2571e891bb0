//! Crashes on demand: an invocation that stops for ever at one of its await points, as if its process had
//! been killed there.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use afferent_domain::Dice;
use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::invoke::InvokeError;

/// An invocation that is struck gets at most so many polls.
const MOST_POLLS: u64 = 60;

/// How often invocations are struck.
#[derive(Clone)]
pub(crate) struct Crashes {
    pub per_mille: u64,
    pub dice: Arc<dyn Dice>,
}

impl Crashes {
    /// The invocation, with the moment of its crash decided if it is struck.
    pub(crate) fn strike(&self, work: Work) -> Work {
        if self.dice.between(0, 999) >= self.per_mille {
            return work;
        }
        Box::pin(Doomed { work: Some(work), polls: self.dice.between(1, MOST_POLLS) })
    }
}

type Work = BoxFuture<'static, Result<Bytes, InvokeError>>;

/// Work that is dropped where it stands after some polls.
struct Doomed {
    work: Option<Work>,
    polls: u64,
}

impl Future for Doomed {
    type Output = Result<Bytes, InvokeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else { return Poll::Ready(Err(InvokeError::Crashed)) };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            return polled;
        }
        self.polls -= 1;
        if self.polls > 0 {
            return Poll::Pending;
        }
        self.work = None;
        Poll::Ready(Err(InvokeError::Crashed))
    }
}
