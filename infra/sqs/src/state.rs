//! All queues of one machine, and what concerns more than one of them. No waiting in here: every function
//! takes the present instant and returns at once.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use afferent_domain::Timestamp;
use ring::digest::{SHA256, digest};

use crate::attributes::Settings;
use crate::errors::{Error, ErrorKind, Result};
use crate::faults::{Faults, internal};
use crate::message::{Draft, Message};
use crate::queue::Queue;
use crate::store::{Counters, Store};
use crate::tasks::Task;
use crate::views::Received;

/// How long a deleted queue's name is taken, and how long a purge lasts (AWS: `DeleteQueue`, `PurgeQueue`).
const MINUTE: Duration = Duration::from_secs(60);

/// What this SQS says of itself, and the one limit that tests want lower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The account in ARNs and queue URLs.
    pub account: String,
    /// The region in ARNs.
    pub region: String,
    /// Most messages in flight per queue: 120,000 (AWS: "Message quotas").
    pub in_flight_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { account: "000000000000".into(), region: "us-east-1".into(), in_flight_limit: 120_000 }
    }
}

/// What a receive asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub max: usize,
    pub visibility: Option<Duration>,
    /// A long poll is silent at the limit in flight; a short one is told.
    pub long: bool,
}

#[derive(Debug)]
pub(crate) struct State {
    pub config: Config,
    pub faults: Faults,
    /// Whether the call that runs meets [`crate::Failure::EntriesRefused`].
    pub entries_refused: bool,
    pub queues: BTreeMap<String, Queue>,
    pub tasks: Vec<Task>,
    pub counters: Counters,
    deleted: HashMap<String, Timestamp>,
    changed_rows: Vec<String>,
    gone: Vec<u64>,
    store: Option<Store>,
    broken: bool,
}

impl State {
    pub fn new(config: Config, counters: Counters, queues: Vec<Queue>, store: Option<Store>) -> Self {
        Self {
            config,
            faults: Faults::default(),
            entries_refused: false,
            queues: queues.into_iter().map(|queue| (queue.name.clone(), queue)).collect(),
            tasks: Vec::new(),
            counters,
            deleted: HashMap::new(),
            changed_rows: Vec::new(),
            gone: Vec::new(),
            store,
            broken: false,
        }
    }

    /// Makes durable what a call changed, then wakes who waits for it.
    ///
    /// A store that failed once is not trusted again: memory is ahead of it, so every later call is refused.
    pub fn finish(&mut self) -> Result<()> {
        let changed = !self.changed_rows.is_empty()
            || !self.gone.is_empty()
            || self.queues.values().any(|queue| !queue.changes.is_empty());
        if let Some(store) = &mut self.store
            && changed
            && let Err(error) = store.commit(self.queues.values(), &self.changed_rows, &self.gone, self.counters)
        {
            tracing::error!(%error, "the queue store failed; SQS refuses every call from now on");
            self.broken = true;
        }
        self.changed_rows.clear();
        self.gone.clear();
        for queue in self.queues.values_mut() {
            queue.changes.clear();
            queue.announce(self.config.in_flight_limit);
        }
        self.usable()
    }

    pub fn usable(&self) -> Result<()> {
        if self.broken { Err(internal()) } else { Ok(()) }
    }

    /// The queue of this name or URL, up to date.
    pub fn queue(&mut self, name: &str, now: Timestamp) -> Result<&mut Queue> {
        let queue = self.queues.get_mut(last_segment(name, '/')).ok_or_else(Error::no_queue)?;
        queue.settle(now);
        Ok(queue)
    }

