//! Putting events after a head, one conditional put each, which costs half of what a transaction would.
//!
//! What holds without one:
//!
//! 1. *Numbers have no gaps and are given once*: an event is put on the number after the last, where none may be yet, and
//!    the next only when it is there.
//! 2. *What the head covers has its markers*: the head moves after the markers are written. It may lag behind.
//! 3. *A change gets one event*: a writer reads the head first and the markers after it. A change that has its event
//!    already has a marker, by 2, or else its event lies behind that head, and by 1 the writer's first put meets what is
//!    there. Then it catches up (writes the markers of what lies behind the head, and moves the head), and looks again.
//!
//! So whoever dies in between leaves what the next writer of the journal finishes: the same change when it comes again, any
//! other of that user, or the daily comparison of `records` with the markers.

use afferent_domain::Timestamp;
use afferent_domain::event::Event;
use afferent_domain::id::UserId;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use futures_util::future::try_join_all;

use super::items::{event_item, marker_item, marker_of};
use super::{Events, Head, MOST};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

/// What came of putting an item where none may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It is there. Also if the very same was there already: then the answer to an earlier try was lost.
    Ours,
    /// Another one is there.
    Taken,
    /// A transaction was at it; nothing was put.
    Unknown,
}

impl Events {
    /// Puts events, which are numbered from `head` on, until one meets an event of another writer. How many were put.
    ///
    /// # Errors
    /// DynamoDB failed. What was put stands, and is found by the next append.
    pub(super) async fn follow(
        &self,
        user: &UserId,
        head: Head,
        events: &[Event],
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let expires = n((now + self.kept).as_secs());
        let mut markers = Vec::with_capacity(events.len());
        for event in events {
            if self.place(event_item(event, now, &expires)).await? != Place::Ours {
                break;
            }
            markers.push(marker_item(event, now, &expires));
        }
        let (placed, last) = (markers.len(), head.last + markers.len() as u64);
        self.cover(user, markers, last).await?;
        if placed < events.len() {
            self.catch_up(user, last).await?;
        }
        Ok(placed)
    }

    /// Finishes what writers have left behind the head, and says where it is: what is erased up to there has its marker, so no
    /// number becomes free and no change gets a second event.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn settle(&self, user: &UserId) -> Result<u64, StoreError> {
        let Some(head) = self.head(user).await? else { return Ok(0) };
        self.catch_up(user, head.last).await?;
        Ok(self.head(user).await?.map_or(head.last, |head| head.last))
    }

    /// Writes the markers of events that lie after `after`, and moves the head: their writer is still at it, or dead.
    pub(super) async fn catch_up(&self, user: &UserId, mut after: u64) -> Result<(), StoreError> {
        loop {
            let query = self.behind(user, after).limit(i32::try_from(MOST).unwrap_or(i32::MAX));
            let page = query.send().await.map_err(StoreError::failed("Query"))?;
            let Some(last) = page.items().last() else { return Ok(()) };
            after = Reading::new(super::TABLE, last).number("sequence")?;
            let markers = page.items().iter().map(|item| marker_of(user, item)).collect::<Result<_, _>>()?;
            self.cover(user, markers, after).await?;
            if page.last_evaluated_key.is_none() {
                return Ok(());
            }
        }
    }

    /// Writes markers of events that are there, and then moves the head to the last of them, unless it is further.
    async fn cover(&self, user: &UserId, markers: Vec<Item>, last: u64) -> Result<(), StoreError> {
        if markers.is_empty() {
            return Ok(());
        }
        // One that is there already is the same. Where that is not known the head must not move.
        let places = try_join_all(markers.into_iter().map(|marker| self.place(marker))).await?;
        if places.contains(&Place::Unknown) {
            return Err(StoreError::Conflict { operation: "PutItem" });
        }
        let moved = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("journal", s(user.as_str()))
            .key("sequence", n(0))
            .update_expression("SET #last = :last")
            .condition_expression("#last < :last")
            .expression_attribute_names("#last", "last")
            .expression_attribute_values(":last", n(last))
            .send()
            .await;
        match moved {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }

    /// Puts an item where none is.
    async fn place(&self, item: Item) -> Result<Place, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(journal)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(Place::Ours),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(there)) if there.item() == Some(&item) => {
                    Ok(Place::Ours)
                }
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(Place::Taken),
                Some(PutItemError::TransactionConflictException(_)) => Ok(Place::Unknown),
                _ => Err(StoreError::failed("PutItem")(error)),
            },
        }
    }
}
