//! The API with one person, whose records the tests put there.

use afferent_domain::Timestamp;
use afferent_domain::event::Draft;
use afferent_domain::exact::Decimal;
use afferent_domain::grant::Grants;
use afferent_domain::id::{ConnectionId, RecordId, UserId};
use afferent_domain::record::{
    Category, Change, Code, Component, Effective, Fact, Raw, Record, Source, SyncKind, revise,
};
use afferent_fhir::{device_record, id};
use afferent_function::Env;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::connections::Connections;
use afferent_store::events::Events;
use afferent_store::keys::{Keys, NewKey};
use afferent_store::records::{Records, Written};
use api::Api;
use lambda_http::Body;
use lambda_http::http::{Method, Request, Response};
use serde_json::Value;

pub const BASE: &str = "https://api.example.org/v1/fhir/r4";
/// 2026-09-17, 8:05:30 in Paris.
pub const AT: i64 = 1_789_625_130;
pub const HASH: &str = "9ce51740579a96b0e3dcfb6f85aa6759fa7b1f92";

pub struct Stack {
    pub simulation: Simulation,
    api: Api,
    records: Records,
    events: Events,
    pub connections: Connections,
    pub user: UserId,
    pub reader: String,
}

impl Stack {
    pub async fn start() -> Self {
        Self::slow(0).await
    }

    /// One where each call to AWS takes so many milliseconds.
    pub async fn slow(latency_ms: u64) -> Self {
        let setup = Setup { ticks: Ticks::Off, aws_latency_ms: (latency_ms, latency_ms), ..Setup::default() };
        let simulation = Simulation::bare(setup).await.unwrap();
        let environment = simulation.template.function("api").unwrap().environment.clone();
        let api = Api::start(&Env::of(environment), &simulation.rim).await.unwrap();
        let client = afferent_store::client(&simulation.rim.aws);
        let name = |what: &str| format!("{}-{what}", simulation.template.place.stack);
        let records = Records::new(client.clone(), name("records"));
        let events = Events::new(client.clone(), name("events"));
        let connections = Connections::new(client, name("connections"));
        let user = connections.make_user("person-1", None, simulation.clock.now()).await.unwrap().user.id;
        let mut stack = Self { simulation, api, records, events, connections, user, reader: String::new() };
        stack.reader = stack.key("read").await;
        stack
    }

    pub async fn key(&self, grant: &str) -> String {
        let name = format!("{}-keys", self.simulation.template.place.stack);
        let keys = Keys::new(afferent_store::client(&self.simulation.rim.aws), name);
        let new = NewKey {
            per_minute: 6_000,
            ..NewKey::new("test", Grants::new(grant.split(' ').map(|grant| grant.parse().unwrap())))
        };
        let (_, text) = keys.create(&new, self.simulation.clock.now(), &*self.simulation.dice).await.unwrap();
        text.reveal().to_owned()
    }

    /// Stores a revision, and journals it, as the fanout does.
    pub async fn put(&self, record: &Record) {
        assert_eq!(self.records.put(record).await.unwrap(), Written::Stored);
        let draft = Draft::of_record(&serde_json::to_string(record).unwrap()).unwrap();
        let (now, dice) = (self.simulation.clock.now(), &*self.simulation.dice);
        self.events.append(&record.user, vec![draft], now, dice).await.unwrap();
    }

    /// A weight of 81.20 kg, so many seconds after [`AT`].
    pub fn weight(&self, name: &str, after_s: i64) -> Record {
        let mut fact = self.fact(name, "body_weight", Category::VitalSigns, after_s);
        fact.codes.insert(0, Code::loinc("29463-7", "Body weight"));
        fact.value = Some("81.2".parse().unwrap());
        fact.raw = Some(Raw { value: 8_120, unit: -2 });
        fact.unit = Some("kg".to_owned());
        record(fact)
    }

    /// A pair of pressures.
    pub fn pressure(&self, name: &str, after_s: i64) -> Record {
        let mut fact = self.fact(name, "blood_pressure", Category::VitalSigns, after_s);
        fact.codes.insert(0, Code::loinc("85354-9", "Blood pressure panel with all children optional"));
        let part = |kind: &str, code: &str, value: i64| Component {
            kind: kind.to_owned(),
            codes: vec![Code::loinc(code, ""), Code::own(kind)],
            value: Some(Decimal::from(value)),
            unit: Some("mm[Hg]".to_owned()),
            ..Component::default()
        };
        fact.components = vec![part("systolic", "8480-6", 128), part("diastolic", "8462-4", 82)];
        record(fact)
    }

