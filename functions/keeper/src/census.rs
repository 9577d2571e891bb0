//! The daily count: accepted = satisfied + recorded + quarantined + waiting.

use std::time::Duration;

use afferent_metrics::{Metric, observe};
use afferent_store::notifications::{State, day};
use serde_json::{Map, Value};

use crate::Keeper;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Keeper {
    /// Counts yesterday's notifications (UTC) by state; a log line that a metric is read off.
    pub(crate) async fn census(&self) -> Result<Value, lambda_runtime::Error> {
        let yesterday = day(self.clock.now() - DAY);
        let (mut counts, mut accepted) = (Map::new(), 0);
        for state in State::ALL {
            let count = self.notifications.count(state, &yesterday).await?;
            counts.insert(state.name().to_owned(), count.into());
            accepted += count;
        }
        let count = |state: State| counts.get(state.name()).and_then(Value::as_u64);
        observe(Metric::QuarantinedToday, count(State::Quarantined).unwrap_or(0));
        let ended = [State::Satisfied, State::Recorded, State::Quarantined].into_iter().filter_map(count).sum();
        observe(Metric::Unaccounted, accepted.saturating_sub(ended));
        tracing::info!(
            day = yesterday,
            accepted,
            satisfied = count(State::Satisfied),
            recorded = count(State::Recorded),
            quarantined = count(State::Quarantined),
            waiting = count(State::Waiting),
            "notifications of the day by state"
        );
        counts.insert("accepted".to_owned(), accepted.into());
        counts.insert("day".to_owned(), yesterday.into());
        Ok(Value::Object(counts))
    }
}
