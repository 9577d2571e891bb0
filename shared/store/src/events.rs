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
//! One transaction gives numbers to up to [`MOST`] changes of a user: the head, on the condition that it is
//! as it was read, the events, and the markers, on the condition that they are new. So two writers at once
//! make one of them read again; they can neither leave a gap nor give a change two events.

mod entries;
mod epoch;
pub(crate) mod items;
mod markers;
mod packed;
mod pass;
mod since;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use afferent_domain::event::{Draft, Event};
use afferent_domain::id::{EndpointId, EventId, RecordId, UserId};
use afferent_domain::record::SyncKind;
use afferent_domain::{Dice, Timestamp};
use afferent_metrics::{Metric, count};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};

use items::{Marker, directory_item, event_item, failure_item, marker_item, marker_journal, read_event, read_failure};

use crate::StoreError;
use crate::item::{Item, Reading, n, s};

pub use markers::OfRevision;
pub use pass::{Pass, Sweeping};
pub use since::Changed;

const TABLE: &str = "events";

/// The most changes in one transaction: two items each and the head, of the 100 that DynamoDB takes.
pub const MOST: usize = 30;

/// The most bytes of bodies in one transaction; DynamoDB takes 4 MB, keys and names included.
const MOST_BYTES: usize = 2_000_000;

/// How long an event is kept, and can be sent again, unless [`Events::keeping`] says otherwise.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The journal of what could not become an event; see [`Events::put_failure`].
pub const FAILURES: &str = "_failed";

/// The directory of all journals; see [`Events::journals`].
pub const DIRECTORY: &str = "_journals";

/// How often an append that meets another writer starts again before that is an error.
const TRIES: u32 = 10;

/// The longest wait between two of them.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

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

/// A change that could not become an event, however often it is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the stream calls the change, or the record and revision; the same change, the same text.
    pub change: String,
    /// The record's user, if it could be read.
    pub user: Option<String>,
    /// The record, if it could be read.
    pub record: Option<String>,
    /// Why. Holds no values of the record.
    pub reason: String,
    /// When it was noticed.
    pub at: Timestamp,
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
    /// The last number given; 0 before the first.
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

/// Whether a transaction went through.
enum Written {
    Yes,
    /// Another writer was faster: read again.
    Met,
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

    /// Puts changes of one user into the journal, in their order, and says where each is. A change that has
    /// its event already is found, not written; a change older than one of the same record that has its
    /// event is skipped and not in the result.
    ///
    /// # Errors
    /// DynamoDB failed, or other writers were faster ten times in a row. What was written before stands,
    /// and is found by the next append.
    pub async fn append(
        &self,
        user: &UserId,
        drafts: Vec<Draft>,
        now: Timestamp,
        dice: &dyn Dice,
    ) -> Result<Vec<Journalled>, StoreError> {
        let mut journalled = Vec::with_capacity(drafts.len());
        for batch in batches(drafts) {
            journalled.extend(self.append_batch(user, batch, now, dice).await?);
        }
        Ok(journalled)
    }

