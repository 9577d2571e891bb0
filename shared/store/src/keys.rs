//! The `keys` table: who may ask. A key is shown once, when it is made; the table holds its SHA-256.

use std::collections::HashMap;

use afferent_domain::{Dice, Timestamp};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use ring::digest::{SHA256, digest};

use crate::StoreError;
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "keys";

/// What a key begins with, so that a secret scanner finds it.
const PREFIX: &str = "afk_";

/// A key as the table knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What its owner calls it.
    pub label: String,
    /// What it may: `read`, `write`.
    pub scopes: Vec<String>,
    /// Where people may be sent back to after consenting: addresses without a query.
    pub return_urls: Vec<String>,
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

    /// Makes a key of 256 bits of chance, and gives the only sight of it.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn create(&self, key: &Key, now: Timestamp, dice: &dyn Dice) -> Result<String, StoreError> {
        let text = format!("{PREFIX}{}", (0..4).map(|_| format!("{:016x}", dice.roll())).collect::<String>());
        let mut item: Item = HashMap::from([
            ("key".to_owned(), s(hash(&text))),
            ("item".to_owned(), s("key")),
            ("label".to_owned(), s(&key.label)),
            ("scopes".to_owned(), AttributeValue::Ss(key.scopes.clone())),
            ("created_ms".to_owned(), n(now.as_millis())),
        ]);
        // DynamoDB has no empty set.
        if !key.return_urls.is_empty() {
            item.insert("return_urls".to_owned(), AttributeValue::Ss(key.return_urls.clone()));
        }
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map_err(StoreError::failed("PutItem"))?;
        Ok(text)
    }

    /// The key that this text is, if it is one.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn get(&self, text: &str) -> Result<Option<Key>, StoreError> {
        if !text.starts_with(PREFIX) {
            return Ok(None);
        }
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("key", s(hash(text)))
            .key("item", s("key"))
            .send()
            .await
            .map_err(StoreError::failed("GetItem"))?;
        let Some(item) = answer.item else { return Ok(None) };
        let reading = Reading::new(TABLE, &item);
        Ok(Some(Key {
            label: reading.text("label")?.to_owned(),
            scopes: reading.set("scopes"),
            return_urls: reading.set("return_urls"),
        }))
    }
}

fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
