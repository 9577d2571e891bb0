//! A stack, keys, and a caller.

use std::time::Duration;

use afferent_domain::grant::Grants;
use afferent_function::Env;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::keys::{Keys, NewKey};
use api::Api;
use lambda_http::Body;
use lambda_http::http::{Method, Request, Response, StatusCode};
use serde_json::Value;

pub struct Stack {
    pub simulation: Simulation,
    pub api: Api,
    pub keys: Keys,
}

impl Stack {
    pub async fn start() -> Self {
        Self::slow((0, 0)).await
    }

    /// One whose AWS calls take so many milliseconds.
    pub async fn slow(aws_latency_ms: (u64, u64)) -> Self {
        let setup = Setup { ticks: Ticks::Off, aws_latency_ms, ..Setup::default() };
        let simulation = Simulation::bare(setup).await.unwrap();
        let environment = simulation.template.function("api").unwrap().environment.clone();
        let api = Api::start(&Env::of(environment), &simulation.rim).await.unwrap();
        let client = afferent_store::client(&simulation.rim.aws);
        let keys = Keys::new(client, format!("{}-keys", simulation.template.place.stack));
        Self { simulation, api, keys }
    }

    pub fn new_key(grants: &[&str]) -> NewKey {
        NewKey::new("ours", Grants::new(grants.iter().map(|grant| grant.parse().unwrap())))
    }

    pub async fn key(&self, grants: &[&str]) -> String {
        self.make(&Self::new_key(grants)).await
    }

    pub async fn make(&self, new: &NewKey) -> String {
        let (_, text) = self.keys.create(new, self.simulation.clock.now(), &*self.simulation.dice).await.unwrap();
        text.reveal().to_owned()
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(format!("https://api.example.org{path}"))
            .header("host", "api.example.org");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::Empty } else { Body::Text(body.to_string()) };
        Answer(self.api.handle(request.body(body).unwrap()).await.unwrap())
    }

    pub async fn get(&self, key: &str, path: &str) -> Answer {
        self.ask("GET", path, &[("authorization", &format!("Bearer {key}"))], &Value::Null).await
    }

    pub async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("authorization", &format!("Bearer {key}"))], body).await
    }

    /// The same as a request that names itself.
    pub async fn post_named(&self, key: &str, path: &str, name: &str, body: &Value) -> Answer {
        let headers = [("authorization", &*format!("Bearer {key}")), ("idempotency-key", name)];
        self.ask("POST", path, &headers, body).await
    }

    pub async fn sleep(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

pub struct Answer(pub Response<Body>);

impl Answer {
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(self.0.body()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name).map(|value| value.to_str().unwrap())
    }

    /// What kind of problem it is, and the field at fault.
    pub fn problem(&self) -> (String, Option<String>) {
        assert_ne!(self.0.status(), StatusCode::OK);
        let json = self.json();
        let kind = json["type"].as_str().unwrap().trim_start_matches("urn:afferent:problem:").to_owned();
        (kind, json["field"].as_str().map(str::to_owned))
    }
}
