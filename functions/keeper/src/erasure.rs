//! Erasing a person's data: the connection has ended, and the policy says that what it brought goes. (What a customer
//! asks for, and is about the whole person, is in `person`.)
//!
//! In two passes, the second a day later, when the stream has forgotten every change: what `fanout` still had to make
//! of changes that came before the end is found then. Each pass goes through the user's records, the journal with its
//! deliveries, the notifications that wait for the person, and what is kept about the connection. A run is bounded and
//! leaves its place on the duty. It stops when the person connects again.
//!
//! What stays: the public record of the connection and its events (they say that it has ended, and how much was
//! erased), markers of the journal (ids), and notifications that pulls have satisfied, which no index finds by person:
//! their TTL takes them within 90 days.

mod person;

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::connection::{KIND, State};
use afferent_domain::duty::{Duty, Family};
use afferent_domain::event::Event;
use afferent_domain::exact::Decimal;
use afferent_domain::id::{ConnectionId, NotificationId, PullId, RecordId};
use afferent_domain::record::{Component, SyncKind};
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_store::duties::{DutyKey, End, Owner, Taken};
use afferent_store::item::{Item, Reading, n, s};
use futures_util::future::try_join_all;
use serde::Deserialize;

use crate::Keeper;

/// How long a run works, of the 55 s that the function has.
const WORK: Duration = Duration::from_secs(20);

/// The most erasures looked at in a run.
const MOST_PER_SHARD: i32 = 5;

/// The stream keeps a change for 24 h.
const SECOND_PASS: Duration = Duration::from_secs(25 * 3600);

const PASSES: u32 = 2;
const PAGE: u16 = 100;
const AT_ONCE: usize = 16;

/// Where an erasure stands; kept on its duty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Progress {
    pass: u32,
    part: Part,
    /// The last record, or the number of the last event.
    after: Option<String>,
    records: u64,
    events: u64,
    deliveries: u64,
    notifications: u64,
}

/// What is gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Records,
    Journal,
    Rest,
}

impl Part {
    const ALL: [Self; 3] = [Self::Records, Self::Journal, Self::Rest];

    const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Journal => "journal",
            Self::Rest => "rest",
        }
    }
}

impl Progress {
    fn read(item: &Item) -> Self {
        let reading = Reading::new("connections", item);
        let count = |name| reading.maybe_number(name).unwrap_or(0);
        let part = reading.maybe_text("part").unwrap_or_default();
        Self {
            pass: reading.maybe_number("pass").unwrap_or(0),
            part: Part::ALL.into_iter().find(|known| known.name() == part).unwrap_or_default(),
            after: reading.maybe_text("after").filter(|after| !after.is_empty()).map(str::to_owned),
            records: count("records"),
            events: count("events"),
            deliveries: count("deliveries"),
            notifications: count("notifications"),
        }
    }

    fn again(self, due: Timestamp) -> End {
        let set = vec![
            ("pass", n(self.pass)),
            ("part", s(self.part.name())),
            ("after", s(self.after.unwrap_or_default())),
            ("records", n(self.records)),
            ("events", n(self.events)),
            ("deliveries", n(self.deliveries)),
            ("notifications", n(self.notifications)),
        ];
        End::Again { due, set }
    }

    fn counts(&self) -> [(&'static str, u64); 4] {
        [
            ("records", self.records),
            ("events", self.events),
            ("deliveries", self.deliveries),
            ("notifications", self.notifications),
        ]
    }
}

/// Where a run is in the lists of a person's notifications: those that wait for them, then those that are about them. It is
/// not kept, because what was erased is gone: the next run may begin anew.
#[derive(Debug, Default)]
struct Listing {
    about: bool,
    start: Option<Item>,
    through: bool,
}

/// Whose event it is, read from the text that was sent.
#[derive(Deserialize)]
struct Sourced {
    source: String,
}

impl Keeper {
    /// Goes on with the erasures that are due; how many. Trouble with one stops no other.
    pub(crate) async fn erase(&self) -> Result<usize, lambda_runtime::Error> {
        let end = self.clock.now() + WORK;
        let (mut erasures, mut outcome) = (0, Ok(()));
        for shard in Family::Keeper.shards() {
            for due in self.connections.due(&shard, self.clock.now(), MOST_PER_SHARD).await? {
                let (Ok(owner), Ok(duty)) = (due.owner.parse::<Owner>(), due.item.parse::<Duty>()) else { continue };
                if self.clock.now() >= end {
                    return outcome.map(|()| erasures);
                }
                let done = match (&owner, duty) {
                    (Owner::Connection(id), Duty::Erasure) => self.erase_connection(id, end).await,
                    (Owner::Erasure(id), Duty::Erasure) => self.erase_person(id, end).await,
                    _ => continue,
                };
                erasures += 1;
                if let Err(error) = done {
                    tracing::error!(%error, %owner, "an erasure was cut short and goes on later");
                    outcome = outcome.and(Err(error.into()));
                }
            }
        }
        outcome.map(|()| erasures)
    }