    async fn append_batch(
        &self,
        user: &UserId,
        drafts: Vec<Draft>,
        now: Timestamp,
        dice: &dyn Dice,
    ) -> Result<Vec<Journalled>, StoreError> {
        const OPERATION: &str = "TransactWriteItems";
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(backoff(attempt, dice)).await;
            }
            let (found, new) = self.sort(user, drafts.clone()).await?;
            if new.is_empty() {
                return Ok(found);
            }
            let head = self.head(user).await?;
            let from = match head {
                Some(head) => head,
                None => self.beginning().await?,
            };
            let events = number(new, from)?;
            match self.write(user, (head, from.epoch), &events, now).await? {
                Written::Yes => {
                    count(Metric::EventsAppended, events.len());
                    let fresh = events.into_iter().map(|event| journalled(event, now));
                    return Ok(in_order(found.into_iter().chain(fresh).collect()));
                }
                Written::Met => tracing::debug!(user = user.as_str(), attempt, "the journal had another writer"),
            }
        }
        Err(StoreError::Conflict { operation: OPERATION })
    }

    /// Which of the drafts have their event, and which are new. Those that are neither are skipped.
    async fn sort(&self, user: &UserId, drafts: Vec<Draft>) -> Result<(Vec<Journalled>, Vec<Draft>), StoreError> {
        let (mut found, mut new) = (Vec::new(), Vec::<Draft>::new());
        let mut seen: HashMap<RecordId, HashSet<u32>> = HashMap::new();
        let markers = drafts.iter().map(|draft| self.marker(user, &draft.record, draft.rev));
        for (draft, marker) in drafts.iter().zip(futures_util::future::join_all(markers).await) {
            let earlier = seen.entry(draft.record.clone()).or_default();
            match marker?.as_ref().map(Marker::read).transpose()? {
                Some(marker) if marker.rev == draft.rev => found.push(Journalled {
                    event: marker.event,
                    user: user.clone(),
                    sequence: marker.sequence,
                    event_type: draft.event_type.clone(),
                    synckind: draft.synckind,
                    about: draft.about.clone(),
                    test: draft.test,
                    at: marker.at,
                    fresh: false,
                }),
                // A later revision has its event.
                Some(_) => {}
                None if earlier.iter().any(|rev| *rev >= draft.rev) => {}
                None => {
                    earlier.insert(draft.rev);
                    new.push(draft.clone());
                }
            }
        }
        Ok((found, new))
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

    async fn write(
        &self,
        user: &UserId,
        (head, epoch): (Option<Head>, u32),
        events: &[Event],
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        const OPERATION: &str = "TransactWriteItems";
        let unbuilt = StoreError::unbuilt(OPERATION);
        let expires = n((now + self.kept).as_secs());
        let next = Head { last: events.last().map_or(0, |event| event.sequence), epoch };
        let update = Update::builder()
            .table_name(&self.table)
            .key("journal", s(user.as_str()))
            .key("sequence", n(0))
            .update_expression("SET #last = :next, #epoch = :epoch")
            .expression_attribute_names("#last", "last")
            .expression_attribute_names("#epoch", "epoch")
            .expression_attribute_values(":next", n(next.last))
            .expression_attribute_values(":epoch", n(next.epoch));
        let update = match head {
            None => update.condition_expression("attribute_not_exists(#last)"),
            Some(head) => update
                .condition_expression("#last = :last AND #epoch = :epoch")
                .expression_attribute_values(":last", n(head.last)),
        };
        let mut writes = vec![TransactWriteItem::builder().update(update.build().map_err(&unbuilt)?).build()];
        for event in events {
            for item in [event_item(event, now, &expires), marker_item(event, now, &expires)] {
                let put = Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(item))
                    .condition_expression("attribute_not_exists(journal)")
                    .build()
                    .map_err(&unbuilt)?;
                writes.push(TransactWriteItem::builder().put(put).build());
            }
        }
        if head.is_none() {
            let put = Put::builder().table_name(&self.table).set_item(Some(directory_item(user)));
            writes.push(TransactWriteItem::builder().put(put.build().map_err(&unbuilt)?).build());
        }
        match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => Ok(Written::Yes),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) if lost(canceled) => {
                    Ok(Written::Met)
                }
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(Written::Met),
                _ => Err(StoreError::failed(OPERATION)(error)),
            },
        }
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

    /// Up to `limit` events of `user` after number `after`.
    ///
    /// # Errors
    /// DynamoDB failed, or an item is not one of ours.
    pub async fn after(&self, user: &UserId, after: u64, limit: u16) -> Result<After, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("journal = :journal AND #sequence > :after")
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":journal", s(user.as_str()))
            .expression_attribute_values(":after", n(after))
            .limit(i32::from(limit.max(1)))
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let events: Vec<Event> = answer.items().iter().map(|item| read_event(user, item)).collect::<Result<_, _>>()?;
        let head = self.head(user).await?.unwrap_or_default();
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

    /// Notes a change that could not become an event, where it can be listed. The same change makes one
    /// note, however often it comes.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn put_failure(&self, failure: &Failure) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(failure_item(failure)))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed("PutItem"))
    }

    /// The notes of [`Events::put_failure`], up to `limit` of them, in no order of time.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn failures(&self, limit: u16) -> Result<Vec<Failure>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("journal = :journal")
            .expression_attribute_values(":journal", s(FAILURES))
            .limit(i32::from(limit.max(1)))
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        answer.items().iter().map(read_failure).collect()
    }
}

/// Cuts drafts into what one transaction takes, order kept.
fn batches(drafts: Vec<Draft>) -> Vec<Vec<Draft>> {
    let mut batches: Vec<Vec<Draft>> = Vec::new();
    let mut bytes = 0;
    for draft in drafts {
        bytes += draft.data.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < MOST && bytes <= MOST_BYTES => batch.push(draft),
            _ => {
                bytes = draft.data.len();
                batches.push(vec![draft]);
            }
        }
    }
    batches
}

fn number(drafts: Vec<Draft>, head: Head) -> Result<Vec<Event>, StoreError> {
    let numbered = (head.last + 1..).zip(drafts).map(|(sequence, draft)| draft.numbered(sequence, head.epoch));
    numbered
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::Failed { operation: "numbering an event", cause: error.to_string() })
}

fn journalled(event: Event, at: Timestamp) -> Journalled {
    let Event { id, user, sequence, event_type, synckind, about, test, .. } = event;
    Journalled { event: id, user, sequence, event_type, synckind, about, test, at, fresh: true }
}

fn in_order(mut all: Vec<Journalled>) -> Vec<Journalled> {
    all.sort_by_key(|one| one.sequence);
    all
}

/// Exponential with full jitter, from 20 ms.
fn backoff(attempt: u32, dice: &dyn Dice) -> Duration {
    let most = Duration::from_millis(20 << attempt.min(10)).min(LONGEST_BACKOFF);
    Duration::from_millis(dice.between(1, u64::try_from(most.as_millis()).unwrap_or(1)))
}

/// Whether a transaction was cancelled because of another writer, and for no other reason.
fn lost(canceled: &aws_sdk_dynamodb::types::error::TransactionCanceledException) -> bool {
    let mut codes = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    let other_writer = |code: &str| matches!(code, "ConditionalCheckFailed" | "TransactionConflict");
    codes.clone().any(other_writer) && codes.all(|code| code == "None" || other_writer(code))
}
