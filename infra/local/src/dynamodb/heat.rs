//! Write units by partition key: what DynamoDB's limit of 1,000 a second and partition is about.
//!
//! A request says what it used of a table and its indexes, not under which keys. So, while it is asked to, this compares
//! each item with what it was before, and reckons what the table and each index were charged under which key (DynamoDB
//! Developer Guide, "DynamoDB on-demand capacity mode" and "Provisioned throughput considerations for global secondary
//! indexes"): a unit for each KB of the larger image, twice in a transaction; of an index one entry that is made, changed
//! or removed, and two where its key moves; a unit for a condition that does not hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use crate::template::Table;

/// What is charged as one unit.
const UNIT: usize = 1024;

/// One partition key of a table or an index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hot {
    /// The table.
    pub table: String,
    /// The index, or `item` for the table itself.
    pub part: String,
    /// The partition key.
    pub key: String,
}

/// The counter. Clones share it.
#[derive(Clone, Default)]
pub struct Heat(Arc<Mutex<Option<Book>>>);

struct Book {
    tables: BTreeMap<String, Table>,
    units: BTreeMap<Hot, f64>,
}

/// An item that a request writes.
pub(super) struct Touched {
    table: String,
    key: Value,
    /// What of the key stands for its partition.
    partition: String,
    /// Units count twice in a transaction.
    times: f64,
}

impl Touched {
    /// The request that reads it.
    pub(super) fn get(&self) -> Value {
        serde_json::json!({"TableName": self.table, "Key": self.key, "ConsistentRead": true})
    }
}

impl Heat {
    /// Begins to count, from nothing.
    pub fn watch(&self, tables: &[Table]) {
        let tables = tables.iter().map(|table| (table.name.clone(), table.clone())).collect();
        *self.book() = Some(Book { tables, units: BTreeMap::new() });
    }

    /// Write units by partition key since then. Ends the counting.
    #[must_use]
    pub fn take(&self) -> BTreeMap<Hot, f64> {
        self.book().take().map(|book| book.units).unwrap_or_default()
    }

    fn book(&self) -> MutexGuard<'_, Option<Book>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The items that a request writes; none while nobody counts.
    pub(super) fn touched(&self, operation: &str, body: &[u8]) -> Vec<Touched> {
        let book = self.book();
        let Some(book) = book.as_ref() else { return Vec::new() };
        let request: Value = match operation {
            "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" | "BatchWriteItem" => {
                serde_json::from_slice(body).unwrap_or_default()
            }
            _ => return Vec::new(),
        };
        let touched = |table: &Value, item: &Value, times: f64| book.touched(table.as_str()?, item, times);
        let of_one = |one: &Value, times| {
            let item = if one["Item"].is_object() { &one["Item"] } else { &one["Key"] };
            touched(&one["TableName"], item, times)
        };
        match operation {
            "TransactWriteItems" => {
                let actions = request["TransactItems"].as_array().into_iter().flatten();
                actions
                    .filter_map(|action| action.as_object()?.values().next())
                    .filter_map(|one| of_one(one, 2.0))
                    .collect()
            }
            "BatchWriteItem" => {
                let tables = request["RequestItems"].as_object().into_iter().flatten();
                let puts =
                    tables.flat_map(|(table, puts)| puts.as_array().into_iter().flatten().map(move |put| (table, put)));
                let items = puts.filter_map(|(table, put)| {
                    let put = [&put["PutRequest"]["Item"], &put["DeleteRequest"]["Key"]];
                    let item = put.into_iter().find(|item| item.is_object())?;
                    book.touched(table, item, 1.0)
                });
                items.collect()
            }
            _ => of_one(&request, 1.0).into_iter().collect(),
        }
    }

