//! How much of everything there is, counted from the tables: what was accepted, and what became of it.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use afferent_domain::delivery::End;
use afferent_domain::id::{EndpointId, UserId};
use afferent_domain::record::Record;
use afferent_store::StoreError;
use afferent_store::deliveries::{Deliveries, Listed};
use afferent_store::events::{Events, Journalled};
use afferent_store::notifications::{Notifications, State, day};
use afferent_store::records::Records;
use serde::Serialize;

/// How many items are read at once.
const PAGE: u16 = 500;

/// The tables that are counted.
pub struct Tables {
    /// `notifications`.
    pub notifications: Notifications,
    /// `records`.
    pub records: Records,
    /// `events`.
    pub events: Events,
    /// `deliveries`.
    pub deliveries: Deliveries,
}

/// The counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Notifications by where they stand.
    pub waiting: u64,
    /// See above.
    pub satisfied: u64,
    /// See above.
    pub recorded: u64,
    /// See above.
    pub quarantined: u64,
    /// Records.
    pub records: u64,
    /// Revisions of them.
    pub revisions: u64,
    /// Events in the journals.
    pub events: u64,
    /// Those of them that tell of no record but of other endpoints.
    pub notices: u64,
    /// And those that were a test of another endpoint, which is the only one that gets them.
    pub tests: u64,
    /// Deliveries to the endpoint.
    pub deliveries: u64,
    /// Those that were delivered.
    pub delivered: u64,
}

impl Tally {
    /// Notifications, wherever they stand.
    #[must_use]
    pub fn notifications(&self) -> u64 {
        self.waiting + self.satisfied + self.recorded + self.quarantined
    }

    /// What is not at its end: notifications that wait, revisions without an event, deliveries not made.
    #[must_use]
    pub fn open(&self) -> u64 {
        let (changes, wanted) = (self.events - self.notices - self.tests, self.events - self.tests);
        self.waiting + self.revisions.abs_diff(changes) + wanted.abs_diff(self.deliveries) + self.deliveries
            - self.delivered
    }
}

impl Tables {
    /// How many records of each kind there are.
    ///
    /// # Errors
    /// A table is out of reach.
    pub async fn kinds(&self, users: &[UserId]) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut kinds = BTreeMap::new();
        for user in users {
            for record in self.records_of(user).await? {
                *kinds.entry(record.kind).or_default() += 1;
            }
        }
        Ok(kinds)
    }

    async fn records_of(&self, user: &UserId) -> Result<Vec<Record>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (records, next) = self.records.page(user, None, after.as_ref(), 100).await?;
            all.extend(records);
            after = next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// Counts. `days` are the days that notifications were received on; `users` whose records there are.
    ///
    /// # Errors
    /// A table is out of reach.
    pub async fn tally(
        &self,
        days: &[Timestamp],
        users: &[UserId],
        endpoint: &EndpointId,
    ) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        let mut days: Vec<String> = days.iter().map(|at| day(*at)).collect();
        days.dedup();
        for day in &days {
            tally.waiting += self.notifications.count(State::Waiting, day).await?;
            tally.satisfied += self.notifications.count(State::Satisfied, day).await?;
            tally.recorded += self.notifications.count(State::Recorded, day).await?;
            tally.quarantined += self.notifications.count(State::Quarantined, day).await?;
        }
        for user in users {
            let records = self.records_of(user).await?;
            tally.records += records.len() as u64;
            tally.revisions += records.iter().map(|record| u64::from(record.rev)).sum::<u64>();
            tally.events += self.events.head(user).await?.map_or(0, |head| head.last);
        }
        for entry in self.entries(&UserId::app()).await? {
            tally.notices += u64::from(entry.about.is_some());
            tally.tests += u64::from(entry.test);
        }
        let deliveries = self.deliveries_to(endpoint).await?;
        tally.deliveries = deliveries.len() as u64;
        tally.delivered = deliveries.iter().filter(|one| one.state == End::Delivered.as_str()).count() as u64;
        Ok(tally)
    }

    /// Every event of a journal, without its text, the newest first.
    ///
    /// # Errors
    /// A table is out of reach.
    pub async fn entries(&self, user: &UserId) -> Result<Vec<Journalled>, StoreError> {
        let (mut all, mut before) = (Vec::<Journalled>::new(), u64::MAX);
        loop {
            let page = self.events.entries(user, before, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            before = last.sequence;
            all.extend(page);
        }
    }

    /// Every delivery to an endpoint, the newest first.
    ///
    /// # Errors
    /// A table is out of reach.
    pub async fn deliveries_to(&self, endpoint: &EndpointId) -> Result<Vec<Listed>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = self.deliveries.of_endpoint(endpoint, after.as_ref(), PAGE).await?;
            all.extend(page);
            after = next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}
