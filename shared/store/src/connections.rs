//! The `connections` table: users, their connections, and the Withings accounts behind them.
//!
//! | `owner` | `item` | holds |
//! |---|---|---|
//! | `user#<user>`, `_users`, `_connections` | | users, and the directories ([`crate::users`]) |
//! | `connection#<connection>` | `connection` | whose it is, and of which account |
//! | `connection#<connection>` | `service#<service>` | mark, lease and cursor ([`crate::marks`]) |
//! | `connection#<connection>` | `sweep#…`, `slice#…`, `doubt#…`, `disconnect`, `erasure` | duties ([`crate::duties`]) |
//! | `connection#<connection>`, `erasure#<erasure>` | `late#<number>` | events that an erasure deleted ([`crate::erasure`]) |
//! | `_erased#account#…` | `erased` | that the person of this account was erased |
//! | `connection#<connection>` | `run#<run>` | a backfill run ([`crate::runs`]) |
//! | `connection#<connection>` | `anchor#46#<action>` | tells hints about a profile from their repeats ([`crate::anchors`]) |
//! | `account#<application>#<region>#<userid>` | `account` | the sealed token pair ([`crate::tokens`]) |
//! | `account#<application>#<region>#<userid>` | `connection#<connection>` | a connection of this account |
//! | `account#<application>#<region>#<userid>` | `care`, `replay` | duties |
//! | `link#<SHA-256>` | `link` | a hosted link ([`crate::links`]) |
//! | `state#<SHA-256>` | `state` | somebody at the consent page ([`crate::states`]) |
//! | `app#<client id>` | `budget#<n>` | the slots ([`crate::budget`]) |
//! | `app#<client id>` | `care`, `device#<mac>` | a duty, and the anchor of a device without an account |
//!
//! Tokens belong to the account, not to the connection: two users who link the same Withings account share
//! one chain of tokens, and refreshing it twice would cut both off.

use std::fmt;

use afferent_domain::Timestamp;
use afferent_domain::connection::{self, Public, Scopes, State, Subscriptions};
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::record::Fact;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::StoreError;
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";

/// A Withings account as one application sees it: tokens and subscriptions belong to both, and a userid is
/// unique within one of Withings' regions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountKey {
    /// The application's client id.
    pub application: String,
    /// `eu` or `us`.
    pub region: String,
    /// Withings' userid.
    pub userid: String,
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account#{}#{}#{}", self.application, self.region, self.userid)
    }
}

/// A user's link to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whose it is.
    pub user: UserId,
    /// The account.
    pub account: AccountKey,
    /// The person's time zone (IANA) as far as it is known; rows that name their own go before it.
    pub tz: Option<String>,
    /// When it was made, or made again.
    pub connected: Timestamp,
    /// When it was first made. What Withings modified before is the backfill's to bring.
    pub first_connected: Timestamp,
    /// Whether it lives.
    pub state: State,
    /// What the person granted.
    pub scopes: Scopes,
    /// What Withings notifies of, as far as it was looked at.
    pub subscriptions: Subscriptions,
    /// Whether what follows from connecting was done for this [`Connection::connected`].
    pub followed_up: bool,
}

impl Connection {
    /// What its public record says.
    #[must_use]
    pub fn fact(&self) -> Fact {
        connection::fact(&Public {
            user: &self.user,
            connection: &self.id,
            region: &self.account.region,
            userid: &self.account.userid,
            state: self.state,
            scopes: &self.scopes,
            subscriptions: &self.subscriptions,
            first_connected: self.first_connected,
            connected: self.connected,
        })
    }
}

/// The table.
#[derive(Clone, Debug)]
pub struct Connections {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl Connections {
    /// The table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The connections of an account; none if nobody here linked it.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn of_account(&self, account: &AccountKey) -> Result<Vec<Connection>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#owner = :owner AND begins_with(#item, :prefix)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":owner", s(account.to_string()))
            .expression_attribute_values(":prefix", s("connection#"))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        answer.items().iter().map(read_connection).collect()
    }

