//! The `connections` table: users, their connections, and the Withings accounts behind them.
//!
//! | `owner` | `item` | holds |
//! |---|---|---|
//! | `user#<user>` | `user` | the user |
//! | `connection#<connection>` | `connection` | whose it is, and of which account |
//! | `connection#<connection>` | `service#<service>` | mark, lease and cursor ([`crate::marks`]) |
//! | `account#<application>#<region>#<userid>` | `account` | the sealed token pair, the lease on refreshing it |
//! | `account#<application>#<region>#<userid>` | `connection#<connection>` | a connection of this account |
//! | `app#<client id>` | `budget#<n>` | the slots ([`crate::budget`]) |
//!
//! Tokens belong to the account, not to the connection: two users who link the same Withings account share
//! one chain of tokens, and refreshing it twice would cut both off.

use std::collections::HashMap;
use std::fmt;

use afferent_domain::Timestamp;
use afferent_domain::id::{ConnectionId, UserId};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{Put, ReturnValue, TransactWriteItem, Update};

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
    /// When it was made. What Withings modified before is the backfill's to bring.
    pub connected: Timestamp,
}

/// A token pair, sealed (`afferent-secrets`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The sealed access token.
    pub access: String,
    /// The sealed refresh token.
    pub refresh: String,
    /// When the access token dies.
    pub expires: Timestamp,
    /// Rises by one with every new pair; the table counts.
    pub generation: u64,
}

/// The right to refresh an account's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshLease {
    /// Rises with every lease; a store with an older one is refused.
    pub fence: u64,
    /// The pair as it was when the lease was taken.
    pub tokens: Tokens,
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

    /// Stores a connection with its user (by the customer's own `reference`) and a new token pair of its
    /// account. The pair's `generation` is the table's to give; the account's fencing number rises, so that a
    /// refresh that is under way cannot put an older pair over this one.
    ///
    /// # Errors
    /// DynamoDB fails; then nothing is stored.
    pub async fn create(&self, connection: &Connection, reference: &str, tokens: &Tokens) -> Result<(), StoreError> {
        const OPERATION: &str = "TransactWriteItems";
        let account = connection.account.to_string();
        let own = format!("connection#{}", connection.id);
        let user = format!("user#{}", connection.user);
        let mut puts = vec![
            keyed(&user, "user", [("user", s(connection.user.as_str())), ("reference", s(reference))]),
            keyed(&account, &own, connection_attributes(connection)),
            keyed(&own, "connection", connection_attributes(connection)),
        ];
        if let Some(tz) = &connection.tz {
            puts[1].insert("tz".to_owned(), s(tz));
            puts[2].insert("tz".to_owned(), s(tz));
        }
        let pair = Update::builder()
            .table_name(&self.table)
            .key("owner", s(&account))
            .key("item", s("account"))
            .update_expression(
                "SET access_token = :access, refresh_token = :refresh, expires_ms = :expires \
                 REMOVE refresh_lease_ms ADD generation :one, fence :one",
            )
            .expression_attribute_values(":access", s(&tokens.access))
            .expression_attribute_values(":refresh", s(&tokens.refresh))
            .expression_attribute_values(":expires", n(tokens.expires.as_millis()))
            .expression_attribute_values(":one", n(1))
            .build()
            .map_err(StoreError::unbuilt(OPERATION))?;
        let mut transaction =
            self.client.transact_write_items().transact_items(TransactWriteItem::builder().update(pair).build());
        for item in puts {
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
            let put = put.map_err(StoreError::unbuilt(OPERATION))?;
            transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
        }
        transaction.send().await.map(drop).map_err(StoreError::failed(OPERATION))
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

    /// The account's token pair.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn tokens(&self, account: &AccountKey) -> Result<Option<Tokens>, StoreError> {
        self.item(&account.to_string(), "account").await?.as_ref().map(read_tokens).transpose()
    }

    /// Takes the lease on refreshing, for a pair that is still of `generation`. `None` if somebody else holds
    /// the lease or has refreshed already: read the tokens again.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn lease_refresh(
        &self,
        account: &AccountKey,
        generation: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<RefreshLease>, StoreError> {
        let result = self
            .update(&account.to_string(), "account")
            .update_expression("SET refresh_lease_ms = :until ADD fence :one")
            .condition_expression(
                "generation = :generation AND (attribute_not_exists(refresh_lease_ms) OR refresh_lease_ms <= :now)",
            )
            .expression_attribute_values(":until", n(until.as_millis()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":generation", n(generation))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let item = match result {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) if refused(&error) => return Ok(None),
            Err(error) => return Err(StoreError::failed("UpdateItem")(error)),
        };
        let fence = Reading::new(TABLE, &item).number("fence")?;
        Ok(Some(RefreshLease { fence, tokens: read_tokens(&item)? }))
    }

    /// Stores a refreshed pair and ends the lease. `false` if the lease was lost to a later one, whose pair
    /// is the one that counts.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn store_refreshed(
        &self,
        account: &AccountKey,
        lease: &RefreshLease,
        tokens: &Tokens,
    ) -> Result<bool, StoreError> {
        let result = self
            .update(&account.to_string(), "account")
            .update_expression(
                "SET access_token = :access, refresh_token = :refresh, expires_ms = :expires, \
                 generation = :generation REMOVE refresh_lease_ms",
            )
            .condition_expression("fence = :fence")
            .expression_attribute_values(":access", s(&tokens.access))
            .expression_attribute_values(":refresh", s(&tokens.refresh))
            .expression_attribute_values(":expires", n(tokens.expires.as_millis()))
            .expression_attribute_values(":generation", n(tokens.generation))
            .expression_attribute_values(":fence", n(lease.fence))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if refused(&error) => Ok(false),
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }

    /// Gives the lease back unused: no refresh was sent. Does nothing if somebody else has it by now.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn give_back_refresh(&self, account: &AccountKey, lease: &RefreshLease) -> Result<(), StoreError> {
        let result = self
            .update(&account.to_string(), "account")
            .update_expression("REMOVE refresh_lease_ms")
            .condition_expression("fence = :fence")
            .expression_attribute_values(":fence", n(lease.fence))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) if refused(&error) => Ok(()),
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

