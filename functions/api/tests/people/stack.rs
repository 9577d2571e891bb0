//! The function under virtual time, with a simulated Withings behind it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use afferent_domain::grant::Grants;
use afferent_function::Env;
use afferent_local::network::{WITHINGS_HOST, WithingsHost};
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::connections::{AccountKey, Connection, Connections};
use afferent_store::keys::{Keys, NewKey};
use api::Api;
use bytes::Bytes;
use lambda_http::Body;
use lambda_http::http::{Method, Request, Response, StatusCode};
use serde_json::Value;
use withings_simulator::{ClientApp, NewUser, Settings, Simulator};

pub(crate) const HOST: &str = "https://api.example.org";
pub(crate) const REDIRECT: &str = "https://api.example.org/v1/oauth/callback";
pub(crate) const BACK: &str = "https://app.example.org/back";

pub(crate) struct Stack {
    pub(crate) simulation: Simulation,
    pub(crate) withings: Arc<Simulator>,
    /// The first person at Withings.
    pub(crate) userid: i64,
    pub(crate) api: Api,
    /// A key that may write.
    pub(crate) key: String,
    pub(crate) reader: String,
    pub(crate) connections: Connections,
    keys: Keys,
    /// The cookies of the person's browser, by their names.
    jar: Mutex<BTreeMap<String, String>>,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(parameters: &[(&str, &str)]) -> Self {
        Self::of(parameters, &[]).await
    }

    /// With all that runs behind the function, as in a deployed stack.
    pub(crate) async fn whole(parameters: &[(&str, &str)]) -> Self {
        let setup = Setup { parameters: owned(parameters), ..Setup::default() };
        let simulation = Simulation::start(setup).await.unwrap();
        let stack = Self::on(simulation, &[]).await;
        stack.withings.connect(stack.simulation.network.clone());
        stack
    }

    /// Where each call to AWS takes so long, in milliseconds.
    pub(crate) async fn slow(latency_ms: u64) -> Self {
        let setup = Setup { ticks: Ticks::Off, aws_latency_ms: (latency_ms, latency_ms), ..Setup::default() };
        Self::on(Simulation::bare(setup).await.unwrap(), &[]).await
    }

    /// With parameters of the template, and variables of the function that go before them.
    pub(crate) async fn of(parameters: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        let setup = Setup { ticks: Ticks::Off, parameters: owned(parameters), ..Setup::default() };
        Self::on(Simulation::bare(setup).await.unwrap(), variables).await
    }

    async fn on(simulation: Simulation, variables: &[(&str, &str)]) -> Self {
        let settings = Settings {
            clients: vec![ClientApp {
                client_id: "simulatedclient".to_owned(),
                client_secret: "simulatedsecret".to_owned(),
                redirect_uris: vec![REDIRECT.to_owned()],
            }],
            ..Settings::default()
        };
        let withings = Arc::new(Simulator::new(settings, simulation.clock.clone(), simulation.dice.clone()));
        let userid = withings.create_user(NewUser::default()).unwrap();
        simulation.network.put(WITHINGS_HOST, Arc::new(WithingsHost(withings.clone())));
        let mut environment = simulation.template.function("api").unwrap().environment.clone();
        environment.extend(owned(variables));
        let api = Api::start(&Env::of(environment), &simulation.rim).await.unwrap();
        let client = afferent_store::client(&simulation.rim.aws);
        let name = |what: &str| format!("{}-{what}", simulation.template.place.stack);
        let (keys, connections) =
            (Keys::new(client.clone(), name("keys")), Connections::new(client, name("connections")));
        let (key, reader) = (String::new(), String::new());
        let jar = Mutex::default();
        let mut stack = Self { simulation, withings, userid, api, key, reader, connections, keys, jar };
        stack.key = stack.key_for(&["write"]).await;
        stack.reader = stack.key_for(&["read"]).await;
        stack
    }

    pub(crate) async fn key_for(&self, grants: &[&str]) -> String {
        let grants = Grants::new(grants.iter().map(|grant| grant.parse().unwrap()));
        let new = NewKey { return_urls: vec![BACK.to_owned()], ..NewKey::new("test", grants) };
        let (now, dice) = (self.simulation.clock.now(), &*self.simulation.dice);
        let (_, text) = self.keys.create(&new, now, dice).await.unwrap();
        text.reveal().to_owned()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.api.handle(request).await.unwrap()
    }

