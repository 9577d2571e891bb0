//! From a message to a duty done: it is leased, its own module does it, and it ends or is due again.

use afferent_domain::Timestamp;
use afferent_domain::duty::Duty;
use afferent_domain::id::{PullId, RetractionId};
use afferent_domain::pause::pause;
use afferent_gate::CallError;
use afferent_queue::Duty as Message;
use afferent_store::StoreError;
use afferent_store::duties::{DutyKey, End, Owner, Taken};
use afferent_store::item::{Item, Reading, n};

use crate::Fetcher;
use crate::pull::LEASE;

/// A duty that is ours for now.
pub(crate) struct Work<'a> {
    /// Its item as it was when it was taken.
    pub(crate) item: &'a Item,
    /// Under which it is leased.
    pub(crate) holder: &'a PullId,
    /// When it must be put down.
    pub(crate) until: Timestamp,
}

impl Work<'_> {
    /// Its attributes.
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading::new("connections", self.item)
    }

    /// How often it failed in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.reading().maybe_number("failures").unwrap_or(0)
    }
}

impl Fetcher {
    /// Does a duty, unless somebody else does it or it is done.
    ///
    /// # Errors
    /// A table is out of reach; the duty is due again when its lease ends.
    pub async fn duty(&self, message: &Message, until: Timestamp) -> Result<(), StoreError> {
        let (Ok(owner), Ok(duty)) = (message.owner.parse::<Owner>(), message.item.parse::<Duty>()) else {
            tracing::error!(item = message.item, "woken for a duty that this version does not know");
            return Ok(());
        };
        let key = DutyKey { owner, duty };
        let holder = PullId::draw(self.clock.now(), &*self.dice);
        let taken = self.connections.take_duty(&key, &holder, self.clock.now(), until + LEASE).await?;
        let Taken::Yes(item) = taken else { return Ok(()) };
        let work = Work { item: &item, holder: &holder, until };
        let end = match self.perform(&key, &work).await {
            Ok(end) => end,
            Err(CallError::Reauthorise) => {
                self.link_of(&key.owner).await?;
                // What is left of it ends when it finds the connection dead.
                End::Again { due: self.clock.now(), set: Vec::new() }
            }
            Err(error) => self.again(&key, &work, &error),
        };
        self.connections.end_duty(&key, &holder, end).await.map(drop)
    }

    /// The link that a duty found dead.
    async fn link_of(&self, owner: &Owner) -> Result<(), StoreError> {
        match owner {
            Owner::Account(account) => self.link_died(account).await,
            Owner::Connection(id) => match self.connections.get(id).await? {
                Some(connection) => self.link_died(&connection.account).await,
                None => Ok(()),
            },
            Owner::Application(_) | Owner::Erasure(_) => Ok(()),
        }
    }

    async fn perform(&self, key: &DutyKey, work: &Work<'_>) -> Result<End, CallError> {
        match (&key.owner, &key.duty) {
            (Owner::Account(account), Duty::Care) => self.care(account, work).await,
            (Owner::Application(_), Duty::Care) => self.care_of_application(work).await,
            (Owner::Account(account), Duty::Replay) => self.replay(account, work).await,
            (Owner::Connection(id), Duty::Sweep(service)) => self.sweep(id, *service, work).await,
            (Owner::Connection(id), Duty::Slice { run, number }) => self.slice(id, run, *number, work).await,
            (Owner::Connection(id), Duty::Doubt { service, id: doubt }) => {
                self.doubt(id, *service, &RetractionId::from(doubt.as_str()), work).await
            }
            (Owner::Connection(id), Duty::Disconnect) => self.disconnect(id, work).await,
            _ => {
                tracing::error!(duty = %key.duty, "a duty that nobody here does");
                Ok(End::Done)
            }
        }
    }

    /// When a duty that failed is due again.
    fn again(&self, key: &DutyKey, work: &Work<'_>, error: &CallError) -> End {
        let now = self.clock.now();
        let (due, failures) = match error {
            CallError::Spent(free) => ((*free).max(now), work.failures()),
            _ => {
                let failures = work.failures().saturating_add(1);
                (now + pause(failures, &*self.dice), failures)
            }
        };
        tracing::warn!(owner = %key.owner, duty = %key.duty, %error, failures, "a duty was not done and is due again");
        End::Again { due, set: vec![("failures", n(failures))] }
    }
}
