//! What each function asked of AWS: the action that its role must allow, the resource, and what it wrote of it.
//!
//! Who asks is known in the simulation from the invocation that is under way in the task, and in the local stack from
//! the access key that the request is signed with.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::{append, expression, wanted};
use crate::mail::MAIL_PATH;

/// What a function's access key begins with on the local stack.
const KEY: &str = "local-";

/// More than any request that AWS takes.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// The access key of a function on the local stack.
pub(crate) fn access_key(function: &str) -> String {
    format!("{KEY}{function}")
}

/// Notes what is asked in this task, if a function is at work in it.
pub(crate) fn asked(target: &str, path: &str, body: &[u8]) {
    if let Some(function) = wanted().then(afferent_metrics::function).flatten() {
        note(function, target, path, body);
    }
}

/// The same services, and what functions ask of them is noted.
pub(crate) fn noting(services: Router) -> Router {
    if wanted() { services.layer(axum::middleware::from_fn(pass)) } else { services }
}

async fn pass(request: Request, next: Next) -> Response {
    let Some(function) = signer(request.headers()) else { return next.run(request).await };
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        let mut refused = Response::new(Body::empty());
        *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return refused;
    };
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    note(&function, target, parts.uri.path(), &body);
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// The function that signed a request (AWS Signature Version 4: `Credential=<access key>/<date>/…`).
fn signer(headers: &HeaderMap) -> Option<String> {
    let signature = headers.get("authorization")?.to_str().ok()?;
    let (_, credential) = signature.split_once("Credential=")?;
    let key = credential.split('/').next()?;
    key.strip_prefix(KEY).map(str::to_owned)
}

fn note(function: &str, target: &str, path: &str, body: &[u8]) {
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    for line in lines(function, target, path, &request) {
        let new = SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone());
        if new {
            append("calls", line.as_bytes());
        }
    }
}

/// One line for each (function, action, resource) and each attribute that is written: separated by tabs, the attribute
/// empty if there is none to tell.
fn lines(function: &str, target: &str, path: &str, request: &Value) -> Vec<String> {
    let (service, operation) = target.split_once('.').unwrap_or(("", target));
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let line = |action: &str, resource: &str, attribute: &str| format!("{function}\t{action}\t{resource}\t{attribute}");
    if path.ends_with(MAIL_PATH) {
        return vec![line("ses:SendEmail", &format!("identity/{}", text("FromEmailAddress")), "")];
    }
    if service.starts_with("AmazonSQS") {
        let queue = text("QueueUrl").rsplit('/').next().unwrap_or_default();
        // A batch needs the permission of its parts.
        let action = format!("sqs:{}", operation.trim_end_matches("Batch"));
        return vec![line(&action, &format!("queue/{queue}"), "")];
    }
    if service == "secretsmanager" {
        return vec![line(&format!("secretsmanager:{operation}"), &format!("secret/{}", text("SecretId")), "")];
    }
    let mut found = Vec::new();
    for (action, part) in parts(operation, request) {
        let table = part["TableName"].as_str().unwrap_or_default();
        let resource = match part["IndexName"].as_str() {
            Some(index) => format!("table/{table}/index/{index}"),
            None => format!("table/{table}"),
        };
        let action = format!("dynamodb:{action}");
        found.push(line(&action, &resource, ""));
        if matches!(action.as_str(), "dynamodb:PutItem" | "dynamodb:UpdateItem" | "dynamodb:DeleteItem") {
            found.extend(expression::attributes(&part).iter().map(|name| line(&action, &resource, name)));
        }
    }
    found
}

/// The actions that DynamoDB asks the role for (Service Authorization Reference): a transaction's parts each for their
/// own, a batch once for every table.
fn parts(operation: &str, request: &Value) -> Vec<(String, Value)> {
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let items = request["TransactItems"].as_array().into_iter().flatten();
            let parts = items.filter_map(Value::as_object).flatten();
            parts
                .map(|(kind, part)| {
                    let action =
                        if kind == "ConditionCheck" { "ConditionCheckItem".to_owned() } else { format!("{kind}Item") };
                    (action, part.clone())
                })
                .collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = request["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(table, _)| (operation.to_owned(), serde_json::json!({"TableName": table}))).collect()
        }
        _ => vec![(operation.to_owned(), request.clone())],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_transaction_asks_for_each_of_its_parts() {
        let request = json!({"TransactItems": [
            {"Put": {"TableName": "a-events", "Item": {"journal": {"S": "x"}}}},
            {"ConditionCheck": {"TableName": "a-connections", "Key": {"owner": {"S": "x"}}}},
        ]});
        let expected = [
            "fanout\tdynamodb:PutItem\ttable/a-events\t",
            "fanout\tdynamodb:PutItem\ttable/a-events\tjournal",
            "fanout\tdynamodb:ConditionCheckItem\ttable/a-connections\t",
        ];
        assert_eq!(lines("fanout", "DynamoDB_20120810.TransactWriteItems", "/", &request), expected);
    }

    #[test]
    fn an_index_a_queue_a_secret_and_a_sender_are_told_apart() {
        let of = |target: &str, path: &str, request: Value| lines("f", target, path, &request);
        let query = json!({"TableName": "a-records", "IndexName": "by_kind"});
        assert_eq!(of("DynamoDB_20120810.Query", "/", query), ["f\tdynamodb:Query\ttable/a-records/index/by_kind\t"]);
        let send = json!({"QueueUrl": "http://127.0.0.1:1/000000000000/a-pulls"});
        assert_eq!(of("AmazonSQS.SendMessageBatch", "/", send), ["f\tsqs:SendMessage\tqueue/a-pulls\t"]);
        let secret = json!({"SecretId": "arn:aws:secretsmanager:r:1:secret:a/withings"});
        let expected = "f\tsecretsmanager:GetSecretValue\tsecret/arn:aws:secretsmanager:r:1:secret:a/withings\t";
        assert_eq!(of("secretsmanager.GetSecretValue", "/", secret), [expected]);
        let letter = json!({"FromEmailAddress": "a@b.example"});
        assert_eq!(of("", MAIL_PATH, letter), ["f\tses:SendEmail\tidentity/a@b.example\t"]);
    }

    #[test]
    fn a_request_is_the_functions_whose_key_signed_it() {
        let signed = |key: &str| {
            let value =
                format!("AWS4-HMAC-SHA256 Credential={key}/20261122/eu-west-1/sqs/aws4_request, SignedHeaders=host");
            HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().unwrap())])
        };
        assert_eq!(signer(&signed(&access_key("fetcher"))), Some("fetcher".to_owned()));
        assert_eq!(signer(&signed("local")), None);
        assert_eq!(signer(&HeaderMap::new()), None);
    }
}
