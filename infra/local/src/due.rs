//! When something is due: read from the tables' sparse due indexes, so that a simulation can skip the minutes
//! in which the keeper would find nothing.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use dynoxide::AttributeValue;
use serde_json::{Value, json};

use crate::dynamodb::DynamoDb;
use crate::schedule::Due;
use crate::template::Table;

/// The index's name in every table that has one.
const INDEX: &str = "by_due";

/// How far ahead of a due time the keeper may look; no tick nearer than that is skipped.
const LOOKAHEAD: Duration = Duration::from_secs(180);

/// Shards of the due indexes.
const SHARDS: u32 = 10;

/// Ready when some item of these tables is due within the look-ahead, and not before the asked instant.
#[must_use]
pub fn due(dynamodb: DynamoDb, tables: &[Table]) -> Due {
    let has_index = |table: &&Table| table.indexes.iter().any(|index| index.name == INDEX);
    let names: Vec<String> = tables.iter().filter(has_index).map(|table| table.name.clone()).collect();
    let names = Arc::new(names);
    Arc::new(move |earliest| Box::pin(wait(dynamodb.clone(), Arc::clone(&names), earliest)))
}

async fn wait(dynamodb: DynamoDb, tables: Arc<Vec<String>>, earliest: Timestamp) {
    loop {
        // Subscribed before looking, so that no write falls between.
        let mut writes: Vec<_> = tables.iter().map(|table| dynamodb.writes(table)).collect();
        let next = tables.iter().filter_map(|table| first_due(&dynamodb, table)).min();
        let until = next.map(|due| (due - LOOKAHEAD).max(earliest));
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
                let _ = tokio::time::timeout(until.since(now), changed).await;
            }
        }
    }
}

fn first_due(dynamodb: &DynamoDb, table: &str) -> Option<Timestamp> {
    (0..SHARDS).filter_map(|shard| first_due_of(dynamodb, table, &format!("{shard:02}"))).min()
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
