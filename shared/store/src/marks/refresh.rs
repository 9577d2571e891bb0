//! Reading a service because its customer asks.

use std::time::Duration;

use afferent_aws::Sends;
use afferent_domain::Timestamp;
use afferent_domain::id::ConnectionId;
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::service::Service;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::{OPERATION, TABLE, item, owner, shard};
use crate::StoreError;
use crate::connections::Connections;
use crate::item::{Reading, n, s};

/// How often a connection may be refreshed.
pub const EVERY: Duration = Duration::from_secs(60);

/// What comes of asking for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshing {
    /// It is marked, and read as soon as there is a call free.
    Queued,
    /// It is being read already. It is marked all the same: what is read now began before.
    UnderWay,
}

/// The connection was refreshed just now; it may be again at this instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSoon(pub Timestamp);

impl Connections {
    /// Notes that a connection is refreshed, if it was not within [`EVERY`].
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn begin_refresh(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Result<(), TooSoon>, StoreError> {
        let sends = Sends::default();
        let result = self
            .update(&owner(connection), "connection")
            .update_expression("SET refreshed_ms = :now")
            .condition_expression(
                "attribute_exists(#item) AND (attribute_not_exists(refreshed_ms) OR refreshed_ms <= :before)",
            )
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":before", n((now - EVERY).as_millis()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .customize()
            .interceptor(sends.clone())
            .send()
            .await;
        let Err(error) = result else { return Ok(Ok(())) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(found)) => {
                let last = found.item().and_then(|item| Reading::new(TABLE, item).maybe_number("refreshed_ms"));
                // It is our own: the answer to an earlier try of this very write was lost.
                if sends.are_many() && last == Some(now.as_millis()) {
                    return Ok(Ok(()));
                }
                Ok(Err(TooSoon(last.map_or(now, Timestamp::from_millis) + EVERY)))
            }
            _ => Err(StoreError::failed(OPERATION)(error)),
        }
    }

    /// Gives the minute back that [`Self::begin_refresh`] took at `then`, because not all was marked.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn give_back_minute(&self, connection: &ConnectionId, then: Timestamp) -> Result<(), StoreError> {
        let update = self
            .update(&owner(connection), "connection")
            .update_expression("REMOVE refreshed_ms")
            .condition_expression("refreshed_ms = :then")
            .expression_attribute_values(":then", n(then.as_millis()));
        Self::unless_refused(update).await.map(drop)
    }

    /// Marks a service because its customer asks, due at `due`, and forgets earlier failures.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn refresh(
        &self,
        connection: &ConnectionId,
        service: Service,
        now: Timestamp,
        due: Timestamp,
    ) -> Result<Refreshing, StoreError> {
        let entry = Entry { cause: Cause::Refresh, received: now, window: None };
        let old = self
            .update(&owner(connection), &item(service))
            .update_expression(
                "SET due_shard = :shard, due_ms = :due REMOVE not_before_ms, failures ADD entries :entry, marks :one",
            )
            .expression_attribute_values(":shard", s(shard(connection, entry.cause.lane())))
            .expression_attribute_values(":due", n(due.as_millis()))
            .expression_attribute_values(":entry", AttributeValue::Ss(vec![entry.to_text()]))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(StoreError::failed(OPERATION))?
            .attributes
            .unwrap_or_default();
        let leased = Reading::new(TABLE, &old).maybe_number("lease_ms").map(Timestamp::from_millis);
        Ok(if leased.is_some_and(|until| until > now) { Refreshing::UnderWay } else { Refreshing::Queued })
    }
}
