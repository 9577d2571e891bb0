//! A stack with a simulated Withings and its receivers, that can be kept as files and taken up again from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_local::network::{Receiver, WITHINGS_HOST, WithingsHost};
use afferent_local::{FRONT_HOST, Functions, Setup, Simulation};
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Map, Value, json};
use stack_tests::callback;
use withings_simulator::{ClientApp, Settings, Simulator, Snapshot};

use crate::files::{About, Release, sorted};

/// The receivers, by their hosts.
pub const HOSTS: [&str; 7] = [
    "well.example",
    "failing.example",
    "down.example",
    "gone.example",
    "hanging.example",
    "later.example",
    "rated.example",
];

/// The attributes of each table's key.
pub const KEYS: [(&str, &[&str]); 7] = [
    ("connections", &["owner", "item"]),
    ("deliveries", &["event", "item"]),
    ("endpoints", &["endpoint", "item"]),
    ("events", &["journal", "sequence"]),
    ("keys", &["key", "item"]),
    ("notifications", &["notification"]),
    ("records", &["user", "record"]),
];

/// The stack and what is around it.
pub struct World {
    pub stack: Simulation,
    pub withings: Arc<Simulator>,
    pub receivers: BTreeMap<&'static str, Receiver>,
    /// A key that may do everything.
    pub key: String,
    parameters: BTreeMap<String, String>,
    asked: std::cell::Cell<u32>,
}

impl World {
    /// The tables and queues, a Withings and the receivers. No function runs.
    pub async fn bare(seed: u64, epoch: Timestamp, parameters: &BTreeMap<String, String>) -> Self {
        let mut setup = Setup { seed, parameters: parameters.clone(), ..Setup::default() };
        if epoch > Timestamp::default() {
            setup.epoch = epoch;
        }
        let stack = Simulation::bare(setup).await.unwrap();
        let clients = vec![ClientApp {
            client_id: "simulatedclient".to_owned(),
            client_secret: "simulatedsecret".to_owned(),
            redirect_uris: Vec::new(),
        }];
        let settings = Settings { clients, ..Settings::default() };
        let withings = Arc::new(Simulator::new(settings, stack.clock.clone(), stack.dice.clone()));
        withings.connect(stack.network.clone());
        stack.network.put(WITHINGS_HOST, Arc::new(WithingsHost(withings.clone())));
        let receivers = HOSTS.map(|host| {
            let receiver = Receiver::new(stack.clock.clone());
            stack.network.put(host, Arc::new(receiver.clone()));
            (host, receiver)
        });
        let (key, parameters) = (String::new(), parameters.clone());
        Self { stack, withings, receivers: receivers.into(), key, parameters, asked: 0.into() }
    }

    /// Lets the six functions of today run.
    pub async fn run(&self) {
        let functions = Functions::start(&self.stack.template, &self.stack.rim).await.unwrap();
        for function in &self.stack.template.functions {
            if let Some(handler) = functions.handler(&function.name) {
                self.stack.set(&function.name, handler);
            }
        }
        self.stack.resume_all();
    }

    /// The stack that a release left, with the tables and queues of today's template. No function runs yet.
    pub async fn of(release: &Release) -> Self {
        // Another seed than any that a release was recorded with: what is drawn from here on must not be what was drawn then.
        let mut world = Self::bare(0x7570_6772, release.about.at_ms, &release.about.parameters).await;
        world.key.clone_from(&release.about.key);
        for (name, value) in &release.secrets {
            assert!(world.stack.secrets.put(name, value), "the template has no secret {name} any more");
        }
        let before =
            release.stream.iter().rev().map(|change| (key_of("records", &change["Keys"]), &change["OldImage"]));
        // Of several changes of a record the first one's image is that which everybody was told of.
        let before: BTreeMap<String, &Value> = before.collect();
        for (table, items) in &release.tables {
            let untold = |item: &&Value| table != "records" || !before.contains_key(&key_of(table, item));
            items.iter().filter(untold).for_each(|item| world.put(table, item));
        }
        before.values().filter(|image| image.is_object()).for_each(|image| world.put("records", image));
        world.stack.pass_over_streams().unwrap();
        for change in &release.stream {
            match &change["NewImage"] {
                image @ Value::Object(_) => world.put("records", image),
                _ => world.delete("records", &change["Keys"]),
            }
        }
        for (queue, messages) in &release.queues {
            world.stack.sqs.put_back(&world.name(queue), messages.iter().cloned()).unwrap();
        }
        let snapshot: Snapshot = serde_json::from_value(release.withings.clone()).unwrap();
        world.withings.take_up(snapshot);
        world
    }

    /// Everything there is, as a release leaves it.
    pub fn kept(&self, version: &str, signing: BTreeMap<String, Vec<String>>) -> Release {
        let about = About {
            version: version.to_owned(),
            at_ms: self.stack.clock.now(),
            key: self.key.clone(),
            parameters: self.parameters.clone(),
            signing,
        };
        let queues = self.stack.sqs.queues().into_iter().map(|queue| queue.name);
        let queues = queues.map(|name| (self.bare_name(&name), self.stack.sqs.kept(&name).unwrap()));
        let secrets = self.stack.template.secrets.iter().map(|secret| secret.name.clone());
        let change = |record: Value| {
            let image = |name: &str| record["dynamodb"].get(name).cloned().unwrap_or_default();
            sorted(json!({"Keys": image("Keys"), "NewImage": image("NewImage"), "OldImage": image("OldImage")}))
        };
        Release {
            about,
            tables: KEYS.iter().map(|(table, _)| ((*table).to_owned(), named(self.items(table)))).collect(),
            queues: queues.filter(|(_, messages)| !messages.is_empty()).collect(),
            stream: self.stack.unread().unwrap().into_iter().map(change).collect(),
            secrets: secrets.map(|name| (name.clone(), self.stack.secrets.value(&name).unwrap())).collect(),
            withings: serde_json::to_value(self.withings.snapshot()).unwrap(),
            schemas: schemas(),
        }
    }