    async fn erase_connection(&self, id: &ConnectionId, until: Timestamp) -> Result<(), StoreError> {
        let key = DutyKey { owner: Owner::Connection(id.clone()), duty: Duty::Erasure };
        let now = self.clock.now();
        // Only one keeper gets the lease, so a name by the time is enough.
        let holder = PullId::derive(&["erasure", id.as_str(), &now.as_millis().to_string()]);
        let taken = self.connections.take_duty(&key, &holder, now, until + WORK).await?;
        let Taken::Yes(item) = taken else { return Ok(()) };
        let end = match self.connections.get(id).await? {
            Some(connection) if connection.state != State::Connected => {
                self.erase_on(&connection, Progress::read(&item), until).await?
            }
            // Connected again: what is left is the person's once more.
            _ => self.leave_off(&key.owner, until).await?,
        };
        self.connections.end_duty(&key, &holder, end).await.map(drop)
    }

    /// Ends the erasure of a person who is back, without its last pass: but what was still written about events that are
    /// gone goes with them.
    async fn leave_off(&self, owner: &Owner, until: Timestamp) -> Result<End, StoreError> {
        let mut deliveries = 0;
        while self.erase_late(owner, &mut deliveries).await? {
            if self.clock.now() >= until {
                return Ok(Progress::default().again(self.clock.now()));
            }
        }
        Ok(End::Done)
    }

    async fn erase_on(&self, connection: &Connection, mut at: Progress, until: Timestamp) -> Result<End, StoreError> {
        let owner = Owner::Connection(connection.id.clone());
        let mut listing = Listing::default();
        loop {
            if self.clock.now() >= until {
                return Ok(at.again(self.clock.now()));
            }
            if self.is_back(connection).await? {
                return self.leave_off(&owner, until).await;
            }
            match at.part {
                Part::Records => {
                    if !self.erase_records(connection, &mut at).await? {
                        (at.part, at.after) = (Part::Journal, None);
                    }
                }
                Part::Journal => {
                    if !self.erase_journal(connection, &mut at).await? {
                        (at.part, at.after) = (Part::Rest, None);
                    }
                }
                Part::Rest => {
                    let last = at.pass + 1 >= PASSES;
                    if (last && self.erase_late(&owner, &mut at.deliveries).await?)
                        || self.erase_waiting(connection, &mut at, &mut listing).await?
                    {
                        continue;
                    }
                    self.connections.erase_rest(&connection.id).await?;
                    if self.is_back(connection).await? {
                        // What began with the reconnect may have gone as well: it begins again.
                        self.connections.forget_follow_up(connection).await?;
                        return self.leave_off(&owner, until).await;
                    }
                    self.tell(connection, &at).await?;
                    (at.part, at.pass) = (Part::Records, at.pass + 1);
                    let [records, events, deliveries, notifications] = at.counts().map(|(_, count)| count);
                    tracing::info!(connection = %connection.id, pass = at.pass, records, events, deliveries, notifications, "erased a person's data");
                    let done = at.pass >= PASSES;
                    return Ok(if done { End::Done } else { at.again(self.clock.now() + SECOND_PASS) });
                }
            }
        }
    }

    /// Whether the person has connected again.
    async fn is_back(&self, connection: &Connection) -> Result<bool, StoreError> {
        let now = self.connections.get(&connection.id).await?;
        Ok(now.is_none_or(|now| now.state == State::Connected))
    }

