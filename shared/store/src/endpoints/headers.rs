//! Headers of an owner's own, sealed.

use afferent_domain::id::EndpointId;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};

use super::{Endpoints, HEADERS};
use crate::StoreError;
use crate::item::{Item, s};

impl Endpoints {
    /// Writes the sealed headers of an endpoint, or removes them.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn put_headers(&self, endpoint: &EndpointId, sealed: Option<&str>) -> Result<(), StoreError> {
        let Some(sealed) = sealed else { return self.remove(endpoint, HEADERS).await };
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item(endpoint, sealed)));
        put.send().await.map(drop).map_err(StoreError::failed("PutItem"))
    }

    /// The same as a part of a transaction.
    pub(super) fn headers_write(
        &self,
        endpoint: &EndpointId,
        sealed: Option<&str>,
    ) -> Result<TransactWriteItem, BuildError> {
        Ok(match sealed {
            Some(sealed) => {
                let put = Put::builder().table_name(&self.table).set_item(Some(item(endpoint, sealed))).build()?;
                TransactWriteItem::builder().put(put).build()
            }
            None => {
                let key = Delete::builder().key("endpoint", s(endpoint.as_str())).key("item", s(HEADERS));
                TransactWriteItem::builder().delete(key.table_name(&self.table).build()?).build()
            }
        })
    }

    /// Puts the same headers, sealed anew, in the place of what `was` there. `false` if that changed meanwhile.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn reseal_headers(&self, endpoint: &EndpointId, was: &str, sealed: &str) -> Result<bool, StoreError> {
        self.reseal_item(endpoint, HEADERS, was, sealed).await
    }
}

fn item(endpoint: &EndpointId, sealed: &str) -> Item {
    Item::from([
        ("endpoint".to_owned(), s(endpoint.as_str())),
        ("item".to_owned(), s(HEADERS)),
        ("sealed".to_owned(), s(sealed)),
    ])
}
