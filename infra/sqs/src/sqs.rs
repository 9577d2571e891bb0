//! The service: a lock around the state, waiting, and typed calls for those who need no wire.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use tokio::sync::watch;

use crate::errors::{Error, Result};
use crate::faults::{Failure, Faults, Operation, internal};
use crate::message::Draft;
use crate::state::{Ask, Config, State};
use crate::store::{Counters, Store, StoreError};
use crate::views::{MessageView, QueueView, Received};

/// The longest long poll: 20 s (AWS: `ReceiveMessage`, `WaitTimeSeconds`).
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// SQS on one machine.
///
/// Queues are named by name or by URL everywhere. Every call takes effect at once or not at all, and is durable
/// when it returns if the service was opened on a file.
pub struct Sqs {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl std::fmt::Debug for Sqs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqs").finish_non_exhaustive()
    }
}

/// What a receiver asks for.
#[derive(Clone, Copy, Debug)]
pub struct Receive {
    /// Most messages, 1 to 10.
    pub max: i64,
    /// How long to wait for the first message: 0 to 20 s; the queue's own wait if none.
    pub wait_s: Option<i64>,
    /// Visibility timeout, 0 to 43,200 s; the queue's own if none.
    pub visibility_s: Option<i64>,
}

impl Default for Receive {
    fn default() -> Self {
        Self { max: 1, wait_s: None, visibility_s: None }
    }
}

