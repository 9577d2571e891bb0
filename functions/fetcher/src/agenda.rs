//! What there is to do for a batch of messages, after all marks are written; and the notifications among them that are not
//! stored yet.
//!
//! A notification whose services this invocation has marked and leased for itself is stored once, with its end, after the
//! pulls: nobody else can satisfy it meanwhile, and its message is acknowledged only after that. Whoever dies before leaves
//! the message, which comes back, and the marks, which are due when their leases end. Before anybody else may satisfy or
//! quarantine it (a lease is given back, or was somebody else's) it is stored as waiting, as is one whose message was
//! received before.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use afferent_domain::id::{ConnectionId, NotificationId, PullId};
use afferent_domain::mark::Entry;
use afferent_domain::service::Service;
use afferent_domain::{Dice, Timestamp};
use afferent_queue::Duty;
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_store::marks::Mark;
use afferent_store::notifications::{Awaited, Beginning, Incoming, State};

use crate::Fetcher;

/// What there is to do: the services to pull, each once, and the duties. All of it stands in the table and is due there until
/// it is done.
#[derive(Debug, Default)]
pub struct Agenda {
    pulls: Mutex<BTreeMap<(String, Service), Planned>>,
    duties: Mutex<Vec<Duty>>,
    taken: Mutex<HashMap<NotificationId, Arc<Taken>>>,
    ids: Mutex<HashMap<(String, Service), PullId>>,
    /// Until when the invocation works.
    pub(crate) until: Timestamp,
    /// How many messages it has.
    pub(crate) messages: usize,
}

/// A service to pull.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) connection: Connection,
    /// The pull that holds the lease already, and what it found when it took it.
    pub(crate) leased: Option<(PullId, Mark)>,
}

/// A notification that is not stored yet, or was not when it came.
#[derive(Debug)]
struct Taken {
    message: String,
    incoming: Incoming,
    awaited: Vec<Awaited>,
    /// Locked while it is written, so that pulls side by side write it once.
    stands: tokio::sync::Mutex<Stands>,
}

#[derive(Debug, Default)]
struct Stands {
    stored: bool,
    /// Its message is to come back: what became of its marks is not known here.
    again: bool,
    done: Vec<(Awaited, PullId)>,
}

