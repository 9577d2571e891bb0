//! No secret, no name and no health value is logged or put into a span, whatever goes wrong and at whatever level the
//! functions log. A program of its own: whether a line is logged at all is decided once for a process.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod log;

use std::sync::Arc;
use std::time::Duration;

use afferent_function::MOST_VERBOSE;
use afferent_local::dynamodb::Fault as Trouble;
use afferent_local::network::{Collector, Reply};
use afferent_local::{CALLBACK_SECRET, FRONT_HOST, Setup, plant};
use afferent_play::seed::Seeder;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use stack_tests::{RECEIVER_HOST, Rig};
use withings_simulator::{Fault, FaultKind, Measure, MeasureGroup, Notify, Settings};

/// Values that are nowhere else, as Withings sends them and as they are meant.
const WEIGHTS: [(i64, &str); 2] = [(876_543_219, "87.6543219"), (876_543_287, "87.6543287")];
const POWER: i64 = -7;

/// What customers call a person.
const NAME: &str = "zacharias.canary@people.example";

/// What an owner has the dispatcher send along.
const HEADER: &str = "header-of-an-owner-that-nobody-else-sees";

/// A secret in the text of an error of Withings' and of a receiver's.
const ERROR: &str = "canary-in-an-error-of-somebody-elses";

/// Longer than anything that needs the keeper's next look.
const SOON: Duration = Duration::from_secs(300);

/// Where the spans go.
const COLLECTOR: &str = "collector.example";

struct Play {
    rig: Rig,
    collector: Collector,
    key: String,
    /// What was answered to callers who had done something wrong.
    problems: Vec<String>,
    statuses: Vec<u16>,
}

impl Play {
    async fn start() -> Self {
        let parameters = [("OtlpEndpoint".to_owned(), format!("https://{COLLECTOR}"))].into();
        let setup = Setup { seed: 77, sampled: true, parameters, ..Setup::default() };
        let rig = Rig::of(setup, Settings::default()).await;
        let collector = Collector::answering(StatusCode::OK);
        rig.stack.network.put(COLLECTOR, Arc::new(collector.clone()));
        let key = Seeder::new(&rig.stack.rim, &rig.stack.template.place.stack).key("canaries").await.unwrap();
        Self { rig, collector, key, problems: Vec::new(), statuses: Vec::new() }
    }

