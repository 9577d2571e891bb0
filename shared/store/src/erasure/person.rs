//! The erasure of a person: the item `erasure` of the owner `erasure#<id>`, which is a duty of `keeper` until it is over
//! and the receipt from then on; and what goes of the table `connections`.
//!
//! While it lasts there is an item `<user>` of the owner `_erasing`. Whoever connects or makes a user has to see that
//! there is none, in the same transaction: what is made meanwhile would be erased with the rest.

use afferent_domain::Timestamp;
use afferent_domain::connection::State;
use afferent_domain::duty::Duty;
use afferent_domain::erasure::{Erasure, Left, Link};
use afferent_domain::id::{ConnectionId, ErasureId, PullId, UserId};
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem};

use super::receipt::{erasure_attributes, read_erasure};
use crate::StoreError;
use crate::connections::{AccountKey, Connection, Connections};
use crate::duties::{DutyKey, Owner, duty_item};
use crate::item::{Item, Reading, n, s};
use crate::users::CONNECTIONS;

const TABLE: &str = "connections";
const OPERATION: &str = "TransactWriteItems";

/// The one item of an account whose person was erased.
const ERASED: &str = "erased";

/// Those who are being erased.
const ERASING: &str = "_erasing";

/// The owner of the pointers to a user's erasures; each is named by the erasure's id.
fn erased(user: &UserId) -> String {
    format!("erased#{user}")
}

/// What came of asking for an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is begun.
    Now,
    /// This one is under way.
    Before(ErasureId),
}

/// The owner of what says that the person behind an account was erased, and nobody has connected it since.
fn erased_account(account: &AccountKey) -> String {
    format!("_erased#{account}")
}

/// How far the end of a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// This duty has the rest.
    UnderWay(DutyKey),
    /// Nothing is left to do.
    Over,
}

impl Connections {
    /// The duty of an erasure, and the key of its receipt.
    #[must_use]
    pub fn erasure_key(id: &ErasureId) -> DutyKey {
        DutyKey { owner: Owner::Erasure(id.clone()), duty: Duty::Erasure }
    }

    /// Begins an erasure, unless the person is being erased already.
    ///
    /// # Errors
    /// DynamoDB fails; then nothing is begun.
    pub async fn begin_erasure(&self, erasure: &Erasure) -> Result<Begun, StoreError> {
        let guard: Item =
            [("owner", s(ERASING)), ("item", s(erasure.user.as_str())), ("erasure", s(erasure.id.as_str()))]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
        let duty = duty_item(&Self::erasure_key(&erasure.id), erasure.begun, erasure_attributes(erasure));
        let put = |item: Item| {
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(#item)")
                .expression_attribute_names("#item", "item")
                .build()
                .map(|put| TransactWriteItem::builder().put(put).build())
                .map_err(StoreError::unbuilt(OPERATION))
        };
        let pointer: Item = [("owner", s(erased(&erasure.user))), ("item", s(erasure.id.as_str()))]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        let writes = vec![put(guard)?, put(duty)?, put(pointer)?];
        if self.transact(writes).await?.is_some() {
            return Ok(Begun::Now);
        }
        match self.erasing(&erasure.user).await? {
            Some(id) => Ok(Begun::Before(id)),
            None => Err(StoreError::Conflict { operation: OPERATION }),
        }
    }

    /// The erasure of the user that is under way.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn erasing(&self, user: &UserId) -> Result<Option<ErasureId>, StoreError> {
        let item = self.item(ERASING, user.as_str()).await?;
        item.map(|item| Ok(ErasureId::from(Reading::new(TABLE, &item).text("erasure")?))).transpose()
    }

    /// The condition of a transaction that makes a user or connects one: nobody is erasing the person.
    pub(crate) fn nobody_erases(&self, user: &UserId) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .key("owner", s(ERASING))
            .key("item", s(user.as_str()))
            .condition_expression("attribute_not_exists(#item)")
            .expression_attribute_names("#item", "item")
            .build()
            .map_err(StoreError::unbuilt(OPERATION))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// Why such a transaction was refused.
    pub(crate) async fn why_refused(&self, user: &UserId) -> StoreError {
        match self.erasing(user).await {
            Ok(Some(_)) => StoreError::Erasing,
            Ok(None) => StoreError::Conflict { operation: OPERATION },
            Err(error) => error,
        }
    }

