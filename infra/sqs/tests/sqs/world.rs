//! A virtual clock that moves with tokio's, and short ways to send and receive.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use local_sqs::{Config, Draft, ErrorKind, Receive, Received, Result, Sqs};
use tokio::time::Instant;

/// 2026-11-21T00:00:00Z plus what tokio's clock has advanced.
pub struct VirtualClock(Instant);

impl VirtualClock {
    pub fn start() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_795_219_200) + self.0.elapsed()
    }
}

/// A service with one queue named `q`.
pub fn with_queue(attributes: &[(&str, &str)]) -> Sqs {
    with_limit(120_000, attributes)
}

/// The same with another limit in flight.
pub fn with_limit(in_flight_limit: usize, attributes: &[(&str, &str)]) -> Sqs {
    let sqs = Sqs::configured(VirtualClock::start(), Config { in_flight_limit, ..Config::default() });
    sqs.create_queue("q", attributes).unwrap();
    sqs
}

/// A service with a queue `q` whose messages go to `dead` after `max` receives.
pub fn with_dead_letters(max: u64) -> Sqs {
    let sqs = Sqs::in_memory(VirtualClock::start());
    sqs.create_queue("dead", &[]).unwrap();
    let policy =
        format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":{max}}}"#);
    sqs.create_queue("q", &[("RedrivePolicy", &policy)]).unwrap();
    sqs
}

pub fn send(sqs: &Sqs, body: &str) -> String {
    sqs.send("q", Draft::of(body)).unwrap()
}

pub fn send_in_group(sqs: &Sqs, group: &str, body: &str) {
    sqs.send("q", Draft { group: Some(group.to_owned()), ..Draft::of(body) }).unwrap();
}

/// Up to ten messages that can be received now.
pub async fn take(sqs: &Sqs) -> Vec<Received> {
    take_from(sqs, "q").await
}

pub async fn take_from(sqs: &Sqs, queue: &str) -> Vec<Received> {
    sqs.receive(queue, Receive { max: 10, wait_s: Some(0), ..Receive::default() }).await.unwrap()
}

/// The one message that can be received now.
pub async fn take_one(sqs: &Sqs) -> Received {
    let mut taken = take(sqs).await;
    assert_eq!(taken.len(), 1, "one message is expected");
    taken.remove(0)
}

/// The bodies that can be received now, in order.
pub async fn bodies(sqs: &Sqs) -> Vec<String> {
    take(sqs).await.into_iter().map(|message| message.body).collect()
}

/// Visible, in flight, delayed.
pub fn counts(sqs: &Sqs, queue: &str) -> (usize, usize, usize) {
    let queues = sqs.queues();
    let view = queues.iter().find(|view| view.name == queue).unwrap();
    (view.visible, view.in_flight, view.delayed)
}

pub async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind
}
