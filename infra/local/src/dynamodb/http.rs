//! DynamoDB and its streams behind one HTTP port, for any AWS client.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::DynamoDb;
use super::faults::Asked;

/// Where faults are asked for (`POST`) and ended (`DELETE`). AWS has no such thing.
const FAULTS_PATH: &str = "/faults";

/// AWS: a request holds at most 16 MB.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

impl DynamoDb {
    /// The HTTP service. Signatures are not checked.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", post(answer).get(|| async { "healthy: dynamodb.local" }))
            .route(FAULTS_PATH, post(fail).delete(heal))
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(self.clone())
    }
}

async fn answer(State(dynamodb): State<DynamoDb>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default().to_owned();
    // SQLite waits for the disk, which must not hold up the other tasks of this thread.
    let answered = tokio::task::spawn_blocking(move || dynamodb.handle(&target, &body)).await;
    let Ok(answer) = answered else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], answer.body).into_response()
}

async fn fail(State(dynamodb): State<DynamoDb>, body: Bytes) -> Response {
    match serde_json::from_slice::<Asked>(&body) {
        Ok(asked) => {
            dynamodb.faults().asked(&asked);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

async fn heal(State(dynamodb): State<DynamoDb>) -> StatusCode {
    dynamodb.faults().clear();
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower_service::Service as _;

    use super::*;
    use crate::clock::SystemClock;

    async fn ask(router: &mut Router, request: Request<Body>) -> (u16, String) {
        let response = router.call(request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(to_bytes(response.into_body(), BODY_LIMIT).await.unwrap().to_vec()).unwrap())
    }

    fn list(about: &str) -> Request<Body> {
        let request = Request::post("/").header("x-amz-target", "DynamoDB_20120810.ListTables");
        request.body(Body::from(format!(r#"{{"ExclusiveStartTableName":"{about}"}}"#))).unwrap()
    }

    #[tokio::test]
    async fn whoever_walks_through_failures_asks_for_them_and_ends_them() {
        let database = DynamoDb::memory(Arc::new(SystemClock), "us-east-1").unwrap();
        let mut router = database.router();
        let wish = r#"{"fault": "throttled", "about": "afferent-records", "times": 2}"#;
        let asked = Request::post(FAULTS_PATH).body(Body::from(wish)).unwrap();
        assert_eq!(ask(&mut router, asked).await.0, 204);
        assert_eq!(ask(&mut router, list("afferent-keys")).await.0, 200, "another table");
        let (status, body) = ask(&mut router, list("afferent-records")).await;
        assert_eq!(status, 400);
        assert!(body.contains("ProvisionedThroughputExceeded"), "{body}");
        assert_eq!(ask(&mut router, Request::delete(FAULTS_PATH).body(Body::empty()).unwrap()).await.0, 204);
        assert_eq!(ask(&mut router, list("afferent-records")).await.0, 200);
        let wrong = Request::post(FAULTS_PATH).body(Body::from(r#"{"fault": "gone", "times": 1}"#)).unwrap();
        let (status, body) = ask(&mut router, wrong).await;
        assert_eq!(status, 400);
        assert!(body.contains("throttled"), "{body}");
    }
}