    /// The stack's name for a table or a queue.
    pub fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.stack.template.place.stack)
    }

    fn bare_name(&self, name: &str) -> String {
        name.trim_start_matches(&self.name("")).to_owned()
    }

    /// All items of a table in the order of their keys, as DynamoDB writes them.
    pub fn items(&self, table: &str) -> Vec<Value> {
        let (mut items, mut start) = (Vec::new(), Value::Null);
        loop {
            let mut request = json!({"TableName": self.name(table), "ConsistentRead": true});
            if start.is_object() {
                request["ExclusiveStartKey"] = start;
            }
            let mut page = self.dynamodb("Scan", &request);
            items.extend(page["Items"].as_array().unwrap().iter().cloned().map(sorted));
            start = page["LastEvaluatedKey"].take();
            if !start.is_object() {
                items.sort_by_key(|item| key_of(table, item));
                return items;
            }
        }
    }

    /// Puts an item as DynamoDB writes it.
    pub fn put(&self, table: &str, item: &Value) {
        self.dynamodb("PutItem", &json!({"TableName": self.name(table), "Item": item}));
    }

    /// Deletes the item with this one's key.
    pub fn delete(&self, table: &str, item: &Value) {
        let (_, names) = KEYS.iter().find(|(name, _)| *name == table).unwrap();
        let key: Value =
            names.iter().map(|name| ((*name).to_owned(), item[*name].clone())).collect::<Map<_, _>>().into();
        self.dynamodb("DeleteItem", &json!({"TableName": self.name(table), "Key": key}));
    }

    fn dynamodb(&self, operation: &str, request: &Value) -> Value {
        let target = format!("DynamoDB_20120810.{operation}");
        let answer = self.stack.dynamodb.handle(&target, request.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{operation}: {}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Sends a request to the front door.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(format!("https://{FRONT_HOST}{path}"));
        for (name, value) in headers.iter().chain(&[("host", FRONT_HOST)]) {
            request = request.header(*name, *value);
        }
        self.stack.request(request.body(body.into()).unwrap()).await
    }

    /// Asks the API by its key, a POST with a name of its own.
    pub async fn api(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        self.asked.set(self.asked.get() + 1);
        let (key, name) = (format!("Bearer {}", self.key), format!("{path} {}", self.asked.get()));
        let mut headers = vec![("authorization", key.as_str())];
        if method == Method::POST {
            headers.push(("idempotency-key", name.as_str()));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.ask(method, path, &headers, body).await;
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    /// POSTs to the API what must be taken.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.api(Method::POST, path, &body).await;
        assert!((200..300).contains(&status), "POST {path}: {status} {answer}");
        answer
    }

    /// Sends a notification as Withings would.
    pub async fn notify(&self, body: &str) {
        let path = callback();
        let path = path.split_once(FRONT_HOST).unwrap().1;
        let answer = self.ask(Method::POST, path, &[], body.to_owned()).await;
        assert_eq!(answer.status(), 200);
    }

    /// How many messages a queue holds.
    pub fn messages(&self, queue: &str) -> usize {
        self.stack.sqs.messages(&self.name(queue), usize::MAX).unwrap().len()
    }

    /// The names of the endpoints' hosts that were sent something.
    pub fn reached(&self) -> BTreeSet<&'static str> {
        let reached = self.receivers.iter().filter(|(_, receiver)| !receiver.seen().is_empty());
        reached.map(|(host, _)| *host).collect()
    }
}

/// The key of an item, as one text that sorts.
pub fn key_of(table: &str, item: &Value) -> String {
    let (_, names) = KEYS.iter().find(|(name, _)| *name == table).unwrap();
    let part = |name: &&str| match &item[*name]["N"] {
        Value::String(number) => format!("{number:0>39}"),
        _ => item[*name]["S"].as_str().unwrap_or_default().to_owned(),
    };
    names.iter().map(part).collect::<Vec<_>>().join(" ")
}

/// The same, with another name of the change that no event could be made of: the local DynamoDB draws it anew each time.
fn named(mut items: Vec<Value>) -> Vec<Value> {
    for item in items.iter_mut().filter(|item| item["journal"]["S"] == "_failed") {
        item["change"] = json!({"S": "made-up"});
        item["sequence"] = json!({"N": "1"});
    }
    items
}

/// The schemas of today's events without what only people read.
fn schemas() -> BTreeMap<String, Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/schemas/schema");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), bare(schema, false))
        })
        .collect()
}

/// A schema without descriptions and examples; `named` says that the members are names of properties.
fn bare(schema: Value, named: bool) -> Value {
    match schema {
        Value::Object(members) => {
            let stays = |name: &str| named || !["description", "examples"].contains(&name);
            let members = members.into_iter().filter(|(name, _)| stays(name));
            let inner = |name: &str| !named && ["properties", "$defs"].contains(&name);
            Value::Object(members.map(|(name, one)| (name.clone(), bare(one, inner(&name)))).collect())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(|one| bare(one, false)).collect()),
        other => other,
    }
}

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(86_400);

/// Time passes.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
