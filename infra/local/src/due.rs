//! When something is due: read from the tables' sparse due indexes, and from what the keeper must look after of
//! endpoints, so that a simulation can skip the minutes in which the keeper would find nothing.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::kept_back_shard;
use afferent_domain::duty::Family;
use afferent_domain::health::{PATIENCE, WARNINGS};
use afferent_domain::id::EndpointId;
use dynoxide::AttributeValue;
use serde_json::{Value, json};

use crate::dynamodb::DynamoDb;
use crate::schedule::Due;
use crate::template::Table;

/// The index's name in every table that has one.
const INDEX: &str = "by_due";

/// The table whose items the keeper wakes ahead of time.
const AHEAD: &str = "deliveries";

/// The table of the endpoints, and its index under which the keeper finds jobs and what it must look after.
const ENDPOINTS: &str = "endpoints";
const BY_SCOPE: &str = "by_scope";

/// The table of the connections, and the partition whose item `running` is a round that is under way.
const CONNECTIONS: &str = "connections";
const ROUNDS: &str = "_rounds";

/// How far ahead of a probe the keeper wakes its delivery.
const PROBE_AHEAD: Duration = Duration::from_secs(60);

/// How far ahead of a due time the keeper may look there; no tick nearer than that is skipped.
const LOOKAHEAD: Duration = Duration::from_secs(180);

/// How long after a write it is looked again: a burst of them is one look, and ticks are whole minutes.
const SETTLE: Duration = Duration::from_secs(2);

/// How often a read is tried that fails.
const TRIES: u32 = 5;

/// Ready when some item of these tables is due within the look-ahead, and not before the asked instant.
#[must_use]
pub fn due(dynamodb: DynamoDb, tables: &[Table]) -> Due {
    let has_index = |table: &&Table| table.indexes.iter().any(|index| index.name == INDEX);
    let is_read = |table: &&Table| has_index(table) || table.name.ends_with(ENDPOINTS);
    let names: Vec<String> = tables.iter().filter(is_read).map(|table| table.name.clone()).collect();
    let names = Arc::new(names);
    Arc::new(move |earliest| Box::pin(wait(dynamodb.clone(), Arc::clone(&names), earliest)))
}

async fn wait(dynamodb: DynamoDb, tables: Arc<Vec<String>>, earliest: Timestamp) {
    // Whatever is written before then can wait until then.
    tokio::time::sleep(earliest.since(dynamodb.now())).await;
    loop {
        // Subscribed before looking, so that no write falls between.
        let mut writes: Vec<_> = tables.iter().map(|table| dynamodb.writes(table)).collect();
        let next = tables.iter().filter_map(|table| first_due(&dynamodb, table)).min();
        let until = next.map(|due| due.max(earliest));
        let changed = futures_util::future::select_all(writes.iter_mut().map(|writes| Box::pin(writes.changed())));
        match until {
            None => {
                let _ = changed.await;
            }
            Some(until) => {
                let now = dynamodb.now();
                if until <= now {
                    return;
                }
                if tokio::time::timeout(until.since(now), changed).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(SETTLE).await;
    }
}

fn first_due(dynamodb: &DynamoDb, table: &str) -> Option<Timestamp> {
    let first = |families: &[Family]| {
        let shards = families.iter().flat_map(|family| family.shards());
        shards.filter_map(|shard| first_due_of(dynamodb, table, &shard)).min()
    };
    if table.ends_with(ENDPOINTS) {
        return first_of_endpoints(dynamodb, table);
    }
    if table.ends_with(CONNECTIONS) && is_round_running(dynamodb, table) {
        return Some(Timestamp::default());
    }
    // The shards of deliveries are named like those of marks.
    if table.ends_with(AHEAD) { first(&[Family::Mark]).map(|due| due - LOOKAHEAD) } else { first(&Family::ALL) }
}

/// A round that runs is due at every minute.
fn is_round_running(dynamodb: &DynamoDb, table: &str) -> bool {
    let rounds = query(dynamodb, table, None, "owner", ROUNDS, 100);
    rounds.iter().any(|round| round["item"]["S"] == "running")
}

fn first_due_of(dynamodb: &DynamoDb, table: &str, shard: &str) -> Option<Timestamp> {
    instant(query(dynamodb, table, Some(INDEX), "due_shard", shard, 1).first()?, "due_ms")
}

/// A job that runs is due at every minute, an endpoint that is looked after when something is to be done about it.
fn first_of_endpoints(dynamodb: &DynamoDb, table: &str) -> Option<Timestamp> {
    if !query(dynamodb, table, Some(BY_SCOPE), "scope", "_job", 1).is_empty() {
        return Some(Timestamp::default());
    }
    let watched = query(dynamodb, table, Some(BY_SCOPE), "scope", "_watch", 1_000);
    watched.iter().filter_map(|health| first_of_health(dynamodb, table, health)).min()
}

fn first_of_health(dynamodb: &DynamoDb, table: &str, health: &Value) -> Option<Timestamp> {
    let number = |name: &str| health[name]["N"].as_str().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    let told = number("warned") >= number("failures_in_a_row").min(WARNINGS);
    if !told || health["stop"]["S"].is_string() || health["breaker"]["S"] == "draining" {
        return Some(Timestamp::default());
    }
    let probe = instant(health, "next_probe_ms").map(|probe| probe - PROBE_AHEAD);
    // With nothing kept back, the next delivery that comes is the probe.
    let probe = probe.filter(|_| {
        let shard = kept_back_shard(&EndpointId::from(health["endpoint"]["S"].as_str().unwrap_or_default()));
        !query(dynamodb, &table.replace(ENDPOINTS, AHEAD), Some(INDEX), "due_shard", &shard, 1).is_empty()
    });
    let disabled = instant(health, "failing_since_ms").map(|since| since + PATIENCE);
    probe.into_iter().chain(disabled).min()
}

fn query(dynamodb: &DynamoDb, table: &str, index: Option<&str>, key: &str, value: &str, limit: u32) -> Vec<Value> {
    let mut request = json!({
        "TableName": table,
        "KeyConditionExpression": "#key = :value",
        "ExpressionAttributeNames": {"#key": key},
        "ExpressionAttributeValues": {":value": AttributeValue::S(value.to_owned())},
        "Limit": limit,
    });
    if let Some(index) = index {
        request["IndexName"] = json!(index);
    }
    let items = || {
        let answer = dynamodb.peek("DynamoDB_20120810.Query", request.to_string().as_bytes());
        serde_json::from_slice::<Value>(&answer.body).ok()?["Items"].as_array().cloned()
    };
    // Faults that a test injects may meet this too, and "nothing is due" would be believed until the next write.
    (0..TRIES).find_map(|_| items()).unwrap_or_default()
}

fn instant(item: &Value, name: &str) -> Option<Timestamp> {
    item[name]["N"].as_str()?.parse().ok().map(Timestamp::from_millis)
}
