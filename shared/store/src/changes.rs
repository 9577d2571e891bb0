//! The records by the time of their change: what the journal sweep reads.

use afferent_domain::Timestamp;
use afferent_domain::id::{RecordId, UserId};
use aws_sdk_dynamodb::Client;

use crate::StoreError;
use crate::item::{Item, Reading, s, to_json};

const TABLE: &str = "records";
const BY_CHANGE: &str = "by_change";

/// A record's last change, as the index shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose record.
    pub user: UserId,
    /// Which.
    pub record: RecordId,
    /// Its revision.
    pub rev: u32,
    /// When it was written.
    pub changed: Timestamp,
}

/// The index `by_change` of the table `records`.
#[derive(Clone, Debug)]
pub struct Changes {
    client: Client,
    table: String,
}

impl Changes {
    /// The index of the table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One page of the changes of a bucket (`afferent_domain::record::change_buckets`), and where the next
    /// one starts. The index may be a moment behind. An entry that cannot be read is logged and left out: it must
    /// not stop the others.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn page(&self, bucket: &str, start: Option<Item>) -> Result<(Vec<Change>, Option<Item>), StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_CHANGE)
            .key_condition_expression("change_bucket = :bucket")
            .expression_attribute_values(":bucket", s(bucket))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        Ok((answer.items().iter().filter_map(readable).collect(), answer.last_evaluated_key))
    }

    /// The record as the table holds it now, as JSON; `None` if it was erased.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn json(&self, user: &UserId, record: &RecordId) -> Result<Option<String>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("user", s(user.as_str()))
            .key("record", s(record.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("GetItem"))?;
        Ok(answer.item.as_ref().map(to_json))
    }
}

fn read(entry: Reading<'_>) -> Result<Change, StoreError> {
    Ok(Change {
        user: entry.text("user")?.into(),
        record: entry.text("record")?.into(),
        rev: entry.number("rev")?,
        changed: Timestamp::from_millis(entry.number("changed_ms")?),
    })
}

fn readable(item: &Item) -> Option<Change> {
    let entry = Reading::new(TABLE, item);
    let read = read(entry);
    if let Err(error) = &read {
        let (user, record) = (entry.maybe_text("user"), entry.maybe_text("record"));
        tracing::error!(%error, user, record, "a change cannot be read, and is not compared with the journal");
    }
    read.ok()
}
