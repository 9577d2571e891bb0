//! The `notifications` table: one item per notification that `ingest` accepted, until its end is told.
//!
//! Key: `notification`. Every one ends as satisfied, recorded or quarantined; the index `by_state` counts
//! them by day, which is the proof that none was lost: accepted = satisfied + recorded + quarantined + waiting.
//!
//! One that waits for a person (quarantined as `unknown_user` or `disconnected`) names them in `awaits`, the key of the
//! index `by_awaited`. When the person connects it is sorted again, and leaves the index once nothing can be lost.
//! One that names a person and no pull (recorded, or quarantined for another reason) is in that index as `about#<userid>`,
//! so that an erasure finds it. Of a person who was erased nothing is kept but that something came.

mod awaited;
mod beginning;
mod brought;
mod days;
mod ending;
mod told;

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::{ConnectionId, NotificationId};
use afferent_domain::service::Service;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

use crate::StoreError;
use crate::item::{Item, Reading, s};

pub use awaited::Awaiting;
pub use beginning::Beginning;
pub use days::{Uncounted, day};
pub use told::{Place, Told};

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

    fn update(&self, id: &NotificationId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("notification", s(id.as_str()))
    }
}

fn read_state(item: &Item) -> Result<State, StoreError> {
    let name = Reading::new("notifications", item).text("state")?;
    State::of(name).ok_or(StoreError::Item { table: "notifications", attribute: "state".to_owned() })
}
