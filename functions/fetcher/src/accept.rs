//! From a message to a mark: a notification is stored, sorted, and the services it names are pulled.

use afferent_domain::Timestamp;
use afferent_domain::id::RecordId;
use afferent_domain::mark::Entry;
use afferent_domain::notification::{Category, Effect, EventDate, Notification, Quarantine};
use afferent_domain::record::{Fact, SyncKind};
use afferent_domain::service::Service;
use afferent_normalise::{device_event, device_setup, profile};
use afferent_queue::{Notification as Message, Payload, Wake};
use afferent_store::StoreError;
use afferent_store::connections::{AccountKey, Connection};
use afferent_store::notifications::{Awaited, Beginning, Incoming, State};
use afferent_withings::Why;
use futures_util::future::join_all;

use crate::Fetcher;
use crate::pull::LEASE;

impl Fetcher {
    /// Takes a notification to its end, or to its marks.
    ///
    /// # Errors
    /// A table is out of reach; the message must come back.
    pub async fn notification(&self, message: Message, until: Timestamp) -> Result<(), StoreError> {
        let (body, read) = match message.payload {
            Payload::Text(text) => {
                let read = Notification::read(&text);
                (text, read)
            }
            Payload::Base64(text) => (text, Err(Quarantine::Unreadable)),
        };
        let known = read.clone().unwrap_or_default();
        let incoming = Incoming {
            id: message.id,
            received: message.received_ms,
            body,
            appli: known.appli,
            userid: known.userid.clone(),
        };
        let (category, connections) = match self.sort(read).await? {
            Ok(sorted) => sorted,
            Err(reason) => {
                tracing::warn!(notification = %incoming.id, reason = reason.reason(), "quarantined a notification");
                return self.notifications.accept(&incoming, Beginning::Quarantined(reason)).await.map(drop);
            }
        };
        let services = match category.effect() {
            Effect::Pull(services) => services,
            Effect::Record => {
                let records = self.record(category, &known, incoming.received, &connections).await?;
                // A time that no calendar has cannot be placed.
                let nowhere = Beginning::Quarantined(Quarantine::NoDate);
                let beginning = if records.is_empty() { nowhere } else { Beginning::Recorded(&records) };
                return self.notifications.accept(&incoming, beginning).await.map(drop);
            }
            Effect::Verify => {
                self.record(category, &known, incoming.received, &connections).await?;
                &[Service::Getdevice]
            }
        };
        let awaited: Vec<Awaited> = connections
            .iter()
            .flat_map(|connection| {
                services.iter().map(|service| Awaited { connection: connection.id.clone(), service: *service })
            })
            .collect();
        if self.notifications.accept(&incoming, Beginning::Waiting(&awaited)).await? != State::Waiting {
            return Ok(());
        }
        self.mark_and_pull(&incoming, &known, &connections, services, until).await
    }

    /// Looks at a mark that was due.
    ///
    /// # Errors
    /// A table is out of reach; the message must come back.
    pub async fn wake(&self, wake: &Wake, until: Timestamp) -> Result<(), StoreError> {
        let Ok(service) = wake.service.parse::<Service>() else {
            tracing::error!(service = wake.service, "woken for a service that this version does not know");
            return Ok(());
        };
        match self.connections.get(&wake.connection).await? {
            Some(connection) => self.pull(&connection, service, until).await,
            None => Ok(()),
        }
    }

    /// What it is and whom it is about.
    async fn sort(
        &self,
        read: Result<Notification, Quarantine>,
    ) -> Result<Result<(Category, Vec<Connection>), Quarantine>, StoreError> {
        let (category, userid) = match read.and_then(|known| Ok((known.category()?, known.userid))) {
            Ok(known) => known,
            Err(reason) => return Ok(Err(reason)),
        };
        // Category 53 is about a device that has no account yet.
        let (true, Some(userid)) = (category != Category::DeviceSetup, userid) else {
            return Ok(Ok((category, Vec::new())));
        };
        let connections = self.connections.of_account(&self.account(userid)).await?;
        Ok(if connections.is_empty() { Err(Quarantine::UnknownUser) } else { Ok((category, connections)) })
    }

    fn account(&self, userid: String) -> AccountKey {
        AccountKey { application: self.application.clone(), region: self.region.clone(), userid }
    }

    /// Stores the records that the notification itself is: the same content is the same record.
    async fn record(
        &self,
        category: Category,
        known: &Notification,
        received: Timestamp,
        connections: &[Connection],
    ) -> Result<Vec<RecordId>, StoreError> {
        let facts = match (category, &known.mac) {
            (Category::DeviceSetup, Some(mac)) => vec![device_setup(&self.nobody(), mac, received)],
            _ => {
                connections.iter().filter_map(|connection| self.event(category, known, received, connection)).collect()
            }
        };
        // A time beyond the calendar is all that can be wrong, and then there is nothing to place.
        let facts: Vec<Fact> = facts.into_iter().filter_map(Result::ok).collect();
        let records = facts.iter().map(|fact| fact.record.clone()).collect();
        self.store(facts, SyncKind::Live).await?;
        Ok(records)
    }

    fn event(
        &self,
        category: Category,
        known: &Notification,
        received: Timestamp,
        connection: &Connection,
    ) -> Option<Result<Fact, Why>> {
        let context = self.context(connection);
        match (category, &known.date) {
            // A hint, and marked as one: nothing is undone for it.
            (Category::Profile, _) => {
                Some(profile(&context, known.action.as_deref().unwrap_or("unknown"), "unverified", received))
            }
            (_, Some(EventDate::At(date))) => {
                let appli = i64::from(category.appli());
                device_event(&context, appli, date.as_secs(), known.deviceid.as_deref()).transpose()
            }
            _ => None,
        }
    }

    async fn mark_and_pull(
        &self,
        incoming: &Incoming,
        known: &Notification,
        connections: &[Connection],
        services: &[Service],
        until: Timestamp,
    ) -> Result<(), StoreError> {
        for connection in connections {
            let entry = Entry {
                notification: incoming.id.clone(),
                received: incoming.received,
                window: known.named_window(&zone(connection)),
            };
            for service in services {
                self.connections.mark(&connection.id, *service, &entry, self.clock.now() + LEASE).await?;
            }
        }
        // Marked: from here on nothing can be lost, whatever the pulls come to.
        let pulls = connections
            .iter()
            .flat_map(|connection| services.iter().map(move |service| self.pull(connection, *service, until)));
        for error in join_all(pulls).await.into_iter().filter_map(Result::err) {
            tracing::error!(notification = %incoming.id, %error, "a pull was cut short; its mark stays due");
        }
        Ok(())
    }
}

/// The person's time zone as far as it is known, else UTC.
pub(crate) fn zone(connection: &Connection) -> jiff::tz::TimeZone {
    let known = connection.tz.as_deref().and_then(|name| jiff::tz::TimeZone::get(name).ok());
    known.unwrap_or(jiff::tz::TimeZone::UTC)
}