    /// A page of records; whether there are more.
    async fn erase_records(&self, connection: &Connection, at: &mut Progress) -> Result<bool, StoreError> {
        let after = at.after.as_deref().map(RecordId::from);
        let (page, more) = self.records.erasable(&connection.user, after.as_ref(), PAGE).await?;
        at.after = page.last().map(|last| last.record.as_str().to_owned());
        let gone: Vec<_> = page.into_iter().filter(|one| one.connection == connection.id && one.kind != KIND).collect();
        for some in gone.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|one| self.records.erase(&connection.user, &one.record))).await?;
            at.records += u64::try_from(some.len()).unwrap_or(0);
        }
        Ok(more)
    }

    /// A page of events, each after its deliveries; whether there may be more.
    async fn erase_journal(&self, connection: &Connection, at: &mut Progress) -> Result<bool, StoreError> {
        let (events, deliveries) = (self.outbox.events(), self.outbox.deliveries());
        let after = at.after.as_deref().and_then(|after| after.parse().ok()).unwrap_or(0);
        let head = events.settle(&connection.user).await?;
        let mut page = events.erasable(&connection.user, after, PAGE).await?;
        let more = page.len() == usize::from(PAGE);
        // What lies behind it is still being written: the next pass takes it.
        page.retain(|event| event.sequence <= head);
        at.after = page.last().map(|last| last.sequence.to_string());
        let ours = format!("/withings/{}", connection.id);
        let is_ours = |event: &Event| {
            let source = serde_json::from_str::<Sourced>(&event.body).map(|body| body.source).unwrap_or_default();
            source == ours && !event.event_type.starts_with("connection.")
        };
        let gone: Vec<Event> = page.into_iter().filter(is_ours).collect();
        self.connections.keep_late(&Owner::Connection(connection.id.clone()), &gone, self.clock.now()).await?;
        for event in gone {
            at.deliveries += deliveries.erase_of(&event.id).await?;
            events.erase(&event).await?;
            at.events += 1;
        }
        Ok(more)
    }

    /// What was still written about some of the events that an earlier pass erased; whether there may be more of it.
    /// Counts deliveries and attempts.
    async fn erase_late(&self, owner: &Owner, count: &mut u64) -> Result<bool, StoreError> {
        let Some((name, events)) = self.connections.late(owner).await? else { return Ok(false) };
        for some in events.chunks(AT_ONCE) {
            let erased = some.iter().map(|event| self.outbox.deliveries().erase_of(event));
            *count += try_join_all(erased).await?.into_iter().sum::<u64>();
        }
        self.connections.forget_late(owner, &name).await?;
        Ok(true)
    }

    /// A page of the person's notifications, unless another connection of the account may want them; whether there may be
    /// more.
    async fn erase_waiting(
        &self,
        connection: &Connection,
        at: &mut Progress,
        listing: &mut Listing,
    ) -> Result<bool, StoreError> {
        if listing.through {
            return Ok(false);
        }
        let account = self.connections.of_account(&connection.account).await?;
        // A dead link wants them only if it may come back: one that was unlinked has its own erasure.
        let nobodys = |other: &Connection| other.id == connection.id || other.state == State::Unlinked;
        if !account.iter().all(nobodys) {
            return Ok(false);
        }
        at.notifications += self.erase_notifications(&connection.account.userid, listing).await?;
        Ok(true)
    }

    /// A page of the notifications that wait for a person, or are about them and name no pull; how many were erased.
    async fn erase_notifications(&self, userid: &str, listing: &mut Listing) -> Result<u64, StoreError> {
        let start = listing.start.take();
        let (page, next) = match listing.about {
            false => self.notifications.awaiting(userid, start, PAGE).await?,
            true => self.notifications.about(userid, start, PAGE).await?,
        };
        let mut erased = 0;
        for some in page.chunks(AT_ONCE) {
            erased += try_join_all(some.iter().map(|id| self.erase_notification(id))).await?.into_iter().sum::<u64>();
        }
        listing.through = listing.about && next.is_none();
        listing.about |= next.is_none();
        listing.start = next;
        Ok(erased)
    }

    async fn erase_notification(&self, id: &NotificationId) -> Result<u64, StoreError> {
        // The index may be behind.
        if self.notifications.state(id).await?.is_none() {
            return Ok(0);
        }
        self.notifications.erase(id).await.map(|()| 1)
    }

    /// Says in the connection's record how much is gone. Numbers only.
    async fn tell(&self, connection: &Connection, at: &Progress) -> Result<(), StoreError> {
        let mut fact = connection.fact();
        fact.components.extend(at.counts().map(|(what, count)| Component {
            kind: format!("erased.{what}"),
            value: Some(Decimal::from(i64::try_from(count).unwrap_or(i64::MAX))),
            ..Component::default()
        }));
        self.records.bring(fact, self.clock.now(), SyncKind::Live).await.map(drop)
    }
}
