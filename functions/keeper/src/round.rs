//! Goes round all accounts, because of something that concerns them all ([`afferent_domain::round`]).
//!
//! First, after a restore, every journal's epoch. Then the accounts, in the order of the connections' directory and
//! [`AT_ONCE`] at a time: each is called to its care, and looked at every minute until that is done. Where it stands
//! is saved after each part, so whoever dies in between repeats that part, which changes nothing: an epoch is raised once
//! for a round, a care that is due is due, and a backfill that is under way stands for the same asked for again.

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::backfill::Ask;
use afferent_domain::connection::State as Link;
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::round::{AT_ONCE, PATIENCE, Progress, Round, State};
use afferent_store::StoreError;
use afferent_store::connections::{AccountKey, Connection};
use afferent_store::runs::Asked;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::Keeper;

/// How many journals or connections a part looks at.
const PART: u16 = 100;

/// How many connections are looked for accounts at once, and how often in a minute: those of dead links take no room among
/// the accounts that are cared for.
const LOOKS: u16 = 25;
const MOST_LOOKS: u64 = 20;

/// An account whose care has failed so often in a row is not waited for.
const MOST_FAILURES: u32 = 3;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// Whether every journal was come to, and the last one that was.
    journals_done: bool,
    journal: Option<UserId>,
    /// Whether every connection was come to, and the last one that was.
    connections_done: bool,
    connection: Option<ConnectionId>,
    /// The accounts that are being cared for.
    open: Vec<Visit>,
}

/// An account that is being cared for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Visit {
    application: String,
    region: String,
    userid: String,
    since_ms: Timestamp,
}

impl Visit {
    fn account(&self) -> AccountKey {
        AccountKey { application: self.application.clone(), region: self.region.clone(), userid: self.userid.clone() }
    }
}

/// How a visit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Open,
    Done,
    Lost,
    Left,
}

impl Keeper {
    /// Goes on with the round, if there is one; whether there is.
    ///
    /// # Errors
    /// A table is out of reach; the next minute goes on.
    pub(crate) async fn go_round(&self, until: Timestamp) -> Result<bool, lambda_runtime::Error> {
        let Some(mut round) = self.connections.running_round().await? else { return Ok(false) };
        if self.clock.now() < round.visits_from() {
            return Ok(true);
        }
        let mut at = cursor(&round);
        if let (Some(_), false) = (round.reads_since(), at.journals_done) {
            self.outbox.events().raise_floor(round.epoch()).await?;
        }
        while round.reads_since().is_some() && !at.journals_done && self.clock.now() < until {
            let raised = self.raise_epochs(&round, &mut at).await?;
            let Some(saved) = self.saved(&round, &at, |progress| progress.journals += raised).await? else {
                return Ok(true);
            };
            round = saved;
        }
        if (round.reads_since().is_some() && !at.journals_done) || self.clock.now() >= until {
            return Ok(true);
        }
        let ended = self.look_round(&round, &mut at).await?;
        let came_to = self.visit(&round, &mut at).await?;
        let count = |which: Stands| ended.iter().filter(|stands| **stands == which).count() as u64;
        let progress = |progress: &mut Progress| {
            progress.accounts += count(Stands::Done);
            progress.lost += count(Stands::Lost);
            progress.left += count(Stands::Left);
            progress.connections += came_to;
        };
        let Some(round) = self.saved(&round, &at, progress).await? else { return Ok(true) };
        if at.connections_done
            && at.open.is_empty()
            && self.connections.end_round(&round, State::Done, self.clock.now()).await?
        {
            let Progress { journals, accounts, lost, left, .. } = round.progress;
            tracing::info!(round = %round.round, journals, accounts, lost, left, "a round of all accounts is over");
        }
        Ok(true)
    }

    async fn raise_epochs(&self, round: &Round, at: &mut Cursor) -> Result<u64, StoreError> {
        let events = self.outbox.events();
        let journals = events.journals(at.journal.as_ref(), PART).await?;
        let raised = try_join_all(journals.iter().map(|user| events.raise_epoch(user, round.epoch()))).await?;
        match journals.last() {
            Some(last) => at.journal = Some(last.clone()),
            None => at.journals_done = true,
        }
        Ok(raised.into_iter().filter(|raised| *raised).count() as u64)
    }