    async fn ask(&mut self, method: Method, path: &str, body: &str) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{FRONT_HOST}{path}"))
            .header("host", FRONT_HOST)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .header("idempotency-key", format!("{}", self.statuses.len()))
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap();
        let answer = self.rig.stack.request(request).await;
        self.statuses.push(answer.status().as_u16());
        if answer.status().is_client_error() || answer.status().is_server_error() {
            self.problems.push(String::from_utf8_lossy(answer.body()).into_owned());
        }
        serde_json::from_slice(answer.body()).unwrap_or_default()
    }

    /// Measures a weight and has it notified.
    fn weigh(&self, value: i64) -> i64 {
        let date = self.rig.stack.clock.now().as_secs() - 60;
        let group = MeasureGroup::taken(&self.rig.person.scale, date, vec![Measure::new(1, value, POWER)]);
        self.rig.withings.add(self.rig.person.userid, [group], Notify::Yes).unwrap()[0]
    }

    /// Weights come, are changed and go while Withings, DynamoDB and the receiver fail and repeat what they were told.
    async fn measure(&self) {
        let fail =
            |kind| self.rig.withings.fail(Fault { service: None, action: None, count: 1, after_effect: false, kind });
        let echo = format!("cannot store {ERROR} {HEADER} of {NAME}: {}", WEIGHTS[0].1);
        self.rig.receiver.next([
            Reply::Echo(500),
            Reply::Full(500, vec![("server", echo.clone())], echo.into()),
            Reply::Reset,
        ]);
        let first = self.weigh(WEIGHTS[0].0);
        self.rig.settle(SOON).await;
        for kind in [
            FaultKind::Truncated,
            FaultKind::NotJson,
            FaultKind::Http(503),
            FaultKind::Status { status: 522, error: ERROR.to_owned() },
            FaultKind::Status { status: 401, error: ERROR.to_owned() },
        ] {
            fail(kind);
            self.rig
                .withings
                .edit::<MeasureGroup>(self.rig.person.userid, &first, Notify::Yes, |group| {
                    group.measures[0].value = WEIGHTS[1].0;
                })
                .unwrap();
            self.rig.settle(SOON).await;
        }
        let faults = self.rig.stack.dynamodb.faults();
        for (trouble, operation) in [
            (Trouble::Failed, "PutItem"),
            (Trouble::Throttled, "UpdateItem"),
            (Trouble::Conflict, "TransactWriteItems"),
            (Trouble::AnswerLost, "TransactWriteItems"),
        ] {
            faults.next(trouble, operation, "", 12);
            self.weigh(WEIGHTS[1].0);
            self.rig.settle(SOON).await;
            faults.clear();
        }
        self.rig.withings.kill_tokens(self.rig.person.userid);
        self.weigh(WEIGHTS[0].0);
        self.rig.settle(SOON).await;
    }

    /// What is no notification, no message and no record comes where they are expected.
    async fn poison(&self) {
        let value = WEIGHTS[0].1;
        for body in [
            format!("userid={NAME}&appli=1&comment={value}"),
            format!("userid=1&appli=777&weight={value}"),
            format!("{{\"weight\":{value}, \"token\":\"{ERROR}\"}}"),
        ] {
            self.rig.post(&body).await;
        }
        let wrong = format!("https://{FRONT_HOST}/withings/{ERROR}");
        self.rig.request(Method::POST, &wrong, b"userid=1&appli=1").await;
        for queue in ["pulls", "backfill", "deliveries"] {
            let place = &self.rig.stack.template.place;
            let url = format!("{}/{}/{}", place.sqs_url, place.account, self.rig.name(queue));
            let message = json!({"weight": value, "name": NAME}).to_string();
            let body = json!({"QueueUrl": url, "MessageBody": message}).to_string();
            let answer = self.rig.stack.sqs.handle("AmazonSQS.SendMessage", body.as_bytes(), &place.sqs_url).await;
            assert_eq!(answer.status, 200);
        }
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let record = self.rig.client.put_item().table_name(self.rig.name("records")).item("user", text("usr_canary"));
        record
            .item("record", text("rec_canary"))
            .item("value", text(value))
            .item("kind", text(NAME))
            .send()
            .await
            .unwrap();
        self.rig.settle(SOON).await;
    }

    /// An app does right and wrong.
    async fn call(&mut self) {
        let user = self.rig.connection.user.clone();
        let made = self.ask(Method::POST, "/v1/users", &json!({"reference_id": NAME}).to_string()).await;
        let link = self.ask(Method::POST, "/v1/link", &json!({"reference_id": NAME}).to_string()).await;
        plant("address of a link", link["link_url"].as_str().unwrap().rsplit('/').next().unwrap());
        let path = link["link_url"].as_str().unwrap().split_once(FRONT_HOST).unwrap().1.to_owned();
        let url = format!("https://{RECEIVER_HOST}/other?key={ERROR}");
        let endpoint = json!({"url": url, "types": ["*"], "headers": {"x-key": HEADER}});
        let listed = format!("/v1/users/{user}/records?kind=body_weight");
        let fhir = format!("/fhir/Observation?subject={user}");
        let value = WEIGHTS[0].1;
        for (method, path, body) in [
            (Method::GET, path.as_str(), String::new()),
            (Method::GET, listed.as_str(), String::new()),
            (Method::GET, fhir.as_str(), String::new()),
            (Method::GET, &format!("/v1/users/{user}/export"), String::new()),
            (Method::POST, "/v1/endpoints", endpoint.to_string()),
            (
                Method::POST,
                "/v1/endpoints",
                json!({"url": format!("https://{RECEIVER_HOST}/"), "secret": HEADER}).to_string(),
            ),
            (Method::POST, "/v1/endpoints", json!({"url": format!("ftp://{RECEIVER_HOST}/{ERROR}")}).to_string()),
            (Method::POST, "/v1/users", format!("{{\"reference_id\": \"{NAME}\", \"weight\": {value}")),
            (Method::POST, "/v1/users", json!({"reference_id": 1, "weight": WEIGHTS[0].0}).to_string()),
            (
                Method::GET,
                "/v1/oauth/callback?code=70ce4070ce40ffffffffffffffffffffffffffff&state=canary",
                String::new(),
            ),
            (Method::POST, &format!("/v1/users/{}/erase", made["user"].as_str().unwrap_or_default()), "{}".to_owned()),
        ] {
            self.ask(method, path, &body).await;
        }
        self.key = format!("{}f", self.key);
        self.ask(Method::GET, &listed, "").await;
        self.rig.settle(SOON).await;
    }

    /// Everything that must not be seen, with its kind.
    fn canaries(&self) -> Vec<(String, String)> {
        let kept = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
        let secret = self.rig.registered.secret.reveal();
        let mut found = vec![
            kept("the callback secret", CALLBACK_SECRET),
            kept("the client secret", "simulatedsecret"),
            kept("a token of Withings", "70ce4070ce40"),
            kept("a name", NAME),
            kept("a header of an owner", HEADER),
            kept("somebody else's error", ERROR),
            kept("an API key", &self.key[self.key.len() - 33..self.key.len() - 1]),
            kept("a signing secret", secret.trim_start_matches("whsec_")),
        ];
        for (value, meant) in WEIGHTS {
            found.extend([kept("a weight", meant), kept("a weight as Withings sends it", &value.to_string())]);
        }
        for name in ["seal-tokens", "seal-endpoints"] {
            let name = format!("{}/{name}", self.rig.stack.template.place.stack);
            let keys: Value = serde_json::from_str(&self.rig.stack.secrets.value(&name).unwrap()).unwrap();
            found.push(kept("a sealing key", keys["1"].as_str().unwrap()));
        }
        found
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_no_name_and_no_health_value_is_in_a_span_or_logged_at_any_level_that_functions_log() {
    let lines = log::listen(MOST_VERBOSE);
    for (value, meant) in WEIGHTS {
        plant("a weight", meant);
        plant("a weight as Withings sends it", &value.to_string());
    }
    for (kind, value) in [("a name", NAME), ("a header of an owner", HEADER), ("somebody else's error", ERROR)] {
        plant(kind, value);
    }
    let mut play = Play::start().await;
    play.measure().await;
    play.call().await;
    play.poison().await;

    let bodies: Vec<Bytes> = play.rig.receiver.seen().into_iter().map(|seen| seen.request.into_body()).collect();
    let told = |text: &str| bodies.iter().any(|body| String::from_utf8_lossy(body).contains(text));
    assert!(
        WEIGHTS.iter().all(|(_, meant)| told(meant)),
        "the values went all the way, so they could have been logged"
    );
    assert!(play.statuses.contains(&200) && play.statuses.contains(&201), "{:?}", play.statuses);
    assert!(play.problems.len() > 3, "{:?}", play.statuses);
    let logged = lines.text();
    for level in ["DEBUG", "INFO", "WARN"] {
        assert!(logged.contains(&format!("\"level\":\"{level}\"")), "nothing at {level}");
    }
    let canaries = play.canaries();
    let mut leaks = Vec::new();
    for line in logged.lines() {
        leaks.extend(
            canaries.iter().filter(|(_, value)| line.contains(value)).map(|(kind, _)| (kind, log::origin(line))),
        );
    }
    leaks.sort();
    leaks.dedup();
    assert!(leaks.is_empty(), "logged: {leaks:#?}");
    let metrics = play.rig.stack.metrics.lines();
    assert!(!metrics.is_empty(), "nothing was counted");
    let spans = play.collector.spans();
    for name in ["ingest", "fetcher", "pull", "call", "fanout", "events", "dispatcher", "attempt", "api"] {
        assert!(spans.iter().any(|(span, _)| span == name), "nothing was told of {name}");
    }
    let spans: Vec<String> = play.collector.told().iter().map(|told| told.document.to_string()).collect();
    for (what, text) in [("a problem", &play.problems), ("a line of metrics", &metrics), ("a span", &spans)] {
        let leak = canaries.iter().find(|(_, value)| text.iter().any(|text| text.contains(value)));
        assert!(leak.is_none(), "{what} shows {}", leak.unwrap().0);
    }
}
