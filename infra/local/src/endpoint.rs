//! One HTTP endpoint for all of AWS: the service is read from the header `x-amz-target`, that of SES from the path.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use local_sqs::Sqs;
use tower_service::Service;

use crate::dynamodb::DynamoDb;
use crate::mail::{MAIL_PATH, Mail};
use crate::secrets::Secrets;

#[derive(Clone)]
struct Services {
    dynamodb: Router,
    sqs: Router,
    secrets: Router,
    mail: Router,
}

/// DynamoDB and its streams, SQS, Secrets Manager and SES.
pub(crate) fn router(dynamodb: &DynamoDb, sqs: Arc<Sqs>, secrets: &Secrets, mail: &Mail) -> Router {
    let services = Services {
        dynamodb: dynamodb.router(),
        sqs: local_sqs::router(sqs),
        secrets: secrets.router(),
        mail: mail.router(),
    };
    Router::new().fallback(answer).with_state(services)
}

async fn answer(State(services): State<Services>, request: Request<Body>) -> Response {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let mut service = if request.uri().path() == MAIL_PATH {
        services.mail
    } else if target.starts_with("AmazonSQS.") {
        services.sqs
    } else if target.starts_with("secretsmanager.") {
        services.secrets
    } else {
        services.dynamodb
    };
    match service.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
