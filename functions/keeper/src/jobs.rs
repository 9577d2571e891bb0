//! Jobs on the deliveries of one endpoint, in slices.
//!
//! Every minute each job that runs goes on from its cursor, as far as the run's time and its own pace allow; what it
//! sends is spread over the minute. A slice does its work, sends its messages and then saves where the next one begins.
//! So whoever dies in between repeats at most one slice, and doing a slice again changes nothing: a delivery begins anew
//! only if it has ended, is made only if there is none, is cancelled only if it waits. A message that was lost with the
//! slice is missed by the due index, and is sent from there.
//!
//! A job of which another keeper saved the progress, or that was ended meanwhile, is left alone.

mod cancel;
mod recover;
mod replay;

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::Key;
use afferent_domain::endpoint::{Endpoint, Standing};
use afferent_domain::id::EventId;
use afferent_domain::job::{Job, Kind, Progress, State};
use afferent_outbox::message;
use afferent_store::StoreError;
use afferent_store::deliveries::ListPlace;
use afferent_store::endpoints::Saved;
use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Keeper;

/// The most that a slice looks at.
const SLICE: u16 = 200;

/// How many reads or writes of a job are under way at once.
const AT_ONCE: usize = 16;

/// A cancellation whose endpoint is still enabled is given up after this: whoever wanted to disable or delete it died
/// in between, or it was enabled again.
const UNDONE: Duration = Duration::from_secs(10 * 60);

const MINUTE: Duration = Duration::from_secs(60);

/// What a slice did.
struct Slice {
    progress: Progress,
    next: Next,
}

/// What comes after a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another slice.
    Slice,
    /// Nothing in this run.
    Later,
    /// The job is through.
    Done,
}

/// What a job may do now.
enum Leave {
    Go(Option<Box<Endpoint>>),
    Later,
    Give,
}

/// How many more messages a run of a job may send, and when each becomes visible.
struct Pace {
    begin: Timestamp,
    per_minute: u32,
    sent: u32,
}

impl Pace {
    /// How much a slice may look at, since each of it may be a message.
    fn room(&self) -> u16 {
        u16::try_from(self.per_minute.saturating_sub(self.sent)).unwrap_or(u16::MAX).min(SLICE)
    }

    /// When the next message becomes visible.
    fn slot(&mut self) -> Timestamp {
        let at = self.begin + MINUTE * self.sent / self.per_minute.max(1);
        self.sent += 1;
        at
    }
}

impl Keeper {
    /// Goes on with every job that runs; how many there are. Trouble with one stops no other.
    pub(crate) async fn run_jobs(&self, until: Timestamp) -> Result<usize, lambda_runtime::Error> {
        let jobs = self.outbox.endpoints().running_jobs().await?;
        let ran = join_all(jobs.iter().map(|job| self.run_job(job, until))).await;
        let mut outcome = Ok(());
        for (job, ran) in jobs.iter().zip(ran) {
            if let Err(error) = ran {
                tracing::error!(%error, job = %job.job, endpoint = %job.endpoint, "a job goes on in a minute");
                outcome = outcome.and(Err(error));
            }
        }
        outcome.map(|()| jobs.len())
    }

    async fn run_job(&self, listed: &Job, until: Timestamp) -> Result<(), lambda_runtime::Error> {
        let endpoints = self.outbox.endpoints();
        // The list is an index, and may show progress of a minute ago.
        let Some(mut job) = endpoints.job(&listed.endpoint, &listed.job).await? else { return Ok(()) };
        let mut pace = Pace { begin: self.clock.now(), per_minute: job.per_minute, sent: 0 };
        while job.state == State::Running && self.clock.now() < until && pace.room() > 0 {
            let endpoint = match self.leave(&job).await? {
                Leave::Go(endpoint) => endpoint,
                Leave::Later => return Ok(()),
                Leave::Give => return self.end(&job, State::Cancelled).await,
            };
            let slice = match (job.kind, endpoint.as_deref()) {
                (Kind::Cancel, endpoint) => self.cancel(&job, endpoint).await?,
                (Kind::Recover, Some(endpoint)) => self.recover(&job, endpoint, &mut pace).await?,
                (Kind::Replay, Some(endpoint)) => self.replay(&job, endpoint, &mut pace).await?,
                (Kind::Recover | Kind::Replay, None) => return self.end(&job, State::Cancelled).await,
            };
            if endpoints.save_progress(&job, &job.progress, &slice.progress).await? == Saved::Overtaken {
                return Ok(());
            }
            job.progress = slice.progress;
            match slice.next {
                Next::Slice => {}
                Next::Later => return Ok(()),
                Next::Done => return self.end(&job, State::Done).await,
            }
        }
        Ok(())
    }

