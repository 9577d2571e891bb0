//! A mark and the lease on it in one write: the usual case, in which nobody else is at the service.

use afferent_domain::Timestamp;
use afferent_domain::id::{ConnectionId, PullId};
use afferent_domain::mark::Entry;
use afferent_domain::service::Service;
use afferent_domain::trace::Trace;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::{LATE, Mark, OPERATION, TABLE, item, owner, read, shard};
use crate::StoreError;
use crate::connections::{Connections, refused};
use crate::item::{Reading, n, s};

/// What a mark tells whom a notification comes for that an earlier pull may have satisfied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// What the last pull left.
    pub progress: String,
    /// Which pull that was.
    pub pull: PullId,
    /// When the latest notification came that names the service.
    pub notified: Timestamp,
}

impl Connections {
    /// What the last pull of a service left; `None` if there was none, or nothing to tell.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn earlier(&self, connection: &ConnectionId, service: Service) -> Result<Option<Earlier>, StoreError> {
        let found = self.item(&owner(connection), &item(service)).await?;
        Ok(found.and_then(|found| {
            let reading = Reading::new(TABLE, &found);
            Some(Earlier {
                progress: reading.maybe_text("progress")?.to_owned(),
                pull: reading.maybe_text("pulled_by")?.into(),
                notified: Timestamp::from_millis(reading.maybe_number("notified_ms")?),
            })
        }))
    }

    /// Marks the service for a notification and takes its lease for `pull` until `until`, unless another pull holds it or
    /// the service is left alone after a failure: then nothing is changed, and the answer is `None`. A further mark under a
    /// lease that is `pull`'s already is written too.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn mark_and_lease(
        &self,
        connection: &ConnectionId,
        service: Service,
        entry: &Entry,
        trace: Option<Trace>,
        pull: &PullId,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Option<Mark>, StoreError> {
        let notified = match entry.received + LATE < now {
            true => "if_not_exists(notified_ms, :received)",
            false => ":received",
        };
        let mut update = self.update(&owner(connection), &item(service));
        let traced = trace.map_or("", |_| ", trace = :trace");
        if let Some(trace) = trace {
            update = update.expression_attribute_values(":trace", s(trace.to_item()));
        }
        let answer = update
            .update_expression(format!(
                "SET lease_pull = :pull, lease_ms = :until, due_ms = :until, due_shard = :shard, \
                 notified_ms = {notified}{traced} ADD entries :entry, marks :one"
            ))
            .condition_expression(
                "(attribute_not_exists(lease_ms) OR lease_ms <= :now OR lease_pull = :pull) \
                 AND (attribute_not_exists(not_before_ms) OR not_before_ms <= :now)",
            )
            .expression_attribute_values(":pull", s(pull.as_str()))
            .expression_attribute_values(":until", n(until.as_millis()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":received", n(entry.received.as_millis()))
            .expression_attribute_values(":shard", s(shard(connection, entry.cause.lane())))
            .expression_attribute_values(":entry", AttributeValue::Ss(vec![entry.to_text()]))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match answer {
            Ok(answer) => read(&answer.attributes.unwrap_or_default()).map(Some),
            Err(error) if refused(&error) => Ok(None),
            Err(error) => Err(StoreError::failed(OPERATION)(error)),
        }
    }
}
