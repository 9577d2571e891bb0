//! The journal: for each user a gap-free list of events, and never two for one change.
//!
//! Three kinds of items for each user (`journal`, `sequence`):
//!
//! - `<user>`, 0: the *head*, with the `last` number given and the `epoch`. It has no TTL.
//! - `<user>`, 1…: the events, with the exact text that is sent.
//! - `<user>/<record>`, `<rev>`: the *markers*, one for each change that has its event.
//!
//! And under `_journals` one item for each journal, so that all of them can be gone through.
//!
//! An event is put on the number after the last, on the condition that none is there; then its marker is written, and
//! then the head is moved (`follow` says why that holds). So two writers at once make one of them read again; they can
//! neither leave a gap nor give a change two events. The head may be a moment behind the last event, never ahead of it.

mod append;
mod entries;
mod epoch;
mod failures;
mod follow;
pub(crate) mod items;
mod markers;
mod packed;
mod pass;
mod since;

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::event::Event;
use afferent_domain::id::{EndpointId, EventId, RecordId, UserId};
use afferent_domain::record::SyncKind;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;

use items::{marker_journal, read_event};

use crate::StoreError;
use crate::item::{Item, Reading, n, s};

pub use failures::{FAILURES, Failure};
pub use markers::OfRevision;
pub use pass::{Pass, Sweeping};
pub use since::Changed;

const TABLE: &str = "events";

/// The most changes that are appended at once; a transaction that begins a journal has two items of each, the head and the
/// entry in the directory, of the 100 that DynamoDB takes.
pub const MOST: usize = 30;

/// How long an event is kept, and can be sent again, unless [`Events::keeping`] says otherwise.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The directory of all journals; see [`Events::journals`].
pub const DIRECTORY: &str = "_journals";

/// A change that is in the journal: what a delivery must know of its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journalled {
    /// The event.
    pub event: EventId,
    /// The journal it is in.
    pub user: UserId,
    /// Its number there.
    pub sequence: u64,
    /// Its type.
    pub event_type: String,
    /// Live, or from a backfill.
    pub synckind: SyncKind,
    /// The endpoint that it tells of, if it tells of one.
    pub about: Option<EndpointId>,
    /// Whether it is a test.
    pub test: bool,
    /// When it was journalled.
    pub at: Timestamp,
    /// Whether this append put it there.
    pub fresh: bool,
}

/// What follows a number in a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// The events, in order; none if there are no later ones.
    Events(Vec<Event>),
    /// Some that follow are no longer kept; this is the oldest number that is.
    Gone {
        /// The oldest number kept.
        oldest: u64,
    },
}

/// Where a journal stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last number whose event has its marker; 0 before the first. An append under way may be further.
    pub last: u64,
    /// Raised when the table was restored from a backup: numbers may come again.
    pub epoch: u32,
}

/// The table `events`.
#[derive(Clone, Debug)]
pub struct Events {
    pub(crate) client: Client,
    pub(crate) table: String,
    kept: Duration,
}

impl Events {
    /// The table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, kept: KEPT }
    }

    /// The same table, whose new events are kept for so long.
    #[must_use]
    pub fn keeping(self, kept: Duration) -> Self {
        Self { kept, ..self }
    }

    /// How long new events are kept.
    #[must_use]
    pub fn kept(&self) -> Duration {
        self.kept
    }

    /// The marker of this revision, or else of the next later one that there is.
    async fn marker(&self, user: &UserId, record: &RecordId, rev: u32) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("journal = :journal AND #sequence >= :rev")
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":journal", s(marker_journal(user, record)))
            .expression_attribute_values(":rev", n(rev))
            .limit(1)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        Ok(answer.items.unwrap_or_default().into_iter().next())
    }

    /// Where the journal of `user` stands; `None` before its first event.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn head(&self, user: &UserId) -> Result<Option<Head>, StoreError> {
        let item = self.item(user.as_str(), 0).await?;
        item.map(|item| {
            let item = Reading::new(TABLE, &item);
            Ok(Head { last: item.number("last")?, epoch: item.number("epoch")? })
        })
        .transpose()
    }

    /// One event; `None` if there is no such number, or no more.
    ///
    /// # Errors
    /// DynamoDB failed, or the item is not one of ours.
    pub async fn get(&self, user: &UserId, sequence: u64) -> Result<Option<Event>, StoreError> {
        let item = self.item(user.as_str(), sequence).await?;
        item.map(|item| read_event(user, &item)).transpose()
    }

    async fn item(&self, journal: &str, sequence: u64) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("journal", s(journal))
            .key("sequence", n(sequence))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("GetItem"))?;
        Ok(answer.item)
    }

    /// Asks for the events of a journal after number `after`, in their order.
    pub(crate) fn behind(&self, user: &UserId, after: u64) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("journal = :journal AND #sequence > :after")
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":journal", s(user.as_str()))
            .expression_attribute_values(":after", n(after))
    }

    /// Up to `limit` events of `user` after number `after`. A number that is missing between them was erased, or has just
    /// expired.
    ///
    /// # Errors
    /// DynamoDB failed, or an item is not one of ours.
    pub async fn after(&self, user: &UserId, after: u64, limit: u16) -> Result<After, StoreError> {
        // Before the events: an event that is appended between the two would else look like one that is gone.
        let head = self.head(user).await?.unwrap_or_default();
        let query = self.behind(user, after).limit(i32::from(limit.max(1)));
        let answer = query.send().await.map_err(StoreError::failed("Query"))?;
        let events: Vec<Event> = answer.items().iter().map(|item| read_event(user, item)).collect::<Result<_, _>>()?;
        Ok(match events.first() {
            // The numbers have no gaps, so a gap is what the TTL took.
            Some(first) if first.sequence > after + 1 => After::Gone { oldest: first.sequence },
            None if head.last > after => After::Gone { oldest: head.last + 1 },
            _ => After::Events(events),
        })
    }

    /// Whether the change has its event, or a later one of the record has.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn covers(&self, user: &UserId, record: &RecordId, rev: u32) -> Result<bool, StoreError> {
        Ok(self.marker(user, record, rev).await?.is_some())
    }
}
