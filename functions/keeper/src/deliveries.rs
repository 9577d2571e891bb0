//! Deliveries that need a message: parked ones whose time comes, and others whose message seems lost.

use std::collections::HashSet;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{DUE_SHARDS, Key, LOOK_AHEAD, OVERDUE, State, Wake, due_shard, wake};
use afferent_domain::trace::Trace;
use afferent_metrics::{Metric, observe};
use afferent_outbox::message;
use afferent_queue::Sending;
use afferent_store::StoreError;
use afferent_store::deliveries::Due;
use futures_util::future::{join_all, try_join_all};

use crate::Keeper;

/// How many entries of the index are asked for at once. A query reads up to 1 MB of it, which is some thousands.
const PAGE: usize = 2_000;

/// How many deliveries of a shard are sent and noted in one go. What a crash doubles is at most this.
const GO: usize = 50;

/// SQS takes ten messages at once.
const BATCH: usize = 10;

/// How many reads or writes of a shard are under way at once.
const AT_ONCE: usize = 16;

/// A delivery that gets a message.
pub(crate) struct Woken {
    key: Key,
    due: Timestamp,
    look_again: Timestamp,
    /// When its message becomes visible.
    at: Timestamp,
    /// Whether that may be up to a second early: the dispatcher waits so long.
    early: bool,
    trace: Option<Trace>,
    /// When its life began, of one whose message seems lost.
    since: Option<Timestamp>,
}

impl Woken {
    /// One that is parked until its due time. It needs no read: nobody holds it, and nothing was sent for it.
    fn parked(due: Due, now: Timestamp) -> Self {
        let at = due.due;
        Self { key: due.key, due: at, look_again: at.max(now), at, early: true, trace: due.trace, since: None }
    }

    /// One that a breaker keeps back, and whose message becomes visible at `at`, never before.
    pub(crate) fn kept_back(due: Due, at: Timestamp, now: Timestamp) -> Self {
        Self { key: due.key, due: due.due, look_again: at.max(now), at, early: false, trace: due.trace, since: None }
    }

    /// Its message, if it is sent at `now`. SQS delays by whole seconds, and what is sent is rounded up: a message that
    /// may come early is rounded down before, because one that comes too late is late.
    fn message(&self, now: Timestamp) -> Sending {
        let delay = self.at.since(now);
        let delay = if self.early { Duration::from_secs(delay.as_secs()) } else { delay };
        message(&self.key, delay, self.trace)
    }
}

/// Those of a shard whose message seems lost: how many, and since when the oldest of them is there.
#[derive(Clone, Copy, Default)]
struct Overdue {
    count: usize,
    oldest: Option<Timestamp>,
}

impl Overdue {
    fn add(&mut self, since: Timestamp) {
        self.count += 1;
        self.oldest = Some(self.oldest.map_or(since, |oldest| oldest.min(since)));
    }
}

/// How many were woken, and the first error.
type Tally = (usize, Result<(), lambda_runtime::Error>);

impl Keeper {
    /// Wakes what is due, as much as can be until `until`; how many. Trouble with one shard, or with one delivery, stops
    /// no other.
    pub(crate) async fn wake_deliveries(&self, until: Timestamp) -> Result<usize, lambda_runtime::Error> {
        let shards: Vec<String> = (0..DUE_SHARDS).map(due_shard).collect();
        let tallies = join_all(shards.iter().map(|shard| self.wake_shard(shard, until))).await;
        let (mut woken, mut outcome) = (0, Ok(()));
        let overdue = || tallies.iter().map(|(_, overdue)| overdue);
        observe(Metric::DeliveriesOverdue, overdue().map(|overdue| overdue.count as u64).sum());
        let oldest = overdue().filter_map(|overdue| overdue.oldest).min();
        observe(Metric::OldestUndeliveredAge, oldest.map_or(0, |oldest| self.clock.now().since(oldest).as_secs()));
        for (shard, ((count, result), _)) in shards.iter().zip(tallies) {
            woken += count;
            if let Err(error) = result {
                tracing::error!(%error, shard, "not every delivery of a shard could be woken");
                outcome = outcome.and(Err(error));
            }
        }
        if woken > 0 {
            tracing::info!(woken, "deliveries were woken");
        }
        outcome.map(|()| woken)
    }

    async fn wake_shard(&self, shard: &str, until: Timestamp) -> (Tally, Overdue) {
        // Those that are parked first: theirs is a time to the second.
        let (parked, first) = self.wake_parked(shard, until).await;
        let mut overdue = Overdue::default();
        let (woken, second) = self.wake_overdue(shard, until, &mut overdue).await;
        ((parked + woken, first.and(second)), overdue)
    }

