//! The epoch of a journal: raised when the table was restored from a backup, because numbers come again then.
//!
//! It comes from outside the backup (the time of the round), so that it is new also if the table is restored twice; and a
//! *floor* stands for the journals that the backup does not hold, whose numbers come again all the same.

use afferent_domain::id::UserId;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

use super::{Events, Head, TABLE};
use crate::StoreError;
use crate::item::{Reading, n, s};

/// The journal whose head is the floor.
const FLOOR: &str = "_epoch";

impl Events {
    /// Raises the epoch of the journal of `user` to `epoch`; `false` if it is as high already. A journal without a head
    /// begins at the floor. An append under way may still put events of the epoch before: a round raises while `fanout` stands.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn raise_epoch(&self, user: &UserId, epoch: u32) -> Result<bool, StoreError> {
        self.raise(user.as_str(), epoch, "attribute_exists(#epoch) AND #epoch < :epoch").await
    }

    /// Raises the epoch that journals begin with; `false` if it is as high already.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn raise_floor(&self, epoch: u32) -> Result<bool, StoreError> {
        self.raise(FLOOR, epoch, "attribute_not_exists(#epoch) OR #epoch < :epoch").await
    }

    /// Where a journal begins.
    pub(super) async fn beginning(&self) -> Result<Head, StoreError> {
        let floor = self.item(FLOOR, 0).await?;
        let epoch = floor.and_then(|item| Reading::new(TABLE, &item).maybe_number("epoch"));
        Ok(Head { last: 0, epoch: epoch.unwrap_or_default() })
    }

    async fn raise(&self, journal: &str, epoch: u32, condition: &str) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("journal", s(journal))
            .key("sequence", n(0))
            .update_expression("SET #epoch = :epoch")
            .condition_expression(condition)
            .expression_attribute_names("#epoch", "epoch")
            .expression_attribute_values(":epoch", n(epoch));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }
}
