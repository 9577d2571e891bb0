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
    /// one starts. The index may be a moment behind.
    ///
    /// # Errors
    /// DynamoDB failed, or an item is no record.
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
        let read = |item: &Item| {
            let item = Reading::new(TABLE, item);
            Ok(Change {
                user: item.text("user")?.into(),
                record: item.text("record")?.into(),
                rev: item.number("rev")?,
                changed: Timestamp::from_millis(item.number("changed_ms")?),
            })
        };
        Ok((answer.items().iter().map(read).collect::<Result<_, _>>()?, answer.last_evaluated_key))
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
