//! One standard queue: its messages, and when each of them can be received.
//!
//! A message is in one of three places. *Visible*: it can be received. *In flight*: it was received, and its
//! visibility timeout runs. *Delayed*: it was sent with a delay that has not passed. Each place is an index by
//! time, so that every operation costs a logarithm, also with hundreds of thousands of messages parked.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use afferent_domain::Timestamp;
use tokio::sync::watch;

use crate::attributes::Settings;
use crate::errors::{Error, ErrorKind, Result};
use crate::fair::Fair;
use crate::handle::Handle;
use crate::message::Message;

/// The longest a message can stay invisible after one receive: 12 h (AWS: `ChangeMessageVisibility`).
pub const MAX_VISIBILITY: Duration = Duration::from_secs(43_200);

/// What became of messages since the last commit, for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The message is new in this queue.
    Came(u64),
    /// Its visibility, handle or receive count is another.
    Moved(u64),
    /// It left this queue.
    Left(u64),
    /// All messages left.
    Purged,
}

/// A message with its place.
#[derive(Debug)]
struct Entry {
    message: Message,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Visible,
    InFlight,
    Delayed,
    /// In no index: in the hands of the operation that runs.
    Nowhere,
}

/// One receive's result: messages for the receiver, and those that were received too often.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub received: Vec<Message>,
    pub dead: Vec<Message>,
}

/// A standard queue.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Unique among all queues there ever were, so that handles of a deleted namesake are strangers here.
    pub number: u64,
    pub name: String,
    pub settings: Settings,
    pub tags: BTreeMap<String, String>,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub purged: Option<Timestamp>,
    pub changes: Vec<Change>,
    /// Fault: so many deletes succeed without deleting.
    pub forgets: u32,
    /// Fault: so many messages are handed out twice.
    pub duplicates: u32,
    again: VecDeque<u64>,
    messages: HashMap<u64, Entry>,
    fair: Fair,
    /// In flight and delayed messages, by the instant they become visible.
    waiting: BTreeSet<(Timestamp, u64)>,
    delayed: usize,
    by_age: BTreeSet<(Timestamp, u64)>,
    announced: Option<Timestamp>,
    announce: watch::Sender<u64>,
}

impl Queue {
    pub fn new(number: u64, name: String, settings: Settings, tags: BTreeMap<String, String>, now: Timestamp) -> Self {
        Self {
            number,
            name,
            settings,
            tags,
            created: now,
            modified: now,
            purged: None,
            changes: Vec::new(),
            forgets: 0,
            duplicates: 0,
            again: VecDeque::new(),
            messages: HashMap::new(),
            fair: Fair::default(),
            waiting: BTreeSet::new(),
            delayed: 0,
            by_age: BTreeSet::new(),
            announced: None,
            announce: watch::Sender::new(0),
        }
    }

    /// `ApproximateNumberOfMessages`
    pub fn visible(&self) -> usize {
        self.fair.visible()
    }

    /// `ApproximateNumberOfMessagesNotVisible`
    pub fn in_flight(&self) -> usize {
        self.fair.in_flight()
    }

    /// `ApproximateNumberOfMessagesDelayed`
    pub fn delayed(&self) -> usize {
        self.delayed
    }

    pub fn message(&self, number: u64) -> Option<&Message> {
        self.messages.get(&number).map(|entry| &entry.message)
    }

    /// The oldest messages, each with whether it is in flight.
    pub fn oldest(&self, limit: usize) -> impl Iterator<Item = (&Message, bool)> {
        let entry = |(_, number): &(Timestamp, u64)| self.messages.get(number);
        self.by_age.iter().filter_map(entry).take(limit).map(|it| (&it.message, it.place == Place::InFlight))
    }

    /// Lets time pass: what is too old leaves, what has waited long enough becomes visible.
    pub fn settle(&mut self, now: Timestamp) {
        while let Some((sent, number)) = self.by_age.first().copied()
            && sent + self.settings.retention <= now
        {
            self.remove(number);
        }
        while let Some((visible, number)) = self.waiting.first().copied()
            && visible <= now
        {
            self.unfile(number);
            self.file(number, Place::Visible);
        }
    }

