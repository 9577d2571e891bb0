//! Notes of changes that could not become an event.

use afferent_domain::Timestamp;

use super::Events;
use super::items::{failure_item, read_failure};
use crate::StoreError;
use crate::item::s;

/// The journal of what could not become an event; see [`Events::put_failure`].
pub const FAILURES: &str = "_failed";

/// A change that could not become an event, however often it is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the stream calls the change, or the record and revision; the same change, the same text.
    pub change: String,
    /// The record's user, if it could be read.
    pub user: Option<String>,
    /// The record, if it could be read.
    pub record: Option<String>,
    /// Why. Holds no values of the record.
    pub reason: String,
    /// When it was noticed.
    pub at: Timestamp,
}

impl Events {
    /// Notes a change that could not become an event, where it can be listed. The same change makes one
    /// note, however often it comes.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn put_failure(&self, failure: &Failure) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(failure_item(failure)))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed("PutItem"))
    }

    /// The notes of [`Events::put_failure`], up to `limit` of them, in no order of time.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn failures(&self, limit: u16) -> Result<Vec<Failure>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("journal = :journal")
            .expression_attribute_values(":journal", s(FAILURES))
            .limit(i32::from(limit.max(1)))
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        answer.items().iter().map(read_failure).collect()
    }
}
