//! The end of a link. A notification that says so is a hint, unsigned, and may be hours late: it starts a call. Only
//! a dead token pair ends a link: 401, and then "invalid refresh_token".
//!
//! In this order, so that whoever dies in between is found again: the account's care is called, which finishes what
//! is left; the pair is destroyed (a pair of a later connect is another, and wins); the connections change their
//! state, so that notifications are quarantined from then on; their records say so; the marks are struck out, each
//! after its notifications are quarantined. Every step may be repeated.

use afferent_domain::Timestamp;
use afferent_domain::connection::{OnUnlink, State};
use afferent_domain::duty::Duty;
use afferent_domain::id::{PullId, RecordId};
use afferent_domain::mark::Entry;
use afferent_domain::notification::Quarantine;
use afferent_domain::record::SyncKind;
use afferent_domain::service::Service;
use afferent_normalise::profile;
use afferent_store::StoreError;
use afferent_store::anchors::{Asked, ends_link};
use afferent_store::connections::{AccountKey, Connection};
use afferent_store::duties::{DutyKey, Owner};
use afferent_store::notifications::Awaited;

use crate::Fetcher;

/// What the component `link` of a profile's record says.
#[derive(Clone, Copy)]
pub(crate) enum Link {
    /// A notification came, and no call was made yet.
    Unverified,
    /// A call since then has brought an answer.
    Linked,
    /// The token pair is dead.
    Dead,
}

impl Link {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Linked => "linked",
            Self::Dead => "dead",
        }
    }
}

/// The services whose calls verify the link; the first that the person has granted is taken.
const VERIFIERS: [Service; 3] = [Service::Getdevice, Service::Getmeas, Service::Getactivity];

/// The service whose call verifies the link.
pub(crate) fn verifier(connection: &Connection) -> Service {
    VERIFIERS.into_iter().find(|service| connection.scopes.allow(*service)).unwrap_or(Service::Getdevice)
}

impl Fetcher {
    /// Ends the account's link, if its token pair is dead: a call was told so.
    ///
    /// # Errors
    /// A table is out of reach. What was done stays, and the rest is done when the account's care is due.
    pub(crate) async fn link_died(&self, account: &AccountKey) -> Result<(), StoreError> {
        // Before the tokens: what is read here of somebody who connects in between is older than that, and no write
        // for it is taken.
        let connections = self.connections.of_account(account).await?;
        match self.connections.tokens(account).await? {
            // Somebody has connected again since.
            Some(pair) if !pair.dead => return Ok(()),
            Some(pair) => {
                self.connections.call_duty(&care_of(account), self.clock.now()).await?;
                if !self.connections.bury_tokens(account, pair.generation).await? {
                    return Ok(());
                }
                tracing::warn!(region = account.region, "a token pair is dead and was destroyed");
            }
            // Destroyed already, and perhaps the rest is not done.
            None => {}
        }
        for connection in connections {
            self.wind_up(connection).await?;
        }
        Ok(())
    }

    /// Does what is left to do for a connection whose account has no token pair, or that the customer has ended.
    ///
    /// # Errors
    /// A table is out of reach; to be done again.
    pub(crate) async fn wind_up(&self, mut connection: Connection) -> Result<(), StoreError> {
        let asked = self.connections.asked(&connection.id).await?;
        let state = match connection.state {
            State::Connected | State::Reauthorise if asked.iter().any(Asked::ends_link) => State::Unlinked,
            State::Connected => State::Reauthorise,
            state => state,
        };
        // Also if it says so already: whoever died in between may have written one of its two copies.
        if !self.connections.set_state(&connection, state).await? {
            // Connected again meanwhile.
            return Ok(());
        }
        if state != connection.state {
            tracing::warn!(connection = %connection.id, state = state.name(), "a connection has ended");
            connection.state = state;
        }
        self.answer(&connection, asked, Link::Dead).await?;
        if self.is_back(&connection).await? {
            return Ok(());
        }
        self.records.bring(connection.fact(), self.clock.now(), SyncKind::Live).await?;
        if state == State::Unlinked && self.on_unlink == OnUnlink::Erase {
            let key = DutyKey { owner: Owner::Connection(connection.id.clone()), duty: Duty::Erasure };
            self.connections.add_duty(&key, self.clock.now(), Vec::new()).await?;
        }
        self.strike_out(&connection).await
    }