    /// Takes a message in: sent, moved here, or read from the store.
    pub fn add(&mut self, message: Message, now: Timestamp) {
        let number = message.number;
        let place = match (message.visible <= now, message.received) {
            (true, _) => Place::Visible,
            (false, Some(_)) => Place::InFlight,
            (false, None) => Place::Delayed,
        };
        self.by_age.insert((message.sent, number));
        self.messages.insert(number, Entry { message, place });
        self.changes.push(Change::Came(number));
        self.file(number, place);
    }

    /// Takes a message out, wherever it is.
    pub fn remove(&mut self, number: u64) -> Option<Message> {
        self.unfile(number);
        let entry = self.messages.remove(&number)?;
        self.by_age.remove(&(entry.message.sent, number));
        self.changes.push(Change::Left(number));
        Some(entry.message)
    }

    /// Takes out all messages that are visible now.
    pub fn drain_visible(&mut self) -> Vec<Message> {
        let mut drained = Vec::new();
        while let Some(number) = self.fair.next() {
            drained.extend(self.remove(number));
        }
        drained
    }

    pub fn purge(&mut self, now: Timestamp) {
        self.messages.clear();
        self.waiting.clear();
        self.by_age.clear();
        self.again.clear();
        self.fair = Fair::default();
        self.delayed = 0;
        self.purged = Some(now);
        self.changes.push(Change::Purged);
    }

    /// Hands out up to `max` messages, as long as fewer than `limit` are in flight. Each is invisible for
    /// `visibility` from now on. What was received `max_receives` times already is given up instead
    /// (AWS: moved "when the ReceiveCount exceeds the maxReceiveCount", which the next receive finds).
    pub fn take(
        &mut self,
        now: Timestamp,
        max: usize,
        visibility: Duration,
        limit: usize,
        max_receives: Option<u64>,
    ) -> Taken {
        let mut taken = Taken::default();
        let mut picked = Vec::new();
        let mut copies = Vec::new();
        while picked.len() < max {
            let again = self.again.pop_front();
            let room = self.in_flight() + picked.len() < limit;
            let Some(number) = again.or_else(|| self.fair.next().filter(|_| room)) else { break };
            self.unfile(number);
            let Some(entry) = self.messages.get_mut(&number) else { continue };
            let message = &mut entry.message;
            if again.is_none() && max_receives.is_some_and(|max| message.receives >= max) {
                taken.dead.extend(self.remove(number));
                continue;
            }
            message.receives += 1;
            message.first_received.get_or_insert(now);
            message.received = Some(now);
            message.visible = now + visibility;
            taken.received.push(message.clone());
            picked.push(number);
            if again.is_none() && self.duplicates > 0 {
                self.duplicates -= 1;
                copies.push(number);
            }
        }
        // Only now, or a visibility timeout of zero would hand the same message out twice in one answer.
        for number in picked {
            self.refile(number, now);
        }
        self.again.extend(copies);
        taken
    }

    /// Deletes the message that `handle` was issued for. A handle that is not the message's latest is answered
    /// with success and deletes nothing (AWS: "the request succeeds, but the message might not be deleted").
    pub fn delete(&mut self, handle: &str) -> Result<()> {
        let handle = self.own(handle)?;
        if self.message(handle.message).is_some_and(|message| message.receives == handle.receive) {
            if self.forgets > 0 {
                self.forgets -= 1;
            } else {
                self.remove(handle.message);
            }
        }
        Ok(())
    }