    pub fn fact(&self, name: &str, kind: &str, category: Category, after_s: i64) -> Fact {
        let id = RecordId::derive(&[self.user.as_str(), name]);
        let at = Timestamp::from_secs(AT + after_s);
        let mut source = Source::withings("getmeas");
        source.device_id = Some(HASH.to_owned());
        source.model = Some("Body Scan".to_owned());
        let connection = ConnectionId::derive(&["one"]);
        let mut fact = Fact::bare(self.user.clone(), connection, id, kind, category, at, source);
        let local: jiff::Zoned = at_ms(at).to_zoned(jiff::tz::TimeZone::get("Europe/Paris").unwrap());
        fact.effective = Effective::At { at: local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string() };
        fact
    }

    pub fn device(&self) -> Record {
        let mut fact = self.fact("x", "device", Category::Device, 0);
        fact.record = device_record(&self.user, HASH);
        fact.source.service = "getdevice".to_owned();
        record(fact)
    }

    pub async fn send(&self, method: Method, url: &str, key: Option<&str>, prefer: Option<&str>) -> Response<Body> {
        let prefer = prefer.map(|prefer| ("prefer", prefer));
        self.send_with(method, url, key, prefer.as_slice()).await
    }

    /// The same with any headers.
    pub async fn send_with(
        &self,
        method: Method,
        url: &str,
        key: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(url).header("host", "api.example.org");
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.api.handle(request.body(Body::Empty).unwrap()).await.unwrap()
    }

    /// What a form gets that somebody with this key sends.
    pub async fn post(&self, url: &str, form: &str, key: &str) -> (u16, Value) {
        let request =
            Request::builder().method(Method::POST).uri(format!("{BASE}/{url}")).header("host", "api.example.org");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.header("authorization", format!("Bearer {key}")).body(Body::from(form)).unwrap();
        let answer = self.api.handle(request).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/fhir+json", "{url}");
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    /// What somebody with this key gets, always in FHIR's media type.
    pub async fn get(&self, url: &str, key: &str) -> (u16, Value) {
        let url = if url.starts_with("https:") { url.to_owned() } else { format!("{BASE}/{url}") };
        let answer = self.send(Method::GET, &url, Some(key), None).await;
        assert_eq!(answer.headers()["content-type"], "application/fhir+json", "{url}");
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    /// A page of a search for Observations of the person.
    pub async fn search(&self, query: &str) -> Value {
        let (status, bundle) = self.get(&format!("Observation?patient={}{query}", self.patient()), &self.reader).await;
        assert_eq!((status, &bundle["resourceType"]), (200, &"Bundle".into()), "{query}: {bundle}");
        bundle
    }

    pub fn patient(&self) -> String {
        id::of_user(&self.user)
    }

    /// Follows the links `next`, at most 20; how many each page has, and the ids in their order.
    pub async fn walk(&self, first: Value) -> (Vec<usize>, Vec<String>) {
        let (mut sizes, mut all, mut bundle) = (Vec::new(), Vec::new(), first);
        for _ in 0..20 {
            let ids = ids(&bundle);
            sizes.push(ids.len());
            all.extend(ids);
            let links = bundle["link"].as_array().unwrap();
            let Some(next) = links.iter().find(|link| link["relation"] == "next") else { return (sizes, all) };
            bundle = self.get(next["url"].as_str().unwrap(), &self.reader).await.1;
        }
        panic!("the pages do not end: {sizes:?}");
    }
}

fn at_ms(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap()
}

pub fn record(fact: Fact) -> Record {
    let now = Timestamp::from_secs(AT + 60);
    let Change::Write(record) = revise(None, fact, now, SyncKind::Live) else { panic!("it is new") };
    *record
}

pub fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

/// The stable kind of a refusal.
pub fn refusal(outcome: &Value) -> &str {
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
    outcome["issue"][0]["details"]["coding"][0]["code"].as_str().unwrap()
}
