//! The `notifications` table: one item per notification that `ingest` accepted, until its end is told.
//!
//! Key: `notification`. Every one ends as satisfied, recorded or quarantined; the index `by_state` counts
//! them by day, which is the proof that none was lost: accepted = satisfied + recorded + quarantined + waiting.
//!
//! One that waits for a person (quarantined as `unknown_user` or `disconnected`) names them in `awaits`, the key of the
//! index `by_awaited`. When the person connects it is sorted again, and leaves the index once nothing can be lost.

mod brought;
mod told;

use std::collections::HashMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::{ConnectionId, NotificationId, PullId, RecordId};
use afferent_domain::notification::Quarantine;
use afferent_domain::service::Service;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, Select};

use ring::digest::{SHA256, digest};

use crate::StoreError;
use crate::connections::refused;
use crate::item::{Item, Reading, n, s};

/// How long the item of a notification is kept from its receipt, once it has ended. Quarantined ones are kept until replayed.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Where a notification stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A service that it names is not read yet.
    Waiting,
    /// Pulls have brought the records to what Withings holds.
    Satisfied,
    /// It was the data itself, and is a record.
    Recorded,
    /// It cannot be acted upon; kept with the reason.
    Quarantined,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Satisfied, Self::Recorded, Self::Quarantined];

    /// As the table has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Satisfied => "satisfied",
            Self::Recorded => "recorded",
            Self::Quarantined => "quarantined",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A notification that comes in.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its id.
    pub id: NotificationId,
    /// When `ingest` took it.
    pub received: Timestamp,
    /// Its body, as text or (if it was no text) base64.
    pub body: String,
    /// Its category's number, if it could be read.
    pub appli: Option<u32>,
    /// The Withings user, if it could be read.
    pub userid: Option<String>,
}

/// How a notification begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning<'a> {
    /// It waits for pulls of these (at least one).
    Waiting(&'a [Awaited]),
    /// It is these records already.
    Recorded(&'a [RecordId]),
    /// It cannot be acted upon.
    Quarantined(Quarantine),
}

/// A service of a connection that a notification waits for. An account may have several connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The connection.
    pub connection: ConnectionId,
    /// The service.
    pub service: Service,
}

impl Awaited {
    fn to_text(&self) -> String {
        format!("{} {}", self.connection, self.service)
    }
}

/// A notification as it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What came in.
    pub incoming: Incoming,
    /// Where it stands.
    pub state: State,
}

pub use told::{Place, Told};

/// Notifications that wait for a person, and where the next page of them begins.
pub type Awaiting = (Vec<NotificationId>, Option<Item>);

/// The table.
#[derive(Clone, Debug)]
pub struct Notifications {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl Notifications {
    /// The table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Stores an incoming notification, unless it is stored already (its message was delivered twice); tells
    /// where it stands now.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn accept(&self, incoming: &Incoming, beginning: Beginning<'_>) -> Result<State, StoreError> {
        let state = match beginning {
            Beginning::Waiting(_) => State::Waiting,
            Beginning::Recorded(_) => State::Recorded,
            Beginning::Quarantined(_) => State::Quarantined,
        };
        let digest = digest(&SHA256, incoming.body.as_bytes());
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut item: Item = HashMap::from([
            ("notification".to_owned(), s(incoming.id.as_str())),
            ("received_ms".to_owned(), n(incoming.received.as_millis())),
            ("body".to_owned(), s(&incoming.body)),
            ("digest".to_owned(), s(digest)),
            ("state".to_owned(), s(state.name())),
            ("state_day".to_owned(), s(state_day(state, incoming.received))),
        ]);
        if let Some(appli) = incoming.appli {
            item.insert("appli".to_owned(), n(appli));
        }
        if let Some(userid) = &incoming.userid {
            item.insert("userid".to_owned(), s(userid));
        }
        match beginning {
            Beginning::Waiting(awaited) => {
                let pending = awaited.iter().map(Awaited::to_text).collect();
                item.insert("pending".to_owned(), AttributeValue::Ss(pending));
            }
            Beginning::Recorded(records) => {
                let records = records.iter().map(|record| record.as_str().to_owned()).collect();
                item.insert("records".to_owned(), AttributeValue::Ss(records));
                item.insert("expires_at".to_owned(), n((incoming.received + KEPT).as_secs()));
            }
            Beginning::Quarantined(reason) => {
                item.insert("reason".to_owned(), s(reason.reason()));
                if let Some(userid) = awaits(reason, incoming) {
                    item.insert("awaits".to_owned(), s(userid));
                }
            }
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(notification)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(state),
            Err(error) => match error.as_service_error() {
                Some(aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(stored)) => {
                    read_state(&stored.item.clone().unwrap_or_default())
                }
                _ => Err(StoreError::failed("PutItem")(error)),
            },
        }
    }

