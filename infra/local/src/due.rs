//! When something is due: read from the tables' sparse due indexes, so that a simulation can skip the minutes
//! in which the keeper would find nothing.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::duty::Family;
use dynoxide::AttributeValue;
use serde_json::{Value, json};

use crate::dynamodb::DynamoDb;
use crate::schedule::Due;
use crate::template::Table;

/// The index's name in every table that has one.
const INDEX: &str = "by_due";

/// The table whose items the keeper wakes ahead of time.
const AHEAD: &str = "deliveries";

/// How far ahead of a due time the keeper may look there; no tick nearer than that is skipped.
const LOOKAHEAD: Duration = Duration::from_secs(180);

/// How long after a write it is looked again: a burst of them is one look, and ticks are whole minutes.
const SETTLE: Duration = Duration::from_secs(2);

/// Ready when some item of these tables is due within the look-ahead, and not before the asked instant.
#[must_use]
pub fn due(dynamodb: DynamoDb, tables: &[Table]) -> Due {
    let has_index = |table: &&Table| table.indexes.iter().any(|index| index.name == INDEX);
    let names: Vec<String> = tables.iter().filter(has_index).map(|table| table.name.clone()).collect();
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
    // The shards of deliveries are named like those of marks.
    if table.ends_with(AHEAD) { first(&[Family::Mark]).map(|due| due - LOOKAHEAD) } else { first(&Family::ALL) }
}

fn first_due_of(dynamodb: &DynamoDb, table: &str, shard: &str) -> Option<Timestamp> {
    let request = json!({
        "TableName": table,
        "IndexName": INDEX,
        "KeyConditionExpression": "due_shard = :shard",
        "ExpressionAttributeValues": {":shard": AttributeValue::S(shard.to_owned())},
        "Limit": 1,
    });
    let answer = dynamodb.handle("DynamoDB_20120810.Query", request.to_string().as_bytes());
    let answer: Value = serde_json::from_slice(&answer.body).ok()?;
    answer["Items"][0]["due_ms"]["N"].as_str()?.parse().ok().map(Timestamp::from_millis)
}
