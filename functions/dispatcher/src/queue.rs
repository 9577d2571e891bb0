//! Queues of customers: the same text as a POST, signed the same way, as a message.
//!
//! The customer's queue policy lets us send; whatever SQS says against it is the attempt's outcome, by its code.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use afferent_aws::{Aws, Service};
use afferent_domain::endpoint::QueueUrl;
use afferent_domain::signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use afferent_function::trace;
use afferent_http::Fault;
use afferent_store::deliveries::Outcome;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{Builder, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue};

use crate::post::{Parcel, Signature};

/// The message attribute with the event's type, so that a consumer can choose without reading the body.
const TYPE_ATTRIBUTE: &str = "type";

/// A queue is in a region, and each region has a client.
pub(crate) struct Queues {
    aws: Aws,
    deadline: Duration,
    clients: Mutex<HashMap<Option<String>, Client>>,
}

impl Queues {
    pub(crate) fn new(aws: &Aws, deadline: Duration) -> Self {
        Self { aws: aws.clone(), deadline, clients: Mutex::default() }
    }

    /// Sends one message.
    pub(crate) async fn send(&self, queue: &QueueUrl, parcel: &Parcel, signature: &Signature) -> Outcome {
        let Ok(body) = std::str::from_utf8(&parcel.body) else { return unanswered("request", Fault::Ours) };
        let mut message = self.client(queue.region()).send_message().queue_url(queue.as_str()).message_body(body);
        for (name, value) in [
            (ID_HEADER, parcel.id.as_str()),
            (TIMESTAMP_HEADER, &signature.at_s),
            (SIGNATURE_HEADER, &signature.value),
            (TYPE_ATTRIBUTE, &parcel.event_type),
        ] {
            let Ok(value) = MessageAttributeValue::builder().data_type("String").string_value(value).build() else {
                return unanswered("request", Fault::Ours);
            };
            message = message.message_attributes(name, value);
        }
        if let Some(trace) = trace::carried() {
            let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace.to_string());
            let Ok(value) = value.build() else { return unanswered("request", Fault::Ours) };
            message = message.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
        }
        match message.send().await {
            Ok(answer) => Outcome::Queued { message: answer.message_id.unwrap_or_default() },
            Err(error) => refused(&error),
        }
    }

    /// Sends once, within the deadline: the schedule alone sends again.
    fn client(&self, region: Option<&str>) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let mut config = Builder::from(&self.aws.config(Service::Sqs))
                .retry_config(RetryConfig::disabled())
                .timeout_config(TimeoutConfig::builder().operation_timeout(self.deadline).build());
            if let Some(region) = region {
                config = config.region(Region::new(region.to_owned()));
            }
            Client::from_conf(config.build())
        };
        clients.entry(region.map(str::to_owned)).or_insert_with(make).clone()
    }
}

fn unanswered(error: &str, fault: Fault) -> Outcome {
    Outcome::Unanswered { error: error.to_owned(), fault: fault.as_str().to_owned() }
}

/// Why a message was not taken, and who can mend it.
fn refused<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Outcome {
    match error {
        SdkError::ConstructionFailure(_) => unanswered("request", Fault::Ours),
        SdkError::TimeoutError(_) => unanswered("timeout", Fault::Network),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => unanswered("timeout", Fault::Network),
        SdkError::DispatchFailure(_) => unanswered("connect", Fault::Network),
        SdkError::ServiceError(refused) => {
            let code = refused.err().code().unwrap_or("unknown");
            unanswered(code, whose(code, refused.raw().status().as_u16()))
        }
        _ => unanswered("broken", Fault::Network),
    }
}

/// Whose fault a refusal is. What the queue's owner set, its owner can mend: that the queue is there, who may send, its
/// key. The names of errors: SQS API reference, "`SendMessage`" and "Common errors".
fn whose(code: &str, status: u16) -> Fault {
    const OURS: [&str; 9] = [
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    ];
    match () {
        () if OURS.contains(&code) => Fault::Ours,
        () if status >= 500 || code.contains("Throttl") => Fault::Network,
        () => Fault::Receiver,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_credential_types::Credentials;
    use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;
    use bytes::Bytes;

    use super::*;

    /// Refuses everything with one error, and takes down where it was asked.
    #[derive(Clone, Debug)]
    struct Refusing {
        code: &'static str,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl HttpConnector for Refusing {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            self.asked.lock().unwrap().push(request.uri().to_owned());
            let body = format!(r#"{{"__type":"com.amazonaws.sqs#{0}","message":"not for you"}}"#, self.code);
            let mut answer = HttpResponse::new(403.try_into().unwrap(), SdkBody::from(body));
            answer.headers_mut().insert("x-amzn-query-error", format!("{};Sender", self.code));
            HttpConnectorFuture::ready(Ok(answer))
        }
    }

    async fn refused_with(code: &'static str, queue: &str) -> (Outcome, Vec<String>) {
        let asked = Arc::default();
        let connector = SharedHttpConnector::new(Refusing { code, asked: Arc::clone(&asked) });
        let credentials = Credentials::new("test", "test", None, None, "test");
        let http = http_client_fn(move |_, _| connector.clone());
        let aws = Aws::new("eu-west-1".to_owned(), credentials, http, SharedTimeSource::new(SystemTimeSource::new()));
        let parcel = Parcel { id: "evt_1".into(), event_type: "a.created".to_owned(), body: Bytes::from_static(b"{}") };
        let signature = Signature { at_s: "1".to_owned(), value: "v1,abc".to_owned() };
        let queues = Queues::new(&aws, Duration::from_secs(10));
        let outcome = queues.send(&QueueUrl::parse(queue).unwrap(), &parcel, &signature).await;
        let asked = asked.lock().unwrap().clone();
        (outcome, asked)
    }

    #[tokio::test]
    async fn a_queue_whose_policy_does_not_let_us_send_is_asked_once_in_its_region_and_its_owner_is_told() {
        let queue = "https://sqs.us-east-2.amazonaws.com/123456789012/records";
        let (outcome, asked) = refused_with("AccessDenied", queue).await;
        let expected = Outcome::Unanswered { error: "AccessDenied".to_owned(), fault: "receiver".to_owned() };
        assert_eq!(outcome, expected);
        assert_eq!(asked.len(), 1, "the schedule alone sends again");
        assert!(asked[0].starts_with("https://sqs.us-east-2.amazonaws.com"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_queue_that_names_no_region_is_in_ours() {
        let (_, asked) = refused_with("AccessDenied", "http://127.0.0.1:9324/000000000000/records").await;
        assert!(asked[0].starts_with("https://sqs.eu-west-1.amazonaws.com"), "{asked:?}");
    }

    #[test]
    fn what_the_owner_of_a_queue_can_mend_is_the_owners_fault() {
        for code in ["AccessDenied", "AWS.SimpleQueueService.NonExistentQueue", "KMS.DisabledException"] {
            assert_eq!(whose(code, 400), Fault::Receiver, "{code}");
        }
        assert_eq!(whose("RequestThrottled", 400), Fault::Network);
        assert_eq!(whose("InternalFailure", 500), Fault::Network);
        assert_eq!(whose("InvalidMessageContents", 400), Fault::Ours);
        assert_eq!(whose("SignatureDoesNotMatch", 403), Fault::Ours);
    }
}
