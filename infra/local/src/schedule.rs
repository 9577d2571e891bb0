//! Schedules: functions invoked by the clock.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::invoke::Invoke;
use crate::template::Schedule;

/// Says how long nothing will be due; ready at once if something is due already.
pub type Due = Arc<dyn Fn(Timestamp) -> BoxFuture<'static, ()> + Send + Sync>;

/// Invokes one function by one schedule.
pub struct Scheduler {
    /// The schedule.
    pub schedule: Schedule,
    /// The function's name.
    pub function: String,
    /// How the function is invoked.
    pub invoke: Arc<dyn Invoke>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// If given, ticks on which this future is not ready are skipped: twenty days hold 28,800 minutes, and
    /// nearly all of them have nothing to do.
    pub skip_until: Option<Due>,
    /// Whether to invoke once at the start too.
    pub at_start: bool,
}

impl Scheduler {
    /// Invokes for ever: if so asked at the start, and at multiples of the period since the Unix epoch: the same instants after a restart.
    pub async fn run(self) {
        let period = i64::try_from(self.schedule.every.as_millis()).unwrap_or(i64::MAX).max(1);
        if self.at_start {
            self.tick().await;
        }
        loop {
            let now = self.clock.now();
            let next = Timestamp::from_millis((now.as_millis().div_euclid(period) + 1).saturating_mul(period));
            match &self.skip_until {
                None => tokio::time::sleep(next.since(now)).await,
                Some(due) => {
                    due(next).await;
                    self.align(period).await;
                }
            }
            self.tick().await;
        }
    }

    async fn tick(&self) {
        let payload = Bytes::from(self.schedule.input.clone());
        if let Err(error) = self.invoke.invoke(&self.function, payload).await {
            let (function, schedule) = (&self.function, &self.schedule.name);
            tracing::warn!(function, schedule, %error, "a schedule's invocation failed");
        }
    }

    /// Sleeps until the next multiple of the period; not at all on one.
    async fn align(&self, period: i64) {
        let past = self.clock.now().as_millis().rem_euclid(period);
        if past > 0 {
            tokio::time::sleep(Duration::from_millis((period - past).unsigned_abs())).await;
        }
    }
}
