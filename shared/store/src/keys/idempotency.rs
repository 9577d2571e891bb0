//! Requests with an `Idempotency-Key`: asked twice, done once, answered twice.
//!
//! The item is written before the request is done and holds a digest of it; the answer comes afterwards, sealed by the
//! caller. A request that never came to its end (the function died) may be done again when its lease is over. Kept for
//! 24 hours; DynamoDB's TTL may be late, so the time is compared too.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::KeyId;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use super::{Keys, TABLE};
use crate::StoreError;
use crate::connections::Connections;
use crate::item::{Reading, n, s};

/// How long the function may take for a request: several times its own timeout.
pub const LEASE: Duration = Duration::from_secs(60);

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeatable {
    /// Whose.
    pub key: KeyId,
    /// SHA-256 (hexadecimal) of the header's value.
    pub name: String,
    /// SHA-256 (hexadecimal) of what is asked for.
    pub digest: String,
    /// Tells this attempt from another one at the same time.
    pub holder: String,
}

/// How such a request begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Began {
    /// It is to be done.
    Ours,
    /// It was done, and answered with this, sealed.
    Done(String),
    /// It was done, and its answer was too long to be kept.
    Unkept,
    /// It is being done, until then at the latest.
    UnderWay(Timestamp),
    /// Something else was asked for under the same name.
    Other,
}

impl Repeatable {
    fn item(&self) -> String {
        format!("idem#{}", self.name)
    }
}

impl Keys {
    /// Begins a request that may have been made before.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn begin(&self, request: &Repeatable, now: Timestamp) -> Result<Began, StoreError> {
        let result = self
            .update(&request.key, &request.item())
            .update_expression(
                "SET digest = :digest, holder = :holder, lease_ms = :lease, expires_at = :expires REMOVE answer, unkept",
            )
            .condition_expression(
                "attribute_not_exists(digest) OR expires_at <= :now_s OR (digest = :digest AND lease_ms <= :now \
                 AND attribute_not_exists(answer) AND attribute_not_exists(unkept))",
            )
            .expression_attribute_values(":digest", s(&request.digest))
            .expression_attribute_values(":holder", s(&request.holder))
            .expression_attribute_values(":lease", n((now + LEASE).as_millis()))
            .expression_attribute_values(":expires", n((now + KEPT).as_secs()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":now_s", n(now.as_secs()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let found = match result {
            Ok(_) => return Ok(Began::Ours),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(found)) => found.item().cloned(),
                _ => return Err(StoreError::failed("UpdateItem")(error)),
            },
        };
        let found = found.unwrap_or_default();
        let reading = Reading::new(TABLE, &found);
        Ok(match reading.maybe_text("answer") {
            _ if reading.text("digest")? != request.digest => Began::Other,
            Some(answer) => Began::Done(answer.to_owned()),
            None if found.contains_key("unkept") => Began::Unkept,
            // Sent twice by the SDK because the first answer was lost.
            None if reading.maybe_text("holder") == Some(&request.holder) => Began::Ours,
            None => Began::UnderWay(Timestamp::from_millis(reading.number("lease_ms")?)),
        })
    }

    /// The request was done and answered; without an answer, it was too long to be kept. `false` if somebody else has
    /// begun it meanwhile.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn answered(&self, request: &Repeatable, sealed: Option<&str>) -> Result<bool, StoreError> {
        let update = self.update(&request.key, &request.item()).condition_expression("holder = :holder");
        let update = update.expression_attribute_values(":holder", s(&request.holder));
        let update = match sealed {
            Some(sealed) => {
                update.update_expression("SET answer = :answer").expression_attribute_values(":answer", s(sealed))
            }
            None => update.update_expression("SET unkept = :yes").expression_attribute_values(":yes", n(1)),
        };
        Connections::unless_refused(update).await
    }

    /// The request came to nothing, and may be made again at once.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn forget(&self, request: &Repeatable) -> Result<(), StoreError> {
        let result = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("key", s(request.key.as_str()))
            .key("item", s(request.item()))
            .condition_expression("holder = :holder AND attribute_not_exists(answer)")
            .expression_attribute_values(":holder", s(&request.holder))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(StoreError::failed("DeleteItem")(error)),
        }
    }
}
