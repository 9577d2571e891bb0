//! Going through journals: which there are, and what is in one of them, the newest first, without the texts.

use afferent_domain::Timestamp;
use afferent_domain::id::UserId;

use super::items::{Kind, directory_number, read_kind};
use super::{DIRECTORY, Events, Journalled, TABLE};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

impl Events {
    /// Up to `limit` journals after that of `after`, in an order that means nothing but does not change. None are left
    /// if there are none. An entry that cannot be read is logged and left out: it must not hide the others.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn journals(&self, after: Option<&UserId>, limit: u16) -> Result<Vec<UserId>, StoreError> {
        let mut after = after.map_or_else(|| n(-1), |user| n(directory_number(user)));
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("journal = :journal AND #sequence > :after")
                .expression_attribute_names("#sequence", "sequence")
                .expression_attribute_values(":journal", s(DIRECTORY))
                .expression_attribute_values(":after", after)
                .consistent_read(true)
                .limit(i32::from(limit.max(1)))
                .send()
                .await
                .map_err(StoreError::failed("Query"))?;
            let user = |item: &Item| Ok(UserId::from(Reading::new(TABLE, item).text("user")?));
            let users = readable(answer.items(), user);
            let Some(last) = answer.items().last().filter(|_| users.is_empty()) else { return Ok(users) };
            // None of a whole page could be read, and an empty answer would be the end.
            after = last.get("sequence").cloned().ok_or_else(no_number)?;
        }
    }

    /// Up to `limit` events of `user` with numbers below `before`, the newest first, without their texts. None are left
    /// if there are none. An event that cannot be read is logged and left out: it must not hide the others.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn entries(&self, user: &UserId, before: u64, limit: u16) -> Result<Vec<Journalled>, StoreError> {
        let mut before = before;
        while before > 1 {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("journal = :journal AND #sequence BETWEEN :first AND :last")
                .projection_expression("#sequence, event, #type, synckind, about, #test, at_ms")
                .expression_attribute_names("#sequence", "sequence")
                .expression_attribute_names("#type", "type")
                .expression_attribute_names("#test", "test")
                .expression_attribute_values(":journal", s(user.as_str()))
                .expression_attribute_values(":first", n(1))
                .expression_attribute_values(":last", n(before - 1))
                .scan_index_forward(false)
                .consistent_read(true)
                .limit(i32::from(limit.max(1)))
                .send()
                .await
                .map_err(StoreError::failed("Query"))?;
            let entries = readable(answer.items(), |item| read(user, item));
            let Some(last) = answer.items().last().filter(|_| entries.is_empty()) else { return Ok(entries) };
            before = Reading::new(TABLE, last).number("sequence")?;
        }
        Ok(Vec::new())
    }
}

/// What of `items` can be read.
fn readable<T>(items: &[Item], read: impl Fn(&Item) -> Result<T, StoreError>) -> Vec<T> {
    let read = |item: &Item| {
        let tell = |error: &StoreError| {
            let sequence: Option<u64> = Reading::new(TABLE, item).maybe_number("sequence");
            tracing::error!(%error, sequence, "an entry of the journal cannot be read");
        };
        read(item).inspect_err(tell).ok()
    };
    items.iter().filter_map(read).collect()
}

fn no_number() -> StoreError {
    StoreError::Item { table: TABLE, attribute: "sequence".to_owned() }
}

fn read(user: &UserId, item: &Item) -> Result<Journalled, StoreError> {
    let Kind { synckind, about, test } = read_kind(item);
    let item = Reading::new(TABLE, item);
    Ok(Journalled {
        event: item.text("event")?.into(),
        user: user.clone(),
        sequence: item.number("sequence")?,
        event_type: item.text("type")?.to_owned(),
        synckind,
        about,
        test,
        at: Timestamp::from_millis(item.number("at_ms")?),
        fresh: false,
    })
}
