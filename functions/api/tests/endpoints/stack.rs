//! A stack with the API before it, a receiver, and keys of every kind.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::grant::{Grant, Grants};
use afferent_domain::signature::{SigningSecret, verifies};
use afferent_function::Env;
use afferent_local::network::{Receiver, Seen};
use afferent_local::{Setup, Simulation};
use afferent_store::item::{Item, from_json};
use afferent_store::keys::{Keys, NewKey};
use api::Api;
use lambda_http::Body;
use lambda_http::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::answers::{Answer, Document};

pub(crate) const URL: &str = "https://receiver.example/hooks";

pub(crate) struct Stack {
    pub(crate) simulation: Simulation,
    pub(crate) receiver: Receiver,
    api: Api,
    document: Document,
    /// May change everything.
    pub(crate) writer: String,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let simulation = Simulation::start(Setup::default()).await.unwrap();
        let receiver = Receiver::new(simulation.clock.clone());
        simulation.network.put("receiver.example", Arc::new(receiver.clone()));
        let environment = simulation.template.function("api").unwrap().environment.clone();
        let api = Api::start(&Env::of(environment), &simulation.rim).await.unwrap();
        let stack = Self { simulation, receiver, api, document: Document::read(), writer: String::new() };
        let writer = stack.key("write").await;
        Self { writer, ..stack }
    }

    /// The text of a key with one grant.
    pub(crate) async fn key(&self, grant: &str) -> String {
        let client = afferent_store::client(&self.simulation.rim.aws);
        let keys = Keys::new(client, format!("{}-keys", self.simulation.template.place.stack));
        let new = NewKey::new("test", Grants::new([grant.parse::<Grant>().unwrap()]));
        let (_, text) = keys.create(&new, self.now(), &*self.simulation.dice).await.unwrap();
        text.reveal().to_owned()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.simulation.clock.now()
    }

    /// Sends a request, and holds the answer against the document.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.api.handle(request).await.unwrap();
        let body = response.body().to_vec();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        let answer = Answer { status: response.status(), body };
        let content_type = response.headers().get("content-type").map(|value| value.to_str().unwrap());
        self.document.hold(&method, &path, &answer, content_type);
        answer
    }

    /// Asks with a key.
    pub(crate) async fn ask_with(&self, key: &str, method: Method, path: &str, body: Body) -> Answer {
        let request = Request::builder().method(method).uri(format!("https://api.example.org{path}"));
        self.send(request.header("authorization", format!("Bearer {key}")).body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask_with(&self.writer, Method::GET, path, Body::Empty).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask_with(&self.writer, Method::POST, path, text(&body)).await
    }

    /// Posts nothing at all.
    pub(crate) async fn poke(&self, path: &str) -> Answer {
        self.ask_with(&self.writer, Method::POST, path, Body::Empty).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask_with(&self.writer, Method::PATCH, path, text(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask_with(&self.writer, Method::DELETE, path, Body::Empty).await
    }

    /// Registers an endpoint at [`URL`]: its path, and its secret.
    pub(crate) async fn endpoint(&self) -> (String, SigningSecret) {
        let answer = self.post("/v1/endpoints", json!({"url": URL})).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let path = format!("/v1/endpoints/{}", answer.body["endpoint"].as_str().unwrap());
        (path, SigningSecret::parse(answer.body["secret"].as_str().unwrap()).unwrap())
    }

    /// Lets a record of a person come, and what follows from it pass.
    pub(crate) async fn record(&self, record: &str) {
        let json = format!(
            r#"{{"user":"usr_anna","record":"{record}","rev":1,"status":"final","kind":"body_weight","connection":"con_1",
                "synckind":"live","changed_ms":1795244591412,"value":81.25}}"#
        );
        let item: Item = from_json(&json).unwrap();
        let client = afferent_store::client(&self.simulation.rim.aws);
        client.put_item().table_name("afferent-records").set_item(Some(item)).send().await.unwrap();
        seconds(5).await;
    }

    /// What the receiver got and that verifies.
    pub(crate) fn verified(&self, secret: &SigningSecret) -> Vec<Seen> {
        let is_signed = |seen: &Seen| {
            let header = |name: &str| seen.request.headers()[name].to_str().unwrap().to_owned();
            let at = Timestamp::from_secs(header("webhook-timestamp").parse().unwrap());
            verifies(secret, &header("webhook-id"), at, seen.request.body(), &header("webhook-signature"), seen.at)
        };
        self.receiver.seen().into_iter().filter(is_signed).collect()
    }
}

pub(crate) fn text(body: &Value) -> Body {
    Body::Text(body.to_string())
}

pub(crate) async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