impl Sqs {
    /// A service that forgets everything when it is dropped, and never touches the disk.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        Self::configured(clock, Config::default())
    }

    /// The same, with other than the usual account, region or limit.
    #[must_use]
    pub fn configured(clock: Arc<dyn Clock>, config: Config) -> Self {
        let counters = first_counters(&*clock);
        Self { clock, state: Mutex::new(State::new(config, counters, Vec::new(), None)) }
    }

    /// A service that keeps its queues in the file `path` (SQLite), which it makes if need be, its folder too.
    ///
    /// Queues, messages, receive counts, running visibility timeouts and receipt handles survive the death of
    /// the process; armed faults, move tasks and the names of deleted queues do not.
    ///
    /// # Errors
    /// The file cannot be opened or read, or another process has it.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> std::result::Result<Self, StoreError> {
        Self::open_configured(path, clock, Config::default())
    }

    /// [`Sqs::open`] with other than the usual account, region or limit.
    ///
    /// # Errors
    /// As [`Sqs::open`].
    pub fn open_configured(
        path: &Path,
        clock: Arc<dyn Clock>,
        config: Config,
    ) -> std::result::Result<Self, StoreError> {
        let (store, queues, counters) = Store::open(path, clock.now(), first_counters(&*clock))?;
        Ok(Self { clock, state: Mutex::new(State::new(config, counters, queues, Some(store))) })
    }

    /// Makes a queue with AWS's defaults and the given attributes; the same call again changes nothing.
    ///
    /// # Errors
    /// As `CreateQueue`.
    pub fn create_queue(&self, name: &str, attributes: &[(&str, &str)]) -> Result<()> {
        let given = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.call(Operation::CreateQueue, |state, now| state.create(name, &given, Default::default(), now))
    }

    /// Sends a message; gives its id.
    ///
    /// # Errors
    /// As `SendMessage`.
    pub fn send(&self, queue: &str, draft: Draft) -> Result<String> {
        self.call(Operation::SendMessage, |state, now| state.send(queue, draft, now))
    }

    /// Receives messages, waiting for the first one as long as `ask` says.
    ///
    /// # Errors
    /// As `ReceiveMessage`. `OverLimit` only without a wait: a long poll at the limit finds nothing.
    pub async fn receive(&self, queue: &str, ask: Receive) -> Result<Vec<Received>> {
        let (wait, step) = self.call(Operation::ReceiveMessage, |state, now| {
            let wait = match ask.wait_s {
                Some(wait) => Duration::from_secs(within("WaitTimeSeconds", wait, 0, 20)?),
                None => state.queue(queue, now)?.settings.wait,
            };
            Ok((wait, look(state, queue, checked(ask, wait)?, now)?))
        })?;
        let deadline = step.at + wait;
        let mut step = step;
        loop {
            if !step.received.is_empty() || step.at >= deadline {
                return Ok(step.received);
            }
            let until = step.next.map_or(deadline, |next| next.min(deadline));
            wait_for(until.since(step.at), &mut step.news).await;
            step = self.step(|state, now| look(state, queue, checked(ask, wait)?, now))?;
        }
    }

    /// Makes every message in flight visible now, on all queues. For a machine that starts again after its
    /// receivers died with it; AWS has nothing like it, and would wait for the visibility timeouts.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn release_in_flight(&self) -> Result<()> {
        self.step(|state, now| {
            state.queues.values_mut().for_each(|queue| queue.release_in_flight(now));
            Ok(())
        })
    }

    /// Deletes a received message.
    ///
    /// # Errors
    /// As `DeleteMessage`.
    pub fn delete(&self, queue: &str, receipt_handle: &str) -> Result<()> {
        self.call(Operation::DeleteMessage, |state, now| state.queue(queue, now)?.delete(receipt_handle))
    }

    /// Makes a received message visible `timeout_s` seconds from now, 0 to 43,200.
    ///
    /// # Errors
    /// As `ChangeMessageVisibility`.
    pub fn change_visibility(&self, queue: &str, receipt_handle: &str, timeout_s: i64) -> Result<()> {
        self.call(Operation::ChangeMessageVisibility, |state, now| {
            let timeout = Duration::from_secs(visibility(timeout_s)?);
            state.queue(queue, now)?.change_visibility(receipt_handle, timeout, now)
        })
    }

    /// From when on a receive finds a message if nothing else happens; in the past if it does now.
    ///
    /// # Errors
    /// No such queue.
    pub fn next_visible_at(&self, queue: &str) -> Result<Option<Timestamp>> {
        self.step(|state, now| {
            let limit = state.config.in_flight_limit;
            Ok(state.queue(queue, now)?.next_visible(limit))
        })
    }

    /// Counts up whenever [`Sqs::next_visible_at`] becomes earlier. Subscribe first, look second, and then
    /// sleep until either: nothing is missed. Ends when the queue is deleted.
    ///
    /// # Errors
    /// No such queue.
    pub fn changed(&self, queue: &str) -> Result<watch::Receiver<u64>> {
        self.step(|state, now| Ok(state.queue(queue, now)?.listen()))
    }

    /// Returns as soon as a receive would find a message. A wait of hours costs one wake-up.
    ///
    /// # Errors
    /// The queue does not exist (any more).
    pub async fn wait_until_visible(&self, queue: &str) -> Result<()> {
        loop {
            let mut news = self.changed(queue)?;
            let now = self.clock.now();
            match self.next_visible_at(queue)? {
                Some(next) if next <= now => return Ok(()),
                Some(next) => wait_for(next.since(now), &mut news).await,
                None => {
                    // An error says that the queue is gone, which the next look reports.
                    let _ = news.changed().await;
                }
            }
        }
    }

    /// All queues by name.
    #[must_use]
    pub fn queues(&self) -> Vec<QueueView> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.queues.values_mut().for_each(|queue| queue.settle(now));
        state.queues.values().map(|queue| QueueView::of(queue, &state)).collect()
    }

    /// The oldest messages of a queue, at most `limit`, without receiving them.
    ///
    /// # Errors
    /// No such queue.
    pub fn messages(&self, queue: &str, limit: usize) -> Result<Vec<MessageView>> {
        self.step(|state, now| Ok(state.queue(queue, now)?.oldest(limit).map(MessageView::of).collect()))
    }

    /// Fault: the next `times` calls of `operation` fail, whoever makes them.
    pub fn fail_next(&self, operation: Operation, failure: Failure, times: u32) {
        self.lock().faults.arm(operation, failure, times);
    }

    /// Fault: while `true`, every call is answered with 503.
    pub fn out_of_reach(&self, yes: bool) {
        self.lock().faults.out_of_reach = yes;
    }

    /// Fault: the next `times` messages that are handed out are handed out once more, by the receive after,
    /// although they are in flight (AWS: standard queues deliver at least once).
    ///
    /// # Errors
    /// No such queue.
    pub fn duplicate_next(&self, queue: &str, times: u32) -> Result<()> {
        let now = self.clock.now();
        self.lock().queue(queue, now)?.duplicates += times;
        Ok(())
    }

    /// Fault: the next `times` deletes succeed and delete nothing (AWS: `DeleteMessage`, "on rare occasions you
    /// might receive a message even after you delete it").
    ///
    /// # Errors
    /// No such queue.
    pub fn forget_deletes(&self, queue: &str, times: u32) -> Result<()> {
        let now = self.clock.now();
        self.lock().queue(queue, now)?.forgets += times;
        Ok(())
    }

    /// Disarms all faults.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.faults = Faults::default();
        for queue in state.queues.values_mut() {
            (queue.duplicates, queue.forgets) = (0, 0);
        }
    }

    /// One call from outside: faults, then the work, then the commit.
    pub(crate) fn call<T>(
        &self,
        operation: Operation,
        work: impl FnOnce(&mut State, Timestamp) -> Result<T>,
    ) -> Result<T> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.usable()?;
        let failure = state.faults.meet(operation)?;
        state.entries_refused = failure == Some(Failure::EntriesRefused);
        let done = work(&mut state, now);
        state.finish()?;
        if failure == Some(Failure::AnswerLost) { Err(internal()) } else { done }
    }

    /// A look that meets no fault: in the course of a call that met its own, or from inside.
    pub(crate) fn step<T>(&self, work: impl FnOnce(&mut State, Timestamp) -> Result<T>) -> Result<T> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.usable()?;
        let done = work(&mut state, now);
        state.finish()?;
        done
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one look into a queue found, and what to wait for if it found nothing.
struct Step {
    at: Timestamp,
    received: Vec<Received>,
    next: Option<Timestamp>,
    news: watch::Receiver<u64>,
}

