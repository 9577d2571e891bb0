//! The event source mapping of a queue (facts: Lambda Developer Guide, "Using Lambda with Amazon SQS").
//!
//! It receives, invokes, and deletes what succeeded; it never changes a visibility timeout, so a message that
//! failed comes back when the queue's timeout, or one that the function set itself, has passed. With all
//! its invocations running it receives nothing. An invocation that is throttled is tried again until the
//! messages' visibility timeout is over; then they are in the queue again, and were received once more for
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use local_sqs::{Receive, Received, Sqs};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::queue_event;
use super::response::{Outcome, read};
use crate::invoke::{Invoke, InvokeError};
use crate::template::{Queue, QueueSource};

/// Lambda: how many invocations a queue without `MaximumConcurrency` may have at once.
const MOST_CONCURRENT: u32 = 1_250;

/// SQS: most messages in one receive.
const RECEIVE: usize = 10;

/// Between two tries of a throttled invocation.
const THROTTLED: Duration = Duration::from_secs(1);

/// When the queue is out of reach.
const OUT_OF_REACH: Duration = Duration::from_secs(1);

/// Reads one queue for one function.
#[derive(Clone)]
pub struct QueueReader {
    /// The mapping.
    pub source: QueueSource,
    /// The queue.
    pub queue: Queue,
    /// The function's name.
    pub function: String,
    /// Where the queue is.
    pub sqs: Arc<Sqs>,
    /// How the function is invoked.
    pub invoke: Arc<dyn Invoke>,
    /// The region that events name.
    pub region: String,
}

impl QueueReader {
    /// Reads for ever. When dropped, it drops its invocations.
    pub async fn run(self) {
        let most = self.source.max_concurrency.unwrap_or(MOST_CONCURRENT);
        let permits = Arc::new(Semaphore::new(most as usize));
        let mut running = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            if self.sqs.wait_until_visible(&self.queue.name).await.is_err() {
                tokio::time::sleep(OUT_OF_REACH).await;
                continue;
            }
            let batch = self.gather().await;
            if batch.is_empty() {
                // A message is visible, and cannot be received: the queue is full in flight or out of reach.
                tokio::time::sleep(OUT_OF_REACH).await;
                continue;
            }
            let reader = self.clone();
            running.spawn(async move {
                reader.process(batch).await;
                drop(permit);
            });
            while running.try_join_next().is_some() {}
        }
    }

    /// Up to a batch of messages; the batching window is how long to wait for more after the first.
    async fn gather(&self) -> Vec<Received> {
        let full = self.source.batch_size as usize;
        let closes = Instant::now() + self.source.batching_window;
        let mut batch = self.receive(full, 0).await;
        while !batch.is_empty() && batch.len() < full {
            let more = self.receive(full - batch.len(), 0).await;
            if more.is_empty() {
                let left = closes.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                let visible = self.sqs.wait_until_visible(&self.queue.name);
                let _ = tokio::time::timeout(left, visible).await;
            }
            batch.extend(more);
        }
        batch
    }

    async fn receive(&self, most: usize, wait_s: i64) -> Vec<Received> {
        let max = i64::try_from(most.min(RECEIVE)).unwrap_or(1);
        let ask = Receive { max, wait_s: Some(wait_s), visibility_s: None };
        self.sqs.receive(&self.queue.name, ask).await.unwrap_or_default()
    }

    async fn process(&self, batch: Vec<Received>) {
        let returns = Instant::now() + self.queue.visibility;
        let payload = queue_event::batch(&batch, &self.region);
        let answer = loop {
            match self.invoke.invoke(&self.function, payload.clone()).await {
                Err(InvokeError::Throttled) if Instant::now() + THROTTLED < returns => {
                    tokio::time::sleep(THROTTLED).await;
                }
                answer => break answer,
            }
        };
        for message in self.succeeded(&batch, answer) {
            // A delete that fails makes the message come again: at least once, as on AWS.
            if let Err(error) = self.sqs.delete(&self.queue.name, &message.receipt_handle) {
                tracing::warn!(queue = self.queue.name, %error, "a message could not be deleted");
            }
        }
    }

    fn succeeded<'a>(&self, batch: &'a [Received], answer: Result<Bytes, InvokeError>) -> Vec<&'a Received> {
        let outcome = match answer {
            Err(error) => {
                tracing::warn!(function = self.function, %error, "an invocation with messages failed");
                return Vec::new();
            }
            Ok(_) if !self.source.partial_responses => Outcome::Done,
            Ok(answer) => {
                let ids: Vec<&str> = batch.iter().map(|message| message.message_id.as_str()).collect();
                read(&answer, &ids)
            }
        };
        match outcome {
            Outcome::Done => batch.iter().collect(),
            Outcome::Failed(places) => {
                let kept = |(place, message)| (!places.contains(&place)).then_some(message);
                batch.iter().enumerate().filter_map(kept).collect()
            }
            Outcome::WholeBatchFailed(reason) => {
                tracing::warn!(function = self.function, reason, "a batch of messages failed");
                Vec::new()
            }
        }
    }
}
