//! Which endpoints there are, and which of them get the events of a user.

use std::collections::BTreeSet;

use afferent_domain::endpoint::Endpoint;
use afferent_domain::filter::Users;
use afferent_domain::id::{EndpointId, UserId};
use futures_util::future::try_join_all;

use super::{BY_SCOPE, ENDPOINT, Endpoints, TABLE, read};
use crate::StoreError;
use crate::item::{Item, Reading, s};

impl Endpoints {
    /// The endpoints that get the events of every user, disabled ones too. The index may be a moment behind. One that
    /// cannot be read is logged and left out: it must not stop the others.
    ///
    /// # Errors
    /// DynamoDB failed, or an endpoint is of a later version: nobody here knows what it wants.
    pub async fn of_all_users(&self) -> Result<Vec<Endpoint>, StoreError> {
        let known = self.of_scope(Users::ALL).await?.into_iter().map(|item| match readable(item) {
            Err(later @ StoreError::Later { .. }) => Err(later),
            other => Ok(other.ok()),
        });
        Ok(known.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The endpoints that get the events of `user` because they name that user; see [`Endpoints::of_all_users`].
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn of_user(&self, user: &UserId) -> Result<Vec<Endpoint>, StoreError> {
        let members = self.of_scope(user.as_str()).await?;
        let ids = members.iter().filter_map(|item| Reading::new(TABLE, item).maybe_text("endpoint"));
        let ids: BTreeSet<EndpointId> = ids.map(EndpointId::from).collect();
        let got = try_join_all(ids.iter().map(|id| async move {
            match self.get(id).await {
                Err(StoreError::Item { .. }) => {
                    tracing::error!(endpoint = %id, "an endpoint's item cannot be read, and it receives nothing");
                    Ok(None)
                }
                other => other,
            }
        }));
        Ok(got.await?.into_iter().flatten().collect())
    }

    pub(super) async fn of_scope(&self, scope: &str) -> Result<Vec<Item>, StoreError> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_SCOPE)
            .key_condition_expression("#scope = :scope")
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_values(":scope", s(scope))
            .into_paginator()
            .items()
            .send();
        items.collect::<Result<Vec<_>, _>>().await.map_err(StoreError::failed("Query"))
    }

    /// Every endpoint that can be read, in no order. Reads the whole table, which is small.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn all(&self) -> Result<Vec<Endpoint>, StoreError> {
        let items = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("#item = :endpoint")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":endpoint", s(ENDPOINT))
            .into_paginator()
            .items()
            .send();
        let items = items.collect::<Result<Vec<_>, _>>().await.map_err(StoreError::failed("Scan"))?;
        Ok(items.into_iter().filter_map(|item| readable(item).ok()).collect())
    }
}

/// Reads an item, and logs that it cannot be read.
fn readable(item: Item) -> Result<Endpoint, StoreError> {
    let id = Reading::new(TABLE, &item).maybe_text("endpoint").map(str::to_owned);
    let read = read(item);
    if read.is_err() {
        tracing::error!(endpoint = id, "an endpoint's item cannot be read, and it receives nothing");
    }
    read
}