fn look(state: &mut State, queue: &str, ask: Ask, now: Timestamp) -> Result<Step> {
    let limit = state.config.in_flight_limit;
    let received = state.receive(queue, ask, now)?;
    let queue = state.queue(queue, now)?;
    Ok(Step { at: now, received, next: queue.next_visible(limit), news: queue.listen() })
}

fn checked(ask: Receive, wait: Duration) -> Result<Ask> {
    let max = match ask.max {
        1..=10 => usize::try_from(ask.max).unwrap_or(1),
        max => return Err(Error::value("MaxNumberOfMessages", max, "Must be between 1 and 10, if provided.")),
    };
    let visibility = ask.visibility_s.map(visibility).transpose()?.map(Duration::from_secs);
    Ok(Ask { max, visibility, long: !wait.is_zero() })
}

/// Checks a visibility timeout in seconds.
pub(crate) fn visibility(seconds: i64) -> Result<u64> {
    within("VisibilityTimeout", seconds, 0, 43_200)
}

fn within(parameter: &str, value: i64, least: i64, most: i64) -> Result<u64> {
    let reason = format!("Must be >= {least} and <= {most}, if provided.");
    if (least..=most).contains(&value) {
        Ok(value.unsigned_abs())
    } else {
        Err(Error::value(parameter, value, &reason))
    }
}

/// Sleeps for `at_most`, or until there is news. Never less than a millisecond: a clock that lags behind
/// tokio's must not make the waiter spin.
async fn wait_for(at_most: Duration, news: &mut watch::Receiver<u64>) {
    tokio::select! {
        _ = news.changed() => {}
        () = tokio::time::sleep(at_most.max(Duration::from_millis(1))) => {}
    }
}

/// A new service's ids differ from those of any other that started in another millisecond.
fn first_counters(clock: &dyn Clock) -> Counters {
    Counters { next_number: 0, seed: clock.now().as_millis().cast_unsigned() }
}
