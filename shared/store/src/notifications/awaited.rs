//! The index `by_awaited`: the persons whom notifications wait for, or are about.

use afferent_domain::id::NotificationId;
use afferent_domain::notification::Quarantine;

use super::ending::unless_refused;
use super::{Beginning, Incoming, Notifications, State};
use crate::StoreError;
use crate::item::{Item, Reading, s};

const ABOUT: &str = "about#";

/// Notifications that wait for a person, and where the next page of them begins.
pub type Awaiting = (Vec<NotificationId>, Option<Item>);

impl Notifications {
    /// A page of the notifications that wait for the person `userid`, the oldest first. Eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn awaiting(&self, userid: &str, start: Option<Item>, limit: u16) -> Result<Awaiting, StoreError> {
        self.found(userid, start, limit).await
    }

    /// A page of those that are about the person and wait neither for them nor for a pull: what they were recorded as,
    /// and what was quarantined for another reason. Eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn about(&self, userid: &str, start: Option<Item>, limit: u16) -> Result<Awaiting, StoreError> {
        self.found(&about(userid), start, limit).await
    }

    async fn found(&self, awaits: &str, start: Option<Item>, limit: u16) -> Result<Awaiting, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_awaited")
            .key_condition_expression("awaits = :awaits")
            .expression_attribute_values(":awaits", s(awaits))
            .limit(i32::from(limit.max(1)))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let ids = page
            .items()
            .iter()
            .map(|item| Reading::new("notifications", item).text("notification").map(NotificationId::from));
        Ok((ids.collect::<Result<_, _>>()?, page.last_evaluated_key))
    }

    /// The notification does not wait for its person any more. One that is quarantined stays.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn let_go(&self, id: &NotificationId) -> Result<(), StoreError> {
        let result = self
            .update(id)
            .update_expression("REMOVE awaits")
            .condition_expression(
                "attribute_exists(awaits) AND NOT begins_with(awaits, :about) AND #state <> :quarantined",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":about", s(ABOUT))
            .expression_attribute_values(":quarantined", s(State::Quarantined.name()))
            .send()
            .await;
        unless_refused(result)
    }
}

/// What the index `by_awaited` has of a notification that begins so: the person whom it waits for, or whom it is about.
pub(super) fn awaits(beginning: Beginning<'_>, incoming: &Incoming) -> Option<String> {
    let userid = incoming.userid.as_deref()?;
    match beginning {
        Beginning::Waiting(_) | Beginning::Satisfied(_) | Beginning::Quarantined(Quarantine::Erased) => None,
        Beginning::Quarantined(Quarantine::UnknownUser | Quarantine::Disconnected) => Some(userid.to_owned()),
        Beginning::Quarantined(_) | Beginning::Recorded(_) => Some(about(userid)),
    }
}

/// How the index `by_awaited` names a person whom a notification is about that does not wait for them.
fn about(userid: &str) -> String {
    format!("{ABOUT}{userid}")
}
