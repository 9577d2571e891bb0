//! The event source mapping of a DynamoDB stream (facts: Lambda Developer Guide, "How Lambda processes records
//! from stream and queue-based event sources", and the parameters of `CreateEventSourceMapping`).
//!
//! Records go to the function in order, one batch at a time. What fails is tried again, after a wait, until it
//! succeeds, was tried too often or is too old; nothing behind it is read before. A partial response moves on
//! to the lowest sequence number it names. A batch that ends in an error is halved if `bisect` says so, which
//! does not count as a retry.

use std::collections::VecDeque;
use std::sync::Arc;

use afferent_domain::Clock;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::backoff::Backoff;
use super::position::{Positions, position_name};
use super::response::{Outcome, read};
use super::stream_event::{self, GivenUp};
use crate::dynamodb::{DynamoDb, Position};
use crate::invoke::Invoke;
use crate::template::{Function, StreamSource};

/// Sends a notice to the queue of that ARN.
pub type Notify = Arc<dyn Fn(String, String) -> BoxFuture<'static, ()> + Send + Sync>;

/// Reads one stream for one function.
pub struct StreamReader {
    /// The mapping.
    pub source: StreamSource,
    /// The function it feeds.
    pub function: Function,
    /// Where the stream is.
    pub dynamodb: DynamoDb,
    /// How the function is invoked.
    pub invoke: Arc<dyn Invoke>,
    /// Where the position is kept.
    pub positions: Positions,
    /// How the on-failure destination hears of records given up: queue's ARN, message.
    pub notify: Notify,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Records that go to the function together.
struct Work {
    records: Vec<Value>,
    /// How often the function was invoked with the first of them.
    invocations: u32,
    /// How often it was tried again.
    retries: u32,
}

impl Work {
    fn new(records: Vec<Value>) -> Self {
        Self { records, invocations: 0, retries: 0 }
    }
}

impl StreamReader {
    /// Reads for ever.
    pub async fn run(self) {
        let name = position_name(&self.function.name, &self.source.table);
        // Subscribed before the first read, so that no write falls between a read and the wait after it.
        let mut writes = self.dynamodb.writes(&self.source.table);
        let mut position = match self.positions.get(&name) {
            Some(sequence_number) => Position::After(sequence_number),
            None if self.source.from_horizon => Position::Horizon,
            None => self.dynamodb.end(&self.source.table).unwrap_or(Position::Horizon),
        };
        let mut backoff = Backoff::default();
        loop {
            writes.borrow_and_update();
            match self.dynamodb.records(&self.source.table, &position, self.source.batch_size as usize) {
                Err(error) => {
                    tracing::warn!(%error, table = self.source.table, "the stream could not be read");
                    backoff.wait().await;
                }
                Ok(page) if page.at_end => {
                    if writes.changed().await.is_err() {
                        return;
                    }
                }
                Ok(page) => {
                    backoff.reset();
                    if !page.records.is_empty() {
                        self.work_off(&name, page.records).await;
                    }
                    if let Position::After(sequence_number) = &page.next {
                        self.positions.set(&name, sequence_number);
                    }
                    position = page.next;
                }
            }
        }
    }

    /// Returns when every one of the records is done or given up.
    async fn work_off(&self, name: &str, records: Vec<Value>) {
        let mut queue = VecDeque::from([Work::new(records)]);
        let mut backoff = Backoff::default();
        while let Some(mut work) = queue.pop_front() {
            self.drop_aged(name, &mut work).await;
            if work.records.is_empty() {
                continue;
            }
            work.invocations += 1;
            let undone = match self.invoke(&work.records).await {
                Outcome::Done => {
                    backoff.reset();
                    self.move_to(name, &work.records);
                    continue;
                }
                Outcome::Failed(places) => {
                    let lowest = places.first().copied().unwrap_or(0);
                    let rest = work.records.split_off(lowest);
                    if work.records.is_empty() {
                        Work { records: rest, ..work }
                    } else {
                        self.move_to(name, &work.records);
                        Work { records: rest, invocations: 1, retries: 0 }
                    }
                }
                Outcome::WholeBatchFailed(reason) => {
                    tracing::warn!(function = self.function.name, reason, "a batch of stream records failed");
                    if self.source.bisect && work.records.len() > 1 {
                        let second = work.records.split_off(work.records.len().div_ceil(2));
                        let retries = work.retries;
                        queue.push_front(Work { records: second, invocations: work.invocations, retries });
                        queue.push_front(work);
                        backoff.wait().await;
                        continue;
                    }
                    work
                }
            };
            self.try_again(name, undone, &mut queue, &mut backoff).await;
        }
    }

    async fn try_again(&self, name: &str, mut work: Work, queue: &mut VecDeque<Work>, backoff: &mut Backoff) {
        if self.source.max_retries.is_some_and(|max| work.retries >= max) {
            self.give_up(name, &work.records, GivenUp::Retries, work.invocations).await;
            return;
        }
        work.retries += 1;
        queue.push_front(work);
        backoff.wait().await;
    }

    async fn invoke(&self, records: &[Value]) -> Outcome {
        let payload = stream_event::batch(records, &self.source.stream_arn);
        match self.invoke.invoke(&self.function.name, payload).await {
            Err(error) => {
                tracing::warn!(function = self.function.name, %error, "an invocation with stream records failed");
                Outcome::WholeBatchFailed("the invocation failed")
            }
            Ok(answer) if self.source.partial_responses => {
                let ids: Vec<&str> = records.iter().map(stream_event::sequence_number).collect();
                read(&answer, &ids)
            }
            Ok(_) => Outcome::Done,
        }
    }

    /// Gives up the records at the head that are older than they may be.
    async fn drop_aged(&self, name: &str, work: &mut Work) {
        let Some(max_age) = self.source.max_age else { return };
        let now = self.clock.now();
        let aged = |record: &&Value| stream_event::created(record).is_some_and(|created| now.since(created) > max_age);
        let count = work.records.iter().take_while(aged).count();
        if count > 0 {
            let rest = work.records.split_off(count);
            let old = std::mem::replace(&mut work.records, rest);
            self.give_up(name, &old, GivenUp::Age, work.invocations).await;
        }
    }

    async fn give_up(&self, name: &str, records: &[Value], why: GivenUp, invocations: u32) {
        tracing::error!(
            function = self.function.name,
            records = records.len(),
            condition = why.condition(),
            "stream records were given up"
        );
        if let Some(destination) = &self.source.on_failure_arn {
            let now = self.clock.now();
            let notice = stream_event::notice(&self.source, &self.function.arn, records, why, invocations, now);
            (self.notify)(destination.clone(), notice).await;
        }
        self.move_to(name, records);
    }

    fn move_to(&self, name: &str, done: &[Value]) {
        if let Some(last) = done.last() {
            self.positions.set(name, stream_event::sequence_number(last));
        }
    }
}
