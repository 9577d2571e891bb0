//! Sweeps: the duty `sweep#<service>` of a connection, and what its tiers have proven.
//!
//! The item outlives the connection's link: while that is dead the sweep is not due, and what it had proven says
//! from where a later link has a gap to fill.

use std::collections::{BTreeMap, HashMap};

use afferent_domain::Timestamp;
use afferent_domain::duty::{Duty, Family};
use afferent_domain::id::ConnectionId;
use afferent_domain::mark::Entry;
use afferent_domain::service::Service;
use afferent_domain::sweep::{Completed, Completeness, Pass, Standing, Sweep, Tier, Tiers, phase};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::StoreError;
use crate::connections::{Connection, Connections};
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";

/// What is known of a service, for somebody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the sweeps prove.
    pub completeness: Completeness,
    /// How many doubts wait for their second read: deletions that were noticed and are not applied yet.
    pub doubts: usize,
    /// Since when there is something to sweep.
    pub since: Timestamp,
    /// How far back the first backfill run reached (epoch seconds).
    pub horizon: i64,
}

impl Connections {
    /// Adds the sweep of a service, or makes one that rests due again. What it has proven stays.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn add_sweep(
        &self,
        connection: &ConnectionId,
        service: Service,
        horizon: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let owner = owner(connection);
        self.update(&owner, &Duty::Sweep(service).to_string())
            .update_expression(
                "SET due_ms = if_not_exists(due_ms, :now), due_shard = :shard, since_ms = if_not_exists(since_ms, :now), \
                 horizon_s = if_not_exists(horizon_s, :horizon)",
            )
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":shard", s(Family::Sweep.shard(&owner)))
            .expression_attribute_values(":horizon", n(horizon))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed("UpdateItem"))
    }

    /// The sweep of a service.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn sweep(&self, connection: &ConnectionId, service: Service) -> Result<Option<Sweep>, StoreError> {
        let item = self.item(&owner(connection), &Duty::Sweep(service).to_string()).await?;
        item.as_ref().map(|item| read_sweep(connection, service, item)).transpose()
    }

    /// Whether the service's mark still has the entry: it was not read yet.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn is_marked(
        &self,
        connection: &ConnectionId,
        service: Service,
        entry: &Entry,
    ) -> Result<bool, StoreError> {
        let item = self.item(&owner(connection), &format!("service#{service}")).await?;
        Ok(item.is_some_and(|item| Reading::new(TABLE, &item).set("entries").contains(&entry.to_text())))
    }

    /// Up to when it is known what Withings holds, service by service.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn completeness(
        &self,
        connection: &Connection,
        tiers: &Tiers,
        now: Timestamp,
    ) -> Result<Vec<Known>, StoreError> {
        let runs = self.runs(&connection.id).await?;
        let doubts = self.doubts(&connection.id).await?;
        let mut known = Vec::new();
        for item in self.items_of(&connection.id, "sweep#").await? {
            let Ok(Duty::Sweep(service)) = Reading::new(TABLE, &item).text("item")?.parse() else { continue };
            let sweep = read_sweep(&connection.id, service, &item)?;
            let read_from = runs.iter().filter_map(|run| run.read_from(service)).min();
            let doubts = doubts.iter().filter(|doubt| doubt.service == service).count();
            let proven = runs.iter().filter_map(|run| run.proof(service));
            let completeness = sweep.completeness(tiers, read_from, now).with_runs(proven);
            known.push(Known { completeness, doubts, since: sweep.since, horizon: sweep.horizon });
        }
        Ok(known)
    }

    /// The items of a connection whose sort key begins with `prefix`, in its order.
    pub(crate) async fn items_of(&self, connection: &ConnectionId, prefix: &str) -> Result<Vec<Item>, StoreError> {
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("#owner = :owner AND begins_with(#item, :prefix)")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_names("#item", "item")
                .expression_attribute_values(":owner", s(owner(connection)))
                .expression_attribute_values(":prefix", s(prefix))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(StoreError::failed("Query"))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }
}

/// Reads the item of a sweep.
///
/// # Errors
/// It is not one of ours.
pub fn read_sweep(connection: &ConnectionId, service: Service, item: &Item) -> Result<Sweep, StoreError> {
    let reading = Reading::new(TABLE, item);
    let mut tiers = BTreeMap::new();
    for tier in Tier::ALL {
        let Some(map) = item.get(tier.name()).and_then(|value| value.as_m().ok()) else { continue };
        tiers.insert(tier, read_standing(map));
    }
    Ok(Sweep {
        service,
        phase: phase(&format!("{connection}#{service}")),
        since: Timestamp::from_millis(reading.number("since_ms")?),
        horizon: reading.number("horizon_s")?,
        tiers,
    })
}

/// The attributes of its tiers.
#[must_use]
pub fn sweep_attributes(sweep: &Sweep) -> Vec<(&'static str, AttributeValue)> {
    sweep.tiers.iter().map(|(tier, standing)| (tier.name(), AttributeValue::M(standing_item(standing)))).collect()
}

fn read_standing(map: &Item) -> Standing {
    let reading = Reading::new(TABLE, map);
    let at = |name: &str| reading.maybe_number(name).map(Timestamp::from_millis);
    let second = |name: &str| reading.maybe_number::<i64>(name);
    let pass = at("began_ms").zip(second("next_s")).zip(second("back_s")).map(|((began, next), back)| Pass {
        began,
        next,
        back,
        progress: reading.maybe_text("progress").map(str::to_owned),
    });
    let done = at("complete_ms").zip(second("complete_back_s")).map(|(began, back)| Completed { began, back });
    Standing { pass, done }
}

fn standing_item(standing: &Standing) -> Item {
    let mut item = HashMap::new();
    if let Some(pass) = &standing.pass {
        item.insert("began_ms".to_owned(), n(pass.began.as_millis()));
        item.insert("next_s".to_owned(), n(pass.next));
        item.insert("back_s".to_owned(), n(pass.back));
        if let Some(progress) = &pass.progress {
            item.insert("progress".to_owned(), s(progress));
        }
    }
    if let Some(done) = standing.done {
        item.insert("complete_ms".to_owned(), n(done.began.as_millis()));
        item.insert("complete_back_s".to_owned(), n(done.back));
    }
    item
}

fn owner(connection: &ConnectionId) -> String {
    format!("connection#{connection}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_reads_back_as_it_was_written() {
        let connection = ConnectionId::from("con_1");
        let at = Timestamp::from_secs(1_795_244_400);
        let pass = Pass { began: at, next: 7, back: -3, progress: Some("p".to_owned()) };
        let done = Completed { began: at, back: 5 };
        let sweep = Sweep {
            service: Service::Getmeas,
            phase: phase("con_1#getmeas"),
            since: at,
            horizon: 9,
            tiers: BTreeMap::from([
                (Tier::Recent, Standing { pass: Some(pass), done: Some(done) }),
                (Tier::Month, Standing { pass: None, done: Some(done) }),
                (Tier::Everything, Standing::default()),
            ]),
        };
        let mut item: Item =
            sweep_attributes(&sweep).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        item.insert("since_ms".to_owned(), n(at.as_millis()));
        item.insert("horizon_s".to_owned(), n(9));
        assert_eq!(read_sweep(&connection, Service::Getmeas, &item).unwrap(), sweep);
    }
}
