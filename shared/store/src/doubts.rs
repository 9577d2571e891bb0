//! Doubts: records that a completely read window lacked, waiting to be looked for again; the duty
//! `doubt#<service>#<retraction>` of a connection.

use afferent_domain::Timestamp;
use afferent_domain::duty::Duty;
use afferent_domain::id::{ConnectionId, RecordId, RetractionId};
use afferent_domain::service::Service;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;

use crate::StoreError;
use crate::connections::Connections;
use crate::duties::{DutyKey, Owner};
use crate::item::{Reading, n, s};

const TABLE: &str = "connections";

/// A doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Its id.
    pub id: RetractionId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Of which service.
    pub service: Service,
    /// The records that were missed.
    pub records: Vec<RecordId>,
    /// How many measurements the window held.
    pub known: usize,
    /// When they were first missed.
    pub first: Timestamp,
    /// When it is looked at again.
    pub due: Option<Timestamp>,
    /// Since when it is held, because it is large.
    pub held: Option<Timestamp>,
    /// When an operator let it through.
    pub approved: Option<Timestamp>,
    /// Until when somebody has the right to look at it, if somebody took it.
    pub lease: Option<Timestamp>,
}

/// What a decision needs: it is held, and nobody is at work on it. A lease that has run out is a dead worker's.
const MAY_DECIDE: &str = "attribute_exists(held_ms) AND (attribute_not_exists(lease_ms) OR lease_ms <= :now)";

impl Doubt {
    /// Whether an operator may decide it at `now`: it is held, and nobody is at work on it.
    #[must_use]
    pub fn may_be_decided(&self, now: Timestamp) -> bool {
        self.held.is_some() && self.lease.is_none_or(|until| until <= now)
    }

    /// Its duty.
    #[must_use]
    pub fn key(&self) -> DutyKey {
        let duty = Duty::Doubt { service: self.service, id: self.id.as_str().to_owned() };
        DutyKey { owner: Owner::Connection(self.connection.clone()), duty }
    }
}

impl Connections {
    /// The doubts of a connection.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn doubts(&self, connection: &ConnectionId) -> Result<Vec<Doubt>, StoreError> {
        let mut doubts = Vec::new();
        for item in self.items_of(connection, "doubt#").await? {
            let reading = Reading::new(TABLE, &item);
            let Ok(Duty::Doubt { service, id }) = reading.text("item")?.parse() else { continue };
            let at = |name: &str| reading.maybe_number(name).map(Timestamp::from_millis);
            doubts.push(Doubt {
                id: RetractionId::from(id),
                connection: connection.clone(),
                service,
                records: reading.set("records").into_iter().map(RecordId::from).collect(),
                known: reading.maybe_number("known").unwrap_or(0),
                first: Timestamp::from_millis(reading.number("first_ms")?),
                due: at("due_ms"),
                held: at("held_ms"),
                approved: at("approved_ms"),
                lease: at("lease_ms"),
            });
        }
        Ok(doubts)
    }

    /// An operator lets a retraction through that is held: it is looked at once more, now. `false` if there is no such,
    /// or somebody is at work on it.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn approve_retraction(&self, key: &DutyKey, now: Timestamp) -> Result<bool, StoreError> {
        let update = self
            .update(&key.owner.to_string(), &key.duty.to_string())
            // Whoever let the lease run out must not put its own due time over this one.
            .update_expression("SET approved_ms = :now, due_ms = :now REMOVE lease_pull, lease_ms")
            .condition_expression(MAY_DECIDE)
            .expression_attribute_values(":now", n(now.as_millis()));
        Self::unless_refused(update).await
    }

    /// An operator does not believe a retraction that is held: the doubt goes, and the records stay until a sweep misses
    /// them again. `false` if there is no such, or somebody is at work on it.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn reject_retraction(&self, key: &DutyKey, now: Timestamp) -> Result<bool, StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("owner", s(key.owner.to_string()))
            .key("item", s(key.duty.to_string()))
            .condition_expression(MAY_DECIDE)
            .expression_attribute_values(":now", n(now.as_millis()));
        match delete.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::failed("DeleteItem")(error)),
        }
    }
}
