//! Signing secrets: several sign at once while they are being rotated.

use afferent_domain::Timestamp;
use afferent_domain::id::EndpointId;

use super::{Endpoints, TABLE, unless_refused, unusable};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

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

impl Endpoints {
    /// Adds a secret. Says whether its number was free.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn add_secret(&self, endpoint: &EndpointId, secret: &SealedSecret) -> Result<bool, StoreError> {
        let mut new = Item::from([
            ("endpoint".to_owned(), s(endpoint.as_str())),
            ("item".to_owned(), s(item(secret.number))),
            ("sealed".to_owned(), s(&secret.sealed)),
            ("created_ms".to_owned(), n(secret.created.as_millis())),
        ]);
        if let Some(until) = secret.until {
            new.insert("until_ms".to_owned(), n(until.as_millis()));
        }
        self.put_new(new).await
    }

    /// Lets a secret sign until `until` and no longer; it never signs longer than it would have. `false` if there is
    /// no such secret, or it ends earlier already.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn end_secret(&self, endpoint: &EndpointId, number: u16, until: Timestamp) -> Result<bool, StoreError> {
        let update = self
            .update(endpoint, &item(number))
            .update_expression("SET until_ms = :until")
            .condition_expression(
                "attribute_exists(endpoint) AND (attribute_not_exists(until_ms) OR until_ms > :until)",
            )
            .expression_attribute_values(":until", n(until.as_millis()));
        unless_refused(update).await
    }

    /// Puts the same secret, sealed anew, in the place of what `was` there. `false` if that changed meanwhile.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn reseal(
        &self,
        endpoint: &EndpointId,
        number: u16,
        was: &str,
        sealed: &str,
    ) -> Result<bool, StoreError> {
        self.reseal_item(endpoint, &item(number), was, sealed).await
    }

    /// Removes a secret that signs no more.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn remove_secret(&self, endpoint: &EndpointId, number: u16) -> Result<(), StoreError> {
        self.remove(endpoint, &item(number)).await
    }
}

pub(super) fn item(number: u16) -> String {
    format!("secret#{number:04}")
}

pub(super) fn read(item: &Item) -> Result<SealedSecret, StoreError> {
    let item = Reading::new(TABLE, item);
    let number = item.text("item")?.strip_prefix("secret#").and_then(|number| number.parse().ok());
    Ok(SealedSecret {
        number: number.ok_or_else(|| unusable("item"))?,
        sealed: item.text("sealed")?.to_owned(),
        created: Timestamp::from_millis(item.number("created_ms")?),
        until: item.maybe_number("until_ms").map(Timestamp::from_millis),
    })
}
