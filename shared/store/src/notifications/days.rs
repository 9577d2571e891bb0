//! The index `by_state`: where the notifications of a day stand.

use afferent_domain::Timestamp;
use aws_sdk_dynamodb::types::Select;

use super::{Notifications, State};
use crate::StoreError;
use crate::item::{Item, Reading, s};

/// Those that are not counted yet: where they begin.
#[derive(Clone, Debug)]
pub struct Uncounted(Item);

impl Notifications {
    /// How many of the notifications that were received on `day` (`YYYY-MM-DD`, UTC) stand at `state`.
    /// Eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn count(&self, state: State, day: &str) -> Result<u64, StoreError> {
        let (mut count, mut rest) = (0, None);
        loop {
            let (more, next) = self.count_some(state, day, rest).await?;
            count += more;
            rest = next;
            if rest.is_none() {
                return Ok(count);
            }
        }
    }

    /// The same of a part of them, as many as one query looks at (1 MB), and where to go on; `None` at the end.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn count_some(
        &self,
        state: State,
        day: &str,
        from: Option<Uncounted>,
    ) -> Result<(u64, Option<Uncounted>), StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_state")
            .key_condition_expression("state_day = :day")
            .expression_attribute_values(":day", s(format!("{}#{day}", state.name())))
            .select(Select::Count)
            .set_exclusive_start_key(from.map(|from| from.0))
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        Ok((u64::try_from(page.count).unwrap_or(0), page.last_evaluated_key.map(Uncounted)))
    }

    /// When the oldest notification of `day` (`YYYY-MM-DD`, UTC) was received that waits for a pull. Eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn oldest_waiting(&self, day: &str) -> Result<Option<Timestamp>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_state")
            .key_condition_expression("state_day = :day")
            .expression_attribute_values(":day", s(format!("{}#{day}", State::Waiting.name())))
            .limit(1)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let received = |item| Reading::new("notifications", item).number("received_ms").map(Timestamp::from_millis);
        page.items().first().map(received).transpose()
    }
}

/// The UTC day of an instant, `YYYY-MM-DD`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

pub(super) fn state_day(state: State, received: Timestamp) -> String {
    format!("{}#{}", state.name(), day(received))
}
