//! Looking whether anything is left of a person: counts, table by table.

use afferent_domain::erasure::Erasure;
use afferent_domain::id::UserId;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::Select;

use super::person::account;
use crate::StoreError;
use crate::connections::Connections;
use crate::events::Events;
use crate::item::{n, s};
use crate::records::Records;
use crate::users::{CONNECTIONS, USERS};

/// What is left in the table `connections`, in items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Of the user: the reference, links.
    pub user: u64,
    /// Of the connections: marks, runs, duties, the connections themselves.
    pub connections: u64,
    /// Of their accounts, tokens among them, unless another user shares them.
    pub accounts: u64,
}

impl Records {
    /// How many records the user has.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn count_of(&self, user: &UserId) -> Result<u64, StoreError> {
        count(&self.client, &self.table, ("user", user.as_str()), None).await
    }
}

impl Events {
    /// How many events the user's journal holds. Its head, a number, is none.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn count_of(&self, user: &UserId) -> Result<u64, StoreError> {
        count(&self.client, &self.table, ("journal", user.as_str()), Some("sequence")).await
    }
}

impl Connections {
    /// What is left of an erased person in this table.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn remains(&self, erasure: &Erasure) -> Result<Remains, StoreError> {
        let all = async |owner: String| count(&self.client, &self.table, ("owner", &owner), None).await;
        let entry = async |owner: &str, item: &str| self.item(owner, item).await.map(|item| u64::from(item.is_some()));
        let mut remains = Remains {
            user: all(format!("user#{}", erasure.user)).await? + entry(USERS, erasure.user.as_str()).await?,
            ..Remains::default()
        };
        for link in &erasure.links {
            let own = format!("connection#{}", link.connection);
            remains.connections += all(own.clone()).await? + entry(CONNECTIONS, link.connection.as_str()).await?;
            let account = account(link);
            let shared = self.of_account(&account).await?.iter().any(|other| other.user != erasure.user);
            remains.accounts += match shared {
                true => entry(&account.to_string(), &own).await?,
                false => all(account.to_string()).await?,
            };
        }
        Ok(remains)
    }
}

/// How many items a partition holds; with `above`, those whose number of this name is above 0.
async fn count(
    client: &Client,
    table: &str,
    (partition, value): (&str, &str),
    above: Option<&str>,
) -> Result<u64, StoreError> {
    let (mut count, mut start) = (0, None);
    loop {
        let mut query = client
            .query()
            .table_name(table)
            .expression_attribute_names("#partition", partition)
            .expression_attribute_values(":value", s(value))
            .select(Select::Count)
            .consistent_read(true)
            .set_exclusive_start_key(start);
        query = match above {
            None => query.key_condition_expression("#partition = :value"),
            Some(sort) => query
                .key_condition_expression("#partition = :value AND #sort > :zero")
                .expression_attribute_names("#sort", sort)
                .expression_attribute_values(":zero", n(0)),
        };
        let page = query.send().await.map_err(StoreError::failed("Query"))?;
        count += u64::try_from(page.count).unwrap_or(0);
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(count);
        }
    }
}
