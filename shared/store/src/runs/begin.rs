//! What is read of a connection that was just made, or made again.

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::{Ask, Depth, is_detail};
use afferent_domain::id::{ConnectionId, RunId};
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::service::Service;
use afferent_domain::sweep::{Tier, is_swept};

use super::owner;
use crate::StoreError;
use crate::connections::{Connection, Connections};
use crate::item::n;

/// A service without `lastupdate` is read again from so long before what is known of it: what a device measured is
/// sent when it next meets the network.
const OVERLAP: Duration = Duration::from_secs(86_400);

impl Connections {
    /// What is to be read of a connection that was just made (`first`) or made again: its sweeps; a run over its past
    /// of this `depth`, or over the gap as far as `lastupdate` does not fill it; and marks for what does. To be called
    /// once the connection is stored; doing it again costs nothing, because the run's id is derived from the connection
    /// and [`Connection::connected`].
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours; then it is to be called again.
    pub async fn begin_reading(
        &self,
        connection: &Connection,
        first: bool,
        depth: Depth,
        now: Timestamp,
    ) -> Result<Option<RunId>, StoreError> {
        let id = RunId::derive(&[connection.id.as_str(), &connection.connected.as_millis().to_string()]);
        if let Some(run) = self.run(&connection.id, &id).await? {
            // It was begun after everything else.
            self.plant_all(run).await?;
            return Ok(Some(id));
        }
        // Also if everything was erased meanwhile: there is nothing that a gap could begin from.
        let first = first
            || (self.items_of(&connection.id, "sweep#").await?.is_empty()
                && self.runs(&connection.id).await?.is_empty());
        let ask = match first {
            true => depth.from(now).map(|from| Ask::of(&connection.scopes, from, now, false)),
            false => Some(self.gap(connection, now).await?),
        };
        let ask = ask.filter(|ask| !ask.from.is_empty());
        let horizon = ask.as_ref().map_or(now.as_secs(), Ask::oldest);
        for service in
            Service::ALL.into_iter().filter(|service| connection.scopes.allow(*service) && is_swept(*service))
        {
            self.add_sweep(&connection.id, service, horizon, now).await?;
        }
        let entry = Entry { cause: Cause::Connect, received: connection.connected, window: None };
        for service in Service::ALL.into_iter().filter(|service| connection.scopes.allow(*service)) {
            let by_a_mark = service.uses_lastupdate() || service.is_whole();
            let by_the_run = ask.as_ref().is_some_and(|ask| ask.from.contains_key(&service));
            if by_a_mark && !by_the_run && (!first || service.is_whole()) {
                self.revive(&connection.id, service, &entry, now).await?;
            }
        }
        let Some(ask) = ask else { return Ok(None) };
        self.begin_run(connection, &id, ask, now).await?;
        Ok(Some(id))
    }

    /// What a dead link has left to be read by windows: the services without `lastupdate`, each from where it is known
    /// on, and those that were not granted before.
    async fn gap(&self, connection: &Connection, now: Timestamp) -> Result<Ask, StoreError> {
        let mut from = BTreeMap::new();
        for service in Service::ALL {
            if is_detail(service) || service.is_whole() || !connection.scopes.allow(service) {
                continue;
            }
            // A service that was not granted before has no sweep; the past of the others is where its own begins.
            let Some(sweep) = self.sweep(&connection.id, service).await? else {
                let known = self.runs(&connection.id).await?;
                let oldest = known.iter().map(|run| run.ask.oldest()).min().unwrap_or(now.as_secs());
                from.insert(service, oldest);
                continue;
            };
            if service.uses_lastupdate() {
                let read = sweep.tiers.get(&Tier::Updates).and_then(|standing| standing.done).map(|done| done.began);
                self.begin_cursor(&connection.id, service, read.unwrap_or(sweep.since)).await?;
                continue;
            }
            let known = sweep.tiers.values().filter_map(|standing| standing.done).map(|done| done.began).max();
            from.insert(service, (known.unwrap_or(sweep.since) - OVERLAP).as_secs());
        }
        Ok(Ask { from, to: now.as_secs(), details: false })
    }

    /// Gives a service a cursor that none of its pulls moved yet, because nothing was there: else the next one would
    /// ask for what was modified since the connection was made again.
    async fn begin_cursor(
        &self,
        connection: &ConnectionId,
        service: Service,
        read: Timestamp,
    ) -> Result<(), StoreError> {
        self.update(&owner(connection), &format!("service#{service}"))
            .update_expression("SET cursor_s = if_not_exists(cursor_s, :read)")
            .expression_attribute_values(":read", n(read.as_secs()))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed("UpdateItem"))
    }
}
