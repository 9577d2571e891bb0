//! What AWS measures by itself: of functions by watching who invokes them, of queues by looking at them.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use local_sqs::Sqs;
use serde_json::Value;
use tokio::time::Instant;

use super::{FUNCTIONS, Metrics, QUEUES};
use crate::invoke::{Invoke, InvokeError};

/// How often the queues are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Invokes functions, and notes how that went.
pub(crate) struct Watched {
    pub(crate) invoke: Arc<dyn Invoke>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Invoke for Watched {
    fn invoke(&self, function: &str, payload: Bytes) -> BoxFuture<'static, Result<Bytes, InvokeError>> {
        let (metrics, clock, function) = (self.metrics.clone(), Arc::clone(&self.clock), function.to_owned());
        if let Some(newest) = newest(&payload) {
            let age = u64::try_from(clock.now().since(newest).as_millis()).unwrap_or(u64::MAX);
            metrics.note(FUNCTIONS, &function, "IteratorAge", "Milliseconds", &[age], clock.now());
        }
        let (began, work) = (Instant::now(), self.invoke.invoke(&function, payload));
        Box::pin(async move {
            let answer = work.await;
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let note = |name, unit, value| metrics.note(FUNCTIONS, &function, name, unit, &[value], clock.now());
            match &answer {
                Err(InvokeError::Unknown) => {}
                Err(InvokeError::Throttled) => note("Throttles", "Count", 1),
                result => {
                    note("Invocations", "Count", 1);
                    note("Errors", "Count", u64::from(result.is_err()));
                    note("Duration", "Milliseconds", took);
                }
            }
            answer
        })
    }
}

/// When the last record of a batch of a stream was written: the age of it is Lambda's `IteratorAge`.
fn newest(payload: &[u8]) -> Option<Timestamp> {
    let event: Value = serde_json::from_slice(payload).ok()?;
    let created = event["Records"].as_array()?.last()?["dynamodb"]["ApproximateCreationDateTime"].as_f64()?;
    Some(Timestamp::from_secs(created as i64))
}

/// Looks at the queues for ever.
pub(crate) async fn watch_queues(sqs: Arc<Sqs>, metrics: Metrics, clock: Arc<dyn Clock>) {
    loop {
        let now = clock.now();
        for queue in sqs.queues() {
            let note = |name, unit, value| metrics.note(QUEUES, &queue.name, name, unit, &[value], now);
            note("ApproximateNumberOfMessagesVisible", "Count", queue.visible as u64);
            note("ApproximateNumberOfMessagesNotVisible", "Count", queue.in_flight as u64);
            let oldest =
                sqs.messages(&queue.name, 1).ok().and_then(|oldest| oldest.first().map(|message| message.sent));
            let age = oldest.map_or(0, |sent| now.since(sent).as_secs());
            note("ApproximateAgeOfOldestMessage", "Seconds", age);
        }
        tokio::time::sleep(LOOK).await;
    }
}
