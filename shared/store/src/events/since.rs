//! What changed since an instant: which records, by their events, without the texts of those.

use afferent_domain::Timestamp;
use afferent_domain::id::{RecordId, UserId};

use super::{Events, TABLE};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The number of its event.
    pub sequence: u64,
    /// The record.
    pub record: RecordId,
    /// What kind of record it is.
    pub kind: String,
    /// Its revision then.
    pub rev: u32,
}

impl Events {
    /// The number after which every event of `user` comes that was journalled at `at` or later; `None` if some of those may no
    /// longer be kept. It takes two reads for each doubling of how many there are, so who asks often asks for little.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn number_before(&self, user: &UserId, at: Timestamp, now: Timestamp) -> Result<Option<u64>, StoreError> {
        if at.as_millis() <= now.as_millis() - i64::try_from(self.kept.as_millis()).unwrap_or(i64::MAX) {
            return Ok(None);
        }
        let last = self.head(user).await?.unwrap_or_default().last;
        // All up to `early` were journalled before, all from `late` on were not.
        let (mut early, mut late, mut step) = (0, last + 1, 1);
        let mut is_kept = true;
        while late - early > 1 {
            // From the end in steps that double, and then by halves: what is asked for is mostly new.
            let middle = if early == 0 { (last + 1).saturating_sub(step).max(1) } else { early + (late - early) / 2 };
            let journalled = self.journalled(user, middle).await?;
            // One that is no longer kept was before those that are.
            if journalled.is_none_or(|journalled| journalled < at) {
                (early, is_kept) = (middle, journalled.is_some());
            } else {
                late = middle;
            }
            step = step.saturating_mul(2);
        }
        // Behind one that is gone others may be gone that came later: they may have been kept for less.
        Ok(Some(early).filter(|_| is_kept))
    }

    /// When an event was journalled; `None` if it is no longer kept.
    async fn journalled(&self, user: &UserId, sequence: u64) -> Result<Option<Timestamp>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("journal", s(user.as_str()))
            .key("sequence", n(sequence))
            .projection_expression("at_ms")
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("GetItem"))?;
        let at = |item: Item| Ok(Timestamp::from_millis(Reading::new(TABLE, &item).number("at_ms")?));
        answer.item.map(at).transpose()
    }

    /// Up to `limit` changes of `user` after number `after`, and whether more may follow. They may be fewer than there are.
    ///
    /// # Errors
    /// DynamoDB failed, or an item is not one of ours.
    pub async fn changes(&self, user: &UserId, after: u64, limit: u16) -> Result<(Vec<Changed>, bool), StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("journal = :journal AND #sequence > :after")
            .projection_expression("#sequence, #record, #type, rev")
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_names("#record", "record")
            .expression_attribute_names("#type", "type")
            .expression_attribute_values(":journal", s(user.as_str()))
            .expression_attribute_values(":after", n(after))
            .limit(i32::from(limit.max(1)))
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let changes = answer.items().iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok((changes, answer.last_evaluated_key.is_some()))
    }
}

fn read(item: &Item) -> Result<Changed, StoreError> {
    let item = Reading::new(TABLE, item);
    let name = item.text("type")?;
    Ok(Changed {
        sequence: item.number("sequence")?,
        record: item.text("record")?.into(),
        kind: name.rsplit_once('.').map_or(name, |(kind, _)| kind).to_owned(),
        rev: item.number("rev")?,
    })
}
