//! The clock: what must happen although no message says so.
//!
//! | schedule | input | does |
//! |---|---|---|
//! | every minute | `{"task":"minute"}` | wakes parked deliveries ahead of time, deliveries whose message seems lost, pulls whose mark is due; looks after what breakers keep back; goes on with jobs and with the journal sweep; gives notices about endpoints; tops `backfill` up with slices and sweeps; erases what is to be erased |
//! | every day | `{"task":"daily"}` | begins a journal sweep; looks for deliveries that are kept back for no reason; counts notifications by state |
//!
//! Every task is bounded by time, goes on in the next run from where it was, and may be repeated, doubled or left out:
//! what it does is decided by what stands in the tables, and what it sends are messages that say "look".

mod breakers;
mod census;
mod deliveries;
mod erasure;
mod feed;
mod gauges;
mod jobs;
mod notices;
mod pulls;
mod round;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::budget::Limit;
use afferent_domain::{Clock, Timestamp};
use afferent_function::{Edge, Env, Rim, StartError};
use afferent_metrics::{Metric, count};
use afferent_outbox::Outbox;
use afferent_queue::Queue;
use afferent_store::changes::Changes;
use afferent_store::connections::Connections;
use afferent_store::keys::Keys;
use afferent_store::notifications::Notifications;
use afferent_store::records::Records;
use serde::Deserialize;
use serde_json::{Value, json};

use notices::Post;

/// How long after its start a run begins nothing more: the function has 55 s, and what was begun takes some.
const WORK: Duration = Duration::from_secs(45);

/// What `keeper` reads from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// `CONNECTIONS_TABLE`: the marks of pulls.
    pub connections_table: String,
    /// `NOTIFICATIONS_TABLE`: what is counted.
    pub notifications_table: String,
    /// `RECORDS_TABLE`: what the journal is compared with.
    pub records_table: String,
    /// `KEYS_TABLE`: the keys of persons who are erased.
    pub keys_table: String,
    /// `PULLS_QUEUE_URL`: the queue that the fetcher reads.
    pub pulls_queue_url: String,
    /// `BACKFILL_QUEUE_URL`: the queue of slices and sweeps, which the fetcher reads too.
    pub backfill_queue_url: String,
    /// `WITHINGS_LIMIT`: requests in any 60 s that the plan allows; 120 unless it is set.
    pub withings_limit: Limit,
    /// `DELIVERY_RETENTION_DAYS`: how long deliveries are kept after they ended; 30 unless it is set.
    pub delivery_retention: Duration,
    /// `EVENTS_TABLE`, `DELIVERIES_TABLE`, `ENDPOINTS_TABLE`, `DELIVERIES_QUEUE_URL`.
    pub outbox: afferent_outbox::Config,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, StartError> {
        let days = env.number("DELIVERY_RETENTION_DAYS", 30, 1..=365, "a number of days from 1 to 365")?;
        Ok(Self {
            delivery_retention: Duration::from_secs(days * 24 * 60 * 60),
            connections_table: env.required("CONNECTIONS_TABLE")?,
            notifications_table: env.required("NOTIFICATIONS_TABLE")?,
            records_table: env.required("RECORDS_TABLE")?,
            keys_table: env.required("KEYS_TABLE")?,
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
    keys: Keys,
    outbox: Outbox,
    pulls: Queue,
    backfill: Queue,
    limit: Limit,
    post: Post,
    clock: Arc<dyn Clock>,
    edge: Edge,
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
            records: Records::new(client.clone(), config.records_table),
            keys: Keys::new(client, config.keys_table),
            outbox: Outbox::new(config.outbox, rim).keeping(config.delivery_retention),
            pulls: Queue::new(&rim.aws, config.pulls_queue_url),
            backfill: Queue::new(&rim.aws, config.backfill_queue_url),
            limit: config.withings_limit,
            post: Post::from_env(env, rim)?,
            clock: Arc::clone(&rim.clock),
            edge: rim.edge("keeper", env),
        })
    }

    /// Does one task and says what it did. The parts of a task run side by side and do not stop each other: all of them
    /// run, and the first error is returned.
    ///
    /// # Errors
    /// The task is unknown, or infrastructure failed.
    pub async fn handle(&self, event: Value) -> Result<Value, lambda_runtime::Error> {
        self.edge.invocation(self.run(event)).await
    }

    async fn run(&self, event: Value) -> Result<Value, lambda_runtime::Error> {
        let until = self.clock.now() + WORK;
        match Task::deserialize(&event)? {
            Task::Minute => {
                count(Metric::KeeperMinutes, 1);
                let (deliveries, breakers, jobs, notices, pulls, backfill, erasures, round, sweep, ()) = tokio::join!(
                    Box::pin(self.wake_deliveries(until)),
                    Box::pin(self.tend_breakers(until)),
                    Box::pin(self.run_jobs(until)),
                    Box::pin(self.notices()),
                    Box::pin(self.wake_pulls()),
                    Box::pin(self.feed()),
                    Box::pin(self.erase()),
                    Box::pin(self.go_round(until)),
                    Box::pin(self.continue_sweep(until)),
                    Box::pin(self.read_gauges()),
                );
                Ok(json!({
                    "deliveries": deliveries?, "breakers": breakers?, "jobs": jobs?, "notices": notices?,
                    "pulls": pulls?, "backfill": backfill?, "erasures": erasures?, "round": round?, "sweep": sweep?,
                }))
            }
            Task::Daily => {
                count(Metric::KeeperDays, 1);
                let (sweep, stranded, census) = tokio::join!(
                    Box::pin(self.begin_sweep(until)),
                    Box::pin(self.find_stranded(until)),
                    Box::pin(self.census()),
                );
                Ok(json!({"sweep": sweep?, "stranded": stranded?, "notifications": census?}))
            }
        }
    }
}

/// Lets `all` begin elsewhere in each turn, one `every` so often: a run that has more to do than time does not come to the last, and the next
/// one must not begin with the same. The steps are of the golden ratio, so a few turns reach every part, however many
/// there are.
fn begin_elsewhere<T>(all: &mut [T], now: Timestamp, every: Duration) {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let turn = now.since(Timestamp::default()).as_secs() / every.as_secs().max(1);
    let place = (u128::from(turn.wrapping_mul(GOLDEN)) * all.len() as u128) >> 64;
    all.rotate_left(usize::try_from(place).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn whoever_comes_to_a_tenth_of_all_in_a_turn_comes_to_all_of_them_in_thirty_turns() {
        const EVERY: Duration = Duration::from_secs(60);
        for first in [0, 20_779, 29_920_740] {
            for count in [1, 10, 1_000] {
                let mut reached = BTreeSet::new();
                for turn in 0..30 {
                    let mut all: Vec<usize> = (0..count).collect();
                    begin_elsewhere(&mut all, Timestamp::from_secs((first + turn) * 60), EVERY);
                    reached.extend(all.drain(..count.div_ceil(10)));
                }
                assert_eq!(reached.len(), count, "from {first}");
            }
        }
        begin_elsewhere::<u8>(&mut [], Timestamp::default(), EVERY);
    }

    #[test]
    fn the_schedules_name_their_tasks() {
        assert_eq!(Task::deserialize(json!({"task": "minute"})).unwrap(), Task::Minute);
        assert_eq!(Task::deserialize(json!({"task": "daily"})).unwrap(), Task::Daily);
        assert!(Task::deserialize(json!({"task": "hourly"})).is_err());
        assert!(Task::deserialize(json!({})).is_err());
    }
}
