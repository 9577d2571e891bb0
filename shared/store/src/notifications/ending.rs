//! How a notification that waits for pulls ends.

use afferent_aws::Sends;
use afferent_domain::Timestamp;
use afferent_domain::id::{NotificationId, PullId};
use afferent_domain::notification::Quarantine;
use afferent_metrics::{Metric, count};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::days::state_day;
use super::{Awaited, KEPT, Notifications, State, read_state};
use crate::StoreError;
use crate::connections::refused;
use crate::item::{Reading, n, s};

impl Notifications {
    /// `pull` has satisfied the notification as far as `awaited` goes; when that was the last that it waited
    /// for, it ends. Doing it again changes nothing. Tells whether it ended.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn satisfy(&self, id: &NotificationId, awaited: &Awaited, pull: &PullId) -> Result<bool, StoreError> {
        let answer = self
            .update(id)
            .update_expression("DELETE pending :awaited ADD pulls :pull")
            .condition_expression("attribute_exists(notification)")
            .expression_attribute_values(":awaited", AttributeValue::Ss(vec![awaited.to_text()]))
            .expression_attribute_values(":pull", AttributeValue::Ss(vec![pull.as_str().to_owned()]))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let item = match answer {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            // Erased meanwhile.
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                return Ok(false);
            }
            Err(error) => return Err(StoreError::failed("UpdateItem")(error)),
        };
        let reading = Reading::new("notifications", &item);
        if !reading.set("pending").is_empty() || read_state(&item)? != State::Waiting {
            return Ok(false);
        }
        let received = Timestamp::from_millis(reading.number("received_ms")?);
        let ending = self
            .update(id)
            .update_expression("SET #state = :satisfied, state_day = :day, expires_at = :expires")
            .condition_expression("#state = :waiting AND attribute_not_exists(pending)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":waiting", s(State::Waiting.name()))
            .expression_attribute_values(":satisfied", s(State::Satisfied.name()))
            .expression_attribute_values(":day", s(state_day(State::Satisfied, received)))
            .expression_attribute_values(":expires", n((received + KEPT).as_secs()));
        let satisfied = self.write_once(id, ending, State::Satisfied).await?;
        count(Metric::NotificationsSatisfied, usize::from(satisfied));
        Ok(satisfied)
    }

    /// Sends an update that brings a notification that waits to `state`; whether it did. One that is refused at its second
    /// sending did so at its first, whose answer was lost, if the notification stands there.
    async fn write_once(
        &self,
        id: &NotificationId,
        update: UpdateItemFluentBuilder,
        state: State,
    ) -> Result<bool, StoreError> {
        let sends = Sends::default();
        match update.customize().interceptor(sends.clone()).send().await {
            Ok(_) => Ok(true),
            Err(error) if refused(&error) => Ok(sends.are_many() && self.state(id).await? == Some(state)),
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }

    /// A notification that waits for pulls will not get them: it is quarantined, until the person `userid` connects
    /// again. One that does not wait any more stays as it is.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn quarantine(&self, id: &NotificationId, reason: Quarantine, userid: &str) -> Result<(), StoreError> {
        let Some(kept) = self.kept(id).await?.filter(|kept| kept.state == State::Waiting) else { return Ok(()) };
        let ending = self
            .update(id)
            .update_expression(
                "SET #state = :state, state_day = :day, reason = :reason, awaits = :userid REMOVE pending",
            )
            .condition_expression("#state = :waiting")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":waiting", s(State::Waiting.name()))
            .expression_attribute_values(":state", s(State::Quarantined.name()))
            .expression_attribute_values(":day", s(state_day(State::Quarantined, kept.incoming.received)))
            .expression_attribute_values(":reason", s(reason.reason()))
            .expression_attribute_values(":userid", s(userid));
        let quarantined = self.write_once(id, ending, State::Quarantined).await?;
        count(Metric::NotificationsQuarantined, usize::from(quarantined));
        Ok(())
    }
}

/// A condition that failed changes nothing, and that is right.
pub(super) fn unless_refused<T>(result: Result<T, SdkError<UpdateItemError>>) -> Result<(), StoreError> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if refused(&error) => Ok(()),
        Err(error) => Err(StoreError::failed("UpdateItem")(error)),
    }
}