    /// `pull` has satisfied the notification as far as `awaited` goes; when that was the last that it waited
    /// for, it ends. Doing it again changes nothing.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn satisfy(&self, id: &NotificationId, awaited: &Awaited, pull: &PullId) -> Result<(), StoreError> {
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
                return Ok(());
            }
            Err(error) => return Err(StoreError::failed("UpdateItem")(error)),
        };
        let reading = Reading::new("notifications", &item);
        if !reading.set("pending").is_empty() || read_state(&item)? != State::Waiting {
            return Ok(());
        }
        let received = Timestamp::from_millis(reading.number("received_ms")?);
        let ended = self
            .update(id)
            .update_expression("SET #state = :satisfied, state_day = :day, expires_at = :expires")
            .condition_expression("#state = :waiting AND attribute_not_exists(pending)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":waiting", s(State::Waiting.name()))
            .expression_attribute_values(":satisfied", s(State::Satisfied.name()))
            .expression_attribute_values(":day", s(state_day(State::Satisfied, received)))
            .expression_attribute_values(":expires", n((received + KEPT).as_secs()))
            .send()
            .await;
        unless_refused(ended)
    }

    /// A notification that waits for pulls will not get them: it is quarantined, until the person `userid` connects
    /// again. One that does not wait any more stays as it is.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn quarantine(&self, id: &NotificationId, reason: Quarantine, userid: &str) -> Result<(), StoreError> {
        let Some(kept) = self.kept(id).await?.filter(|kept| kept.state == State::Waiting) else { return Ok(()) };
        let result = self
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
            .expression_attribute_values(":userid", s(userid))
            .send()
            .await;
        unless_refused(result)
    }

    /// A page of the notifications that wait for the person `userid`, the oldest first. Eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn awaiting(&self, userid: &str, start: Option<Item>, limit: u16) -> Result<Awaiting, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_awaited")
            .key_condition_expression("awaits = :userid")
            .expression_attribute_values(":userid", s(userid))
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

    /// A quarantined notification begins anew; tells where it stands now. One that is to wait for pulls stays among
    /// those that wait for their person until [`Self::let_go`]: what it waits for must be marked first.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn begin_again(&self, incoming: &Incoming, beginning: Beginning<'_>) -> Result<State, StoreError> {
        let state = match beginning {
            Beginning::Waiting(_) => State::Waiting,
            Beginning::Recorded(_) => State::Recorded,
            Beginning::Quarantined(_) => State::Quarantined,
        };
        let (set, remove) = match beginning {
            Beginning::Waiting(_) => ("pending = :what", "reason"),
            Beginning::Recorded(_) => ("records = :what, expires_at = :expires", "reason, awaits"),
            Beginning::Quarantined(reason) => match awaits(reason, incoming) {
                Some(_) => ("reason = :what", "pending"),
                None => ("reason = :what", "awaits"),
            },
        };
        let what = match beginning {
            Beginning::Waiting(awaited) => AttributeValue::Ss(awaited.iter().map(Awaited::to_text).collect()),
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
        if state == State::Recorded {
            update = update.expression_attribute_values(":expires", n((incoming.received + KEPT).as_secs()));
        }
        match update.send().await {
            Ok(_) => Ok(state),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                Ok(self.state(&incoming.id).await?.unwrap_or(state))
            }
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }

    /// The notification does not wait for its person any more. One that is quarantined stays.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn let_go(&self, id: &NotificationId) -> Result<(), StoreError> {
        let result = self
            .update(id)
            .update_expression("REMOVE awaits")
            .condition_expression("attribute_exists(awaits) AND #state <> :quarantined")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":quarantined", s(State::Quarantined.name()))
            .send()
            .await;
        unless_refused(result)
    }

    /// The notification; `None` if there is no such one.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn kept(&self, id: &NotificationId) -> Result<Option<Kept>, StoreError> {
        let Some(item) = self.item(id).await? else { return Ok(None) };
        let reading = Reading::new("notifications", &item);
        Ok(Some(Kept {
            incoming: Incoming {
                id: id.clone(),
                received: Timestamp::from_millis(reading.number("received_ms")?),
                body: reading.text("body")?.to_owned(),
                appli: reading.maybe_number("appli"),
                userid: reading.maybe_text("userid").map(str::to_owned),
            },
            state: read_state(&item)?,
        }))
    }

    /// Where the notification stands; `None` if there is no such one.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn state(&self, id: &NotificationId) -> Result<Option<State>, StoreError> {
        self.item(id).await?.map(|item| read_state(&item)).transpose()
    }

    async fn item(&self, id: &NotificationId) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("notification", s(id.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("GetItem"))?;
        Ok(answer.item)
    }

    /// How many of the notifications that were received on `day` (`YYYY-MM-DD`, UTC) stand at `state`.
    /// Eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn count(&self, state: State, day: &str) -> Result<u64, StoreError> {
        let mut count = 0;
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("by_state")
                .key_condition_expression("state_day = :day")
                .expression_attribute_values(":day", s(format!("{}#{day}", state.name())))
                .select(Select::Count)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(StoreError::failed("Query"))?;
            count += u64::try_from(page.count).unwrap_or(0);
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    fn update(&self, id: &NotificationId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("notification", s(id.as_str()))
    }
}

/// The person whom a notification waits for that is quarantined for this reason.
fn awaits(reason: Quarantine, incoming: &Incoming) -> Option<&str> {
    let waits = matches!(reason, Quarantine::UnknownUser | Quarantine::Disconnected);
    incoming.userid.as_deref().filter(|_| waits)
}

/// A condition that failed changes nothing, and that is right.
fn unless_refused<T>(result: Result<T, aws_sdk_dynamodb::error::SdkError<UpdateItemError>>) -> Result<(), StoreError> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if refused(&error) => Ok(()),
        Err(error) => Err(StoreError::failed("UpdateItem")(error)),
    }
}

/// The UTC day of an instant, `YYYY-MM-DD`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn state_day(state: State, received: Timestamp) -> String {
    format!("{}#{}", state.name(), day(received))
}

fn read_state(item: &Item) -> Result<State, StoreError> {
    let name = Reading::new("notifications", item).text("state")?;
    State::of(name).ok_or(StoreError::Item { table: "notifications", attribute: "state".to_owned() })
}
