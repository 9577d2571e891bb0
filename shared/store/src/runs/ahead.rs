//! What a run would stand behind.

use afferent_domain::Timestamp;
use afferent_domain::budget::Limit;
use afferent_domain::duty::Family;
use aws_sdk_dynamodb::types::Select;

use super::TABLE;
use crate::StoreError;
use crate::connections::Connections;
use crate::item::{Reading, n, s};

/// How the budget stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Calls that were made in the last minute or are under way.
    pub in_use: u32,
    /// Until when Withings has asked for no calls at all, if it has.
    pub held: Option<Timestamp>,
    /// Slices of all runs that wait to be read.
    pub slices: u64,
    /// Whether there are more of them than were counted.
    pub more: bool,
}

impl Connections {
    /// What a run of this application would stand behind.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn ahead(&self, application: &str, limit: Limit, now: Timestamp) -> Result<Ahead, StoreError> {
        let mut ahead = Ahead::default();
        for number in 0..limit.items() {
            let Some(item) = self.item(&format!("app#{application}"), &format!("budget#{number}")).await? else {
                continue;
            };
            let reading = Reading::new(TABLE, &item);
            let at = |name: &str| reading.maybe_number(name).map(Timestamp::from_millis).filter(|at| *at > now);
            let used = (0..limit.slots_of(number)).filter(|slot| at(&format!("s{slot}")).is_some()).count();
            ahead.in_use += u32::try_from(used).unwrap_or(u32::MAX);
            ahead.held = ahead.held.max(at("held_ms"));
        }
        for shard in Family::Backfill.shards() {
            // One page of each says enough.
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("by_due")
                .key_condition_expression("due_shard = :shard AND due_ms <= :now")
                .expression_attribute_values(":shard", s(shard))
                .expression_attribute_values(":now", n(now.as_millis()))
                .select(Select::Count)
                .send()
                .await
                .map_err(StoreError::failed("Query"))?;
            ahead.slices += u64::try_from(page.count).unwrap_or(0);
            ahead.more |= page.last_evaluated_key.is_some();
        }
        Ok(ahead)
    }
}
