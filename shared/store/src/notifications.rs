//! The `notifications` table: one item per notification that `ingest` accepted, until its end is told.
//!
//! Key: `notification`. Every one ends as satisfied, recorded or quarantined; the index `by_state` counts
//! them by day, which is the proof that none was lost: accepted = satisfied + recorded + quarantined + waiting.
//!
//! One that waits for a person (quarantined as `unknown_user` or `disconnected`) names them in `awaits`, the key of the
//! index `by_awaited`. When the person connects it is sorted again, and leaves the index once nothing can be lost.
//! One that names a person and no pull (recorded, or quarantined for another reason) is in that index as `about#<userid>`,
//! so that an erasure finds it. Of a person who was erased nothing is kept but that something came.

mod brought;
mod told;

use std::collections::HashMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::{ConnectionId, NotificationId, PullId, RecordId};
use afferent_domain::notification::Quarantine;
use afferent_domain::service::Service;
use afferent_metrics::{Metric, count};
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
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(notification)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => {
                count(Metric::NotificationsAccepted, 1);
                ended(state);
                Ok(state)
            }
            Err(error) => match error.as_service_error() {
                Some(aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(stored)) => {
                    read_state(&stored.item.clone().unwrap_or_default())
                }
                _ => Err(StoreError::failed("PutItem")(error)),
            },
        }
    }

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
            .expression_attribute_values(":expires", n((received + KEPT).as_secs()))
            .send()
            .await;
        let satisfied = ending.is_ok();
        count(Metric::NotificationsSatisfied, usize::from(satisfied));
        unless_refused(ending).map(|()| satisfied)
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
        count(Metric::NotificationsQuarantined, usize::from(result.is_ok()));
        unless_refused(result)
    }

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
        match update.send().await {
            Ok(_) => {
                count(Metric::NotificationsReleased, 1);
                ended(state);
                Ok(state)
            }
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
                body: reading.maybe_text("body").unwrap_or_default().to_owned(),
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

    /// When the oldest notification of `day` (`YYYY-MM-DD`, UTC) was received that waits for a pull. Eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn oldest_waiting(&self, day: &str) -> Result<Option<Timestamp>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_state")
            .key_condition_expression("state_day = :day")
            .expression_attribute_values(":day", s(format!("{}#{day}", State::Waiting.name())))
            .limit(1)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let received = |item| Reading::new("notifications", item).number("received_ms").map(Timestamp::from_millis);
        page.items().first().map(received).transpose()
    }

    fn update(&self, id: &NotificationId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("notification", s(id.as_str()))
    }
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
    pulls.iter().map(|pull| pull.as_str().to_owned()).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// What the index `by_awaited` has of a notification that begins so: the person whom it waits for, or whom it is about.
fn awaits(beginning: Beginning<'_>, incoming: &Incoming) -> Option<String> {
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

const ABOUT: &str = "about#";

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