    /// One connection.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn get(&self, id: &ConnectionId) -> Result<Option<Connection>, StoreError> {
        let item = self.item(&format!("connection#{id}"), "connection").await?;
        item.as_ref().map(read_connection).transpose()
    }

    /// Moves the connection as it was read to another state. `false` if the person connected again since: then
    /// nothing is changed.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn set_state(&self, connection: &Connection, state: State) -> Result<bool, StoreError> {
        self.set_both(connection, "state", s(state.name())).await
    }

    /// Notes how the connection's subscriptions stand. `false` if the person connected again since: then nothing is
    /// changed.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn set_subscriptions(
        &self,
        connection: &Connection,
        subscriptions: &Subscriptions,
    ) -> Result<bool, StoreError> {
        self.set_both(connection, "subscriptions", s(subscriptions.to_string())).await
    }

    /// Notes that what follows from connecting was done. `false` if the person connected again since: then it is to be
    /// done again.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn set_followed_up(&self, connection: &Connection) -> Result<bool, StoreError> {
        self.set_both(connection, "followed_up_ms", n(connection.connected.as_millis())).await
    }

    /// Has what follows from connecting done once more, by the account's next care.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn forget_follow_up(&self, connection: &Connection) -> Result<(), StoreError> {
        let own = format!("connection#{}", connection.id);
        for (owner, item) in [(connection.account.to_string(), own.as_str()), (own.clone(), "connection")] {
            let update = self
                .update(&owner, item)
                .update_expression("REMOVE followed_up_ms")
                .condition_expression("attribute_exists(connected_ms)");
            Self::unless_refused(update).await?;
        }
        Ok(())
    }

    /// Sets an attribute of both copies. The account's comes first, because that is the one by which notifications are
    /// sorted; whoever dies in between does it again.
    async fn set_both(&self, connection: &Connection, name: &str, value: AttributeValue) -> Result<bool, StoreError> {
        let own = format!("connection#{}", connection.id);
        for (owner, item) in [(connection.account.to_string(), own.as_str()), (own.clone(), "connection")] {
            let update = self
                .update(&owner, item)
                .update_expression("SET #name = :value")
                .condition_expression("connected_ms = :connected")
                .expression_attribute_names("#name", name)
                .expression_attribute_values(":value", value.clone())
                .expression_attribute_values(":connected", n(connection.connected.as_millis()));
            if !Self::unless_refused(update).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends an update; `false` if its condition refused it.
    pub(crate) async fn unless_refused(update: UpdateItemFluentBuilder) -> Result<bool, StoreError> {
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) if refused(&error) => Ok(false),
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }

    pub(crate) async fn item(&self, owner: &str, item: &str) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("owner", s(owner))
            .key("item", s(item))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("GetItem"))?;
        Ok(answer.item)
    }

    pub(crate) fn update(&self, owner: &str, item: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("owner", s(owner)).key("item", s(item))
    }
}

/// Whether a condition failed, rather than DynamoDB.
pub(crate) fn refused(error: &aws_sdk_dynamodb::error::SdkError<UpdateItemError>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}

fn read_connection(item: &Item) -> Result<Connection, StoreError> {
    let reading = Reading::new(TABLE, item);
    let connected = Timestamp::from_millis(reading.number("connected_ms")?);
    Ok(Connection {
        id: ConnectionId::from(reading.text("connection")?),
        user: UserId::from(reading.text("user")?),
        account: AccountKey {
            application: reading.text("application")?.to_owned(),
            region: reading.text("region")?.to_owned(),
            userid: reading.text("userid")?.to_owned(),
        },
        tz: reading.maybe_text("tz").map(str::to_owned),
        connected,
        first_connected: Timestamp::from_millis(reading.number("first_connected_ms")?),
        state: State::of(reading.text("state")?)
            .ok_or_else(|| StoreError::Item { table: TABLE, attribute: "state".to_owned() })?,
        scopes: Scopes::new(reading.maybe_text("scopes").unwrap_or_default().split(',')),
        subscriptions: Subscriptions::of(reading.maybe_text("subscriptions").unwrap_or_default()),
        followed_up: reading.maybe_number::<i64>("followed_up_ms") == Some(connected.as_millis()),
    })
}