    /// Whether the person has connected again since the connection was read.
    async fn is_back(&self, connection: &Connection) -> Result<bool, StoreError> {
        let now = self.connections.get(&connection.id).await?;
        Ok(now.is_some_and(|now| now.connected != connection.connected))
    }

    /// Puts away the notifications that the connection's marks hold: they wait for the person, unless another
    /// connection of the account lives and reads for them.
    async fn strike_out(&self, connection: &Connection) -> Result<(), StoreError> {
        let userid = &connection.account.userid;
        let others = self.connections.of_account(&connection.account).await?;
        let read_elsewhere = others.iter().any(|other| other.state == State::Connected);
        let nobody = PullId::draw(self.clock.now(), &*self.dice);
        loop {
            let marks = self.connections.marks_of(&connection.id).await?;
            if self.is_back(connection).await? {
                return Ok(());
            }
            let mut left = false;
            for (service, mark) in marks {
                for notification in mark.entries.iter().filter_map(Entry::notification) {
                    if read_elsewhere {
                        let awaited = Awaited { connection: connection.id.clone(), service };
                        self.notifications.satisfy(notification, &awaited, &nobody).await?;
                    } else {
                        self.notifications.quarantine(notification, Quarantine::Disconnected, userid).await?;
                    }
                }
                left |= !self.connections.strike_out(&connection.id, service, mark.count).await?;
            }
            if !left {
                return Ok(());
            }
        }
    }

    /// A pull of `service` has succeeded and satisfied these: what was asked about the link by then is answered.
    ///
    /// # Errors
    /// A table is out of reach.
    pub(crate) async fn verified(
        &self,
        connection: &Connection,
        service: Service,
        satisfied: &[Entry],
    ) -> Result<(), StoreError> {
        if !VERIFIERS.contains(&service) {
            return Ok(());
        }
        // A hint names no window; where measures are read for one that does, nobody asked about the link.
        let hinted = |entry: &&Entry| {
            entry.notification().is_some() && (service == Service::Getdevice || entry.window.is_none())
        };
        let Some(until) = satisfied.iter().filter(hinted).map(|entry| entry.received).max() else { return Ok(()) };
        let mut asked = self.connections.asked(&connection.id).await?;
        asked.retain(|asked| asked.asked <= until);
        self.answer(connection, asked, Link::Linked).await
    }

    /// Writes the answer into the records of the profile.
    async fn answer(&self, connection: &Connection, asked: Vec<Asked>, link: Link) -> Result<(), StoreError> {
        let context = self.context(connection, None);
        for asked in asked {
            let fact = profile(&context, &asked.action, link.name(), asked.anchor).ok();
            self.store_own(fact.into_iter().collect()).await?;
            self.connections.answered(&connection.id, &asked).await?;
        }
        Ok(())
    }

    /// Stores what a notification says about a profile, and asks whether the link lives. Repeats are the same record, and
    /// change nothing of what is known.
    ///
    /// # Errors
    /// A table is out of reach.
    pub(crate) async fn hint(
        &self,
        connection: &Connection,
        action: &str,
        received: Timestamp,
    ) -> Result<Option<RecordId>, StoreError> {
        let now = self.clock.now();
        // Who consents after a hint has answered it: the link lives, and what was known of the earlier one stays.
        let (anchor, link) = match ends_link(action) && received < connection.connected {
            true => (self.connections.profile_anchor(connection, action, received, now).await?, Link::Linked),
            false => (self.connections.ask(connection, action, received, now).await?, Link::Unverified),
        };
        let context = self.context(connection, None);
        let Ok(fact) = profile(&context, action, link.name(), anchor) else { return Ok(None) };
        let record = fact.record.clone();
        if self.records.get(&fact.user, &record).await?.is_none() {
            self.store_own(vec![fact]).await?;
        }
        Ok(Some(record))
    }
}

/// The duty that looks after an account.
pub(crate) fn care_of(account: &AccountKey) -> DutyKey {
    DutyKey { owner: Owner::Account(account.clone()), duty: Duty::Care }
}
