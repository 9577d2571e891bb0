//! Endpoints, their sealed secrets and their health: the items of one endpoint share its key.

use afferent_domain::Timestamp;
use afferent_domain::endpoint::{Endpoint, Health, Standing};
use afferent_domain::filter::Scope;
use afferent_domain::id::EndpointId;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::StoreError;
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "endpoints";
const BY_SCOPE: &str = "by_scope";
const ENDPOINT: &str = "endpoint";
const HEALTH: &str = "health";

/// A sealed signing secret, as it lies in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// Which of the endpoint's secrets, from 1.
    pub number: u16,
    /// The secret, sealed for the endpoint's id.
    pub sealed: String,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it signs; `None` for the current one.
    pub until: Option<Timestamp>,
}

impl SealedSecret {
    /// Whether it signs at `now`.
    #[must_use]
    pub fn signs(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// All there is to know about one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its secrets, by number.
    pub secrets: Vec<SealedSecret>,
    /// How it fares.
    pub health: Health,
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

    /// Writes an endpoint, new or changed. Its secrets and health stay.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn put(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        let mut item: Item = serde_dynamo::to_item(endpoint).map_err(|_| unusable(ENDPOINT))?;
        item.insert("item".to_owned(), s(ENDPOINT));
        self.write(item).await
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

    /// One endpoint with its secrets and its health, in one read.
    ///
    /// # Errors
    /// DynamoDB failed, or an item is not one of ours.
    pub async fn whole(&self, endpoint: &EndpointId) -> Result<Option<Whole>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("endpoint = :endpoint")
            .expression_attribute_values(":endpoint", s(endpoint.as_str()))
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let (mut found, mut secrets, mut health) = (None, Vec::new(), Health::default());
        for item in answer.items.unwrap_or_default() {
            match Reading::new(TABLE, &item).text("item")? {
                ENDPOINT => found = Some(read(item)?),
                HEALTH => health = read_health(&item),
                name if name.starts_with("secret#") => secrets.push(read_secret(&item)?),
                _ => {}
            }
        }
        Ok(found.map(|endpoint| Whole { endpoint, secrets, health }))
    }

    /// The endpoints of a scope, disabled ones too. The index may be a moment behind. One that cannot be read
    /// is logged and left out: it must not stop the others.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn of_scope(&self, scope: &Scope) -> Result<Vec<Endpoint>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_SCOPE)
            .key_condition_expression("#scope = :scope")
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_values(":scope", s(scope.as_str()))
            .into_paginator()
            .send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(StoreError::failed("Query"))?;
            all.extend(page.items.unwrap_or_default().into_iter().filter_map(readable));
        }
        Ok(all)
    }

    /// Every endpoint that can be read, in no order. Reads the whole table, which is small.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn all(&self) -> Result<Vec<Endpoint>, StoreError> {
        let mut pages = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("#item = :endpoint")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":endpoint", s(ENDPOINT))
            .into_paginator()
            .send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(StoreError::failed("Scan"))?;
            all.extend(page.items.unwrap_or_default().into_iter().filter_map(readable));
        }
        Ok(all)
    }

    /// Enables or disables an endpoint. Says whether there is one.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn set_standing(&self, endpoint: &EndpointId, standing: &Standing) -> Result<bool, StoreError> {
        let value: AttributeValue = serde_dynamo::to_attribute_value(standing).map_err(|_| unusable("standing"))?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("endpoint", s(endpoint.as_str()))
            .key("item", s(ENDPOINT))
            .update_expression("SET standing = :standing")
            .condition_expression("attribute_exists(endpoint)")
            .expression_attribute_values(":standing", value)
            .send()
            .await;
        match update {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }

    /// Adds a secret. Says whether its number was free.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn add_secret(&self, endpoint: &EndpointId, secret: &SealedSecret) -> Result<bool, StoreError> {
        let mut item = Item::from([
            ("endpoint".to_owned(), s(endpoint.as_str())),
            ("item".to_owned(), s(secret_item(secret.number))),
            ("sealed".to_owned(), s(&secret.sealed)),
            ("created_ms".to_owned(), n(secret.created.as_millis())),
        ]);
        if let Some(until) = secret.until {
            item.insert("until_ms".to_owned(), n(until.as_millis()));
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(endpoint)")
            .send()
            .await;
        match put {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::failed("PutItem")(error)),
        }
    }

    /// Writes how an endpoint fares after a success.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn put_health(&self, endpoint: &EndpointId, health: &Health) -> Result<(), StoreError> {
        let mut item = Item::from([
            ("endpoint".to_owned(), s(endpoint.as_str())),
            ("item".to_owned(), s(HEALTH)),
            ("exhausted_in_a_row".to_owned(), n(health.exhausted_in_a_row)),
        ]);
        for (name, instant) in [("last_success_ms", health.last_success), ("failing_since_ms", health.failing_since)] {
            if let Some(instant) = instant {
                item.insert(name.to_owned(), n(instant.as_millis()));
            }
        }
        self.write(item).await
    }

    /// Counts one more exhausted delivery, and keeps the first failure since the last success.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn count_exhausted(&self, endpoint: &EndpointId, failed_at: Timestamp) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("endpoint", s(endpoint.as_str()))
            .key("item", s(HEALTH))
            .update_expression(
                "SET failing_since_ms = if_not_exists(failing_since_ms, :at) ADD exhausted_in_a_row :one",
            )
            .expression_attribute_values(":at", n(failed_at.as_millis()))
            .expression_attribute_values(":one", n(1))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed("UpdateItem"))
    }

    async fn write(&self, item: Item) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed("PutItem"))
    }
}

fn unusable(attribute: &str) -> StoreError {
    StoreError::Item { table: TABLE, attribute: attribute.to_owned() }
}

fn secret_item(number: u16) -> String {
    format!("secret#{number:04}")
}

fn read(mut item: Item) -> Result<Endpoint, StoreError> {
    item.remove("item");
    serde_dynamo::from_item(item).map_err(|_| unusable(ENDPOINT))
}

fn readable(item: Item) -> Option<Endpoint> {
    let id = Reading::new(TABLE, &item).maybe_text("endpoint").map(str::to_owned);
    let read = read(item);
    if read.is_err() {
        tracing::error!(endpoint = id, "an endpoint's item cannot be read, and it receives nothing");
    }
    read.ok()
}

fn read_health(item: &Item) -> Health {
    let item = Reading::new(TABLE, item);
    let instant = |name: &str| item.maybe_number(name).map(Timestamp::from_millis);
    Health {
        last_success: instant("last_success_ms"),
        failing_since: instant("failing_since_ms"),
        exhausted_in_a_row: item.maybe_number("exhausted_in_a_row").unwrap_or(0),
    }
}

fn read_secret(item: &Item) -> Result<SealedSecret, StoreError> {
    let item = Reading::new(TABLE, item);
    let number = item.text("item")?.strip_prefix("secret#").and_then(|number| number.parse().ok());
    Ok(SealedSecret {
        number: number.ok_or_else(|| unusable("item"))?,
        sealed: item.text("sealed")?.to_owned(),
        created: Timestamp::from_millis(item.number("created_ms")?),
        until: item.maybe_number("until_ms").map(Timestamp::from_millis),
    })
}
