//! Token pairs: the item `account` of a Withings account, in the `connections` table.
//!
//! Every write names the fencing number or the generation that it is about, so that neither a refresh that was
//! overtaken nor a late burial undoes what somebody stored since.

use afferent_domain::Timestamp;
use afferent_metrics::{Metric, count};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::StoreError;
use crate::connections::{AccountKey, Connections, refused};
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";
const ITEM: &str = "account";

/// A sealed pair (`afferent-secrets`) that is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The sealed access token.
    pub access: String,
    /// The sealed refresh token.
    pub refresh: String,
    /// When the access token dies.
    pub expires: Timestamp,
    /// When Withings issued it, as far as that is known.
    pub refreshed: Timestamp,
}

/// A stored pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The pair.
    pub pair: Pair,
    /// Rises by one with every new pair; the table counts.
    pub generation: u64,
    /// Whether Withings said that its refresh token is dead: the person must connect again.
    pub dead: bool,
}

/// Which pair an account had when it was looked at: what was decided by that look holds only as long as there is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(pub(crate) Option<u64>);

impl Seen {
    /// The condition on the account's item, and its value.
    pub(crate) fn condition(self) -> (&'static str, Option<AttributeValue>) {
        match self.0 {
            Some(generation) => ("generation = :seen", Some(n(generation))),
            None => ("attribute_not_exists(generation)", None),
        }
    }
}

/// The right to refresh an account's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshLease {
    /// Rises with every lease; a write with an older one is refused.
    pub fence: u64,
    /// The pair as it was when the lease was taken.
    pub tokens: Tokens,
}

impl Connections {
    /// The account's token pair; `None` if it has none, or none any more.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn tokens(&self, account: &AccountKey) -> Result<Option<Tokens>, StoreError> {
        let item = self.item(&account.to_string(), ITEM).await?;
        item.filter(|item| item.contains_key("access_token")).as_ref().map(read_tokens).transpose()
    }

    /// Which pair the account has now, a dead or destroyed one too.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn seen(&self, account: &AccountKey) -> Result<Seen, StoreError> {
        let item = self.item(&account.to_string(), ITEM).await?;
        Ok(Seen(item.as_ref().and_then(|item| Reading::new(TABLE, item).maybe_number("generation"))))
    }

    /// Takes the lease on refreshing, for a pair that is still of `generation` and not dead. `None` if somebody else
    /// holds the lease or has refreshed already: read the tokens again.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn lease_refresh(
        &self,
        account: &AccountKey,
        generation: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<RefreshLease>, StoreError> {
        let result = self
            .update(&account.to_string(), ITEM)
            .update_expression("SET refresh_lease_ms = :until ADD fence :one")
            .condition_expression(
                "generation = :generation AND attribute_exists(refresh_token) \
                 AND (attribute_not_exists(dead_generation) OR dead_generation <> :generation) \
                 AND (attribute_not_exists(refresh_lease_ms) OR refresh_lease_ms <= :now)",
            )
            .expression_attribute_values(":until", n(until.as_millis()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":generation", n(generation))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let item = match result {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) if refused(&error) => return Ok(None),
            Err(error) => return Err(StoreError::failed("UpdateItem")(error)),
        };
        let fence = Reading::new(TABLE, &item).number("fence")?;
        Ok(Some(RefreshLease { fence, tokens: read_tokens(&item)? }))
    }

    /// Stores a refreshed pair and ends the lease. `false` if the lease was lost to a later one, or the person
    /// connected again: what is stored then is what counts. Doing it twice is harmless.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn store_refreshed(
        &self,
        account: &AccountKey,
        lease: &RefreshLease,
        pair: &Pair,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(&account.to_string(), ITEM)
            .update_expression(
                "SET access_token = :access, refresh_token = :refresh, expires_ms = :expires, \
                 refreshed_ms = :refreshed, generation = :generation REMOVE refresh_lease_ms, dead_generation",
            )
            .condition_expression("fence = :fence")
            .expression_attribute_values(":access", s(&pair.access))
            .expression_attribute_values(":refresh", s(&pair.refresh))
            .expression_attribute_values(":expires", n(pair.expires.as_millis()))
            .expression_attribute_values(":refreshed", n(pair.refreshed.as_millis()))
            .expression_attribute_values(":generation", n(lease.tokens.generation + 1))
            .expression_attribute_values(":fence", n(lease.fence));
        let stored = Self::unless_refused(update).await?;
        count(Metric::TokensRefreshed, usize::from(stored));
        Ok(stored)
    }

    /// Gives the lease back: nothing was sent. `false` if it was lost already.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn give_back_refresh(&self, account: &AccountKey, lease: &RefreshLease) -> Result<bool, StoreError> {
        let update = self
            .update(&account.to_string(), ITEM)
            .update_expression("REMOVE refresh_lease_ms")
            .condition_expression("fence = :fence")
            .expression_attribute_values(":fence", n(lease.fence));
        Self::unless_refused(update).await
    }

    /// Ends the lease, and lets nobody else refresh before `until`. `false` if it was lost already.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn pause_refresh(
        &self,
        account: &AccountKey,
        lease: &RefreshLease,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(&account.to_string(), ITEM)
            .update_expression("SET refresh_lease_ms = :until")
            .condition_expression("fence = :fence")
            .expression_attribute_values(":until", n(until.as_millis()))
            .expression_attribute_values(":fence", n(lease.fence));
        Self::unless_refused(update).await
    }

    /// Notes that Withings took the leased pair's refresh token for dead, and ends the lease. `false` if the lease
    /// was lost or another pair was stored since: then nothing is known of that one.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn condemn(&self, account: &AccountKey, lease: &RefreshLease) -> Result<bool, StoreError> {
        let update = self
            .update(&account.to_string(), ITEM)
            .update_expression("SET dead_generation = :generation REMOVE refresh_lease_ms")
            .condition_expression("fence = :fence AND generation = :generation")
            .expression_attribute_values(":generation", n(lease.tokens.generation))
            .expression_attribute_values(":fence", n(lease.fence));
        let dead = Self::unless_refused(update).await?;
        count(Metric::ConnectionsLost, usize::from(dead));
        Ok(dead)
    }

    /// Destroys the pair of that generation. `false` if it is not there any more: the person connected again
    /// meanwhile, or it is destroyed already. A refresh that is under way cannot bring it back.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn bury_tokens(&self, account: &AccountKey, generation: u64) -> Result<bool, StoreError> {
        let update = self
            .update(&account.to_string(), ITEM)
            .update_expression(
                "REMOVE access_token, refresh_token, expires_ms, refreshed_ms, refresh_lease_ms, dead_generation \
                 ADD fence :one",
            )
            .condition_expression("generation = :generation AND attribute_exists(access_token)")
            .expression_attribute_values(":generation", n(generation))
            .expression_attribute_values(":one", n(1));
        Self::unless_refused(update).await
    }
}

fn read_tokens(item: &Item) -> Result<Tokens, StoreError> {
    let reading = Reading::new(TABLE, item);
    let generation = reading.number("generation")?;
    Ok(Tokens {
        pair: Pair {
            access: reading.text("access_token")?.to_owned(),
            refresh: reading.text("refresh_token")?.to_owned(),
            expires: Timestamp::from_millis(reading.number("expires_ms")?),
            refreshed: Timestamp::from_millis(reading.number("refreshed_ms")?),
        },
        generation,
        dead: reading.maybe_number("dead_generation") == Some(generation),
    })
}