    /// Looks how the accounts stand that are being cared for, and calls again those that are not done.
    async fn look_round(&self, round: &Round, at: &mut Cursor) -> Result<Vec<Stands>, StoreError> {
        let stands = try_join_all(at.open.iter().map(|visit| self.stands(round, visit))).await?;
        let mut standing = stands.iter();
        at.open.retain(|_| standing.next() == Some(&Stands::Open));
        Ok(stands)
    }

    async fn stands(&self, round: &Round, visit: &Visit) -> Result<Stands, StoreError> {
        let (account, now) = (visit.account(), self.clock.now());
        let connections = self.connections.of_account(&account).await?;
        if !connections.iter().any(|connection| connection.state == Link::Connected) {
            return Ok(Stands::Lost);
        }
        let cared = self.connections.cared(&account).await?;
        // One that had begun before it was called is no answer to the call.
        if cared.failures == 0 && cared.looked.is_some_and(|looked| looked >= visit.since_ms) {
            return Ok(Stands::Done);
        }
        if cared.failures >= MOST_FAILURES || now.since(visit.since_ms) >= PATIENCE {
            tracing::warn!(round = %round.round, %account, "an account is left to its own care");
            return Ok(Stands::Left);
        }
        // One that failed has its own pause, and one under way must be called again if it began before.
        if cared.failures == 0 {
            self.connections.call_care(&account, round.renews_before(), now).await?;
        }
        Ok(Stands::Open)
    }

    /// Calls as many more accounts to their care as there is room for; how many connections were looked at.
    async fn visit(&self, round: &Round, at: &mut Cursor) -> Result<u64, lambda_runtime::Error> {
        let mut came_to = 0;
        while !at.connections_done && at.open.len() < AT_ONCE && came_to < u64::from(LOOKS) * MOST_LOOKS {
            let (found, next) = self.connections.all(at.connection.as_ref(), LOOKS).await?;
            let mut met: BTreeSet<String> = at.open.iter().map(|visit| visit.account().to_string()).collect();
            for connection in &found {
                // The next minute goes on behind the last one that there was room for.
                if at.open.len() >= AT_ONCE {
                    return Ok(came_to);
                }
                if connection.state == Link::Connected {
                    self.read_again(round, connection).await?;
                    if met.insert(connection.account.to_string()) {
                        self.connections
                            .call_care(&connection.account, round.renews_before(), self.clock.now())
                            .await?;
                        let AccountKey { application, region, userid } = connection.account.clone();
                        at.open.push(Visit { application, region, userid, since_ms: self.clock.now() });
                    }
                }
                at.connection = Some(connection.id.clone());
                came_to += 1;
            }
            at.connections_done = next.is_none();
            at.connection = next;
        }
        Ok(came_to)
    }

    /// After a restore: has read again what the backup does not hold.
    async fn read_again(&self, round: &Round, connection: &Connection) -> Result<(), StoreError> {
        let Some(since) = round.reads_since() else { return Ok(()) };
        let ask = Ask::of(&connection.scopes, since, round.created_ms, true);
        if let Asked::TooMany = self.connections.ask_run(connection, ask, self.clock.now()).await? {
            tracing::warn!(connection = %connection.id, "too many runs are under way for one more; sweeps find what is missing");
        }
        Ok(())
    }

    /// Saves where the round stands. `None` if another keeper went on with it, or it was ended.
    async fn saved(
        &self,
        was: &Round,
        at: &Cursor,
        change: impl FnOnce(&mut Progress),
    ) -> Result<Option<Round>, lambda_runtime::Error> {
        let mut now = was.clone();
        change(&mut now.progress);
        now.progress.saves += 1;
        now.progress.cursor = Some(serde_json::to_string(at)?);
        Ok(self.connections.save_round(was, &now).await?.then_some(now))
    }
}

/// Reads the cursor. One that cannot be read, of another version, begins at the start: nothing is done twice.
fn cursor(round: &Round) -> Cursor {
    let text = round.progress.cursor.as_deref();
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
