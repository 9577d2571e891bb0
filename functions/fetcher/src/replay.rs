//! Notifications that came before their person was known, or while the link was dead, are sorted again when the
//! person connects: the oldest first. One of them, for whatever reason it was put away, when an operator wants it.
//!
//! One that is to be pulled stays in the index of those that wait until its marks are written. So a replay that dies
//! goes on where it was, and marking twice changes nothing.

use std::time::Duration;

use afferent_domain::id::NotificationId;
use afferent_domain::notification::Notification;
use afferent_gate::CallError;
use afferent_store::StoreError;
use afferent_store::connections::AccountKey;
use afferent_store::duties::End;
use afferent_store::item::n;
use afferent_store::notifications::{Kept, State};

use crate::Fetcher;
use crate::accept::{Coming, Sorted, granted};
use crate::agenda::Agenda;
use crate::duty::Work;

/// When it is looked again.
const ONCE_MORE: Duration = Duration::from_secs(60);

/// How many are looked up at once.
const PAGE: u16 = 25;

impl Fetcher {
    /// Sorts everything again that waits for this account's person.
    ///
    /// # Errors
    /// A table is out of reach.
    pub(crate) async fn replay(&self, account: &AccountKey, work: &Work<'_>) -> Result<End, CallError> {
        let (mut replayed, mut start) = (0, None);
        loop {
            let (ids, next) = self.notifications.awaiting(&account.userid, start, PAGE).await?;
            for id in ids {
                if self.clock.now() >= work.until {
                    tracing::info!(replayed, "a replay goes on later");
                    return Ok(End::Again { due: self.clock.now(), set: Vec::new() });
                }
                if let Some(kept) = self.notifications.kept(&id).await? {
                    self.replay_one(kept, None).await?;
                    replayed += 1;
                }
            }
            start = next;
            if start.is_none() {
                if replayed > 0 {
                    tracing::info!(replayed, "notifications that had waited for their person were sorted again");
                }
                // The index may be behind what came while the person connected: it is looked at once more.
                let looked = work.reading().maybe_number::<u8>("looked").is_some();
                let again = End::Again { due: self.clock.now() + ONCE_MORE, set: vec![("looked", n(1))] };
                return Ok(if looked { End::Done } else { again });
            }
        }
    }

    /// Sorts one notification again, because somebody asks for it.
    ///
    /// # Errors
    /// A table is out of reach.
    pub(crate) async fn sort_again(&self, id: &NotificationId, agenda: &Agenda) -> Result<(), StoreError> {
        match self.notifications.kept(id).await? {
            // Whoever asks twice, or as it is being done, does no harm: its marks are written once more.
            Some(kept) if matches!(kept.state, State::Quarantined | State::Waiting) => {
                self.replay_one(kept, Some(agenda)).await
            }
            _ => Ok(()),
        }
    }

    async fn replay_one(&self, kept: Kept, agenda: Option<&Agenda>) -> Result<(), StoreError> {
        let incoming = kept.incoming;
        let read = Notification::read(&incoming.body);
        let known = read.clone().unwrap_or_default();
        if let Sorted::ToPull(connections, services) = self.sort_out(&incoming, read, Coming::Again).await? {
            self.mark(&incoming, &known, &connections, services).await?;
            // A duty's replay may be of thousands: those are left to the marks, which are due.
            if let Some(agenda) = agenda {
                for connection in &connections {
                    granted(connection, services).for_each(|service| agenda.add(connection, service));
                }
            }
        }
        self.notifications.let_go(&incoming.id).await
    }
}