    async fn wake_parked(&self, shard: &str, until: Timestamp) -> Tally {
        let deliveries = self.outbox.deliveries();
        let (mut woken, mut outcome, mut seen) = (0, Ok(()), Seen::default());
        loop {
            let now = self.clock.now();
            let ask = |most| deliveries.parked(shard, now - OVERDUE, now + LOOK_AHEAD, most);
            let page = match seen.next(ask).await {
                Ok(page) => page,
                Err(error) => return (woken, outcome.and(Err(error.into()))),
            };
            if page.is_empty() || now >= until {
                return (woken, outcome);
            }
            let wakes = page.into_iter().map(|due| Woken::parked(due, now)).collect();
            let (count, result) = self.send_woken(wakes, until).await;
            woken += count;
            outcome = outcome.and(result);
        }
    }

    async fn wake_overdue(&self, shard: &str, until: Timestamp, overdue: &mut Overdue) -> Tally {
        let deliveries = self.outbox.deliveries();
        let (mut woken, mut outcome, mut seen) = (0, Ok(()), Seen::default());
        loop {
            let now = self.clock.now();
            let page = match seen.next(|most| deliveries.overdue(shard, now - OVERDUE, most)).await {
                Ok(page) => page,
                Err(error) => return (woken, outcome.and(Err(error.into()))),
            };
            if page.is_empty() || now >= until {
                return (woken, outcome);
            }
            for due in page.chunks(GO) {
                let now = self.clock.now();
                if now >= until {
                    break;
                }
                let mut wakes = Vec::new();
                for due in due.chunks(AT_ONCE) {
                    for look in join_all(due.iter().map(|due| self.look(due, now))).await {
                        match look {
                            Ok(wake) => wakes.extend(wake),
                            Err(error) => outcome = outcome.and(Err(error.into())),
                        }
                    }
                }
                wakes.iter().filter_map(|woken| woken.since).for_each(|since| overdue.add(since));
                let (count, result) = self.send_woken(wakes, until).await;
                woken += count;
                outcome = outcome.and(result);
            }
        }
    }

    /// Sends the messages and notes it, until `until` or until SQS takes no more.
    pub(crate) async fn send_woken(&self, wakes: Vec<Woken>, until: Timestamp) -> Tally {
        let (queue, deliveries) = (self.outbox.queue(), self.outbox.deliveries());
        let (mut woken, mut outcome) = (0, Ok(()));
        for wakes in wakes.chunks(GO) {
            if self.clock.now() >= until {
                break;
            }
            // Of a long page the last are sent many seconds after it was read.
            let now = self.clock.now();
            let messages = |wakes: &[Woken]| wakes.iter().map(|woken| woken.message(now)).collect();
            let sent = wakes.chunks(BATCH).map(|batch| queue.send_all(messages(batch)));
            // Sent first, noted after: dying in between costs a second message, which finds nothing to do.
            if let Err(error) = try_join_all(sent).await {
                return (woken, outcome.and(Err(error.into())));
            }
            woken += wakes.len();
            for wakes in wakes.chunks(AT_ONCE) {
                let noted = wakes.iter().map(|woken| deliveries.woken(&woken.key, woken.due, woken.look_again));
                for noted in join_all(noted).await {
                    outcome = outcome.and(noted.map(drop).map_err(Into::into));
                }
            }
        }
        (woken, outcome)
    }

    /// The index shows keys and times only, and may be behind: the delivery itself says what to do. One that
    /// cannot be read (a later version wrote it, or an attribute is missing) is left to the operator.
    async fn look(&self, due: &Due, now: Timestamp) -> Result<Option<Woken>, StoreError> {
        if due.parked {
            return Ok(Some(Woken::parked(due.clone(), now)));
        }
        let delivery = match self.outbox.deliveries().get(&due.key).await {
            Ok(Some(delivery)) => delivery,
            Ok(None) => return Ok(None),
            Err(error) if error.is_of_one_item() => {
                let Key { event, endpoint } = &due.key;
                tracing::error!(%error, %event, %endpoint, "a delivery cannot be read, and is not woken");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let State::Waiting(waiting) = delivery.state else { return Ok(None) };
        Ok(match wake(&waiting, due.due, now) {
            Wake::Leave => None,
            Wake::Send { delay, look_again } => Some(Woken {
                key: due.key.clone(),
                due: due.due,
                look_again,
                at: now + delay,
                early: true,
                trace: delivery.trace,
                since: Some(delivery.since),
            }),
        })
    }
}

/// What of an index was looked at in this run. Some of it stays where it is (somebody holds it, it cannot be read, the
/// index is behind), and must not hide what comes after it.
#[derive(Default)]
pub(crate) struct Seen {
    keys: HashSet<Key>,
    /// How many entries of the last page were not new.
    again: usize,
}

impl Seen {
    /// The next entries that are new; none if there are no more. `ask` is asked for so many from the beginning.
    pub(crate) async fn next<F>(&mut self, ask: impl Fn(usize) -> F) -> Result<Vec<Due>, StoreError>
    where
        F: Future<Output = Result<Vec<Due>, StoreError>>,
    {
        loop {
            let most = PAGE + self.again;
            let page = ask(most).await?;
            let got = page.len();
            let new: Vec<Due> = page.into_iter().filter(|due| self.keys.insert(due.key.clone())).collect();
            self.again = got - new.len();
            if !new.is_empty() || got < most {
                return Ok(new);
            }
        }
    }
}
