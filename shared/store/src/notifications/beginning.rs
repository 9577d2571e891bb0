//! How a notification begins: when it is accepted, and once more when it leaves the quarantine.

use std::collections::{BTreeSet, HashMap};

use afferent_aws::Sends;
use afferent_domain::id::{PullId, RecordId};
use afferent_domain::notification::Quarantine;
use afferent_metrics::{Metric, count};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use ring::digest::{SHA256, digest};

use super::awaited::awaits;
use super::days::state_day;
use super::{Awaited, Incoming, KEPT, Notifications, State, read_state};
use crate::StoreError;
use crate::connections::refused;
use crate::item::{Item, n, s, ss};

/// How a notification begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning<'a> {
    /// It waits for pulls of these (at least one).
    Waiting(&'a [Awaited]),
    /// These pulls have satisfied it already.
    Satisfied(&'a [PullId]),
    /// It is these records already.
    Recorded(&'a [RecordId]),
    /// It cannot be acted upon.
    Quarantined(Quarantine),
}

impl Beginning<'_> {
    const fn state(self) -> State {
        match self {
            Self::Waiting(_) => State::Waiting,
            Self::Satisfied(_) => State::Satisfied,
            Self::Recorded(_) => State::Recorded,
            Self::Quarantined(_) => State::Quarantined,
        }
    }
}

impl Notifications {
    /// Stores an incoming notification, unless it is stored already (its message was delivered twice); tells
    /// where it stands now.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn accept(&self, incoming: &Incoming, beginning: Beginning<'_>) -> Result<State, StoreError> {
        let state = beginning.state();
        let digest = digest(&SHA256, incoming.body.as_bytes());
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut item: Item = HashMap::from([
            ("notification".to_owned(), s(incoming.id.as_str())),
            ("received_ms".to_owned(), n(incoming.received.as_millis())),
            ("state".to_owned(), s(state.name())),
            ("state_day".to_owned(), s(state_day(state, incoming.received))),
        ]);
        let erased = beginning == Beginning::Quarantined(Quarantine::Erased);
        if !erased {
            item.extend([("body".to_owned(), s(&incoming.body)), ("digest".to_owned(), s(digest))]);
            item.extend(incoming.appli.map(|appli| ("appli".to_owned(), n(appli))));
            item.extend(incoming.userid.as_ref().map(|userid| ("userid".to_owned(), s(userid))));
        }
        if let Some(awaits) = awaits(beginning, incoming) {
            item.insert("awaits".to_owned(), s(awaits));
        }
        match beginning {
            Beginning::Waiting(awaited) => {
                let pending = awaited.iter().map(Awaited::to_text).collect();
                item.insert("pending".to_owned(), AttributeValue::Ss(pending));
            }
            Beginning::Satisfied(pulls) => {
                item.insert("pulls".to_owned(), AttributeValue::Ss(texts(pulls)));
                item.insert("expires_at".to_owned(), n((incoming.received + KEPT).as_secs()));
            }
            Beginning::Recorded(records) => {
                let records = records.iter().map(|record| record.as_str().to_owned()).collect();
                item.insert("records".to_owned(), AttributeValue::Ss(records));
                item.insert("expires_at".to_owned(), n((incoming.received + KEPT).as_secs()));
            }
            Beginning::Quarantined(reason) => {
                item.insert("reason".to_owned(), s(reason.reason()));
                if erased {
                    item.insert("expires_at".to_owned(), n((incoming.received + KEPT).as_secs()));
                }
            }
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(notification)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let sends = Sends::default();
        match put.customize().interceptor(sends.clone()).send().await {
            Ok(_) => {}
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(stored)) => {
                    let stored = stored.item.clone().unwrap_or_default();
                    if !sends.are_many() || !is_same(&stored, &item) {
                        return read_state(&stored);
                    }
                }
                _ => return Err(StoreError::failed("PutItem")(error)),
            },
        }
        count(Metric::NotificationsAccepted, 1);
        ended(state);
        Ok(state)
    }

    /// A quarantined notification begins anew; tells where it stands now. One that is to wait for pulls stays among
    /// those that wait for their person until [`Self::let_go`]: what it waits for must be marked first.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn begin_again(&self, incoming: &Incoming, beginning: Beginning<'_>) -> Result<State, StoreError> {
        let state = beginning.state();
        let erased = beginning == Beginning::Quarantined(Quarantine::Erased);
        let awaits = awaits(beginning, incoming);
        let (mut set, mut remove) = match beginning {
            Beginning::Waiting(_) => ("pending = :what".to_owned(), "reason".to_owned()),
            Beginning::Satisfied(_) => ("pulls = :what, expires_at = :expires".to_owned(), "reason, awaits".to_owned()),
            Beginning::Recorded(_) => ("records = :what, expires_at = :expires".to_owned(), "reason".to_owned()),
            Beginning::Quarantined(_) if erased => {
                ("reason = :what, expires_at = :expires".to_owned(), "pending, body, digest, appli, userid".to_owned())
            }
            Beginning::Quarantined(_) => ("reason = :what".to_owned(), "pending".to_owned()),
        };
        match (&awaits, beginning) {
            (_, Beginning::Waiting(_) | Beginning::Satisfied(_)) => {}
            (Some(_), _) => set.push_str(", awaits = :awaits"),
            (None, _) => remove.push_str(", awaits"),
        }
        let what = match beginning {
            Beginning::Waiting(awaited) => AttributeValue::Ss(awaited.iter().map(Awaited::to_text).collect()),
            Beginning::Satisfied(pulls) => AttributeValue::Ss(texts(pulls)),
            Beginning::Recorded(records) => {
                AttributeValue::Ss(records.iter().map(|record| record.as_str().to_owned()).collect())
            }
            Beginning::Quarantined(reason) => s(reason.reason()),
        };
        let mut update = self
            .update(&incoming.id)
            .update_expression(format!("SET #state = :state, state_day = :day, {set} REMOVE {remove}"))
            .condition_expression("#state = :quarantined")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", s(state.name()))
            .expression_attribute_values(":quarantined", s(State::Quarantined.name()))
            .expression_attribute_values(":day", s(state_day(state, incoming.received)))
            .expression_attribute_values(":what", what);
        if matches!(state, State::Recorded | State::Satisfied) || erased {
            update = update.expression_attribute_values(":expires", n((incoming.received + KEPT).as_secs()));
        }
        if let Some(awaits) = awaits {
            update = update.expression_attribute_values(":awaits", s(awaits));
        }
        let sends = Sends::default();
        match update.customize().interceptor(sends.clone()).send().await {
            Ok(_) => {}
            Err(error) if refused(&error) => {
                let stands = self.state(&incoming.id).await?.unwrap_or(state);
                // Refused at the second sending, and where we bring it: the first did so, and its answer was lost.
                if !sends.are_many() || stands != state {
                    return Ok(stands);
                }
            }
            Err(error) => return Err(StoreError::failed("UpdateItem")(error)),
        }
        count(Metric::NotificationsReleased, 1);
        ended(state);
        Ok(state)
    }
}

/// Whether two items of a notification say the same. Of a set the order means nothing.
fn is_same(one: &Item, other: &Item) -> bool {
    let plain = |item: &Item| {
        let sorted = |value: &AttributeValue| match value {
            AttributeValue::Ss(members) => ss(members.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()),
            other => other.clone(),
        };
        item.iter().map(|(name, value)| (name.clone(), sorted(value))).collect::<Item>()
    };
    plain(one) == plain(other)
}

/// Counts a notification that has come to `state`.
fn ended(state: State) {
    match state {
        State::Recorded => count(Metric::NotificationsRecorded, 1),
        State::Quarantined => count(Metric::NotificationsQuarantined, 1),
        State::Satisfied => count(Metric::NotificationsSatisfied, 1),
        State::Waiting => {}
    }
}

/// The members of a set of pulls, each once: DynamoDB takes none twice.
fn texts(pulls: &[PullId]) -> Vec<String> {
    pulls.iter().map(|pull| pull.as_str().to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
}
