//! Connecting: what the first and every later consent of a person stores, all or nothing.

use afferent_domain::connection::{Scopes, State};
use afferent_domain::duty::Duty;
use afferent_domain::id::ConnectionId;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, TransactWriteItem, Update};

use crate::StoreError;
use crate::connections::{AccountKey, Connection, Connections};
use crate::duties::Owner;
use crate::item::{Reading, n, s};
use crate::tokens::{Pair, Seen};

pub(crate) const OPERATION: &str = "TransactWriteItems";

/// How often a transaction is tried that meets another writer: the code that brought the pair is used up.
pub(crate) const ROUNDS: u32 = 8;

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
    /// The account's other connections that live have the scopes of this consent from then on, as they have its pair.
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
        match self.connect_if(connection, reference, pair, duties, None).await? {
            true => Ok(()),
            false => Err(self.why_refused(&connection.user).await),
        }
    }

    /// The same, if the account's pair is still the one that was `seen`. `false`, and nothing stored, if it is not: then
    /// it is to be looked at again whether this connection may be made.
    ///
    /// # Errors
    /// DynamoDB fails; then nothing is stored.
    pub async fn connect_if(
        &self,
        connection: &Connection,
        reference: &str,
        pair: &Pair,
        duties: bool,
        seen: Option<Seen>,
    ) -> Result<bool, StoreError> {
        // Once more for who was erased since the others of the account were read.
        for _ in 0..2 {
            let (condition, value) = seen.map_or((None, None), |seen| {
                let (condition, value) = seen.condition();
                (Some(condition), value)
            });
            let mut writes = vec![self.pair_write(&connection.account, pair, condition, value)?];
            writes.extend(self.connection_writes(connection, reference, duties, None)?);
            writes
                .extend(self.scope_writes(&connection.account, Some(&connection.id), &connection.scopes, pair).await?);
            if self.transact(writes).await?.is_some() {
                return Ok(true);
            }
        }
        match self.erasing(&connection.user).await? {
            Some(_) => Err(StoreError::Erasing),
            None => Ok(false),
        }
    }

    /// Stores a connection of a pair that somebody brought, on the ground of what was `seen` of the account's own pair
    /// before anything else was looked at. The own pair stays
    /// - if it is another one by now: whoever consented meanwhile brought a newer one than a file holds;
    /// - with `keep`, if it lives: which of the two is the newer is not known, and whoever refreshes the older one ends the
    ///   person's link.
    ///
    /// Whether the brought one was stored. `history` is what the connection is to bring of the past; the next consent
    /// forgets it. With `alone` nothing is stored if the account has another pair by now (`None`).
    ///
    /// The account's care and replay become due now, as after a consent.
    ///
    /// # Errors
    /// DynamoDB fails; then nothing is stored.
    pub async fn import(
        &self,
        connection: &Connection,
        reference: &str,
        pair: &Pair,
        (seen, keep, alone): (Seen, bool, bool),
        history: &str,
    ) -> Result<Option<bool>, StoreError> {
        let rest = self.connection_writes(connection, reference, true, Some(history))?;
        let (same, value) = seen.condition();
        let nobodys = "(attribute_not_exists(access_token) OR dead_generation = generation)";
        let condition = match (keep, alone) {
            (true, true) => format!("{nobodys} AND {same}"),
            (true, false) => nobodys.to_owned(),
            (false, true) => same.to_owned(),
            (false, false) => format!("{nobodys} OR {same}"),
        };
        let bound = value.clone().filter(|_| alone || !keep);
        let mut writes = vec![self.pair_write(&connection.account, pair, Some(&condition), bound)?];
        writes.extend(rest.clone());
        if self.transact(writes).await?.is_some() {
            return Ok(Some(true));
        }
        let mut writes = rest;
        if alone {
            writes.push(self.still(&connection.account, same, value)?);
        }
        match (self.transact(writes).await?, self.erasing(&connection.user).await?) {
            (Some(()), _) => Ok(Some(false)),
            (None, Some(_)) => Err(StoreError::Erasing),
            (None, None) if alone => Ok(None),
            (None, None) => Err(StoreError::Conflict { operation: OPERATION }),
        }
    }

    /// The condition of a transaction that the account's pair is as it was seen.
    fn still(
        &self,
        account: &AccountKey,
        condition: &str,
        value: Option<AttributeValue>,
    ) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .key("owner", s(account.to_string()))
            .key("item", s("account"))
            .condition_expression(condition)
            .set_expression_attribute_values(value.map(|value| [(":seen".to_owned(), value)].into()))
            .build()
            .map_err(StoreError::unbuilt(OPERATION))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// What the connection is to bring of the past, if its last pair came by an import.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn history(&self, connection: &Connection) -> Result<Option<String>, StoreError> {
        let item = self.item(&format!("connection#{}", connection.id), "connection").await?;
        Ok(item.as_ref().and_then(|item| Reading::new("connections", item).maybe_text("history").map(str::to_owned)))
    }

    /// Stores a new pair of an account whose link lives already, and no connection: whoever consented is not
    /// connected, but Withings has made the pair, and the one before may not outlive it. The connections that live have
    /// its `scopes` from then on. `false` if the account has no pair.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn replace_pair(&self, account: &AccountKey, pair: &Pair, scopes: &Scopes) -> Result<bool, StoreError> {
        let mut writes = vec![self.pair_write(account, pair, Some("attribute_exists(access_token)"), None)?];
        writes.extend(self.scope_writes(account, None, scopes, pair).await?);
        Ok(self.transact(writes).await?.is_some())
    }

    /// Gives the account's connections that live, but `own`, the scopes that its new pair has. One that gains a scope
    /// counts as made again, so that what it was not granted before is read.
    async fn scope_writes(
        &self,
        account: &AccountKey,
        own: Option<&ConnectionId>,
        scopes: &Scopes,
        pair: &Pair,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut writes = Vec::new();
        for other in self.of_account(account).await? {
            if own == Some(&other.id) || other.state != State::Connected || other.scopes == *scopes {
                continue;
            }
            let gains =
                !other.scopes.is_unknown() && scopes.names().any(|new| other.scopes.names().all(|had| had != new));
            let connected = if gains { pair.refreshed } else { other.connected };
            let item = format!("connection#{}", other.id);
            for (owner, item) in [(account.to_string(), item.as_str()), (item.clone(), "connection")] {
                writes.push(self.write_if(
                    Some("attribute_exists(connected_ms)"),
                    &owner,
                    item,
                    "SET scopes = :scopes, connected_ms = :connected",
                    vec![(":scopes", s(scopes.to_string())), (":connected", n(connected.as_millis()))],
                )?);
            }
        }
        Ok(writes)
    }

    fn pair_write(
        &self,
        account: &AccountKey,
        pair: &Pair,
        condition: Option<&str>,
        seen: Option<AttributeValue>,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut values = vec![
            (":access", s(&pair.access)),
            (":refresh", s(&pair.refresh)),
            (":expires", n(pair.expires.as_millis())),
            (":refreshed", n(pair.refreshed.as_millis())),
            (":one", n(1)),
        ];
        values.extend(seen.map(|seen| (":seen", seen)));
        self.write_if(condition, &account.to_string(), "account", PAIR, values)
    }

    fn connection_writes(
        &self,
        connection: &Connection,
        reference: &str,
        duties: bool,
        history: Option<&str>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let now = connection.connected;
        let (account, own) = (connection.account.to_string(), format!("connection#{}", connection.id));
        let mut writes = self.user_writes(&connection.user, reference, None, now)?;
        writes.push(self.connection_write(&account, &own, connection, history)?);
        writes.push(self.connection_write(&own, "connection", connection, history)?);
        writes.extend(self.directory_writes(connection)?);
        writes.push(self.forgets_erased(&connection.account)?);
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
        history: Option<&str>,
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
        match history {
            // How the consent before this one ended says nothing of this one.
            Some(history) => {
                expression.push_str(", history = :history REMOVE consent");
                values.push((":history", s(history)));
            }
            // A consent of later on counts as one.
            None => expression.push_str(" REMOVE consent, history"),
        }
        self.write(owner, item, &expression, values)
    }

    pub(crate) fn write(
        &self,
        owner: &str,
        item: &str,
        expression: &str,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<TransactWriteItem, StoreError> {
        self.write_if(None, owner, item, expression, values)
    }

    pub(crate) fn write_if(
        &self,
        condition: Option<&str>,
        owner: &str,
        item: &str,
        expression: &str,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_condition_expression(condition.map(str::to_owned))
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
pub(crate) fn conflict(canceled: &TransactionCanceledException) -> bool {
    let mut codes = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.all(|code| {
        matches!(code, "None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
    })
}

/// Whether a condition of the transaction failed.
pub(crate) fn refused(canceled: &TransactionCanceledException) -> bool {
    canceled.cancellation_reasons().iter().any(|reason| reason.code() == Some("ConditionalCheckFailed"))
}
