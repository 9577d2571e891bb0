//! AWS, where SQS answers some operations as a test says.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use afferent_aws::Aws;
use afferent_local::network::InProcess;
use aws_credential_types::Credentials;
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::Operator;

/// A status and a body.
pub type Said = (u16, Value);

#[derive(Clone, Debug)]
pub struct Scripted {
    rest: InProcess,
    region: String,
    /// By operation: what is answered, one after the other, the last one again and again.
    answers: Arc<Mutex<HashMap<&'static str, VecDeque<Said>>>>,
    /// The operations that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub fn new(operator: &Operator, answers: impl IntoIterator<Item = (&'static str, Vec<Said>)>) -> Self {
        let stack = &operator.rig.stack;
        let rest = InProcess {
            dynamodb: stack.dynamodb.clone(),
            sqs: Arc::clone(&stack.sqs),
            secrets: stack.secrets.clone(),
            mail: stack.mail.clone(),
            sqs_url: stack.template.place.sqs_url.clone(),
            latency_ms: (0, 0),
            dice: Arc::clone(&stack.dice),
        };
        let answers = answers.into_iter().map(|(operation, said)| (operation, said.into())).collect();
        let region = stack.template.place.region.clone();
        Self { rest, region, answers: Arc::new(Mutex::new(answers)), asked: Arc::default() }
    }

    pub fn aws(&self) -> Aws {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("test", "test", None, None, "test");
        let http = http_client_fn(move |_, _| connector.clone());
        let time = SharedTimeSource::new(SystemTimeSource::new());
        Aws::new(self.region.clone(), credentials, http, time).at("http://aws.simulation")
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == operation).count()
    }
}

impl HttpConnector for Scripted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        self.asked.lock().unwrap().push(operation.clone());
        let mut answers = self.answers.lock().unwrap();
        let Some(said) = answers.get_mut(&*operation) else { return self.rest.call(request) };
        let (status, body) = if said.len() > 1 { said.pop_front().unwrap() } else { said[0].clone() };
        let body = SdkBody::from(body.to_string());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), body)))
    }
}

/// What SQS says if it refuses.
pub fn refusal(code: &str) -> Said {
    (400, json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": "no"}))
}

/// What SQS says of the moves of a queue: the newest, which started at this second, or that there was none.
pub fn moves(newest: Option<(&str, i64, u64)>) -> Said {
    let task = newest.map(|(status, second, moved)| {
        json!({"Status": status, "StartedTimestamp": second * 1_000, "ApproximateNumberOfMessagesMoved": moved})
    });
    (200, json!({"Results": Vec::from_iter(task)}))
}
