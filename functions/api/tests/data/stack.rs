//! A stack with the API before it, a user with records, and keys.

use afferent_domain::Timestamp;
use afferent_domain::exact::Decimal;
use afferent_domain::grant::Grants;
use afferent_domain::id::{ConnectionId, RecordId, UserId};
use afferent_domain::record::{
    Category, Change, Component, Effective, Fact, Record, Series, Source, SyncKind, retract, revise,
};
use afferent_function::Env;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::connections::Connections;
use afferent_store::keys::{Keys, NewKey};
use afferent_store::records::Records;
use api::Api;
use lambda_http::Body;
use lambda_http::http::{Request, StatusCode};
use serde_json::Value;

/// 2026-11-01T07:00:00Z.
pub(crate) const FIRST_MS: i64 = 1_793_516_400_000;

pub(crate) const DAY_MS: i64 = 86_400_000;

pub(crate) struct Stack {
    pub(crate) simulation: Simulation,
    pub(crate) records: Records,
    pub(crate) user: UserId,
    api: Api,
    reader: String,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    /// The header `Link`.
    pub(crate) link: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
        let environment = simulation.template.function("api").unwrap().environment.clone();
        let api = Api::start(&Env::of(environment), &simulation.rim).await.unwrap();
        let records = Records::new(afferent_store::client(&simulation.rim.aws), "afferent-records".to_owned());
        let user = UserId::derive(&["anna"]);
        let stack = Self { simulation, records, user, api, reader: String::new() };
        let reader = stack.key("read").await;
        Self { reader, ..stack }
    }

    /// Makes the user known, as connecting does: of who is not, lists without anything in them are not found.
    pub(crate) async fn register(&self) {
        let client = afferent_store::client(&self.simulation.rim.aws);
        let connections = Connections::new(client, "afferent-connections".to_owned());
        connections.make_user("anna", None, self.simulation.clock.now()).await.unwrap();
    }

    pub(crate) async fn key(&self, grant: &str) -> String {
        let keys = Keys::new(afferent_store::client(&self.simulation.rim.aws), "afferent-keys".to_owned());
        let new = NewKey::new("test", Grants::new([grant.parse().unwrap()]));
        let (_, text) = keys.create(&new, self.simulation.clock.now(), &*self.simulation.dice).await.unwrap();
        text.reveal().to_owned()
    }

    pub(crate) async fn get_with(&self, key: &str, path: &str, accept: &str) -> Answer {
        let request = Request::get(format!("https://api.example.org{path}")).header("accept", accept);
        let request = request.header("authorization", format!("Bearer {key}")).body(Body::Empty).unwrap();
        let response = self.api.handle(request).await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        Answer {
            status: response.status(),
            content_type: header("content-type").unwrap_or_default(),
            link: header("link"),
            text: String::from_utf8(response.body().to_vec()).unwrap(),
        }
    }

    /// Asks for something of the user.
    pub(crate) async fn get(&self, rest: &str) -> Answer {
        self.get_with(&self.reader, &format!("/v1/users/{}/{rest}", self.user), "*/*").await
    }

    /// What it says, and that it says anything.
    pub(crate) async fn json(&self, rest: &str) -> Value {
        let answer = self.get(rest).await;
        assert_eq!(answer.status, StatusCode::OK, "{rest}: {}", answer.text);
        assert_eq!(answer.content_type, "application/json", "{rest}");
        answer.json()
    }

    /// The parameter that it finds fault with.
    pub(crate) async fn refused(&self, rest: &str) -> String {
        let answer = self.get(rest).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{rest}: {}", answer.text);
        answer.json()["field"].as_str().unwrap().to_owned()
    }

    /// The page that an answer links to.
    pub(crate) async fn follow(&self, answer: &Answer) -> Option<Answer> {
        let link = answer.link.as_ref()?;
        let path = link.strip_prefix('<').unwrap().split('>').next().unwrap();
        Some(self.get_with(&self.reader, path, "*/*").await)
    }

    /// Stores a fact of the user.
    pub(crate) async fn put(&self, kind: &str, at_ms: i64, set: impl FnOnce(&mut Fact)) -> Record {
        let service = match kind {
            "activity_day" => "getactivity",
            "sleep_session" => "sleep_getsummary",
            "heart_rate" | "steps" => "getintradayactivity",
            _ => "getmeas",
        };
        let id = RecordId::derive(&[self.user.as_str(), kind, &at_ms.to_string()]);
        let (at, connection) = (Timestamp::from_millis(at_ms), ConnectionId::derive(&["anna"]));
        let source = Source::withings(service);
        let mut fact = Fact::bare(self.user.clone(), connection, id, kind, Category::VitalSigns, at, source);
        fact.tz = Some("UTC".to_owned());
        fact.local_date = Some(at.to_string()[..10].to_owned());
        set(&mut fact);
        let Change::Write(record) = revise(None, fact, at, SyncKind::Live) else { unreachable!("nothing is stored") };
        self.records.put(&record).await.unwrap();
        *record
    }

    pub(crate) async fn weigh(&self, at_ms: i64, kilograms: &str) -> Record {
        self.put("body_weight", at_ms, |fact| {
            fact.value = Some(kilograms.parse().unwrap());
            fact.unit = Some("kg".to_owned());
        })
        .await
    }

    /// Ten mornings of weighing, 80.1 kg on the first, 81 kg on the tenth; the third is retracted.
    pub(crate) async fn weigh_ten_times(&self) -> Vec<Record> {
        let mut all = Vec::new();
        for day in 0..10 {
            let record = self.weigh(FIRST_MS + day * DAY_MS, &format!("{}", tenths(801 + day))).await;
            all.push(record);
        }
        all[2] = retract(&all[2], Timestamp::from_millis(FIRST_MS + 20 * DAY_MS));
        self.records.put(&all[2]).await.unwrap();
        all
    }

    /// An hour with a pulse every minute.
    pub(crate) async fn pulse(&self, at_ms: i64) -> Record {
        self.put("heart_rate", at_ms, |fact| {
            fact.series = Some(Series {
                unit: "/min".to_owned(),
                origin_ms: at_ms,
                offsets_s: (0..60).map(|minute| minute * 60).collect(),
                values: (0..60).map(|minute| Decimal::from(60 + minute % 2)).collect(),
                durations_s: Vec::new(),
            });
            fact.effective = period(at_ms, at_ms + 3_600_000);
        })
        .await
    }

    /// A record with parts, over a period: (part, method, value, unit).
    pub(crate) async fn compound(
        &self,
        kind: &str,
        (from_ms, to_ms): (i64, i64),
        parts: &[(&str, &str, &str, &str)],
    ) -> Record {
        self.put(kind, from_ms, |fact| {
            fact.effective = period(from_ms, to_ms);
            let part = |(kind, method, value, unit): &(&str, &str, &str, &str)| Component {
                kind: (*kind).to_owned(),
                method: (!method.is_empty()).then(|| (*method).to_owned()),
                value: Some(value.parse().unwrap()),
                unit: Some((*unit).to_owned()),
                ..Component::default()
            };
            fact.components = parts.iter().map(part).collect();
        })
        .await
    }
}

fn period(from_ms: i64, to_ms: i64) -> Effective {
    let text = |ms: i64| Timestamp::from_millis(ms).to_string();
    Effective::Period { start: text(from_ms), end: text(to_ms) }
}

fn tenths(value: i64) -> Decimal {
    Decimal::scaled(value, -1).unwrap()
}
