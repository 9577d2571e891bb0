//! From a text to a key: one conditional write that also counts the request.
//!
//! The rate is a generic cell rate algorithm. The *line* is the instant up to which the key has used what it may; every
//! request moves it by one interval, and one that finds it at or past now is refused and moves nothing. A line is never
//! more than a minute behind, so that at most a minute's worth can be asked for at once.

use std::time::Duration;

use afferent_domain::Timestamp;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::{ITEM, Key, Keys, TABLE, read, text};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

/// What the rate is counted over, and how far the line may be behind.
const WINDOW_MS: i64 = 60_000;

/// How often it is tried when other requests of the same key come in between.
const ROUNDS: usize = 6;

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authenticated {
    /// It is this key, and the request is counted.
    Yes(Key, Allowance),
    /// It is no key.
    Unknown,
    /// The key is revoked.
    Revoked,
    /// The key has expired.
    Expired,
    /// The key has made too many requests.
    Limited {
        /// When it may make the next one, from now.
        retry_after: Duration,
        /// What it may.
        allowance: Allowance,
    },
}

/// What a key may still ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests a minute.
    pub per_minute: u32,
    /// How many of them are left now.
    pub remaining: u32,
    /// When all of them are there again, from now.
    pub whole_after: Duration,
}

impl Allowance {
    fn new(per_minute: u32, line_ms: i64, now_ms: i64) -> Self {
        let left = u64::try_from(now_ms - line_ms).unwrap_or(0).div_ceil(u64::from(interval_ms(per_minute)));
        let spent = u64::try_from(line_ms - (now_ms - WINDOW_MS)).unwrap_or(0);
        Self {
            per_minute,
            remaining: u32::try_from(left).unwrap_or(u32::MAX).min(per_minute),
            whole_after: Duration::from_millis(spent),
        }
    }
}

/// The time that one request takes up.
pub(super) fn interval_ms(per_minute: u32) -> u32 {
    60_000_u32.div_ceil(per_minute.max(1))
}

impl Keys {
    /// The key that this text is, if it may be used now; counts the request. A text whose hash is another one is no key.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn authenticate(&self, given: &str, now: Timestamp) -> Result<Authenticated, StoreError> {
        let Some(id) = text::id(given) else { return Ok(Authenticated::Unknown) };
        let hash = text::hash(given);
        let now_ms = now.as_millis();
        // Where the line is taken to be if the key was idle: DynamoDB has no maximum, so this is another write.
        let mut idle: Option<i64> = None;
        for _ in 0..ROUNDS {
            let (set, line) = match idle {
                None => ("line_ms + interval_ms", "line_ms >= :floor AND line_ms < :now"),
                Some(_) => (":floor + interval_ms", "line_ms = :seen"),
            };
            let mut update = self
                .update(&id, ITEM)
                .update_expression(format!("SET line_ms = {set}, last_used_ms = :now"))
                .condition_expression(format!(
                    "#hash = :hash AND attribute_not_exists(revoked_ms) \
                     AND (attribute_not_exists(expires_ms) OR expires_ms > :now) AND {line}"
                ))
                .expression_attribute_names("#hash", "hash")
                .expression_attribute_values(":hash", s(&hash))
                .expression_attribute_values(":now", n(now_ms))
                .expression_attribute_values(":floor", n(now_ms - WINDOW_MS))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            if let Some(seen) = idle {
                update = update.expression_attribute_values(":seen", n(seen));
            }
            let item = match update.send().await {
                Ok(answer) => {
                    let item = answer.attributes.unwrap_or_default();
                    let key = read(&item)?;
                    let allowance = Allowance::new(key.per_minute, line_of(&item)?, now_ms);
                    return Ok(Authenticated::Yes(key, allowance));
                }
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(found)) => found.item().cloned(),
                    _ => return Err(StoreError::failed("UpdateItem")(error)),
                },
            };
            let Some(item) = item.filter(|item| Reading::new(TABLE, item).maybe_text("hash") == Some(&hash)) else {
                return Ok(Authenticated::Unknown);
            };
            let (key, line) = (read(&item)?, line_of(&item)?);
            if key.revoked.is_some() {
                return Ok(Authenticated::Revoked);
            }
            if key.expires.is_some_and(|expires| expires <= now) {
                return Ok(Authenticated::Expired);
            }
            if line >= now_ms {
                return Ok(Authenticated::Limited {
                    retry_after: Duration::from_millis(u64::try_from(line - now_ms).unwrap_or(0) + 1),
                    allowance: Allowance::new(key.per_minute, line, now_ms),
                });
            }
            idle = (line < now_ms - WINDOW_MS).then_some(line);
        }
        Err(StoreError::Conflict { operation: "UpdateItem" })
    }
}

fn line_of(item: &Item) -> Result<i64, StoreError> {
    Reading::new(TABLE, item).number("line_ms")
}
