//! How fast `api` answers: requests to its handler, key and rate limit included, with a person's year in local tables.

use std::sync::Arc;
use std::time::Instant;

use ::api::Api;
use afferent_domain::Timestamp;
use afferent_domain::clock::Clock;
use afferent_domain::exact::Decimal;
use afferent_domain::grant::{Grant, Grants};
use afferent_domain::id::{ConnectionId, RecordId, UserId};
use afferent_domain::record::{Category, Change, Effective, Fact, Record, Series, Source, SyncKind, revise};
use afferent_function::{Env, Rim};
use afferent_local::Stack;
use afferent_local::clock::{SystemClock, SystemDice};
use afferent_metrics::Sink;
use afferent_store::keys::{Authenticated, Keys, NewKey};
use afferent_store::records::Records;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Request};

use crate::report::{Report, median};
use crate::{Error, cold};

/// Requests of each kind, after some to warm up.
const REQUESTS: usize = 200;
const WARM_UP: usize = 20;

const DAYS: i64 = 365;
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// Where the lines of metrics go: read by nobody.
struct Nowhere;

impl Sink for Nowhere {
    fn write(&self, line: &str) {
        std::hint::black_box(line);
    }
}

/// What a weighing brings beside the weight.
const BODY: [&str; 7] = [
    "body_fat_percentage",
    "body_fat_mass",
    "lean_body_mass",
    "muscle_mass",
    "bone_mass",
    "body_water_mass",
    "visceral_fat_index",
];

pub(crate) async fn measure(stack: &Stack, report: &mut Report) -> Result<(), Error> {
    let env = Env::of(cold::environment(stack, "api"));
    let mut rim = Rim::lambda(&env)?;
    // Lines as on Lambda, but not among the table that this program prints.
    rim.metrics = Arc::new(Nowhere);
    let client = afferent_store::client(&rim.aws);
    let mut new = NewKey::new("bench", Grants::new([Grant::Read]));
    // More than the benchmark can ask.
    new.per_minute = 1_000_000;
    let keys = Keys::new(client.clone(), env.required("KEYS_TABLE")?);
    let (_, key) = keys.create(&new, SystemClock.now(), &SystemDice::default()).await?;
    let user = UserId::derive(&["bench"]);
    let table = env.required("RECORDS_TABLE")?;
    fill(&Records::new(client.clone(), table.clone()), &user).await?;
    let api = Api::start(&env, &rim).await?;

    let asked = [
        ("100 records of a kind, p50", "records?kind=body_weight&limit=100", 100, Some(5.0)),
        ("100 records of any kind, p50", "records?limit=100", 100, None),
        ("100 records of a kind as CSV, p50", "records?kind=body_weight&limit=100&format=csv", 101, None),
        ("a year of weights by day, p50", "series?kind=body_weight&resolution=1d", 365, Some(20.0)),
        ("a month of pulses by the hour, p50", "series?kind=heart_rate&resolution=1h", 720, None),
        ("the latest of every kind, p50", "latest", 9, None),
        ("a month of body summaries, p50", "summaries/body", 31, None),
    ];
    for (name, path, count, limit) in asked {
        let path = format!("/v1/users/{user}/{path}");
        let mut samples = Vec::new();
        for number in 0..WARM_UP + REQUESTS {
            let request = Request::new(Body::Empty);
            let (mut parts, body) = request.into_parts();
            parts.uri = format!("https://api.example.org{path}").parse()?;
            parts.headers.insert("authorization", format!("Bearer {}", key.reveal()).parse()?);
            let began = Instant::now();
            let answer = api.handle(Request::from_parts(parts, body)).await?;
            let took = began.elapsed().as_secs_f64() * 1e3;
            let found = members(&String::from_utf8_lossy(answer.body()));
            if !answer.status().is_success() || found != count {
                return Err(format!("{path}: {} with {found} members instead of {count}", answer.status()).into());
            }
            if number >= WARM_UP {
                samples.push(took);
            }
        }
        match limit {
            Some(limit) => report.at_most(name, median(&mut samples), "ms", limit),
            None => report.note(name, median(&mut samples), "ms"),
        }
    }

    // What of it is the local tables: the least that any handler waits for.
    let check = median_of(async || {
        let known = keys.authenticate(key.reveal(), SystemClock.now()).await?;
        if matches!(known, Authenticated::Yes(..)) { Ok(()) } else { Err("the key is not taken".into()) }
    });
    report.note("... of each: the check of the key", check.await?, "ms");
    let wanted = AttributeValue::S(format!("{user}#body_weight"));
    for (limit, what) in [(100, "100 weights"), (365, "a year of weights")] {
        let query =
            client.query().table_name(&table).index_name("by_kind").key_condition_expression("user_kind = :kind");
        let query = query.expression_attribute_values(":kind", wanted.clone()).limit(limit);
        let through = median_of(async || match query.clone().send().await?.count() {
            count if count == limit => Ok(()),
            count => Err(format!("{count} items instead of {limit}").into()),
        });
        report.note(format!("... a bare Query of {what} by the SDK"), through.await?, "ms");
        let body = serde_json::json!({
            "TableName": table, "IndexName": "by_kind", "KeyConditionExpression": "user_kind = :kind", "Limit": limit,
            "ExpressionAttributeValues": {":kind": {"S": format!("{user}#body_weight")}},
        });
        let body = body.to_string();
        let inside =
            median_of(async || match stack.dynamodb.handle("DynamoDB_20120810.Query", body.as_bytes()).status {
                200 => Ok(()),
                status => Err(format!("the table answered {status}").into()),
            });
        report.note("... the same in the local table, without the way there", inside.await?, "ms");
    }
    Ok(())
}

