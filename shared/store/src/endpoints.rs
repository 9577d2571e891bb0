//! Endpoints and all that lies beside them; the items of one endpoint share its key.
//!
//! | item | holds | in the index `by_scope` |
//! |---|---|---|
//! | `endpoint` | what its owner wants | under `_all`, if it gets the events of every user |
//! | `user#<user>` | that it gets this user's events | under the user |
//! | `secret#0001` | a sealed signing secret | |
//! | `headers` | sealed headers of its owner's own | |
//! | `health` | how it fares | under `_watch`, while the keeper must look after it |
//! | `rate` | the line of its rate | |
//! | `job#<job>` | a job on its deliveries | under `_job`, while it runs |

mod headers;
mod health;
mod jobs;
mod line;
mod readers;
mod secrets;

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::endpoint::{Endpoint, OPTIONAL, Standing};
use afferent_domain::filter::Users;
use afferent_domain::health::Health;
use afferent_domain::id::{EndpointId, UserId};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use futures_util::future::try_join_all;

use crate::StoreError;
use crate::item::{Item, Reading, s};

pub use jobs::Saved;
pub use secrets::SealedSecret;

const TABLE: &str = "endpoints";
const BY_SCOPE: &str = "by_scope";
const ENDPOINT: &str = "endpoint";
const HEADERS: &str = "headers";
const HEALTH: &str = "health";
const RATE: &str = "rate";
/// The key of the index under which the keeper finds what it must look after.
const WATCH: &str = "_watch";

/// What an endpoint's item has for the table alone.
const INDEX: [&str; 2] = ["item", "scope"];

/// All there is to know about one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its secrets, by number.
    pub secrets: Vec<SealedSecret>,
    /// Headers of its owner's own, sealed for the endpoint's id.
    pub headers: Option<String>,
    /// How it fares.
    pub health: Health,
    /// The line of its rate: when the next try may be made.
    pub line: Timestamp,
}

/// The table `endpoints`.
#[derive(Clone, Debug)]
pub struct Endpoints {
    client: Client,
    table: String,
}