    /// Makes a message in flight visible `timeout` after now (AWS: `ChangeMessageVisibility`; counted from the
    /// call, and never more than 12 h after the receive: that is refused, not shortened).
    pub fn change_visibility(&mut self, handle: &str, timeout: Duration, now: Timestamp) -> Result<()> {
        let read = self.own(handle)?;
        let entry = self.messages.get_mut(&read.message).filter(|entry| entry.message.receives == read.receive);
        let Some(entry) = entry else {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            return Err(Error::value("ReceiptHandle", handle, reason));
        };
        if entry.place != Place::InFlight {
            return Err(Error::new(ErrorKind::MessageNotInflight, "The specified message isn't in flight."));
        }
        let received = entry.message.received.unwrap_or(now);
        if now + timeout > received + MAX_VISIBILITY {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
            return Err(Error::value("VisibilityTimeout", timeout.as_secs(), reason));
        }
        self.unfile(read.message);
        if let Some(entry) = self.messages.get_mut(&read.message) {
            entry.message.visible = now + timeout;
        }
        self.refile(read.message, now);
        Ok(())
    }

    /// Makes every message in flight visible now.
    pub fn release_in_flight(&mut self, now: Timestamp) {
        let flying: Vec<u64> = self
            .messages
            .iter()
            .filter(|(_, entry)| entry.place == Place::InFlight)
            .map(|(number, _)| *number)
            .collect();
        for number in flying {
            self.unfile(number);
            if let Some(entry) = self.messages.get_mut(&number) {
                entry.message.visible = now;
            }
            self.refile(number, now);
        }
    }

    /// From when on a receive finds a message, if nothing else happens. With the limit in flight reached that
    /// is when one of them comes back.
    pub fn next_visible(&self, limit: usize) -> Option<Timestamp> {
        let parked = self.waiting.first().map(|(visible, _)| *visible);
        match self.fair.first() {
            Some(first) if self.in_flight() < limit => Some(first),
            _ if !self.again.is_empty() => Some(self.created),
            _ => parked,
        }
    }

    /// Tells those who wait if a message can be received earlier than they know.
    pub fn announce(&mut self, limit: usize) {
        let next = self.next_visible(limit);
        if next.is_some_and(|next| self.announced.is_none_or(|announced| next < announced)) {
            self.announce.send_modify(|count| *count += 1);
        }
        self.announced = next;
    }

    pub fn listen(&self) -> watch::Receiver<u64> {
        self.announce.subscribe()
    }

    fn own(&self, handle: &str) -> Result<Handle> {
        let refuse = || {
            let message = "The input receipt handle is invalid.";
            Error::new(ErrorKind::ReceiptHandleIsInvalid, message)
        };
        Handle::read(handle).filter(|read| read.queue == self.number).ok_or_else(refuse)
    }

    /// Puts a received message back among those in flight, or among the visible ones if its timeout is zero.
    fn refile(&mut self, number: u64, now: Timestamp) {
        let visible = self.message(number).is_some_and(|message| message.visible <= now);
        self.file(number, if visible { Place::Visible } else { Place::InFlight });
        self.changes.push(Change::Moved(number));
    }

    fn file(&mut self, number: u64, place: Place) {
        let Some(entry) = self.messages.get_mut(&number) else { return };
        entry.place = place;
        let key = (entry.message.visible, number);
        let group = &entry.message.group;
        match place {
            Place::Visible => self.fair.insert(key, group),
            Place::InFlight => {
                self.waiting.insert(key);
                self.fair.takes_off(group);
            }
            Place::Delayed => {
                self.waiting.insert(key);
                self.delayed += 1;
            }
            Place::Nowhere => {}
        }
    }

    /// Must come before `visible` changes: the indices know the message by it.
    fn unfile(&mut self, number: u64) {
        let Some(entry) = self.messages.get_mut(&number) else { return };
        let key = (entry.message.visible, number);
        let group = &entry.message.group;
        match std::mem::replace(&mut entry.place, Place::Nowhere) {
            Place::Visible => self.fair.remove(key, group),
            Place::InFlight => {
                self.waiting.remove(&key);
                self.fair.lands(group);
            }
            Place::Delayed => {
                self.waiting.remove(&key);
                self.delayed -= 1;
            }
            Place::Nowhere => {}
        }
    }
}
