//! The `keys` table: who may ask, how often, what was asked, and what was answered.
//!
//! | `key` | `item` | holds |
//! |---|---|---|
//! | a key's id | `key` | the key ([`Key`]), and the SHA-256 of its text |
//! | `_keys` | a key's id | that there is this key |
//! | a key's id | `idem#<hash>` | a request with this `Idempotency-Key`, and its answer ([`idempotency`]) |
//! | `_audit#<UTC day>` | `<time>#<chance>` | a write that was asked for ([`audit`]) |
//!
//! A key's text is shown once, when it is made: `afk_<its id>_<256 bits of chance>`. The id in it finds the item, so
//! that nothing is looked up by a secret.

pub mod audit;
mod authenticate;
pub mod idempotency;
mod text;
mod wish;

use std::time::Duration;

use afferent_domain::grant::{Grant, Grants};
use afferent_domain::id::KeyId;
use afferent_domain::secret::Secret;
use afferent_domain::{Dice, Timestamp};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{KeysAndAttributes, Put, ReturnValue, TransactWriteItem};

pub use authenticate::{Allowance, Authenticated};
pub use wish::{NewKey, PER_MINUTE, Wrong};

use crate::StoreError;
use crate::connections::refused;
use crate::item::{Item, Reading, n, s, ss};

const TABLE: &str = "keys";
const ITEM: &str = "key";
const DIRECTORY: &str = "_keys";

/// How often keys that DynamoDB left unprocessed are asked for again before that is a failure.
const ROUNDS: u32 = 6;

/// A key as the table knows it; nobody can use it with that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id, which is no secret.
    pub id: KeyId,
    /// What its owner calls it.
    pub label: String,
    /// What it may.
    pub grants: Grants,
    /// Where people may be sent back to after consenting: addresses without a query.
    pub return_urls: Vec<String>,
    /// How many requests a minute it may make.
    pub per_minute: u32,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is not taken any more.
    pub expires: Option<Timestamp>,
    /// Since when it is not taken any more.
    pub revoked: Option<Timestamp>,
    /// When it was last taken.
    pub last_used: Option<Timestamp>,
}

/// The table.
#[derive(Clone, Debug)]
pub struct Keys {
    client: Client,
    table: String,
}