impl Endpoints {
    /// The table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Writes an endpoint, new (`was` is `None`) or changed, and whose events it gets. Everything else of it stays.
    /// `false`, and nothing is written, if a new one is there already, or one that was is not there as it was: then it is
    /// to be read again, and the change made anew.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn put(&self, endpoint: &Endpoint, was: Option<&Endpoint>) -> Result<bool, StoreError> {
        self.put_with(endpoint, was, None).await
    }

    /// The same together with its sealed headers, or without any (`Some(None)`): no delivery between two writes brings
    /// the headers that were to an address that is new. `None` leaves them.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn put_with(
        &self,
        endpoint: &Endpoint,
        was: Option<&Endpoint>,
        headers: Option<Option<&str>>,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "TransactWriteItems";
        let unbuilt = StoreError::unbuilt(OPERATION);
        let mut item: Item = serde_dynamo::to_item(endpoint).map_err(|_| unusable(ENDPOINT))?;
        item.insert("item".to_owned(), s(ENDPOINT));
        if endpoint.users == Users::All {
            item.insert("scope".to_owned(), s(Users::ALL));
        }
        let mut put = Put::builder().table_name(&self.table);
        let mut conditions = Vec::new();
        match was {
            None => conditions.push("attribute_not_exists(endpoint)".to_owned()),
            Some(was) => {
                let there: Item = serde_dynamo::to_item(was).map_err(|_| unusable(ENDPOINT))?;
                let missing = OPTIONAL.into_iter().filter(|name| !there.contains_key(*name));
                for (place, name) in missing.enumerate() {
                    conditions.push(format!("attribute_not_exists(#n{place})"));
                    put = put.expression_attribute_names(format!("#n{place}"), name);
                }
                for (place, (name, value)) in there.into_iter().enumerate() {
                    conditions.push(format!("#w{place} = :w{place}"));
                    put = put.expression_attribute_names(format!("#w{place}"), name);
                    put = put.expression_attribute_values(format!(":w{place}"), value);
                }
            }
        }
        let put = put.set_item(Some(item)).condition_expression(conditions.join(" AND "));
        let mut writes = vec![TransactWriteItem::builder().put(put.build().map_err(&unbuilt)?).build()];
        let (before, now) = (was.map(listed).unwrap_or_default(), listed(endpoint));
        for user in now.difference(&before) {
            let item = Item::from([
                ("endpoint".to_owned(), s(endpoint.endpoint.as_str())),
                ("item".to_owned(), s(member(user))),
                ("scope".to_owned(), s(user.as_str())),
            ]);
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().map_err(&unbuilt)?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        for user in before.difference(&now) {
            let delete = Delete::builder()
                .table_name(&self.table)
                .key("endpoint", s(endpoint.endpoint.as_str()))
                .key("item", s(member(user)))
                .build()
                .map_err(&unbuilt)?;
            writes.push(TransactWriteItem::builder().delete(delete).build());
        }
        if let Some(sealed) = headers {
            writes.push(self.headers_write(&endpoint.endpoint, sealed).map_err(&unbuilt)?);
        }
        match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled))
                    if canceled
                        .cancellation_reasons()
                        .first()
                        .is_some_and(|reason| reason.code() == Some("ConditionalCheckFailed")) =>
                {
                    Ok(false)
                }
                _ => Err(StoreError::failed(OPERATION)(error)),
            },
        }
    }

    async fn reseal_item(
        &self,
        endpoint: &EndpointId,
        item: &str,
        was: &str,
        sealed: &str,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(endpoint, item)
            .update_expression("SET sealed = :sealed")
            .condition_expression("sealed = :was")
            .expression_attribute_values(":sealed", s(sealed))
            .expression_attribute_values(":was", s(was));
        unless_refused(update).await
    }

    /// One endpoint.
    ///
    /// # Errors
    /// DynamoDB failed, or the item is not one of ours.
    pub async fn get(&self, endpoint: &EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("endpoint", s(endpoint.as_str()))
            .key("item", s(ENDPOINT))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("GetItem"))?;
        answer.item.map(read).transpose()
    }

    /// One endpoint with its secrets, its headers, its health and its line, in one read.
    ///
    /// # Errors
    /// DynamoDB failed, or an item is not one of ours.
    pub async fn whole(&self, endpoint: &EndpointId) -> Result<Option<Whole>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("endpoint = :endpoint")
            .expression_attribute_values(":endpoint", s(endpoint.as_str()))
            .into_paginator()
            .items()
            .send();
        let (mut found, mut secrets, mut headers) = (None, Vec::new(), None);
        let (mut health, mut line) = (Health::default(), Timestamp::default());
        while let Some(item) = pages.next().await {
            let item = item.map_err(StoreError::failed("Query"))?;
            let reading = Reading::new(TABLE, &item);
            match reading.text("item")? {
                ENDPOINT => found = Some(read(item)?),
                HEADERS => headers = Some(reading.text("sealed")?.to_owned()),
                HEALTH => health = health::read(&item),
                RATE => line = line::read(&item),
                name if name.starts_with("secret#") => secrets.push(secrets::read(&item)?),
                _ => {}
            }
        }
        Ok(found.map(|endpoint| Whole { endpoint, secrets, headers, health, line }))
    }

    /// Enables or disables an endpoint that stands as it `was`. `false` if it does not, or is not there.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn set_standing(
        &self,
        endpoint: &EndpointId,
        was: &Standing,
        standing: &Standing,
    ) -> Result<bool, StoreError> {
        let value = |standing: &Standing| -> Result<AttributeValue, StoreError> {
            serde_dynamo::to_attribute_value(standing).map_err(|_| unusable("standing"))
        };
        let update = self
            .update(endpoint, ENDPOINT)
            .update_expression("SET standing = :standing")
            .condition_expression("standing = :was")
            .expression_attribute_values(":was", value(was)?)
            .expression_attribute_values(":standing", value(standing)?);
        unless_refused(update).await
    }

    /// Deletes an endpoint with its users, secrets, headers, health and line. Jobs stay, and end by themselves. It is to
    /// be disabled before, because it goes last: whoever dies in between leaves one that can be deleted again.
    ///
    /// # Errors
    /// DynamoDB failed; deleting again is right.
    pub async fn delete(&self, endpoint: &Endpoint, secrets: &[SealedSecret]) -> Result<(), StoreError> {
        let id = &endpoint.endpoint;
        let members = listed(endpoint).into_iter().map(|user| member(&user));
        let secrets = secrets.iter().map(|secret| secrets::item(secret.number));
        let rest = [HEADERS, HEALTH, RATE].map(str::to_owned).into_iter().chain(members).chain(secrets);
        try_join_all(rest.map(|item| async move { self.remove(id, &item).await })).await?;
        self.remove(id, ENDPOINT).await
    }

    /// Writes an item if there is none of its key; whether it did.
    async fn put_new(&self, item: Item) -> Result<bool, StoreError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        match put.condition_expression("attribute_not_exists(endpoint)").send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(false)
            }
            Err(error) => Err(StoreError::failed("PutItem")(error)),
        }
    }

    async fn remove(&self, endpoint: &EndpointId, item: &str) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .key("endpoint", s(endpoint.as_str()))
            .key("item", s(item))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed("DeleteItem"))
    }

    fn update(&self, endpoint: &EndpointId, item: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("endpoint", s(endpoint.as_str())).key("item", s(item))
    }
}

/// Sends an update; `false` if its condition refused it.
async fn unless_refused(update: UpdateItemFluentBuilder) -> Result<bool, StoreError> {
    match update.send().await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) => {
            Ok(false)
        }
        Err(error) => Err(StoreError::failed("UpdateItem")(error)),
    }
}

fn unusable(attribute: &str) -> StoreError {
    StoreError::Item { table: TABLE, attribute: attribute.to_owned() }
}

fn member(user: &UserId) -> String {
    format!("user#{user}")
}

fn listed(endpoint: &Endpoint) -> BTreeSet<UserId> {
    match &endpoint.users {
        Users::All => BTreeSet::new(),
        Users::Only(users) => users.clone(),
    }
}

fn read(mut item: Item) -> Result<Endpoint, StoreError> {
    Reading::new(TABLE, &item).known()?;
    item.retain(|name, _| !INDEX.contains(&name.as_str()));
    serde_dynamo::from_item(item).map_err(|_| unusable(ENDPOINT))
}
