//! What a pull brought: the records whose present revision it wrote.

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::id::{PullId, RecordId, UserId};
use afferent_domain::record::{Record, change_bucket};

use crate::StoreError;
use crate::item::{Reading, n, s};
use crate::records::Records;

/// The bucket of the change index is one hour of a quarter of all users: so many of its pages are read at most.
const PAGES: usize = 10;

const HOUR_MS: i64 = 3_600_000;

impl Records {
    /// The records of `user` whose present revision one of these pulls wrote, from `from` to `to`, at most `most`; and
    /// whether that is all of them. A record that has changed again since is not among them. Eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is no record.
    pub async fn brought_by(
        &self,
        user: &UserId,
        pulls: &[PullId],
        (from, to): (Timestamp, Timestamp),
        most: usize,
    ) -> Result<(Vec<Record>, bool), StoreError> {
        let hours = from.as_millis().div_euclid(HOUR_MS)..=to.as_millis().div_euclid(HOUR_MS);
        let buckets: BTreeSet<String> =
            hours.map(|hour| change_bucket(Timestamp::from_millis(hour * HOUR_MS), user)).collect();
        let (mut found, mut pages) = (Vec::new(), 0);
        for bucket in buckets {
            let mut start = None;
            loop {
                pages += 1;
                if pages > PAGES {
                    return Ok((found, false));
                }
                let page = self
                    .client
                    .query()
                    .table_name(&self.table)
                    .index_name("by_change")
                    .key_condition_expression("change_bucket = :bucket AND changed_ms BETWEEN :from AND :to")
                    .filter_expression("#user = :user")
                    .expression_attribute_names("#user", "user")
                    .expression_attribute_values(":user", s(user.as_str()))
                    .expression_attribute_values(":bucket", s(&bucket))
                    .expression_attribute_values(":from", n(from.as_millis()))
                    .expression_attribute_values(":to", n(to.as_millis()))
                    .set_exclusive_start_key(start)
                    .send()
                    .await
                    .map_err(StoreError::failed("Query"))?;
                let ids =
                    page.items().iter().map(|item| Reading::new("records", item).text("record").map(RecordId::from));
                let ids = ids.collect::<Result<Vec<_>, _>>()?;
                let records = self.get_many(user, &ids).await?.into_values();
                found.extend(records.filter(|record| record.pull.as_ref().is_some_and(|pull| pulls.contains(pull))));
                if found.len() > most {
                    found.truncate(most);
                    return Ok((found, false));
                }
                start = page.last_evaluated_key;
                if start.is_none() {
                    break;
                }
            }
        }
        found.sort_by_key(|record| record.changed_ms);
        Ok((found, true))
    }
}
