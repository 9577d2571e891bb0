//! The line of an endpoint's rate: one instant, moved by whoever takes a place.

use afferent_domain::Timestamp;
use afferent_domain::id::EndpointId;
use afferent_domain::rate::{Place, Rate};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use super::{Endpoints, RATE, TABLE, unless_refused};
use crate::StoreError;
use crate::item::{Item, Reading, n};

/// How often somebody else may be quicker before that is an error.
const TRIES: u32 = 50;

impl Endpoints {
    /// Takes a place in the line of `endpoint`, which was last seen at `seen`.
    ///
    /// # Errors
    /// DynamoDB failed, or the line is too busy.
    pub async fn take_place(
        &self,
        endpoint: &EndpointId,
        rate: Rate,
        seen: Timestamp,
        now: Timestamp,
    ) -> Result<Place, StoreError> {
        const OPERATION: &str = "UpdateItem";
        let mut line = seen;
        for _ in 0..TRIES {
            let place = rate.take(line, now);
            let update = self
                .update(endpoint, RATE)
                .update_expression("SET line_ms = :next")
                .condition_expression(if line == Timestamp::default() {
                    "attribute_not_exists(line_ms) OR line_ms = :line"
                } else {
                    "line_ms = :line"
                })
                .expression_attribute_values(":next", n(place.line.as_millis()))
                .expression_attribute_values(":line", n(line.as_millis()))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            match update {
                Ok(_) => return Ok(place),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                        line = refused.item().map_or(Timestamp::default(), read);
                    }
                    _ => return Err(StoreError::failed(OPERATION)(error)),
                },
            }
        }
        Err(StoreError::Conflict { operation: OPERATION })
    }

    /// Forgets the line, so that nobody waits behind places that are not used any more.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn clear_line(&self, endpoint: &EndpointId) -> Result<(), StoreError> {
        let update = self.update(endpoint, RATE).update_expression("REMOVE line_ms");
        unless_refused(update).await.map(drop)
    }
}

pub(super) fn read(item: &Item) -> Timestamp {
    Timestamp::from_millis(Reading::new(TABLE, item).maybe_number("line_ms").unwrap_or_default())
}