    /// What came of it: each item before and after.
    pub(super) fn note(&self, touched: &[Touched], before: &[Value], after: &[Value], status: u16, answer: &[u8]) {
        let mut book = self.book();
        let Some(book) = book.as_mut() else { return };
        let kind = if status == 200 { Value::Null } else { serde_json::from_slice(answer).unwrap_or_default() };
        let refused = ["ConditionalCheckFailedException", "TransactionCanceledException"];
        if status != 200
            && !refused.iter().any(|refused| kind["__type"].as_str().unwrap_or_default().ends_with(refused))
        {
            return;
        }
        for (one, (before, after)) in touched.iter().zip(before.iter().zip(after)) {
            book.note(one, &before["Item"], &after["Item"]);
        }
    }
}

impl Book {
    fn touched(&self, table: &str, item: &Value, times: f64) -> Option<Touched> {
        let names = names(&self.tables.get(table)?.keys);
        let key: Map<String, Value> = names.iter().map(|name| (name.clone(), item[name].clone())).collect();
        let partition = text(&item[names.first()?]);
        Some(Touched { table: table.to_owned(), key: key.into(), partition, times })
    }

    fn note(&mut self, touched: &Touched, before: &Value, after: &Value) {
        let Some(table) = self.tables.get(&touched.table) else { return };
        let mut charged =
            vec![("item".to_owned(), touched.partition.clone(), units(before).max(units(after)) * touched.times)];
        for index in &table.indexes {
            let keys = names(&index.keys);
            let (was, is) = (entry(table, index, before), entry(table, index, after));
            let partition = |entry: &Value| keys.first().map(|name| text(&entry[name])).unwrap_or_default();
            let moved = keys.iter().any(|name| was[name] != is[name]);
            if moved {
                let entries = [&was, &is].into_iter().filter(|entry| !entry.is_null());
                charged.extend(entries.map(|entry| (index.name.clone(), partition(entry), units(entry))));
            } else if was != is {
                charged.push((index.name.clone(), partition(&is), units(&was).max(units(&is))));
            }
        }
        for (part, key, units) in charged {
            *self.units.entry(Hot { table: touched.table.clone(), part, key }).or_default() += units;
        }
    }
}

