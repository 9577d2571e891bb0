//! From a message to a mark: a notification is stored, sorted, and the services it names are pulled.

use afferent_domain::Timestamp;
use afferent_domain::connection::State;
use afferent_domain::duty::Duty;
use afferent_domain::id::{PullId, RecordId};
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::notification::{Category, Effect, Notification, Quarantine};
use afferent_domain::record::Fact;
use afferent_domain::service::Service;
use afferent_function::trace;
use afferent_metrics::{Metric, count};
use afferent_normalise::{device_event, device_setup};
use afferent_queue::{Notification as Message, Payload, Wake};
use afferent_store::StoreError;
use afferent_store::anchors::ends_link;
use afferent_store::connections::{AccountKey, Connection};
use afferent_store::duties::{DutyKey, Owner};
use afferent_store::notifications::{Awaited, Beginning, Incoming, State as Stands};
use afferent_withings::Why;

use crate::Fetcher;
use crate::agenda::Agenda;
use crate::link::verifier;
use crate::pull::LEASE;

/// Whether a notification comes from the queue, for the first time or perhaps not, or waited for its person.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coming {
    First,
    Once,
    Again,
}

/// What became of a notification.
pub(crate) enum Sorted {
    /// It has ended, or is kept with a reason.
    Ended,
    /// These services of these connections are to be read for it.
    ToPull(Vec<Connection>, &'static [Service]),
}

impl Fetcher {
    /// Takes a notification to its end, or to its marks.
    ///
    /// # Errors
    /// A table is out of reach; the message must come back.
    pub(crate) async fn notification(
        &self,
        message: Message,
        message_id: &str,
        coming: Coming,
        agenda: &Agenda,
    ) -> Result<(), StoreError> {
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
        match self.sort_out(&incoming, read, coming).await? {
            Sorted::Ended => Ok(()),
            Sorted::ToPull(connections, services) if coming == Coming::First => {
                agenda.take(message_id, &incoming, awaited(&connections, services));
                let marked = self.mark_and_lease(&incoming, &known, &connections, services, agenda).await;
                if marked.is_err() {
                    // The message comes back, and is then stored first.
                    agenda.forget(&incoming.id);
                }
                marked
            }
            Sorted::ToPull(connections, services) => {
                self.let_go_of_dead(&incoming, services).await?;
                self.mark(&incoming, &known, &connections, services).await?;
                // Marked: from here on nothing can be lost, whatever the pulls come to.
                for connection in &connections {
                    granted(connection, services).for_each(|service| agenda.add(connection, service));
                }
                Ok(())
            }
        }
    }

