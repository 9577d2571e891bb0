//! Marks, leases and cursors: the item `service#<service>` of a connection, in the `connections` table.
//!
//! The item is in the due index as long as it is dirty: under the lease's end while a pull is under way,
//! under a due time else. So a pull that dies with its lease is woken by `keeper` when the lease ends.
//!
//! Beside that it keeps what somebody asks who looks: when the last notification came, and how the last reading ended.

mod lease;
mod refresh;
mod standing;
mod take;

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::duty::Family;
use afferent_domain::id::{ConnectionId, PullId};
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::service::Service;
use afferent_domain::trace::Trace;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::StoreError;
use crate::connections::{Connections, refused};
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";
const OPERATION: &str = "UpdateItem";

/// A notification that came so long before its mark waited for its person, and is not the latest.
const LATE: Duration = Duration::from_secs(3600);

pub use lease::{Ending, Lease, Release};
pub use refresh::{EVERY, Refreshing, TooSoon};
pub use standing::{Pulled, Standing};
pub use take::Earlier;

/// The mark as a pull finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The notifications to satisfy.
    pub entries: Vec<Entry>,
    /// Rises with every notification; tells whether another came meanwhile.
    pub count: u64,
    /// The greatest `modified` (epoch seconds) whose rows are stored.
    pub cursor: Option<i64>,
    /// How far a read came that was cut short; the reader's own words.
    pub progress: Option<String>,
    /// How often it failed in a row.
    pub failures: u32,
    /// The trace of the newest of the notifications that has one.
    pub trace: Option<Trace>,
    /// The last pull, which left `progress`.
    pub pulled_by: Option<PullId>,
}

impl Connections {
    /// Marks the service of the connection dirty, for what belongs to `trace`. Doing it again for the same notification only
    /// counts again.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn mark(
        &self,
        connection: &ConnectionId,
        service: Service,
        entry: &Entry,
        trace: Option<Trace>,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        let shard_of = match family(entry.cause.lane()) {
            Family::Mark => ":shard",
            // Somebody may be waiting for what is marked already.
            _ => "if_not_exists(due_shard, :shard)",
        };
        let mut update = self.update(&owner(connection), &item(service));
        let mut expression = format!("SET due_shard = {shard_of}, due_ms = if_not_exists(due_ms, :due)");
        if matches!(entry.cause, Cause::Notification(_)) {
            let late = entry.received + LATE < due;
            expression.push_str(if late {
                ", notified_ms = if_not_exists(notified_ms, :received)"
            } else {
                ", notified_ms = :received"
            });
            update = update.expression_attribute_values(":received", n(entry.received.as_millis()));
        }
        if let Some(trace) = trace {
            expression.push_str(", trace = :trace");
            update = update.expression_attribute_values(":trace", s(trace.to_item()));
        }
        update
            .update_expression(expression + " ADD entries :entry, marks :one")
            .expression_attribute_values(":shard", s(shard(connection, entry.cause.lane())))
            .expression_attribute_values(":due", n(due.as_millis()))
            .expression_attribute_values(":entry", AttributeValue::Ss(vec![entry.to_text()]))
            .expression_attribute_values(":one", n(1))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed(OPERATION))
    }

    /// The same, and forgets earlier failures: something has changed that lets the service be read again.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn revive(
        &self,
        connection: &ConnectionId,
        service: Service,
        entry: &Entry,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        self.update(&owner(connection), &item(service))
            .update_expression(
                "SET due_shard = :shard, due_ms = :due REMOVE not_before_ms, failures ADD entries :entry, marks :one",
            )
            .expression_attribute_values(":shard", s(shard(connection, entry.cause.lane())))
            .expression_attribute_values(":due", n(due.as_millis()))
            .expression_attribute_values(":entry", AttributeValue::Ss(vec![entry.to_text()]))
            .expression_attribute_values(":one", n(1))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed(OPERATION))
    }

    /// The marks of a connection that have entries.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn marks_of(&self, connection: &ConnectionId) -> Result<Vec<(Service, Mark)>, StoreError> {
        let mut marks = Vec::new();
        let items = self.items_of(connection, "service#").await?;
        for found in items.iter().filter(|found| found.contains_key("entries")) {
            let name = Reading::new(TABLE, found).text("item")?;
            if let Some(Ok(service)) = name.strip_prefix("service#").map(str::parse) {
                marks.push((service, read(found)?));
            }
        }
        Ok(marks)
    }

    /// Strikes out every entry of a mark as it was when it had been counted to `count`: what they waited for will not
    /// be read. A pull that is under way finds its lease gone. `false`, and nothing changed, if another notification
    /// came since.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn strike_out(
        &self,
        connection: &ConnectionId,
        service: Service,
        count: u64,
    ) -> Result<bool, StoreError> {
        let result = self
            .update(&owner(connection), &item(service))
            .update_expression(
                "REMOVE entries, due_ms, due_shard, lease_pull, lease_ms, not_before_ms, fed_ms, failures, progress, trace",
            )
            .condition_expression("marks = :count")
            .expression_attribute_values(":count", n(count))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if refused(&error) => Ok(false),
            Err(error) => Err(StoreError::failed(OPERATION)(error)),
        }
    }
}

fn owner(connection: &ConnectionId) -> String {
    format!("connection#{connection}")
}

/// Where marks are found that this lane reads.
const fn family(lane: Lane) -> Family {
    match lane {
        Lane::Auth | Lane::Live | Lane::OnDemand => Family::Mark,
        Lane::Backfill | Lane::Reconcile => Family::Sweep,
    }
}

fn shard(connection: &ConnectionId, lane: Lane) -> String {
    family(lane).shard(&owner(connection))
}

fn item(service: Service) -> String {
    format!("service#{}", service.name())
}

fn read(item: &Item) -> Result<Mark, StoreError> {
    let reading = Reading::new(TABLE, item);
    Ok(Mark {
        entries: reading.set("entries").iter().filter_map(|text| Entry::from_text(text)).collect(),
        count: reading.number("marks")?,
        cursor: reading.maybe_number("cursor_s"),
        progress: reading.maybe_text("progress").map(str::to_owned),
        failures: reading.maybe_number("failures").unwrap_or(0),
        trace: reading.maybe_text("trace").and_then(Trace::of_item),
        pulled_by: reading.maybe_text("pulled_by").map(PullId::from),
    })
}