fn keyed<const N: usize>(
    owner: &str,
    item: &str,
    attributes: [(&str, aws_sdk_dynamodb::types::AttributeValue); N],
) -> Item {
    let mut keyed: Item = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    keyed.extend(HashMap::from([("owner".to_owned(), s(owner)), ("item".to_owned(), s(item))]));
    keyed
}

fn connection_attributes(connection: &Connection) -> [(&'static str, aws_sdk_dynamodb::types::AttributeValue); 6] {
    [
        ("application", s(&connection.account.application)),
        ("connection", s(connection.id.as_str())),
        ("user", s(connection.user.as_str())),
        ("region", s(&connection.account.region)),
        ("userid", s(&connection.account.userid)),
        ("connected_ms", n(connection.connected.as_millis())),
    ]
}

fn read_connection(item: &Item) -> Result<Connection, StoreError> {
    let reading = Reading::new(TABLE, item);
    Ok(Connection {
        id: ConnectionId::from(reading.text("connection")?),
        user: UserId::from(reading.text("user")?),
        account: AccountKey {
            application: reading.text("application")?.to_owned(),
            region: reading.text("region")?.to_owned(),
            userid: reading.text("userid")?.to_owned(),
        },
        tz: reading.maybe_text("tz").map(str::to_owned),
        connected: Timestamp::from_millis(reading.number("connected_ms")?),
    })
}

fn read_tokens(item: &Item) -> Result<Tokens, StoreError> {
    let reading = Reading::new(TABLE, item);
    Ok(Tokens {
        access: reading.text("access_token")?.to_owned(),
        refresh: reading.text("refresh_token")?.to_owned(),
        expires: Timestamp::from_millis(reading.number("expires_ms")?),
        generation: reading.number("generation")?,
    })
}
