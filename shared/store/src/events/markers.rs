//! From a revision to its event.

use afferent_domain::id::{EventId, RecordId, UserId};

use super::Events;
use super::items::Marker;
use crate::StoreError;

/// The event of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfRevision {
    /// The event.
    pub event: EventId,
    /// Its number in the user's journal.
    pub sequence: u64,
    /// The revision that it tells of: the one that was asked for, or a later one that came before it.
    pub rev: u32,
}

impl Events {
    /// The event of this revision, or of the next later one that has one; `None` if there is none yet, or none any more.
    ///
    /// # Errors
    /// DynamoDB failed, or the item is not one of ours.
    pub async fn of_revision(
        &self,
        user: &UserId,
        record: &RecordId,
        rev: u32,
    ) -> Result<Option<OfRevision>, StoreError> {
        let marker = self.marker(user, record, rev).await?.as_ref().map(Marker::read).transpose()?;
        Ok(marker.map(|Marker { rev, event, sequence, .. }| OfRevision { event, sequence, rev }))
    }
}