/// The median time of `work`, in milliseconds.
async fn median_of(work: impl AsyncFn() -> Result<(), Error>) -> Result<f64, Error> {
    let mut samples = Vec::new();
    for number in 0..WARM_UP + REQUESTS {
        let began = Instant::now();
        work().await?;
        if number >= WARM_UP {
            samples.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(median(&mut samples))
}

/// How many members a list has, or lines a table.
fn members(text: &str) -> usize {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let list = json.as_ref().and_then(|json| json.as_object()?.values().find_map(serde_json::Value::as_array));
    list.map_or_else(|| text.lines().count(), Vec::len)
}

/// A year of weighings and a month of pulses, one every minute.
async fn fill(records: &Records, user: &UserId) -> Result<(), Error> {
    let now = SystemClock.now().as_millis();
    let first = now - now.rem_euclid(DAY_MS) - DAYS * DAY_MS;
    for day in 0..DAYS {
        for kind in ["body_weight"].iter().chain(&BODY) {
            let fact = fact(user, "getmeas", kind, first + day * DAY_MS + 7 * HOUR_MS);
            put(records, Fact { value: Some(Decimal::scaled(812 + day % 10, -1)?), ..fact }).await?;
        }
    }
    for hour in 0..30 * 24 {
        let at = first + hour * HOUR_MS;
        let series = Series {
            unit: "/min".to_owned(),
            origin_ms: at,
            offsets_s: (0..60).map(|minute| minute * 60).collect(),
            values: (0..60).map(|minute| Decimal::from(60 + minute)).collect(),
            durations_s: Vec::new(),
        };
        let text = |ms: i64| Timestamp::from_millis(ms).to_string();
        let effective = Effective::Period { start: text(at), end: text(at + HOUR_MS) };
        let fact = fact(user, "getintradayactivity", "heart_rate", at);
        put(records, Fact { series: Some(series), effective, unit: Some("/min".to_owned()), ..fact }).await?;
    }
    Ok(())
}

fn fact(user: &UserId, service: &str, kind: &str, at_ms: i64) -> Fact {
    let (at, connection) = (Timestamp::from_millis(at_ms), ConnectionId::derive(&["bench"]));
    let id = RecordId::derive(&[user.as_str(), kind, &at_ms.to_string()]);
    let source = Source::withings(service);
    let mut fact = Fact::bare(user.clone(), connection, id, kind, Category::VitalSigns, at, source);
    fact.unit = Some("kg".to_owned());
    fact.tz = Some("Europe/Lisbon".to_owned());
    fact.local_date = Some(at.to_string().chars().take(10).collect());
    fact
}

async fn put(records: &Records, fact: Fact) -> Result<Record, Error> {
    let now = Timestamp::from_millis(fact.effective_ms);
    let Change::Write(record) = revise(None, fact, now, SyncKind::Live) else {
        return Err("a new record is no change".into());
    };
    records.put(&record).await?;
    Ok(*record)
}