    /// An erasure as it stands, or its receipt.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn erasure(&self, id: &ErasureId) -> Result<Option<Erasure>, StoreError> {
        let key = Self::erasure_key(id);
        let item = self.item(&key.owner.to_string(), &key.duty.to_string()).await?;
        item.as_ref().map(|item| read_erasure(id, item)).transpose()
    }

    /// The newest `most` erasures of a user, the newest first. They are found when the user is gone.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn erasures(&self, user: &UserId, most: u16) -> Result<Vec<Erasure>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(erased(user)))
            // The ids are in the order of time.
            .scan_index_forward(false)
            .limit(i32::from(most.max(1)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let mut erasures = Vec::new();
        for item in page.items() {
            let id = ErasureId::from(Reading::new(TABLE, item).text("item")?);
            erasures.extend(self.erasure(&id).await?);
        }
        Ok(erasures)
    }

    /// Keeps how far an erasure is while `holder` works on it. `false`, and nothing kept, if somebody else does by now.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn keep_erasure(&self, erasure: &Erasure, holder: &PullId) -> Result<bool, StoreError> {
        let key = Self::erasure_key(&erasure.id);
        let mut update = self
            .update(&key.owner.to_string(), &key.duty.to_string())
            .condition_expression("lease_pull = :holder")
            .expression_attribute_values(":holder", s(holder.as_str()));
        let mut sets = Vec::new();
        for (place, (name, value)) in erasure_attributes(erasure).into_iter().enumerate() {
            sets.push(format!("#k{place} = :v{place}"));
            update = update
                .expression_attribute_names(format!("#k{place}"), name)
                .expression_attribute_values(format!(":v{place}"), value);
        }
        Self::unless_refused(update.update_expression(format!("SET {}", sets.join(", ")))).await
    }

    /// The person may be made and connected again.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn end_erasing(&self, user: &UserId) -> Result<(), StoreError> {
        self.erase_item(ERASING, user.as_str()).await
    }

    /// Ends a connection from this side: its state, and the duty that ends it at Withings, if that is left to do. `None`
    /// if the person connected again since it was read.
    ///
    /// # Errors
    /// DynamoDB fails; then nothing is changed.
    pub async fn begin_disconnect(&self, connection: &Connection, now: Timestamp) -> Result<Option<Ended>, StoreError> {
        let key = DutyKey { owner: Owner::Connection(connection.id.clone()), duty: Duty::Disconnect };
        if connection.state == State::Disconnected {
            if !self.set_state(connection, State::Disconnected).await? {
                return Ok(None);
            }
            if self.left(&connection.id).await?.is_some() {
                return Ok(Some(Ended::Over));
            }
            self.add_duty(&key, now, Vec::new()).await?;
            return Ok(Some(Ended::UnderWay(key)));
        }
        let (account, own) = (connection.account.to_string(), key.owner.to_string());
        let ends = |owner: &str, item: &str| {
            let values =
                vec![(":state", s(State::Disconnected.name())), (":connected", n(connection.connected.as_millis()))];
            let expression = "SET #state = :state REMOVE consent";
            self.write_if(Some("connected_ms = :connected"), owner, item, expression, values)
        };
        // All or nothing: a connection that has ended here and whose consent nobody ends would keep it for ever. The lease
        // is taken away, because whoever holds it began before this.
        let duty = self.write(
            &own,
            &key.duty.to_string(),
            "SET due_ms = :now, due_shard = :shard REMOVE lease_pull, lease_ms, fed_ms",
            vec![(":now", n(now.as_millis())), (":shard", s(key.duty.family().shard(&own)))],
        )?;
        let writes = vec![ends(&account, &own)?, ends(&own, "connection")?, duty];
        Ok(self.transact(writes).await?.map(|()| Ended::UnderWay(key)))
    }

    /// Notes how a connection's consent ended at Withings.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn set_left(&self, connection: &Connection, left: Left) -> Result<bool, StoreError> {
        let update = self
            .update(&format!("connection#{}", connection.id), "connection")
            .update_expression("SET consent = :left")
            .condition_expression("connected_ms = :connected")
            .expression_attribute_values(":left", s(left.name()))
            .expression_attribute_values(":connected", n(connection.connected.as_millis()));
        Self::unless_refused(update).await
    }

    /// How a connection's consent ended at Withings, if that is known of this [`Connection::connected`].
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn left(&self, id: &ConnectionId) -> Result<Option<Left>, StoreError> {
        let item = self.item(&format!("connection#{id}"), "connection").await?;
        Ok(item.as_ref().and_then(|item| Left::of(Reading::new(TABLE, item).maybe_text("consent")?)))
    }

    /// Whether the person behind this account was erased, and nobody has connected it since.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn is_erased(&self, account: &AccountKey) -> Result<bool, StoreError> {
        Ok(self.item(&erased_account(account), ERASED).await?.is_some())
    }

    /// Notes that the person behind an account was erased.
    async fn note_erased(&self, account: &AccountKey) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table).item("owner", s(erased_account(account)));
        put.item("item", s(ERASED)).send().await.map(drop).map_err(StoreError::failed("PutItem"))
    }

    /// What a transaction does that connects an account: its person is nobody who was erased any more.
    pub(crate) fn forgets_erased(&self, account: &AccountKey) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("owner", s(erased_account(account)))
            .key("item", s(ERASED))
            .build()
            .map_err(StoreError::unbuilt(OPERATION))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Deletes a connection with all that is kept about it, and, if no other connection has the account, the account with
    /// its tokens: from then on what Withings still sends for it is known to be of somebody who was erased. How many items
    /// were deleted.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn erase_connection(&self, link: &Link) -> Result<u64, StoreError> {
        let (account, own) = (account(link), format!("connection#{}", link.connection));
        let mut erased = self.erase_under(&account.to_string(), |item| item == own).await?;
        if self.of_account(&account).await?.is_empty() {
            self.note_erased(&account).await?;
            // Another user may have connected the account just now, and saw no note that could be removed.
            if self.of_account(&account).await?.is_empty() {
                erased += self.erase_under(&account.to_string(), |_| true).await?;
            } else {
                self.erase_item(&erased_account(&account), ERASED).await?;
            }
        }
        erased += self.erase_under(&own, |_| true).await?;
        if self.item(CONNECTIONS, link.connection.as_str()).await?.is_some() {
            self.erase_item(CONNECTIONS, link.connection.as_str()).await?;
            erased += 1;
        }
        Ok(erased)
    }
}

/// The account behind a connection.
pub(super) fn account(link: &Link) -> AccountKey {
    AccountKey { application: link.application.clone(), region: link.region.clone(), userid: link.userid.clone() }
}
