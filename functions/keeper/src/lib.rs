//! The clock: what must happen although no message says so.
//!
//! | schedule | input | does |
//! |---|---|---|
//! | every minute | `{"task":"minute"}` | wakes parked deliveries ahead of time, deliveries whose message seems lost, pulls whose mark is due; tops `backfill` up with slices and sweeps; erases what is to be erased |
//! | every day | `{"task":"daily"}` | compares the records changed in the last 26 hours with the journal; counts notifications by state |
//!
//! Every task is bounded per run and may be repeated, doubled or left out: what it does is decided by what
//! stands in the tables, and what it sends are messages that say "look".

mod census;
mod deliveries;
mod erasure;
mod feed;
mod pulls;
mod sweep;

use std::sync::Arc;

use afferent_domain::Clock;
use afferent_domain::budget::Limit;
use afferent_function::{Env, Rim, StartError};
use afferent_outbox::Outbox;
use afferent_queue::Queue;
use afferent_store::changes::Changes;
use afferent_store::connections::Connections;
use afferent_store::notifications::Notifications;
use afferent_store::records::Records;
use serde::Deserialize;
use serde_json::{Value, json};

/// What `keeper` reads from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// `CONNECTIONS_TABLE`: the marks of pulls.
    pub connections_table: String,
    /// `NOTIFICATIONS_TABLE`: what is counted.
    pub notifications_table: String,
    /// `RECORDS_TABLE`: what the journal is compared with.
    pub records_table: String,
    /// `PULLS_QUEUE_URL`: the queue that the fetcher reads.
    pub pulls_queue_url: String,
    /// `BACKFILL_QUEUE_URL`: the queue of slices and sweeps, which the fetcher reads too.
    pub backfill_queue_url: String,
    /// `WITHINGS_LIMIT`: requests in any 60 s that the plan allows; 120 unless it is set.
    pub withings_limit: Limit,
    /// `EVENTS_TABLE`, `DELIVERIES_TABLE`, `ENDPOINTS_TABLE`, `DELIVERIES_QUEUE_URL`.
    pub outbox: afferent_outbox::Config,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, StartError> {
        Ok(Self {
            connections_table: env.required("CONNECTIONS_TABLE")?,
            notifications_table: env.required("NOTIFICATIONS_TABLE")?,
            records_table: env.required("RECORDS_TABLE")?,
            pulls_queue_url: env.required("PULLS_QUEUE_URL")?,
            backfill_queue_url: env.required("BACKFILL_QUEUE_URL")?,
            withings_limit: Limit::new(env.parsed("WITHINGS_LIMIT", 120, "a whole number from 2 to 30000")?)?,
            outbox: afferent_outbox::Config::from_env(env)?,
        })
    }
}

/// What the schedule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "task", rename_all = "lowercase")]
enum Task {
    Minute,
    Daily,
}

/// The function.
pub struct Keeper {
    connections: Connections,
    notifications: Notifications,
    changes: Changes,
    records: Records,
    outbox: Outbox,
    pulls: Queue,
    backfill: Queue,
    limit: Limit,
    clock: Arc<dyn Clock>,
}

impl Keeper {
    /// Builds the function; calls nothing.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub async fn start(env: &Env, rim: &Rim) -> Result<Self, StartError> {
        let config = Config::from_env(env)?;
        let client = afferent_store::client(&rim.aws);
        Ok(Self {
            connections: Connections::new(client.clone(), config.connections_table),
            notifications: Notifications::new(client.clone(), config.notifications_table),
            changes: Changes::new(client.clone(), config.records_table.clone()),
            records: Records::new(client, config.records_table),
            outbox: Outbox::new(config.outbox, rim),
            pulls: Queue::new(&rim.aws, config.pulls_queue_url),
            backfill: Queue::new(&rim.aws, config.backfill_queue_url),
            limit: config.withings_limit,
            clock: Arc::clone(&rim.clock),
        })
    }

    /// Does one task and says what it did. The parts of a task do not stop each other: all of them run, and
    /// the first error is returned.
    ///
    /// # Errors
    /// The task is unknown, or infrastructure failed.
    pub async fn handle(&self, event: Value) -> Result<Value, lambda_runtime::Error> {
        match Task::deserialize(&event)? {
            Task::Minute => {
                let (deliveries, pulls) = (self.wake_deliveries().await, self.wake_pulls().await);
                let (backfill, erasures) = (self.feed().await, self.erase().await);
                Ok(json!({
                    "deliveries": deliveries?, "pulls": pulls?, "backfill": backfill?, "erasures": erasures?,
                }))
            }
            Task::Daily => {
                let (sweep, census) = (self.sweep().await, self.census().await);
                Ok(json!({"sweep": sweep?, "notifications": census?}))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedules_name_their_tasks() {
        assert_eq!(Task::deserialize(json!({"task": "minute"})).unwrap(), Task::Minute);
        assert_eq!(Task::deserialize(json!({"task": "daily"})).unwrap(), Task::Daily);
        assert!(Task::deserialize(json!({"task": "hourly"})).is_err());
        assert!(Task::deserialize(json!({})).is_err());
    }
}