impl Keys {
    /// The table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Makes a key of 256 bits of chance, and gives the only sight of its text.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn create(&self, new: &NewKey, now: Timestamp, dice: &dyn Dice) -> Result<(Key, Secret), StoreError> {
        const OPERATION: &str = "TransactWriteItems";
        let id = KeyId::draw(now, dice);
        let text = text::draw(&id, dice);
        let key = Key {
            id,
            label: new.label.clone(),
            grants: new.grants.clone(),
            return_urls: new.return_urls.clone(),
            per_minute: new.per_minute,
            created: now,
            expires: new.expires,
            revoked: None,
            last_used: None,
        };
        let mut item = write(&key);
        item.insert("hash".to_owned(), s(text::hash(text.reveal())));
        let entry = Item::from([("key".to_owned(), s(DIRECTORY)), ("item".to_owned(), s(key.id.as_str()))]);
        let put = |item: Item| {
            let put = Put::builder().table_name(&self.table).set_item(Some(item));
            let put =
                put.condition_expression("attribute_not_exists(#item)").expression_attribute_names("#item", "item");
            let put = put.build().map_err(StoreError::unbuilt(OPERATION))?;
            Ok::<_, StoreError>(TransactWriteItem::builder().put(put).build())
        };
        let writes = vec![put(item)?, put(entry)?];
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        sent.map_err(StoreError::failed(OPERATION))?;
        Ok((key, text))
    }

    /// The key of this id.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn get(&self, id: &KeyId) -> Result<Option<Key>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).key("key", s(id.as_str())).key("item", s(ITEM));
        let answer = get.consistent_read(true).send().await.map_err(StoreError::failed("GetItem"))?;
        answer.item.as_ref().map(read).transpose()
    }

    /// The keys in the order of their making, revoked and expired ones among them, after `after` at most `limit` (100),
    /// and whether there are more.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn list(&self, after: Option<&KeyId>, limit: u16) -> Result<(Vec<Key>, bool), StoreError> {
        const OPERATION: &str = "BatchGetItem";
        let start = after.map(|id| Item::from([("key".to_owned(), s(DIRECTORY)), ("item".to_owned(), s(id.as_str()))]));
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#key = :directory")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":directory", s(DIRECTORY))
            .set_exclusive_start_key(start)
            .limit(i32::from(limit.clamp(1, 100)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let more = page.last_evaluated_key.is_some();
        let mut wanted: Vec<Item> = page
            .items
            .unwrap_or_default()
            .iter()
            .map(|entry| Reading::new(TABLE, entry).text("item").map(own))
            .collect::<Result<_, _>>()?;
        let mut keys = Vec::new();
        for round in 0.. {
            if wanted.is_empty() {
                break;
            }
            if round == ROUNDS {
                return Err(StoreError::Failed { operation: OPERATION, cause: "keys stay unprocessed".into() });
            }
            let ask = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
            let ask = ask.map_err(StoreError::unbuilt(OPERATION))?;
            let answer = self.client.batch_get_item().request_items(&self.table, ask).send().await;
            let answer = answer.map_err(StoreError::failed(OPERATION))?;
            for item in answer.responses.unwrap_or_default().into_values().flatten() {
                keys.push(read(&item)?);
            }
            wanted = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys).collect();
            if !wanted.is_empty() {
                tokio::time::sleep(Duration::from_millis(50 << round)).await;
            }
        }
        keys.sort_by(|one, other| one.id.cmp(&other.id));
        Ok((keys, more))
    }

    /// From now on the key is not taken any more; a key that is revoked already keeps its time. `None` if there is no
    /// such key.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn revoke(&self, id: &KeyId, now: Timestamp) -> Result<Option<Key>, StoreError> {
        let result = self
            .update(id, ITEM)
            .update_expression("SET revoked_ms = if_not_exists(revoked_ms, :now)")
            .condition_expression("attribute_exists(#item)")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":now", n(now.as_millis()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match result {
            Ok(answer) => read(&answer.attributes.unwrap_or_default()).map(Some),
            Err(error) if refused(&error) => Ok(None),
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }

    fn update(&self, key: &KeyId, item: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("key", s(key.as_str())).key("item", s(item))
    }
}

fn own(id: &str) -> Item {
    Item::from([("key".to_owned(), s(id)), ("item".to_owned(), s(ITEM))])
}

fn write(key: &Key) -> Item {
    let mut item = own(key.id.as_str());
    let mut put = |name: &str, value| item.insert(name.to_owned(), value);
    put("label", s(&key.label));
    put("grants", ss(key.grants.iter().map(Grant::to_string).collect()));
    put("per_minute", n(key.per_minute));
    put("interval_ms", n(authenticate::interval_ms(key.per_minute)));
    put("line_ms", n(0));
    put("created_ms", n(key.created.as_millis()));
    if let Some(expires) = key.expires {
        put("expires_ms", n(expires.as_millis()));
    }
    // DynamoDB has no empty set.
    if !key.return_urls.is_empty() {
        put("return_urls", ss(key.return_urls.clone()));
    }
    item
}

fn read(item: &Item) -> Result<Key, StoreError> {
    let reading = Reading::new(TABLE, item);
    let at = |name: &str| reading.maybe_number(name).map(Timestamp::from_millis);
    let grants = reading.set("grants").iter().map(|text| text.parse::<Grant>()).collect::<Result<Vec<_>, _>>();
    Ok(Key {
        id: KeyId::from(reading.text("key")?),
        label: reading.text("label")?.to_owned(),
        grants: Grants::new(grants.map_err(|_| StoreError::Item { table: TABLE, attribute: "grants".to_owned() })?),
        return_urls: reading.set("return_urls"),
        per_minute: reading.number("per_minute")?,
        created: Timestamp::from_millis(reading.number("created_ms")?),
        expires: at("expires_ms"),
        revoked: at("revoked_ms"),
        last_used: at("last_used_ms"),
    })
}
