//! Appending: changes of a user get their numbers, and none gets two.
//!
//! The first of a journal go in with its head and its entry in the directory, in one transaction. What follows is put
//! after the head (`follow`), which is no transaction and costs half of one. It leaves an event there when its writer dies or
//! fails, for the change that comes again; so in the journal `_app`, whose notices nobody may have a reason to give
//! again, all goes in by transactions.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use afferent_domain::event::{Draft, Event};
use afferent_domain::id::{RecordId, UserId};
use afferent_domain::{Dice, Timestamp};
use afferent_metrics::{Metric, count};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};

use super::items::{Marker, directory_item, event_item, marker_item};
use super::{Events, Head, Journalled, MOST};
use crate::StoreError;
use crate::item::{n, s};

const OPERATION: &str = "TransactWriteItems";

/// The most bytes of bodies in one transaction; DynamoDB takes 4 MB, keys and names included.
const MOST_BYTES: usize = 2_000_000;

/// How often an append that meets another writer starts again before that is an error.
const TRIES: u32 = 10;

/// The longest wait between two of them.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

impl Events {
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
        let (mut left, mut all) = (drafts, Vec::new());
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(backoff(attempt, dice)).await;
            }
            // Before the markers: what this head covers has its marker, and what it does not cover is met by the put.
            let head = self.head(user).await?;
            let (found, mut new) = self.sort(user, left).await?;
            if let Some(head) = head.filter(|head| found.iter().any(|one| one.sequence > head.last)) {
                // Their writer died before it moved the head.
                self.catch_up(user, head.last).await?;
            }
            all.extend(found);
            if new.is_empty() {
                return Ok(in_order(all));
            }
            let from = match head {
                Some(head) => head,
                None => self.beginning().await?,
            };
            let mut events = number(new.clone(), from)?;
            let placed = match head {
                Some(head) if *user != UserId::app() => self.follow(user, head, &events, now).await?,
                _ => self.at_once(user, head, from.epoch, &events, now).await?,
            };
            count(Metric::EventsAppended, placed);
            events.truncate(placed);
            all.extend(events.into_iter().map(|event| journalled(event, now)));
            left = new.split_off(placed);
            if left.is_empty() {
                return Ok(in_order(all));
            }
            tracing::debug!(user = user.as_str(), attempt, "the journal had another writer");
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

    /// Puts events and markers, and moves the head, or makes it with the journal's entry in the directory: all or nothing. How
    /// many events were put: none if another writer was faster.
    async fn at_once(
        &self,
        user: &UserId,
        head: Option<Head>,
        epoch: u32,
        events: &[Event],
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let unbuilt = StoreError::unbuilt(OPERATION);
        let expires = n((now + self.kept).as_secs());
        let last = events.last().map_or(0, |event| event.sequence);
        let moved = Update::builder()
            .table_name(&self.table)
            .key("journal", s(user.as_str()))
            .key("sequence", n(0))
            .update_expression("SET #last = :last, #epoch = :epoch")
            .expression_attribute_names("#last", "last")
            .expression_attribute_names("#epoch", "epoch")
            .expression_attribute_values(":last", n(last))
            .expression_attribute_values(":epoch", n(epoch));
        let moved = match head {
            None => moved.condition_expression("attribute_not_exists(#last)"),
            Some(head) => moved
                .condition_expression("#last = :was AND #epoch = :epoch")
                .expression_attribute_values(":was", n(head.last)),
        };
        let mut writes = vec![TransactWriteItem::builder().update(moved.build().map_err(&unbuilt)?).build()];
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
            Ok(_) => Ok(events.len()),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) if lost(canceled) => Ok(0),
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(0),
                _ => Err(StoreError::failed(OPERATION)(error)),
            },
        }
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