    /// Marks what is to be read for a notification that is not stored yet, and takes the leases. Where another pull is at a
    /// service the notification is stored first, because that pull may satisfy it.
    async fn mark_and_lease(
        &self,
        incoming: &Incoming,
        known: &Notification,
        connections: &[Connection],
        services: &'static [Service],
        agenda: &Agenda,
    ) -> Result<(), StoreError> {
        for connection in connections {
            let entry = entry(incoming, known, connection);
            for service in granted(connection, services) {
                let now = self.clock.now();
                if agenda.messages > 1
                    && let Some(pull) = self.satisfied_earlier(connection, service, &entry).await?
                {
                    let awaited = Awaited { connection: connection.id.clone(), service };
                    let ended = self.settle(agenda, &incoming.id, &awaited, &pull).await?;
                    count(Metric::NotificationsSatisfiedEarlier, usize::from(ended));
                    continue;
                }
                let pull = agenda.pull_of(connection, service, now, &*self.dice);
                let term = (now, agenda.until + LEASE);
                let trace = trace::carried();
                match self.connections.mark_and_lease(&connection.id, service, &entry, trace, &pull, term).await? {
                    Some(mark) => agenda.add_leased(connection, service, pull, mark),
                    None => {
                        if self.store_waiting(agenda, &incoming.id).await? != Some(Stands::Waiting) {
                            // Its message came twice, and it has ended.
                            agenda.forget(&incoming.id);
                            return Ok(());
                        }
                        self.connections.mark(&connection.id, service, &entry, trace, now + LEASE).await?;
                        agenda.add(connection, service);
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends what a notification awaits of connections that have died since it was stored: their marks are struck out, and
    /// nobody reads for them any more. Only for one whose message came back.
    async fn let_go_of_dead(&self, incoming: &Incoming, services: &[Service]) -> Result<(), StoreError> {
        let Some(userid) = incoming.userid.clone() else { return Ok(()) };
        let connections = self.connections.of_account(&self.account(userid)).await?;
        let nobody = PullId::draw(self.clock.now(), &*self.dice);
        for dead in connections.iter().filter(|connection| connection.state != State::Connected) {
            for service in granted(dead, services) {
                let awaited = Awaited { connection: dead.id.clone(), service };
                self.notifications.satisfy(&incoming.id, &awaited, &nobody).await?;
            }
        }
        Ok(())
    }

    /// Stores what a notification is, where it stands, and what is to be read for it. One that comes for the first time and
    /// is to wait for pulls is not stored here: see [`crate::agenda`].
    ///
    /// # Errors
    /// A table is out of reach.
    pub(crate) async fn sort_out(
        &self,
        incoming: &Incoming,
        read: Result<Notification, Quarantine>,
        coming: Coming,
    ) -> Result<Sorted, StoreError> {
        let known = read.clone().unwrap_or_default();
        let (category, connections) = match self.sort(read).await? {
            Ok(sorted) => sorted,
            Err(reason) => {
                let reason = self.unless_erased(reason, known.userid.as_deref()).await?;
                tracing::warn!(notification = %incoming.id, reason = reason.reason(), "quarantined a notification");
                self.begin(incoming, Beginning::Quarantined(reason), coming).await?;
                self.came_back(reason, known.userid.as_deref()).await?;
                return Ok(Sorted::Ended);
            }
        };
        let services = match category.effect() {
            Effect::Pull(services) => services,
            Effect::Record => {
                let records = self.record(category, &known, incoming.received, &connections).await?;
                // A time that no calendar has cannot be placed.
                let nowhere = Beginning::Quarantined(Quarantine::NoDate);
                let beginning = if records.is_empty() { nowhere } else { Beginning::Recorded(&records) };
                self.begin(incoming, beginning, coming).await?;
                return Ok(Sorted::Ended);
            }
            Effect::Verify => {
                let action = known.action.as_deref().unwrap_or("unknown");
                let mut records = Vec::new();
                for connection in &connections {
                    records.extend(self.hint(connection, action, incoming.received).await?);
                }
                let dead = connections.iter().all(|connection| connection.state != State::Connected);
                let consented = |connection: &Connection| incoming.received < connection.connected;
                if dead || (ends_link(action) && connections.iter().all(consented)) {
                    // Known to be dead, and now it is known why; or consented to again since, and there is nothing to ask.
                    for connection in connections.into_iter().filter(|_| dead) {
                        self.wind_up(connection).await?;
                    }
                    self.begin(incoming, Beginning::Recorded(&records), coming).await?;
                    return Ok(Sorted::Ended);
                }
                checks(&connections, action)
            }
        };
        if coming == Coming::First {
            return Ok(Sorted::ToPull(connections, services));
        }
        let awaited = awaited(&connections, services);
        Ok(match self.begin(incoming, Beginning::Waiting(&awaited), coming).await? {
            Stands::Waiting => Sorted::ToPull(connections, services),
            _ => Sorted::Ended,
        })
    }

    /// The reason of a quarantine, or that the person was erased. Only what is put away costs this reading, and not where
    /// there is a connection to wait for.
    async fn unless_erased(&self, reason: Quarantine, userid: Option<&str>) -> Result<Quarantine, StoreError> {
        let Some(userid) = userid.filter(|_| reason != Quarantine::Disconnected) else { return Ok(reason) };
        let erased = self.connections.is_erased(&self.account(userid.to_owned())).await?;
        Ok(if erased { Quarantine::Erased } else { reason })
    }

    /// Has the account's replay done once more, if the person connected while the notification was put away.
    async fn came_back(&self, reason: Quarantine, userid: Option<&str>) -> Result<(), StoreError> {
        let (Quarantine::UnknownUser | Quarantine::Disconnected, Some(userid)) = (reason, userid) else {
            return Ok(());
        };
        let account = self.account(userid.to_owned());
        if self.connections.of_account(&account).await?.iter().any(|living| living.state == State::Connected) {
            let replay = DutyKey { owner: Owner::Account(account), duty: Duty::Replay };
            self.connections.call_duty(&replay, self.clock.now()).await?;
        }
        Ok(())
    }

    async fn begin(&self, incoming: &Incoming, beginning: Beginning<'_>, coming: Coming) -> Result<Stands, StoreError> {
        match coming {
            Coming::First | Coming::Once => {
                let stands = self.notifications.accept(incoming, beginning).await?;
                let (Stands::Waiting, Some(userid)) = (stands, &incoming.userid) else { return Ok(stands) };
                if matches!(beginning, Beginning::Waiting(_)) {
                    return Ok(stands);
                }
                // Its message came before, while the connection still lived; its marks were perhaps never written.
                self.notifications.quarantine(&incoming.id, Quarantine::Disconnected, userid).await?;
                self.notifications.begin_again(incoming, beginning).await
            }
            Coming::Again => self.notifications.begin_again(incoming, beginning).await,
        }
    }

    /// Looks at a mark that was due.
    ///
    /// # Errors
    /// A table is out of reach; the message must come back.
    pub async fn wake(&self, wake: &Wake, agenda: &Agenda) -> Result<(), StoreError> {
        let Ok(service) = wake.service.parse::<Service>() else {
            tracing::error!(service = wake.service, "woken for a service that this version does not know");
            return Ok(());
        };
        match self.connections.get(&wake.connection).await? {
            Some(connection) if connection.state == State::Connected => {
                agenda.add(&connection, service);
                Ok(())
            }
            // It died while the mark was being written.
            Some(connection) => self.wind_up(connection).await,
            None => Ok(()),
        }
    }

    /// What it is and whom it is about.
    async fn sort(
        &self,
        read: Result<Notification, Quarantine>,
    ) -> Result<Result<(Category, Vec<Connection>), Quarantine>, StoreError> {
        let known = read
            .and_then(|known| Ok((known.category()?, known.action.as_deref().is_some_and(ends_link), known.userid)));
        let (category, ends_link, userid) = match known {
            Ok(known) => known,
            Err(reason) => return Ok(Err(reason)),
        };
        // Category 53 is about a device that has no account yet.
        let (true, Some(userid)) = (category != Category::DeviceSetup, userid) else {
            return Ok(Ok((category, Vec::new())));
        };
        let connections = self.connections.of_account(&self.account(userid)).await?;
        if connections.is_empty() {
            return Ok(Err(Quarantine::UnknownUser));
        }
        let (living, dead): (Vec<_>, Vec<_>) =
            connections.into_iter().partition(|connection| connection.state == State::Connected);
        Ok(match living.is_empty() {
            false => Ok((category, living)),
            true if category == Category::Profile && ends_link => Ok((category, dead)),
            true => Err(Quarantine::Disconnected),
        })
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
        let facts: Vec<Result<Fact, Why>> = match (category, &known.mac, known.instant()) {
            (Category::DeviceSetup, Some(mac), _) => {
                let now = self.clock.now();
                let anchor = self.connections.device_anchor(&self.application, mac, received, now).await?;
                vec![device_setup(&self.nobody(), mac, anchor)]
            }
            (_, _, Some(date)) => {
                let appli = i64::from(category.appli());
                let event = |connection| {
                    let context = self.context(connection, None);
                    device_event(&context, appli, date.as_secs(), known.deviceid.as_deref()).transpose()
                };
                connections.iter().filter_map(event).collect()
            }
            _ => Vec::new(),
        };
        // A time beyond the calendar is all that can be wrong, and then there is nothing to place.
        let facts: Vec<Fact> = facts.into_iter().filter_map(Result::ok).collect();
        let records = facts.iter().map(|fact| fact.record.clone()).collect();
        self.store_own(facts).await?;
        Ok(records)
    }

    /// Marks what is to be read for a notification. From here on nothing can be lost, whatever the pulls come to.
    ///
    /// # Errors
    /// A table is out of reach.
    pub(crate) async fn mark(
        &self,
        incoming: &Incoming,
        known: &Notification,
        connections: &[Connection],
        services: &[Service],
    ) -> Result<(), StoreError> {
        for connection in connections {
            let entry = entry(incoming, known, connection);
            for service in granted(connection, services) {
                let due = self.clock.now() + LEASE;
                self.connections.mark(&connection.id, service, &entry, trace::carried(), due).await?;
            }
        }
        Ok(())
    }
}

/// The claim of a notification on the services of a connection.
fn entry(incoming: &Incoming, known: &Notification, connection: &Connection) -> Entry {
    Entry {
        cause: Cause::Notification(incoming.id.clone()),
        received: incoming.received,
        window: known.named_window(&zone(connection)),
    }
}

/// All that a notification waits for.
fn awaited(connections: &[Connection], services: &[Service]) -> Vec<Awaited> {
    let of = |connection: &Connection, service| Awaited { connection: connection.id.clone(), service };
    connections
        .iter()
        .flat_map(|connection| granted(connection, services).map(move |service| of(connection, service)))
        .collect()
}

/// Those of the services that the person has granted; all of them if it is none: then Withings says so.
pub(crate) fn granted<'a>(connection: &'a Connection, services: &'a [Service]) -> impl Iterator<Item = Service> + 'a {
    let none = !services.iter().any(|service| connection.scopes.allow(*service));
    services.iter().copied().filter(move |service| none || connection.scopes.allow(*service))
}

/// What is read to see whether the link lives; a changed profile may have changed devices and goals.
fn checks(connections: &[Connection], action: &str) -> &'static [Service] {
    match connections.first().map(verifier) {
        Some(Service::Getmeas) => &[Service::Getmeas],
        Some(Service::Getactivity) => &[Service::Getactivity],
        _ if action == "update" => &[Service::Getdevice, Service::Getgoals],
        _ => &[Service::Getdevice],
    }
}

/// The person's time zone as far as it is known, else UTC.
pub(crate) fn zone(connection: &Connection) -> jiff::tz::TimeZone {
    let known = connection.tz.as_deref().and_then(|name| jiff::tz::TimeZone::get(name).ok());
    known.unwrap_or(jiff::tz::TimeZone::UTC)
}
