//! Authorisation states: who was sent to Withings' consent page, in the `connections` table.
//!
//! The `state` of an OAuth redirect is all that says for whom a code was issued, so it is 256 bits of chance, is used
//! once, and dies. The table holds its SHA-256 (`state#<hash>`, `state`).

use std::time::Duration;

use afferent_domain::connection::Scopes;
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::link::{Language, Refusal};
use afferent_domain::secret::Secret;
use afferent_domain::{Dice, Timestamp};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use ring::digest::{SHA256, digest};

use crate::StoreError;
use crate::connections::Connections;
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";
const ITEM: &str = "state";

/// The result of a use that connected somebody.
const CONNECTED: &str = "connected";

/// How long a person may take to consent.
pub const LIFE: Duration = Duration::from_secs(3600);

/// How long a state is kept after its end, so that a late visitor is told what happened.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Whose consent is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What the customer calls the person.
    pub reference: String,
    /// The scopes that were asked for.
    pub scopes: Scopes,
    /// Those without which there is no connection.
    pub required: Scopes,
    /// The redirect address as it was sent; the exchange of the code repeats it byte for byte.
    pub redirect_uri: String,
    /// Where the person goes afterwards.
    pub return_url: Option<String>,
    /// The hash of the link that the person came by, if by one.
    pub link: Option<String>,
    /// SHA-256 of the mark of the browser that was sent to Withings: no other one may bring the state back. `None` where
    /// the customer sends the person itself.
    pub browser: Option<String>,
    /// The language of what the person is told here; the browser's unless it is set.
    pub language: Option<Language>,
}

/// What became of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visit {
    /// This is its one use.
    First(Ask),
    /// It was used before, and this is what is known of that use.
    Used(Ask, Use),
    /// It is too old. Of another browser's too.
    Expired(Ask),
    /// It is another browser's, and stays as it is.
    Elsewhere(Ask),
    /// There is no such state, or none any more.
    Unknown,
}

/// How the one use of a state ended: who was connected, or why nobody was.
pub type Ended = Result<(UserId, ConnectionId), Refusal>;

/// What is known of the one use of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// It ended so.
    Ended(Ended),
    /// It began then, and is under way; or it broke off.
    Begun(Timestamp),
    /// Nothing that is for this browser, which is another one.
    Elsewhere,
}

impl Connections {
    /// Draws a state for an ask that lives until `dies`, and gives the only sight of it.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn open_state(&self, ask: &Ask, dies: Timestamp, dice: &dyn Dice) -> Result<Secret, StoreError> {
        let state: String = (0..4).map(|_| format!("{:016x}", dice.roll())).collect();
        let mut item: Item = [
            ("owner", s(owner(&state))),
            ("item", s(ITEM)),
            ("reference", s(&ask.reference)),
            ("scopes", s(ask.scopes.to_string())),
            ("required", s(ask.required.to_string())),
            ("redirect_uri", s(&ask.redirect_uri)),
            ("dies_ms", n(dies.as_millis())),
            ("expires_at", n((dies + KEPT).as_secs())),
        ]
        .map(|(name, value): (&str, AttributeValue)| (name.to_owned(), value))
        .into();
        let language = ask.language.map(|language| language.code().to_owned());
        for (name, text) in
            [("return_url", &ask.return_url), ("link", &ask.link), ("browser", &ask.browser), ("language", &language)]
        {
            if let Some(text) = text.as_ref() {
                item.insert(name.to_owned(), s(text));
            }
        }
        self.put_for(&ask.reference, item, dies + KEPT).await?;
        Ok(Secret::new(state))
    }

    /// Uses a state up. `visitor` tells one visit from another, so that asking again after a lost answer is the same
    /// use. `browsers` are the SHA-256 of the marks that the visitor's browser has, at most 90.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn use_state(
        &self,
        state: &Secret,
        visitor: &str,
        browsers: &[String],
        now: Timestamp,
    ) -> Result<Visit, StoreError> {
        let mut update = self.update(&owner(state.reveal()), ITEM);
        let mut same = "attribute_not_exists(browser)".to_owned();
        for (place, browser) in browsers.iter().enumerate() {
            same.push_str(&format!(" OR browser = :b{place}"));
            update = update.expression_attribute_values(format!(":b{place}"), s(browser));
        }
        let result = update
            .update_expression("SET used_by = :visitor, used_ms = :now")
            .condition_expression(format!(
                "dies_ms > :now AND (attribute_not_exists(used_by) OR used_by = :visitor) AND ({same})"
            ))
            .expression_attribute_values(":visitor", s(visitor))
            .expression_attribute_values(":now", n(now.as_millis()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(answer) => Ok(Visit::First(read(&answer.attributes.unwrap_or_default())?)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(found)) => match found.item() {
                    None => Ok(Visit::Unknown),
                    Some(item) if item.contains_key("used_by") => {
                        let ask = read(item)?;
                        let is_here = ask.browser.as_ref().is_none_or(|browser| browsers.contains(browser));
                        let before = if is_here { used(item)? } else { Use::Elsewhere };
                        Ok(Visit::Used(ask, before))
                    }
                    Some(item) if Reading::new(TABLE, item).number::<i64>("dies_ms")? <= now.as_millis() => {
                        Ok(Visit::Expired(read(item)?))
                    }
                    Some(item) => Ok(Visit::Elsewhere(read(item)?)),
                },
                _ => Err(StoreError::failed("UpdateItem")(error)),
            },
        }
    }
}