/// What an index has of an item; null if the item is not in it.
fn entry(table: &Table, index: &crate::template::Index, item: &Value) -> Value {
    let keys = names(&index.keys);
    let Some(attributes) = item.as_object().filter(|item| keys.iter().all(|name| item.contains_key(name))) else {
        return Value::Null;
    };
    let mut kept: Vec<String> = keys.into_iter().chain(names(&table.keys)).collect();
    match index.projection["ProjectionType"].as_str() {
        Some("ALL") => return item.clone(),
        Some("INCLUDE") => {
            let more = index.projection["NonKeyAttributes"].as_array().into_iter().flatten();
            kept.extend(more.filter_map(|name| name.as_str().map(str::to_owned)));
        }
        _ => {}
    }
    let kept = attributes.iter().filter(|(name, _)| kept.contains(name));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The names of a key schema, the partition key first.
fn names(schema: &Value) -> Vec<String> {
    let mut parts: Vec<&Value> = schema.as_array().into_iter().flatten().collect();
    parts.sort_by_key(|part| part["KeyType"] != "HASH");
    parts.iter().filter_map(|part| part["AttributeName"].as_str().map(str::to_owned)).collect()
}

fn text(value: &Value) -> String {
    value.as_object().and_then(|value| value.values().next()?.as_str()).unwrap_or_default().to_owned()
}

/// The units of an item; of one that is not there, too: what finds nothing is charged one.
fn units(item: &Value) -> f64 {
    let bytes: usize = item.as_object().into_iter().flatten().map(|(name, value)| name.len() + size(value)).sum();
    bytes.div_ceil(UNIT).max(1) as f64
}

/// The size of a value (DynamoDB Developer Guide, "DynamoDB item sizes and formats").
fn size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else { return 0 };
    match (kind.as_str(), value) {
        ("N", Value::String(number)) => number.len().div_ceil(2) + 1,
        ("B", Value::String(base64)) => base64.len() / 4 * 3,
        ("M", Value::Object(map)) => 3 + map.iter().map(|(name, value)| name.len() + size(value) + 1).sum::<usize>(),
        ("L", Value::Array(list)) => 3 + list.iter().map(|value| size(value) + 1).sum::<usize>(),
        (_, Value::Array(set)) => set.iter().filter_map(Value::as_str).map(str::len).sum(),
        (_, Value::String(text)) => text.len(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::Index;

    fn table() -> Table {
        let schema = |hash: &str, range: &str| json!([{"AttributeName": range, "KeyType": "RANGE"}, {"AttributeName": hash, "KeyType": "HASH"}]);
        let due = Index {
            name: "by_due".to_owned(),
            keys: schema("shard", "due"),
            projection: json!({"ProjectionType": "KEYS_ONLY"}),
        };
        Table {
            logical: "T".to_owned(),
            name: "t".to_owned(),
            attributes: Value::Null,
            keys: schema("owner", "item"),
            indexes: vec![due],
            stream: None,
            ttl: None,
        }
    }

    fn item(shard: Option<&str>, due: u32, text: &str) -> Value {
        let mut item =
            json!({"owner": {"S": "a"}, "item": {"S": "b"}, "due": {"N": due.to_string()}, "text": {"S": text}});
        if let Some(shard) = shard {
            item["shard"] = json!({"S": shard});
        }
        json!({"Item": item})
    }

    /// What a write is charged that makes `after` of `before`.
    fn charged(operation: &str, before: Value, after: Value) -> Vec<(String, String, f64)> {
        let heat = Heat::default();
        heat.watch(&[table()]);
        let put = json!({"TableName": "t", "Item": {"owner": {"S": "a"}, "item": {"S": "b"}}});
        let request = if operation == "PutItem" { put } else { json!({"TransactItems": [{"Put": put}]}) };
        let touched = heat.touched(operation, request.to_string().as_bytes());
        heat.note(&touched, &[before], &[after], 200, b"{}");
        heat.take().into_iter().map(|(hot, units)| (hot.part, hot.key, units)).collect()
    }

    fn one(part: &str, key: &str, units: f64) -> (String, String, f64) {
        (part.to_owned(), key.to_owned(), units)
    }

    #[test]
    fn an_entry_of_an_index_is_charged_when_it_is_made_moved_or_removed_and_not_when_nothing_of_it_changed() {
        let (none, long) = (json!({}), "x".repeat(1_500));
        let write = |before, after| charged("PutItem", before, after);
        assert_eq!(write(none.clone(), item(None, 1, "")), [one("item", "a", 1.0)]);
        assert_eq!(write(none, item(Some("0"), 1, "")), [one("by_due", "0", 1.0), one("item", "a", 1.0)]);
        assert_eq!(write(item(Some("0"), 1, ""), item(Some("0"), 1, &long)), [one("item", "a", 2.0)]);
        assert_eq!(
            write(item(Some("0"), 1, &long), item(Some("1"), 1, "")),
            [one("by_due", "0", 1.0), one("by_due", "1", 1.0), one("item", "a", 2.0)]
        );
        assert_eq!(
            write(item(Some("0"), 1, ""), item(Some("0"), 2, "")),
            [one("by_due", "0", 2.0), one("item", "a", 1.0)]
        );
        assert_eq!(write(item(Some("0"), 1, ""), item(None, 1, "")), [one("by_due", "0", 1.0), one("item", "a", 1.0)]);
    }

    #[test]
    fn a_transaction_is_charged_twice_and_a_request_that_is_none_not_at_all() {
        let before = item(None, 1, "");
        assert_eq!(charged("TransactWriteItems", before.clone(), before), [one("item", "a", 2.0)]);
        let heat = Heat::default();
        heat.watch(&[table()]);
        assert!(heat.touched("GetItem", br#"{"TableName":"t"}"#).is_empty());
        assert!(heat.touched("PutItem", br#"{"TableName":"another"}"#).is_empty());
        assert!(heat.take().is_empty());
        assert!(
            heat.touched("PutItem", br#"{"TableName":"t","Item":{"owner":{"S":"a"}}}"#).is_empty(),
            "nobody counts"
        );
    }
}