impl Stands {
    fn has_ended(&self, awaited: &[Awaited]) -> bool {
        awaited.iter().all(|one| self.done.iter().any(|(done, _)| done == one))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(connection: &Connection, service: Service) -> (String, Service) {
    (connection.id.as_str().to_owned(), service)
}

impl Agenda {
    /// Of an invocation with so many messages that works until then.
    pub(crate) fn of(messages: usize, until: Timestamp) -> Self {
        Self { messages, until, ..Self::default() }
    }

    /// Puts a service of a connection on it.
    pub(crate) fn add(&self, connection: &Connection, service: Service) {
        let planned = || Planned { connection: connection.clone(), leased: None };
        locked(&self.pulls).entry(key(connection, service)).or_insert_with(planned);
    }

    /// Puts a service on it whose lease this invocation has taken by `pull`. Of several marks the newest counts.
    pub(crate) fn add_leased(&self, connection: &Connection, service: Service, pull: PullId, mark: Mark) {
        let mut pulls = locked(&self.pulls);
        let planned = pulls
            .entry(key(connection, service))
            .or_insert_with(|| Planned { connection: connection.clone(), leased: None });
        if planned.leased.as_ref().is_none_or(|(_, known)| known.count < mark.count) {
            planned.leased = Some((pull, mark));
        }
    }

    /// The pull that this invocation takes the lease of a service by, the same for every message.
    pub(crate) fn pull_of(&self, connection: &Connection, service: Service, now: Timestamp, dice: &dyn Dice) -> PullId {
        let mut ids = locked(&self.ids);
        ids.entry(key(connection, service)).or_insert_with(|| PullId::draw(now, dice)).clone()
    }

    /// Puts a duty on it.
    pub(crate) fn owe(&self, duty: Duty) {
        locked(&self.duties).push(duty);
    }

    pub(crate) fn take_pulls(&self) -> BTreeMap<(String, Service), Planned> {
        std::mem::take(&mut *locked(&self.pulls))
    }

    pub(crate) fn take_duties(&self) -> Vec<Duty> {
        std::mem::take(&mut *locked(&self.duties))
    }

    /// Takes a notification that is to be stored by the end of the invocation.
    pub(crate) fn take(&self, message: &str, incoming: &Incoming, awaited: Vec<Awaited>) {
        let (message, incoming) = (message.to_owned(), incoming.clone());
        let taken = Taken { message, awaited, stands: tokio::sync::Mutex::default(), incoming: incoming.clone() };
        locked(&self.taken).insert(incoming.id, Arc::new(taken));
    }

    /// Forgets a notification: its message comes back, or it has ended.
    pub(crate) fn forget(&self, id: &NotificationId) {
        locked(&self.taken).remove(id);
    }

    fn taken(&self, id: &NotificationId) -> Option<Arc<Taken>> {
        locked(&self.taken).get(id).cloned()
    }
}

impl Fetcher {
    /// Stores a notification of the agenda as waiting, unless that is done: from here on others may find it. Where it
    /// stands then; `None` if it is none of the agenda's.
    ///
    /// # Errors
    /// The table is out of reach.
    pub(crate) async fn store_waiting(
        &self,
        agenda: &Agenda,
        id: &NotificationId,
    ) -> Result<Option<State>, StoreError> {
        let Some(taken) = agenda.taken(id) else { return Ok(None) };
        let mut stands = taken.stands.lock().await;
        if stands.stored {
            return Ok(Some(State::Waiting));
        }
        let state = self.notifications.accept(&taken.incoming, Beginning::Waiting(&taken.awaited)).await?;
        for (awaited, pull) in &stands.done {
            self.notifications.satisfy(id, awaited, pull).await?;
        }
        stands.stored = true;
        Ok(Some(state))
    }

    /// The same for each notification of these entries: they will be seen by others.
    ///
    /// # Errors
    /// The table is out of reach.
    pub(crate) async fn store_all(&self, agenda: &Agenda, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            if let Some(id) = entry.notification() {
                self.store_waiting(agenda, id).await?;
            }
        }
        Ok(())
    }

    /// `pull` has satisfied a notification as far as `awaited` goes. Tells whether it has ended.
    ///
    /// # Errors
    /// The table is out of reach.
    pub(crate) async fn settle(
        &self,
        agenda: &Agenda,
        id: &NotificationId,
        awaited: &Awaited,
        pull: &PullId,
    ) -> Result<bool, StoreError> {
        if let Some(taken) = agenda.taken(id) {
            let mut stands = taken.stands.lock().await;
            stands.done.push((awaited.clone(), pull.clone()));
            if !stands.stored {
                return Ok(stands.has_ended(&taken.awaited));
            }
        }
        self.notifications.satisfy(id, awaited, pull).await
    }

    /// The lease is lost, and with it what is known of these entries: the messages of those that did not end come back.
    pub(crate) async fn lost(&self, agenda: &Agenda, entries: &[Entry]) {
        for entry in entries {
            if let Some(taken) = entry.notification().and_then(|id| agenda.taken(id)) {
                taken.stands.lock().await.again = true;
            }
        }
    }

    /// A pull was cut short, and nobody knows here what becomes of its mark: the messages of the notifications that await
    /// it and did not end come back.
    pub(crate) async fn cut_short(&self, agenda: &Agenda, connection: &ConnectionId, service: Service) {
        let awaited = Awaited { connection: connection.clone(), service };
        let taken: Vec<Arc<Taken>> =
            locked(&agenda.taken).values().filter(|taken| taken.awaited.contains(&awaited)).cloned().collect();
        for taken in taken {
            taken.stands.lock().await.again = true;
        }
    }

    /// Stores what of the agenda's notifications is not stored yet. The messages that must come back.
    pub(crate) async fn finish(&self, agenda: &Agenda) -> Vec<String> {
        let taken = std::mem::take(&mut *locked(&agenda.taken));
        let ended = taken.into_iter().map(|(id, taken)| async move {
            match self.finish_one(&id, &taken).await {
                Ok(true) => None,
                Ok(false) => Some(taken.message.clone()),
                Err(error) => {
                    tracing::error!(message_id = taken.message, %error, "a notification could not be stored and comes back");
                    Some(taken.message.clone())
                }
            }
        });
        futures_util::future::join_all(ended).await.into_iter().flatten().collect()
    }

    /// `false` if the message must come back.
    async fn finish_one(&self, id: &NotificationId, taken: &Taken) -> Result<bool, StoreError> {
        let stands = taken.stands.lock().await;
        if stands.has_ended(&taken.awaited) && !stands.stored {
            let pulls: Vec<PullId> = stands.done.iter().map(|(_, pull)| pull.clone()).collect();
            let before = self.notifications.accept(&taken.incoming, Beginning::Satisfied(&pulls)).await?;
            if before == State::Waiting {
                // Its message came twice, and the other one stored it.
                for (awaited, pull) in &stands.done {
                    self.notifications.satisfy(id, awaited, pull).await?;
                }
            }
            return Ok(true);
        }
        if stands.again && !stands.has_ended(&taken.awaited) {
            return Ok(false);
        }
        if !stands.stored {
            self.notifications.accept(&taken.incoming, Beginning::Waiting(&taken.awaited)).await?;
            for (awaited, pull) in &stands.done {
                self.notifications.satisfy(id, awaited, pull).await?;
            }
        }
        Ok(true)
    }
}
