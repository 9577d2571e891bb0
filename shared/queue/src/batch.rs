//! A batch from a queue: each message by itself, so that one that fails or panics fails alone.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::FutureExt as _;
use futures_util::future::join_all;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its effect is stored: it is deleted.
    Done,
    /// It waits on purpose: it stays on the queue, and comes back when its visibility timeout ends.
    Later,
    /// It could not be handled: it stays on the queue likewise, and is counted (`BatchesFailed.<function>`).
    Again,
}

/// Handles every message of the batch concurrently with `handle` and builds the partial batch response: the one place where
/// what became of a message turns into the queue's answer.
///
/// A panic is caught, logged by message id, and means [`Outcome::Again`]. A message without an id cannot be
/// named in the response (an empty id would fail the whole batch), so it fails the batch by an error.
///
/// # Errors
/// A message has no id; AWS never sends one.
pub async fn each<F, Fut>(event: SqsEvent, handle: F) -> Result<SqsBatchResponse, MissingId>
where
    F: Fn(SqsMessage) -> Fut,
    Fut: Future<Output = Outcome>,
{
    let handled = event.records.into_iter().map(|message| {
        let id = message.message_id.clone();
        let handling = AssertUnwindSafe(async { handle(message).await }).catch_unwind();
        async move {
            let outcome = handling.await.unwrap_or_else(|_| {
                tracing::error!(message_id = id, "handling a message panicked");
                Outcome::Again
            });
            (id, outcome)
        }
    });
    let mut response = SqsBatchResponse::default();
    for (id, outcome) in join_all(handled).await {
        let id = id.filter(|id| !id.is_empty()).ok_or(MissingId)?;
        if outcome == Outcome::Again {
            afferent_metrics::batch_failed();
        }
        if outcome != Outcome::Done {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            response.batch_item_failures.push(failure);
        }
    }
    Ok(response)
}

/// A message without an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message in the batch has no message id")]
pub struct MissingId;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use afferent_domain::{Clock, Timestamp};
    use afferent_metrics::{Consumer, Edge, Kept, Metric, Sink};

    use super::*;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp::from_secs(43_200)
        }
    }

    /// The value of `BatchesFailed.fetcher` after an invocation of the fetcher with these messages.
    async fn failed(ids: &[&str], outcome: Outcome) -> u64 {
        let kept = Arc::new(Kept::default());
        let edge = Edge::new("fetcher", "afferent".to_owned(), Arc::new(Noon), Arc::clone(&kept) as Arc<dyn Sink>);
        let response = edge.invocation(each(batch(ids), |_| async move { outcome })).await.unwrap();
        assert_eq!(response.batch_item_failures.is_empty(), outcome == Outcome::Done);
        kept.sum(Metric::BatchesFailed(Consumer::Fetcher))
    }

    #[tokio::test]
    async fn what_waits_on_purpose_is_told_to_the_queue_and_is_no_failure() {
        assert_eq!(failed(&["one", "two"], Outcome::Later).await, 0);
        assert_eq!(failed(&["one", "two"], Outcome::Done).await, 0);
    }

    #[tokio::test]
    async fn an_invocation_that_fails_several_messages_is_one_that_failed() {
        assert_eq!(failed(&["one", "two", "three"], Outcome::Again).await, 1);
    }

    fn batch(ids: &[&str]) -> SqsEvent {
        let mut event = SqsEvent::default();
        for id in ids {
            let mut message = SqsMessage::default();
            message.message_id = Some((*id).to_owned());
            event.records.push(message);
        }
        event
    }

    #[tokio::test]
    async fn a_message_that_fails_or_panics_fails_alone() {
        let response = each(batch(&["good", "bad", "ugly"]), |message| async move {
            match message.message_id.as_deref() {
                Some("good") => Outcome::Done,
                Some("bad") => Outcome::Again,
                _ => panic!("on purpose"),
            }
        })
        .await
        .unwrap();
        let failed: Vec<_> = response.batch_item_failures.iter().map(|f| f.item_identifier.as_str()).collect();
        assert_eq!(failed, ["bad", "ugly"]);
    }

    #[tokio::test]
    async fn an_empty_identifier_is_never_reported_because_it_would_fail_the_whole_batch() {
        assert_eq!(each(batch(&[""]), |_| async { Outcome::Again }).await.unwrap_err(), MissingId);
    }
}
