//! Anchors: the time by which a notification without a date is told from its own repeats.
//!
//! Withings tries a notification again for up to six hours, and the bodies of categories 46 and 53 have no date. So
//! the same content within [`SAME`] is the same record, under the time of the first. What a person does after
//! connecting again is new all the same.
//!
//! | `owner` | `item` | holds |
//! |---|---|---|
//! | `connection#<connection>` | `anchor#46#<action>` | the anchor; `asked_ms` while the link is to be verified |
//! | `connection#<connection>` | `anchor#46#<action>#before` | the same for what came before the person connected |
//! | `app#<client id>` | `device#<mac>` | the anchor |

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::ConnectionId;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use crate::StoreError;
use crate::connections::{Connection, Connections, refused};
use crate::duties::Owner;
use crate::item::{Reading, n, s};

const TABLE: &str = "connections";
const PREFIX: &str = "anchor#46#";

/// How long the same content is the same notification: Withings' last try is at most 6 h 6 min after the first.
pub const SAME: Duration = Duration::from_secs(7 * 3600);

/// A hint about a profile whose link is not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `delete`, `unlink`, `update`, or whatever the body said.
    pub action: String,
    /// Its anchor.
    pub anchor: Timestamp,
    /// When it was last received.
    pub asked: Timestamp,
    item: String,
}

impl Asked {
    /// Whether it says that the link is gone.
    #[must_use]
    pub fn ends_link(&self) -> bool {
        ends_link(&self.action)
    }
}

/// Whether a profile's `action` says that the link is gone.
#[must_use]
pub fn ends_link(action: &str) -> bool {
    matches!(action, "delete" | "unlink")
}

impl Connections {
    /// The anchor of a hint about the profile behind `connection`.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn profile_anchor(
        &self,
        connection: &Connection,
        action: &str,
        received: Timestamp,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let owner = Owner::Connection(connection.id.clone()).to_string();
        let (item, floor) = profile_item(connection, action, received);
        self.anchor(&owner, &item, received, floor, now).await
    }

    /// The same, and the question whether the link lives is open from now on, until [`Self::answered`].
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn ask(
        &self,
        connection: &Connection,
        action: &str,
        received: Timestamp,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let owner = Owner::Connection(connection.id.clone()).to_string();
        let (item, floor) = profile_item(connection, action, received);
        let anchor = self.anchor(&owner, &item, received, floor, now).await?;
        let asked = self
            .update(&owner, &item)
            .update_expression("SET asked_ms = :received, #action = :action")
            .condition_expression("attribute_not_exists(asked_ms) OR asked_ms < :received")
            .expression_attribute_names("#action", "action")
            .expression_attribute_values(":received", n(received.as_millis()))
            .expression_attribute_values(":action", s(action))
            .send()
            .await;
        match asked {
            Ok(_) => Ok(anchor),
            Err(error) if refused(&error) => Ok(anchor),
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }

    /// The open questions about the link of `connection`.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn asked(&self, connection: &ConnectionId) -> Result<Vec<Asked>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#owner = :owner AND begins_with(#item, :prefix)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":owner", s(Owner::Connection(connection.clone()).to_string()))
            .expression_attribute_values(":prefix", s(PREFIX))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let mut asked = Vec::new();
        for item in answer.items() {
            let reading = Reading::new(TABLE, item);
            if let Some(at) = reading.maybe_number("asked_ms") {
                asked.push(Asked {
                    action: reading.text("action")?.to_owned(),
                    anchor: Timestamp::from_millis(reading.number("anchor_ms")?),
                    asked: Timestamp::from_millis(at),
                    item: reading.text("item")?.to_owned(),
                });
            }
        }
        Ok(asked)
    }

    /// The answer is written: the question is closed, unless it was asked again meanwhile.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn answered(&self, connection: &ConnectionId, asked: &Asked) -> Result<(), StoreError> {
        let result = self
            .update(&Owner::Connection(connection.clone()).to_string(), &asked.item)
            .update_expression("REMOVE asked_ms")
            .condition_expression("asked_ms = :asked")
            .expression_attribute_values(":asked", n(asked.asked.as_millis()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) if refused(&error) => Ok(()),
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }

    /// The anchor of a device without an account.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn device_anchor(
        &self,
        application: &str,
        mac: &str,
        received: Timestamp,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let owner = Owner::Application(application.to_owned()).to_string();
        self.anchor(&owner, &format!("device#{mac}"), received, None, now).await
    }

    /// The anchor that stands, if `received` is less than [`SAME`] from it and it is not before `floor`; else
    /// `received`, which stands from now on.
    async fn anchor(
        &self,
        owner: &str,
        item: &str,
        received: Timestamp,
        floor: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let result = self
            .update(owner, item)
            .update_expression("SET anchor_ms = :received, expires_at = :expires")
            .condition_expression(
                "attribute_not_exists(anchor_ms) OR anchor_ms <= :before OR anchor_ms >= :after OR anchor_ms < :floor",
            )
            .expression_attribute_values(":received", n(received.as_millis()))
            .expression_attribute_values(":before", n((received - SAME).as_millis()))
            .expression_attribute_values(":after", n((received + SAME).as_millis()))
            .expression_attribute_values(":floor", n(floor.map_or(0, Timestamp::as_millis)))
            // An open question is long answered by then, or asked again.
            .expression_attribute_values(":expires", n((received.max(now) + SAME * 24).as_secs()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(_) => Ok(received),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(found)) => {
                    let item = found.item().cloned().unwrap_or_default();
                    Ok(Timestamp::from_millis(Reading::new(TABLE, &item).number("anchor_ms")?))
                }
                _ => Err(StoreError::failed("UpdateItem")(error)),
            },
        }
    }
}

/// The item of a hint's anchor, and the time that an anchor must not lie before.
fn profile_item(connection: &Connection, action: &str, received: Timestamp) -> (String, Option<Timestamp>) {
    match received < connection.connected {
        true => (format!("{PREFIX}{action}#before"), None),
        false => (format!("{PREFIX}{action}"), Some(connection.connected)),
    }
}