    /// Whether the endpoint as it is now leaves the job anything to do.
    async fn leave(&self, job: &Job) -> Result<Leave, StoreError> {
        let endpoint = self.outbox.endpoints().get(&job.endpoint).await?;
        let enabled = endpoint.as_ref().is_some_and(Endpoint::is_enabled);
        Ok(match (job.kind, endpoint) {
            (Kind::Cancel, endpoint) if job.preview || !enabled => Leave::Go(endpoint.map(Box::new)),
            (Kind::Cancel, _) if self.clock.now().since(job.created_ms) < UNDONE => Leave::Later,
            (Kind::Recover | Kind::Replay, Some(endpoint)) if enabled => Leave::Go(Some(Box::new(endpoint))),
            // What it would be offered if it were enabled.
            (Kind::Recover | Kind::Replay, Some(endpoint)) if job.preview => {
                Leave::Go(Some(Box::new(Endpoint { standing: Standing::Enabled, ..endpoint })))
            }
            _ => Leave::Give,
        })
    }

    async fn end(&self, job: &Job, state: State) -> Result<(), lambda_runtime::Error> {
        if self.outbox.endpoints().end_job(&job.endpoint, &job.job, state, self.clock.now()).await? {
            let Progress { looked_at, matched, .. } = job.progress;
            tracing::info!(job = %job.job, endpoint = %job.endpoint, looked_at, matched, ?state, "a job ended");
        }
        Ok(())
    }

    /// Sends the messages of deliveries that a job made or began anew.
    async fn send_paced(&self, keys: &[Key], pace: &mut Pace) -> Result<(), lambda_runtime::Error> {
        let now = self.clock.now();
        let messages = keys.iter().map(|key| message(key, pace.slot().since(now), None)).collect();
        Ok(self.outbox.queue().send_all(messages).await?)
    }
}

/// A place in the list of an endpoint's deliveries, as a cursor writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct After {
    created_ms: Timestamp,
    event: EventId,
}

impl From<ListPlace> for After {
    fn from(place: ListPlace) -> Self {
        Self { created_ms: place.created, event: place.event }
    }
}

impl From<After> for ListPlace {
    fn from(after: After) -> Self {
        Self { created: after.created_ms, event: after.event }
    }
}

/// Reads a cursor. One that cannot be read, of another version, begins at the start: nothing is done twice.
fn cursor<T: DeserializeOwned + Default>(job: &Job) -> T {
    let text = job.progress.cursor.as_deref();
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The progress after a slice.
fn progress(job: &Job, looked_at: usize, matched: usize, cursor: Option<&impl Serialize>) -> Progress {
    Progress {
        looked_at: job.progress.looked_at + looked_at as u64,
        matched: job.progress.matched + matched as u64,
        // Texts and whole numbers always serialise.
        cursor: cursor.and_then(|cursor| serde_json::to_string(cursor).ok()),
        ended_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_run_are_spread_over_its_minute_and_end_at_the_pace() {
        let begin = Timestamp::from_secs(1_795_244_400);
        let mut pace = Pace { begin, per_minute: 300, sent: 0 };
        let slots: Vec<u64> = (0..300).map(|_| pace.slot().since(begin).as_millis() as u64).collect();
        assert_eq!((slots[0], slots[1], slots[299]), (0, 200, 59_800));
        assert_eq!(pace.room(), 0);
    }
}