    pub(crate) async fn call(&self, key: &str, method: Method, path: &str, body: Option<&Value>) -> Response<Body> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{HOST}{path}"))
            .header("host", "api.example.org")
            .header("authorization", format!("Bearer {key}"))
            .body(body.map_or(Body::Empty, |body| Body::Text(body.to_string())));
        self.send(request.unwrap()).await
    }

    /// Posts with the key that may write.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.call(&self.key, Method::POST, path, Some(body)).await;
        (answer.status(), json_of(&answer))
    }

    /// The same with a name of its own.
    pub(crate) async fn post_named(&self, path: &str, name: &str, body: &Value) -> Response<Body> {
        let request = Request::post(format!("{HOST}{path}"))
            .header("host", "api.example.org")
            .header("authorization", format!("Bearer {}", self.key))
            .header("idempotency-key", name)
            .body(Body::Text(body.to_string()));
        self.send(request.unwrap()).await
    }

    /// Gets with the key that may read.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.get_as(&self.reader, path).await
    }

    pub(crate) async fn get_as(&self, key: &str, path: &str) -> (StatusCode, Value) {
        let answer = self.call(key, Method::GET, path, None).await;
        (answer.status(), json_of(&answer))
    }

    pub(crate) async fn ask(&self, key: &str, body: &Value) -> Response<Body> {
        self.call(key, Method::POST, "/v1/connections/authorize", Some(body)).await
    }

    /// The address of the consent page.
    pub(crate) async fn invite(&self, body: &Value) -> String {
        let answer = self.ask(&self.key, body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
        json_of(&answer)["authorize_url"].as_str().unwrap().to_owned()
    }

    /// What the consent page does: where it sends the browser.
    pub(crate) async fn consent(&self, url: &str) -> String {
        let answer = self.withings.handle(Request::get(url).body(Bytes::new()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::FOUND, "{:?}", answer.body());
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    pub(crate) async fn visit(&self, url: &str) -> Response<Body> {
        let request = Request::get(url).header("accept", "text/html,*/*;q=0.8");
        self.browse(request.body(Body::Empty).unwrap()).await
    }

    pub(crate) async fn visit_for_json(&self, url: &str) -> Value {
        let request = Request::get(url).header("accept", "application/json");
        json_of(&self.browse(request.body(Body::Empty).unwrap()).await)
    }

    /// Sends a request as the person's browser does, which keeps cookies.
    pub(crate) async fn browse(&self, mut request: Request<Body>) -> Response<Body> {
        request.headers_mut().insert("host", "api.example.org".parse().unwrap());
        let cookies: Vec<String> =
            self.jar.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert("cookie", cookies.join("; ").parse().unwrap());
        }
        let answer = self.send(request).await;
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.jar.lock().unwrap().insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// The person goes on in another browser.
    pub(crate) fn change_browser(&self) {
        self.jar.lock().unwrap().clear();
    }

    /// Connects the first person at Withings under this reference.
    pub(crate) async fn connect(&self, reference: &str) -> Value {
        let url = self.invite(&serde_json::json!({"reference_id": reference})).await;
        let told = self.visit_for_json(&self.consent(&url).await).await;
        assert_eq!(told["result"], "connected", "{told}");
        told
    }

    pub(crate) fn account(&self, userid: i64) -> AccountKey {
        AccountKey { application: "simulatedclient".to_owned(), region: "eu".to_owned(), userid: userid.to_string() }
    }

    pub(crate) async fn connected(&self) -> Vec<Connection> {
        self.connections.of_account(&self.account(self.userid)).await.unwrap()
    }
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn json_of(answer: &Response<Body>) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or(Value::Null)
}

pub(crate) fn text_of(answer: &Response<Body>) -> String {
    String::from_utf8(answer.body().to_vec()).unwrap()
}

pub(crate) fn location(answer: &Response<Body>) -> String {
    answer.headers()["location"].to_str().unwrap().to_owned()
}

pub(crate) fn query_of(url: &str) -> BTreeMap<String, String> {
    let (_, query) = url.split_once('?').unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}
