//! The audit log: every write that was asked for with a key, by UTC day.
//!
//! An entry is begun before the act and ended after it; one without an end had an unknown outcome. It names ids and
//! the route, never a body or a query. Kept for 400 days.

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::id::KeyId;
use afferent_domain::{Dice, Timestamp};
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Keys, TABLE};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};
use crate::notifications::day;

/// How long an entry is kept.
const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which: its place in its day.
    pub id: String,
    /// When it was begun.
    pub at: Timestamp,
    /// Who asked; none for an act by the operator's tool, which has no key.
    pub key: Option<KeyId>,
    /// What the key was called then.
    pub label: String,
    /// The method.
    pub method: String,
    /// The route, with names in the place of ids.
    pub route: String,
    /// What the names of the route stood for, and what was made, by what it is: several of a kind are one text, a space
    /// between them.
    pub ids: BTreeMap<String, String>,
    /// The id of the request, as the function's log has it.
    pub request: String,
    /// The status it was answered with, and when; none if that is unknown.
    pub end: Option<(u16, Timestamp)>,
}

impl Entry {
    /// The id of an entry that is begun now.
    #[must_use]
    pub fn draw(now: Timestamp, dice: &dyn Dice) -> String {
        format!("{:014}#{:016x}", now.as_millis(), dice.roll())
    }
}

fn partition(day: &str) -> AttributeValue {
    s(format!("_audit#{day}"))
}

impl Keys {
    /// Writes an entry before its act.
    ///
    /// # Errors
    /// DynamoDB fails; then the act may not be done.
    pub async fn begin_entry(&self, entry: &Entry) -> Result<(), StoreError> {
        let mut item = Item::from([
            ("key".to_owned(), partition(&day(entry.at))),
            ("item".to_owned(), s(&entry.id)),
            ("at_ms".to_owned(), n(entry.at.as_millis())),
            ("label".to_owned(), s(&entry.label)),
            ("method".to_owned(), s(&entry.method)),
            ("route".to_owned(), s(&entry.route)),
            ("ids".to_owned(), ids(entry)),
            ("request".to_owned(), s(&entry.request)),
            ("expires_at".to_owned(), n((entry.at + KEPT).as_secs())),
        ]);
        if let Some(key) = &entry.key {
            item.insert("by".to_owned(), s(key.as_str()));
        }
        if let Some((status, at)) = entry.end {
            item.insert("status".to_owned(), n(status));
            item.insert("ended_ms".to_owned(), n(at.as_millis()));
        }
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(StoreError::failed("PutItem"))
    }

    /// Writes how the act of an entry ended, and its ids anew: those of what was made are known only now.
    ///
    /// # Errors
    /// DynamoDB fails; the outcome stays unknown.
    pub async fn end_entry(&self, entry: &Entry, status: u16, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("key", partition(&day(entry.at)))
            .key("item", s(&entry.id))
            .update_expression("SET #status = :status, ended_ms = :now, #ids = :ids")
            .expression_attribute_names("#ids", "ids")
            .expression_attribute_values(":ids", ids(entry))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", n(status))
            .expression_attribute_values(":now", n(now.as_millis()));
        update.send().await.map(drop).map_err(StoreError::failed("UpdateItem"))
    }

    /// A page of the entries of a UTC day (`YYYY-MM-DD`), the newest first, after the entry `after`; and whether there
    /// are more.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn entries(&self, day: &str, after: Option<&str>, limit: u16) -> Result<(Vec<Entry>, bool), StoreError> {
        let start = after.map(|after| Item::from([("key".to_owned(), partition(day)), ("item".to_owned(), s(after))]));
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#key = :day")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":day", partition(day))
            .scan_index_forward(false)
            .set_exclusive_start_key(start)
            .limit(i32::from(limit.max(1)))
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let entries = page.items().iter().map(read).collect::<Result<_, _>>()?;
        Ok((entries, page.last_evaluated_key.is_some()))
    }
}

fn ids(entry: &Entry) -> AttributeValue {
    AttributeValue::M(entry.ids.iter().map(|(name, id)| (name.clone(), s(id))).collect())
}

fn read(item: &Item) -> Result<Entry, StoreError> {
    let reading = Reading::new(TABLE, item);
    let ids = item.get("ids").and_then(|ids| ids.as_m().ok());
    let ids = ids.into_iter().flatten().filter_map(|(name, id)| Some((name.clone(), id.as_s().ok()?.clone())));
    let ended = reading.maybe_number("ended_ms").map(Timestamp::from_millis);
    Ok(Entry {
        id: reading.text("item")?.to_owned(),
        at: Timestamp::from_millis(reading.number("at_ms")?),
        key: reading.maybe_text("by").map(KeyId::from),
        label: reading.text("label")?.to_owned(),
        method: reading.text("method")?.to_owned(),
        route: reading.text("route")?.to_owned(),
        ids: ids.collect(),
        request: reading.text("request")?.to_owned(),
        end: reading.maybe_number("status").zip(ended),
    })
}