impl Connections {
    /// Keeps beside a state how its use ended, for whoever comes again with it: a page may be loaded twice. Of a visit that
    /// is not the one that used it up, or a state that is gone, nothing is kept.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn end_use(&self, state: &Secret, visitor: &str, ended: &Ended) -> Result<(), StoreError> {
        let update = self
            .update(&owner(state.reveal()), ITEM)
            .condition_expression("used_by = :visitor")
            .expression_attribute_names("#result", "result")
            .expression_attribute_values(":visitor", s(visitor));
        let update = match ended {
            Ok((user, connection)) => update
                .update_expression("SET #result = :result, #user = :user, #connection = :connection")
                .expression_attribute_names("#user", "user")
                .expression_attribute_names("#connection", "connection")
                .expression_attribute_values(":result", s(CONNECTED))
                .expression_attribute_values(":user", s(user.as_str()))
                .expression_attribute_values(":connection", s(connection.as_str())),
            Err(refusal) => update
                .update_expression("SET #result = :result")
                .expression_attribute_values(":result", s(refusal.name())),
        };
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }
}

/// What is known of a use.
fn used(item: &Item) -> Result<Use, StoreError> {
    let reading = Reading::new(TABLE, item);
    match reading.maybe_text("result") {
        None => Ok(Use::Begun(Timestamp::from_millis(reading.number("used_ms")?))),
        Some(CONNECTED) => {
            Ok(Use::Ended(Ok((UserId::from(reading.text("user")?), ConnectionId::from(reading.text("connection")?)))))
        }
        // A later version may know more of them.
        Some(name) => {
            let refusal = Refusal::ALL.into_iter().find(|refusal| refusal.name() == name);
            Ok(Use::Ended(Err(refusal.unwrap_or(Refusal::TokenConsumed))))
        }
    }
}

fn owner(state: &str) -> String {
    let hash: String = digest(&SHA256, state.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("state#{hash}")
}

fn read(item: &Item) -> Result<Ask, StoreError> {
    let reading = Reading::new(TABLE, item);
    let scopes = |name: &str| Scopes::new(reading.maybe_text(name).unwrap_or_default().split(','));
    Ok(Ask {
        reference: reading.text("reference")?.to_owned(),
        scopes: scopes("scopes"),
        required: scopes("required"),
        redirect_uri: reading.text("redirect_uri")?.to_owned(),
        return_url: reading.maybe_text("return_url").map(str::to_owned),
        link: reading.maybe_text("link").map(str::to_owned),
        browser: reading.maybe_text("browser").map(str::to_owned),
        language: reading.maybe_text("language").and_then(|code| code.parse().ok()),
    })
}
