//! How many messages of the queue are in flight: read seldom, and counted on in between.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{IN_FLIGHT_EVERY, SHORT_WAIT};
use afferent_queue::Queue;
use tokio::sync::Mutex;

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at: Option<Timestamp>,
    count: u64,
}

/// The number in flight, read at most every [`IN_FLIGHT_EVERY`]; the waits asked about since are added,
/// since each may be a hold that SQS's figure, up to a minute old, does not show.
pub(crate) struct InFlight {
    queue: Queue,
    last: Mutex<Reading>,
}

impl InFlight {
    pub(crate) fn new(queue: Queue) -> Self {
        Self { queue, last: Mutex::default() }
    }

    /// The number at `now`, for a delivery that waits for `wait`. It is not asked for a wait that no number
    /// would park. If SQS does not tell, the last number goes on, and SQS is not asked again for as long: each question
    /// that fails takes seconds, and the others of the batch stand behind it.
    pub(crate) async fn count(&self, now: Timestamp, wait: Duration) -> u64 {
        if wait <= SHORT_WAIT {
            return 0;
        }
        let mut last = self.last.lock().await;
        if last.at.is_none_or(|at| now.since(at) >= IN_FLIGHT_EVERY) {
            last.at = Some(now);
            match self.queue.in_flight().await {
                Ok(count) => last.count = count,
                Err(error) => tracing::warn!(%error, "the number in flight could not be read"),
            }
        }
        last.count += 1;
        last.count
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex as Guarded};

    use afferent_aws::Aws;
    use aws_credential_types::Credentials;
    use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_244_400);
    const WAIT: Duration = Duration::from_secs(60);

    /// Answers with a number, or refuses; and counts.
    #[derive(Clone, Debug, Default)]
    struct Told(Arc<Guarded<(Option<u64>, u32)>>);

    impl HttpConnector for Told {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let mut told = self.0.lock().unwrap();
            told.1 += 1;
            let (status, body) = match told.0 {
                Some(count) => {
                    (200, format!(r#"{{"Attributes":{{"ApproximateNumberOfMessagesNotVisible":"{count}"}}}}"#))
                }
                None => (403, r#"{"__type":"com.amazonaws.sqs#AccessDenied","message":"not now"}"#.to_owned()),
            };
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
        }
    }

    #[tokio::test]
    async fn while_sqs_does_not_tell_the_last_number_goes_on_and_it_is_asked_no_more_often_than_otherwise() {
        let told = Told::default();
        let connector = SharedHttpConnector::new(told.clone());
        let credentials = Credentials::new("test", "test", None, None, "test");
        let http = http_client_fn(move |_, _| connector.clone());
        let aws = Aws::new("eu-west-1".to_owned(), credentials, http, SharedTimeSource::new(SystemTimeSource::new()));
        let in_flight = InFlight::new(Queue::new(&aws, "https://sqs.eu-west-1.amazonaws.com/1/a".to_owned()));
        told.0.lock().unwrap().0 = Some(100);
        assert_eq!(in_flight.count(NOW, WAIT).await, 101);
        told.0.lock().unwrap().0 = None;
        let later = NOW + IN_FLIGHT_EVERY;
        for more in 1..=10 {
            assert_eq!(in_flight.count(later, WAIT).await, 101 + more);
        }
        assert_eq!(told.0.lock().unwrap().1, 2);
        told.0.lock().unwrap().0 = Some(7);
        assert_eq!(in_flight.count(later + IN_FLIGHT_EVERY, WAIT).await, 8);
    }
}
