//! Hosted links, in the `connections` table (`link#<SHA-256>`, `link`). The table never holds a token.
//!
//! Opening a link uses nothing up, because programs that check mail open every link in it. Each Continue opens a state
//! ([`crate::states`]) that names the link, and the first visit that such a state brings back ends the link, whatever
//! comes of it.

use std::time::Duration;

use afferent_domain::connection::Scopes;
use afferent_domain::id::UserId;
use afferent_domain::link::{LIFE, Language, draw, hash};
use afferent_domain::secret::Secret;
use afferent_domain::{Dice, Timestamp};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, TransactWriteItem};

use crate::StoreError;
use crate::connect::OPERATION;
use crate::connections::Connections;
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";
const ITEM: &str = "link";

/// How long a link is kept after its end, so that a late visitor is told what happened.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// How often one link may be continued: each Continue opens a state, and needs no key.
const CONTINUES: u32 = 20;

/// How long after the end of the link the states that it opened live: a person may take a while at Withings.
const STATES_AFTER: Duration = Duration::from_secs(600);

/// What a link was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What the customer calls the person.
    pub reference: String,
    /// The scopes that are asked for.
    pub scopes: Scopes,
    /// Those without which there is no connection.
    pub required: Scopes,
    /// Where the person goes afterwards.
    pub return_url: Option<String>,
    /// The language of the page; the browser's unless it is set.
    pub language: Option<Language>,
    /// Whether a demonstration person consents.
    pub demo: bool,
}

/// A link that was made.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The only sight of its token.
    pub token: Secret,
    /// By what it is known: SHA-256 of the token.
    pub hash: String,
    /// Until when it may be opened.
    pub dies: Timestamp,
}

/// What a token leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It may be used.
    Open(Link),
    /// It was used.
    Ended(Link),
    /// It is too old.
    Expired(Link),
    /// There is no such link, or none any more.
    Unknown,
}

impl Connections {
    /// Makes a link.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn open_link(&self, link: &Link, now: Timestamp, dice: &dyn Dice) -> Result<Opened, StoreError> {
        let token = draw(dice);
        let (hash, dies) = (hash(&token), now + LIFE);
        let mut item: Item = [
            ("owner", s(owner(&hash))),
            ("item", s(ITEM)),
            ("reference", s(&link.reference)),
            ("scopes", s(link.scopes.to_string())),
            ("required", s(link.required.to_string())),
            ("demo", AttributeValue::Bool(link.demo)),
            ("dies_ms", n(dies.as_millis())),
            ("expires_at", n((dies + KEPT).as_secs())),
        ]
        .map(|(name, value): (&str, AttributeValue)| (name.to_owned(), value))
        .into();
        if let Some(url) = &link.return_url {
            item.insert("return_url".to_owned(), s(url));
        }
        if let Some(language) = link.language {
            item.insert("language".to_owned(), s(language.code()));
        }
        self.put_for(&link.reference, item, dies + KEPT).await?;
        Ok(Opened { token, hash, dies })
    }

    /// What a token leads to, at `now`. Uses nothing up.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn link(&self, token: &Secret, now: Timestamp) -> Result<Found, StoreError> {
        let Some(item) = self.item(&owner(&hash(token)), ITEM).await? else { return Ok(Found::Unknown) };
        let link = read(&item)?;
        Ok(match Reading::new(TABLE, &item).number::<i64>("dies_ms")? {
            _ if item.contains_key("ended_by") => Found::Ended(link),
            dies if dies <= now.as_millis() => Found::Expired(link),
            _ => Found::Open(link),
        })
    }

    /// Counts a Continue on a link, by its hash: until when the state lives that it opens. `None` if the link is over, or
    /// was continued too often.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn continue_link(&self, hash: &str, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let result = self
            .update(&owner(hash), ITEM)
            .update_expression("ADD continues :one")
            .condition_expression(
                "dies_ms > :now AND attribute_not_exists(ended_by) \
                 AND (attribute_not_exists(continues) OR continues < :most)",
            )
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":most", n(CONTINUES))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match result {
            Ok(answer) => {
                let item = answer.attributes.unwrap_or_default();
                let dies = Timestamp::from_millis(Reading::new(TABLE, &item).number("dies_ms")?);
                Ok(Some(dies + STATES_AFTER))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(StoreError::failed("UpdateItem")(error)),
            },
        }
    }

    /// Ends a link by its hash. `false` if somebody else did before. `visitor` tells one visit from another, so that
    /// asking again after a lost answer is the same end. The age of the link does not matter: whoever comes back has
    /// continued while it was young, and the state that they bring has an end of its own.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn end_link(&self, hash: &str, visitor: &str, now: Timestamp) -> Result<bool, StoreError> {
        let update = self
            .update(&owner(hash), ITEM)
            .update_expression("SET ended_by = :visitor, ended_ms = :now")
            .condition_expression(
                "attribute_exists(dies_ms) AND (attribute_not_exists(ended_by) OR ended_by = :visitor)",
            )
            .expression_attribute_values(":visitor", s(visitor))
            .expression_attribute_values(":now", n(now.as_millis()));
        Self::unless_refused(update).await
    }

    /// Stores an item that was made for a person, and beside the user that there is one, so that whoever forgets the
    /// user finds it. Both go at `expires`.
    pub(crate) async fn put_for(&self, reference: &str, item: Item, expires: Timestamp) -> Result<(), StoreError> {
        let user = UserId::derive(&[reference]);
        let name = item.get("owner").cloned().unwrap_or_else(|| s(""));
        let pointer = [("owner", s(format!("user#{user}"))), ("item", name), ("expires_at", n(expires.as_secs()))]
            .map(|(name, value): (&str, AttributeValue)| (name.to_owned(), value));
        let put = |item: Item| {
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
            put.map(|put| TransactWriteItem::builder().put(put).build()).map_err(StoreError::unbuilt(OPERATION))
        };
        let writes = vec![self.nobody_erases(&user)?, put(item)?, put(pointer.into())?];
        match self.transact(writes).await? {
            Some(()) => Ok(()),
            None => Err(self.why_refused(&user).await),
        }
    }
}

fn owner(hash: &str) -> String {
    format!("link#{hash}")
}

fn read(item: &Item) -> Result<Link, StoreError> {
    let reading = Reading::new(TABLE, item);
    let scopes = |name: &str| Scopes::new(reading.maybe_text(name).unwrap_or_default().split(','));
    Ok(Link {
        reference: reading.text("reference")?.to_owned(),
        scopes: scopes("scopes"),
        required: scopes("required"),
        return_url: reading.maybe_text("return_url").map(str::to_owned),
        language: reading.maybe_text("language").and_then(|code| code.parse().ok()),
        demo: item.get("demo").and_then(|demo| demo.as_bool().ok().copied()).unwrap_or(false),
    })
}
