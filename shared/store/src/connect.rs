//! Connecting: what the first and every later consent of a person stores, all or nothing.

use std::time::Duration;

use afferent_domain::duty::Duty;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};

use crate::StoreError;
use crate::connections::{AccountKey, Connection, Connections};
use crate::duties::Owner;
use crate::item::{n, s};
use crate::tokens::Pair;

const OPERATION: &str = "TransactWriteItems";

/// How often a transaction is tried that meets another writer: the code that brought the pair is used up.
const ROUNDS: u32 = 8;

/// A pair that Withings has made by a consent: the next generation, whatever was under way.
const PAIR: &str = "SET access_token = :access, refresh_token = :refresh, expires_ms = :expires, \
     refreshed_ms = :refreshed REMOVE refresh_lease_ms, dead_generation ADD generation :one, fence :one";

impl Connections {
    /// Stores a connection with its user (by the customer's own `reference`) and a new token pair of its account.
    ///
    /// The pair's generation is the table's to give, and the account's fencing number rises, so that a refresh that is
    /// under way cannot put an older pair over this one. What a connection of that id already had stays: when it was
    /// first made, the time zone, and the subscriptions as they stood.
    ///
    /// With `duties`, the account's care and replay become due now; a lease on them is taken away, because whoever
    /// holds it began before this.
    ///
    /// # Errors
    /// DynamoDB fails; then nothing is stored.
    pub async fn connect(
        &self,
        connection: &Connection,
        reference: &str,
        pair: &Pair,
        duties: bool,
    ) -> Result<(), StoreError> {
        let writes = self.writes(connection, reference, pair, duties)?;
        for round in 0..ROUNDS {
            let sent = self.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
            let Err(error) = sent else { return Ok(()) };
            match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) if conflict(canceled) => {}
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => {}
                _ => return Err(StoreError::failed(OPERATION)(error)),
            }
            tokio::time::sleep(Duration::from_millis(25 << round)).await;
        }
        Err(StoreError::Conflict { operation: OPERATION })
    }

    /// Stores a new pair of an account whose link lives already, and no connection: whoever consented is not
    /// connected, but Withings has made the pair, and the one before may not outlive it.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn replace_pair(&self, account: &AccountKey, pair: &Pair) -> Result<bool, StoreError> {
        let update = self
            .update(&account.to_string(), "account")
            .update_expression(PAIR)
            .condition_expression("attribute_exists(access_token)")
            .expression_attribute_values(":access", s(&pair.access))
            .expression_attribute_values(":refresh", s(&pair.refresh))
            .expression_attribute_values(":expires", n(pair.expires.as_millis()))
            .expression_attribute_values(":refreshed", n(pair.refreshed.as_millis()))
            .expression_attribute_values(":one", n(1));
        Self::unless_refused(update).await
    }

    fn writes(
        &self,
        connection: &Connection,
        reference: &str,
        pair: &Pair,
        duties: bool,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let now = connection.connected;
        let (account, own) = (connection.account.to_string(), format!("connection#{}", connection.id));
        let mut writes = vec![
            self.write(
                &account,
                "account",
                PAIR,
                vec![
                    (":access", s(&pair.access)),
                    (":refresh", s(&pair.refresh)),
                    (":expires", n(pair.expires.as_millis())),
                    (":refreshed", n(pair.refreshed.as_millis())),
                    (":one", n(1)),
                ],
            )?,
            self.write(
                &format!("user#{}", connection.user),
                "user",
                "SET #user = :user, #reference = :reference, created_ms = if_not_exists(created_ms, :now)",
                vec![
                    (":user", s(connection.user.as_str())),
                    (":reference", s(reference)),
                    (":now", n(now.as_millis())),
                ],
            )?,
            self.connection_write(&account, &own, connection)?,
            self.connection_write(&own, "connection", connection)?,
        ];
        if !duties {
            return Ok(writes);
        }
        for duty in [Duty::Care, Duty::Replay] {
            let shard = duty.family().shard(&Owner::Account(connection.account.clone()).to_string());
            writes.push(self.write(
                &account,
                &duty.to_string(),
                "SET due_ms = :now, due_shard = :shard REMOVE lease_pull, lease_ms, fed_ms, failures",
                vec![(":now", n(now.as_millis())), (":shard", s(shard))],
            )?);
        }
        Ok(writes)
    }

    fn connection_write(
        &self,
        owner: &str,
        item: &str,
        connection: &Connection,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut expression = "SET application = :application, #connection = :connection, #user = :user, \
             #region = :region, userid = :userid, connected_ms = :connected, \
             first_connected_ms = if_not_exists(first_connected_ms, :connected), #state = :state, scopes = :scopes"
            .to_owned();
        let mut values = vec![
            (":application", s(&connection.account.application)),
            (":connection", s(connection.id.as_str())),
            (":user", s(connection.user.as_str())),
            (":region", s(&connection.account.region)),
            (":userid", s(&connection.account.userid)),
            (":connected", n(connection.connected.as_millis())),
            (":state", s(connection.state.name())),
            (":scopes", s(connection.scopes.to_string())),
        ];
        if let Some(tz) = &connection.tz {
            expression.push_str(", tz = :tz");
            values.push((":tz", s(tz)));
        }
        self.write(owner, item, &expression, values)
    }

    fn write(
        &self,
        owner: &str,
        item: &str,
        expression: &str,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("owner", s(owner))
            .key("item", s(item))
            .update_expression(expression);
        // Words that DynamoDB reserves.
        for name in ["user", "reference", "connection", "region", "state"] {
            let placeholder = format!("#{name}");
            if expression.contains(&placeholder) {
                update = update.expression_attribute_names(placeholder, name);
            }
        }
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        let update = update.build().map_err(StoreError::unbuilt(OPERATION))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// Whether nothing but other writers was in the way.
fn conflict(canceled: &TransactionCanceledException) -> bool {
    let mut codes = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.all(|code| {
        matches!(code, "None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
    })
}
