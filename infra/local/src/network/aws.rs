//! AWS without sockets: the real SDK, its HTTP client replaced by a function that hands each request to
//! DynamoDB, SQS, Secrets Manager or SES in this process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use afferent_aws::Aws;
use afferent_domain::{Clock, Dice};
use aws_credential_types::Credentials;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use local_sqs::Sqs;

use crate::clock::Shown;
use crate::dynamodb::DynamoDb;
use crate::mail::{MAIL_PATH, Mail};
use crate::secrets::Secrets;
use crate::traces::calls;

/// The services of a stack, in this process.
#[derive(Clone)]
pub struct InProcess {
    /// DynamoDB.
    pub dynamodb: DynamoDb,
    /// SQS.
    pub sqs: Arc<Sqs>,
    /// Secrets Manager.
    pub secrets: Secrets,
    /// SES.
    pub mail: Mail,
    /// What queue URLs begin with.
    pub sqs_url: String,
    /// How long a call takes: between so many milliseconds and so many, as the dice decides.
    pub latency_ms: (u64, u64),
    /// Chance.
    pub dice: Arc<dyn Dice>,
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl InProcess {
    /// The way to these services, on that clock.
    #[must_use]
    pub fn aws(self, region: &str, clock: Arc<dyn Clock>) -> Aws {
        let credentials = Credentials::new("local", "local", None, None, "simulation");
        let time = SharedTimeSource::new(Shown(clock));
        Aws::new(region.to_owned(), credentials, self.client(), time).at("http://aws.simulation")
    }

    fn client(self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self);
        http_client_fn(move |_, _| connector.clone())
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let (low, high) = self.latency_ms;
        if high > 0 {
            tokio::time::sleep(Duration::from_millis(self.dice.between(low, high))).await;
        }
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        calls::asked(target, request.uri(), body);
        if request.uri().ends_with(MAIL_PATH) {
            let unreachable = || ConnectorError::io("nobody answers".into());
            return self.mail.send(body).await.ok_or_else(unreachable).and_then(answered);
        }
        let (status, body) = if target.starts_with("AmazonSQS.") {
            self.dynamodb.meter().sqs(target, body);
            let trace = request.headers().get("x-amzn-trace-id");
            let answer = self.sqs.handle_traced(target, body, &self.sqs_url, trace).await;
            (answer.status, answer.body)
        } else if target.starts_with("secretsmanager.") {
            self.dynamodb.meter().secret();
            let answer = self.secrets.handle(target, body);
            (answer.status, answer.body)
        } else {
            let answer = self.dynamodb.handle(target, body);
            (answer.status, answer.body)
        };
        let status = StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
        Ok(HttpResponse::new(status, SdkBody::from(body)))
    }
}

fn answered(answer: http::Response<Bytes>) -> Result<HttpResponse, ConnectorError> {
    HttpResponse::try_from(answer.map(SdkBody::from)).map_err(|error| ConnectorError::other(error.into(), None))
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}
