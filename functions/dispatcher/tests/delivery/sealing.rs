//! A dispatcher that runs while the sealing key is rotated.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use afferent_aws::Aws;
use afferent_domain::delivery::End;
use afferent_domain::endpoint::Headers;
use afferent_domain::secret::Secret;
use afferent_function::{Env, Rim};
use afferent_local::network::InProcess;
use afferent_secrets::Sealer;
use aws_credential_types::Credentials;
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use dispatcher::Dispatcher;
use serde_json::json;

use crate::stack::{Stack, batch_of, ep_1, header, pass};

/// AWS, where Secrets Manager gives what a test says.
#[derive(Clone, Debug)]
struct Rotating {
    rest: InProcess,
    keys: Arc<Mutex<String>>,
    reads: Arc<Mutex<u32>>,
}

impl HttpConnector for Rotating {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.headers().get("x-amz-target") != Some("secretsmanager.GetSecretValue") {
            return self.rest.call(request);
        }
        *self.reads.lock().unwrap() += 1;
        let body = json!({"Name": "seal-endpoints", "SecretString": *self.keys.lock().unwrap()}).to_string();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body))))
    }
}

fn rotating(stack: &Stack, keys: String) -> (Rim, Rotating) {
    let simulation = &stack.simulation;
    let rest = InProcess {
        dynamodb: simulation.dynamodb.clone(),
        sqs: Arc::clone(&simulation.sqs),
        secrets: simulation.secrets.clone(),
        mail: simulation.mail.clone(),
        sqs_url: simulation.template.place.sqs_url.clone(),
        latency_ms: (0, 0),
        dice: Arc::clone(&simulation.dice),
    };
    let rotating = Rotating { rest, keys: Arc::new(Mutex::new(keys)), reads: Arc::default() };
    let connector = SharedHttpConnector::new(rotating.clone());
    let credentials = Credentials::new("test", "test", None, None, "test");
    let http = http_client_fn(move |_, _| connector.clone());
    let time = SharedTimeSource::new(SystemTimeSource::new());
    let region = simulation.template.place.region.clone();
    let aws = Aws::new(region, credentials, http, time).at("http://aws.simulation");
    (Rim { aws, ..simulation.rim.clone() }, rotating)
}

#[tokio::test(start_paused = true)]
async fn what_is_sealed_under_a_newer_key_is_opened_by_a_dispatcher_that_started_before_the_rotation() {
    let stack = Stack::start().await;
    let arn = &stack.simulation.template.function("dispatcher").unwrap().environment["SEAL_ENDPOINTS_SECRET_ARN"];
    let old = stack.simulation.secrets.value(arn).unwrap().to_owned();
    let (rim, aws) = rotating(&stack, old.clone());
    let environment = stack.simulation.template.function("dispatcher").unwrap().environment.clone();
    let function = Dispatcher::start(&Env::of(environment), &rim).await.unwrap();
    // The one secret stays under the old key, the headers are sealed under the new one.
    let mut keys: serde_json::Value = serde_json::from_str(&old).unwrap();
    keys["2"] = "2".repeat(64).into();
    keys["current"] = "2".into();
    *aws.keys.lock().unwrap() = keys.to_string();
    let sealer = Sealer::from_json(&keys.to_string()).unwrap();
    let headers = Headers::new([("x-api-key".to_owned(), "abc123".to_owned())]).unwrap();
    let sealed = sealer.seal("ep_1", &Secret::new(headers.to_json()), &*stack.simulation.dice).unwrap();
    assert!(sealed.0.starts_with("2."));
    stack.endpoints.put_headers(&ep_1(), Some(&sealed.0)).await.unwrap();
    // The keys are read anew once in a minute at most.
    pass(60).await;
    for record in ["rec_1", "rec_2"] {
        let key = stack.store(record, "ep_1").await;
        let ends = stack.now() + Duration::from_secs(30);
        let answer = function.handle_until(batch_of(&key), ends).await.unwrap();
        assert!(answer.batch_item_failures.is_empty());
        assert_eq!(stack.end(&key).await.0, End::Delivered);
    }
    assert_eq!(header(&stack.receiver.seen()[0], "x-api-key"), "abc123");
    assert_eq!(*aws.reads.lock().unwrap(), 2, "at its start, and when it met the newer key");
}