    pub fn arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.config.region, self.config.account)
    }

    /// The name in an ARN of this machine, if such a queue exists.
    pub fn name_of_arn(&self, arn: &str) -> Option<String> {
        let name = last_segment(arn, ':');
        (self.queues.contains_key(name) && self.arn(name) == arn).then(|| name.to_owned())
    }

    pub fn create(
        &mut self,
        name: &str,
        given: &BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<()> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let settings = Settings::of(given)?;
        if name.is_empty() || name.len() > 80 || !name.chars().all(legal) {
            let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length. \
                          (FIFO queues, whose names end in .fifo, are not supported here.)";
            return Err(Error::value("QueueName", name, reason));
        }
        if let Some(queue) = self.queues.get(name) {
            let Some(attribute) = queue.settings.differing(given) else { return Ok(()) };
            let message =
                format!("A queue already exists with the same name and a different value for attribute {attribute}");
            return Err(Error::new(ErrorKind::QueueNameExists, message));
        }
        if self.deleted.get(name).is_some_and(|deleted| now < *deleted + MINUTE) {
            let message =
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
            return Err(Error::new(ErrorKind::QueueDeletedRecently, message));
        }
        self.check_redrive(&settings, given)?;
        let number = self.number();
        self.queues.insert(name.to_owned(), Queue::new(number, name.to_owned(), settings, tags, now));
        self.changed_rows.push(name.to_owned());
        Ok(())
    }

    pub fn delete_queue(&mut self, name: &str, now: Timestamp) -> Result<()> {
        let name = last_segment(name, '/');
        let queue = self.queues.remove(name).ok_or_else(Error::no_queue)?;
        self.gone.push(queue.number);
        self.deleted.insert(name.to_owned(), now);
        Ok(())
    }

    pub fn set_attributes(&mut self, name: &str, given: &BTreeMap<String, String>, now: Timestamp) -> Result<()> {
        let settings = self.queue(name, now)?.settings.with(given)?;
        self.check_redrive(&settings, given)?;
        self.change_row(name, now, |queue| {
            queue.settings = settings;
            queue.modified = now;
        })
    }

    /// Changes what the store keeps of the queue itself.
    pub fn change_row(&mut self, name: &str, now: Timestamp, change: impl FnOnce(&mut Queue)) -> Result<()> {
        let queue = self.queue(name, now)?;
        change(queue);
        let name = queue.name.clone();
        self.changed_rows.push(name);
        Ok(())
    }

    pub fn purge(&mut self, name: &str, now: Timestamp) -> Result<()> {
        let queue = self.queue(name, now)?;
        if queue.purged.is_some_and(|purged| now < purged + MINUTE) {
            let message = format!("Only one PurgeQueue operation on {} is allowed every 60 seconds.", queue.name);
            return Err(Error::new(ErrorKind::PurgeQueueInProgress, message));
        }
        self.change_row(name, now, |queue| queue.purge(now))
    }

    pub fn send(&mut self, name: &str, draft: Draft, now: Timestamp) -> Result<String> {
        let queue = self.queue(name, now)?;
        draft.check()?;
        if draft.bytes() > queue.settings.max_bytes {
            let limit = queue.settings.max_bytes;
            let message =
                format!("One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.");
            return Err(Error::new(ErrorKind::InvalidParameterValue, message));
        }
        let delay = draft.delay_s.map_or(queue.settings.delay, |delay| Duration::from_secs(delay.unsigned_abs()));
        let (number, id) = self.identity();
        let message = Message {
            number,
            id: id.clone(),
            body: draft.body,
            attributes: draft.attributes,
            group: draft.group,
            trace: draft.trace,
            sent: now,
            first_received: None,
            received: None,
            receives: 0,
            visible: now + delay,
            dead_from: None,
        };
        self.queue(name, now)?.add(message, now);
        Ok(id)
    }

    /// One look into the queue, and into its dead-letter queue those that were received too often.
    pub fn receive(&mut self, name: &str, ask: Ask, now: Timestamp) -> Result<Vec<Received>> {
        let limit = self.config.in_flight_limit;
        let name = last_segment(name, '/');
        let redrive = self.queue(name, now)?.settings.redrive.clone();
        // A dead-letter queue that was deleted takes nothing: the messages go on being delivered.
        let target = redrive.and_then(|redrive| Some((self.name_of_arn(&redrive.target)?, redrive.max_receives)));
        let queue = self.queue(name, now)?;
        if !ask.long && queue.in_flight() >= limit {
            let message = format!("Too many messages are in flight in the queue: the limit is {limit}.");
            return Err(Error::new(ErrorKind::OverLimit, message));
        }
        let visibility = ask.visibility.unwrap_or(queue.settings.visibility);
        let max_receives = target.as_ref().map(|(_, max)| *max);
        let taken = queue.take(now, ask.max, visibility, limit, max_receives);
        let number = queue.number;
        let arn = self.arn(name);
        if let Some((target, _)) = target {
            for message in taken.dead {
                // It keeps its id, its age and its count (AWS: the original enqueue timestamp is unchanged).
                let message = Message { visible: now, received: None, dead_from: Some(arn.clone()), ..message };
                self.queue(&target, now)?.add(message, now);
            }
        }
        let received = taken.received.into_iter();
        Ok(received.map(|message| Received::of(message, number, &arn, &self.config.account)).collect())
    }

    /// A number that nothing had before.
    pub fn number(&mut self) -> u64 {
        self.counters.next_number += 1;
        self.counters.next_number
    }

    /// A new message's number and its id, a UUID that is a function of number and seed: the same simulation
    /// draws the same ids.
    pub fn identity(&mut self) -> (u64, String) {
        let number = self.number();
        let mut source = self.counters.seed.to_be_bytes().to_vec();
        source.extend_from_slice(&number.to_be_bytes());
        let hash = digest(&SHA256, &source);
        let hex: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let id = format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
        (number, id)
    }

    fn check_redrive(&self, settings: &Settings, given: &BTreeMap<String, String>) -> Result<()> {
        match (&settings.redrive, given.get("RedrivePolicy")) {
            (Some(redrive), Some(policy)) if self.name_of_arn(&redrive.target).is_none() => {
                Err(Error::value("RedrivePolicy", policy, "Dead letter target does not exist."))
            }
            _ => Ok(()),
        }
    }
}

/// The queue's name at the end of a URL or an ARN.
pub(crate) fn last_segment(text: &str, separator: char) -> &str {
    text.rsplit(separator).next().unwrap_or(text)
}
