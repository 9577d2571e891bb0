//! The daily look after an account: its token pair is renewed long before it would die, and its subscriptions are
//! compared with Withings' own list, from which they vanish now and then, one category and not another.
//!
//! What is wrong with a subscription is told as what it is, in the public record of the connection, and tried again
//! after a growing pause. It never stops a pull.

mod callback;
mod subscriptions;

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::connection::{State, Subscriptions};
use afferent_domain::duty::Duty;
use afferent_domain::erasure::Left;
use afferent_domain::id::ConnectionId;
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::notification::{Category, Effect};
use afferent_domain::pause::pause;
use afferent_domain::record::SyncKind;
use afferent_gate::CallError;
use afferent_gate::connect::follow_up;
use afferent_store::StoreError;
use afferent_store::connections::{AccountKey, Connection};
use afferent_store::duties::{DutyKey, End, Owner};
use afferent_store::item::{n, s};
use afferent_withings::{Class, Secret, auth, notify};

use crate::Fetcher;
use crate::duty::Work;
pub(crate) use callback::Callback;
use subscriptions::{APART, Mended, REFUSED};

/// How often an account is looked after.
const DAILY: Duration = Duration::from_secs(24 * 3600);

/// How often the application's own subscription, to category 53, is made again.
const WEEKLY: Duration = Duration::from_secs(7 * 24 * 3600);

impl Fetcher {
    /// Looks after an account. One without a living connection is wound up instead.
    ///
    /// # Errors
    /// Withings or a table is out of reach; to be done again.
    pub(crate) async fn care(&self, account: &AccountKey, work: &Work<'_>) -> Result<End, CallError> {
        let began = self.clock.now();
        let (living, dead): (Vec<Connection>, Vec<Connection>) = self
            .connections
            .of_account(account)
            .await?
            .into_iter()
            .partition(|connection| connection.state == State::Connected);
        let Some(newest) = living.iter().max_by_key(|connection| connection.connected) else {
            for connection in dead {
                self.wind_up(connection).await?;
            }
            return Ok(End::Done);
        };
        for connection in &living {
            // What connecting began, if it died before it could.
            follow_up(&self.connections, &self.records, connection, self.backfill, self.clock.now()).await?;
        }
        let application = DutyKey { owner: Owner::Application(self.application.clone()), duty: Duty::Care };
        self.connections.add_duty(&application, self.clock.now(), Vec::new()).await?;
        // The first look is what somebody waits for who has just connected.
        let looked = work.reading().maybe_number("looked_ms").map(Timestamp::from_millis);
        let first = looked.is_none_or(|looked| looked < newest.connected);
        let lane = if first { Lane::OnDemand } else { Lane::Reconcile };
        // A round after a restore asks for more than the usual.
        let renew_before = work.reading().maybe_number("renew_before_ms").map(Timestamp::from_millis);
        let asked = renew_before.map(|before| self.clock.now().since(before));
        self.gate.renew(account, lane, asked.unwrap_or(self.renew_after).min(self.renew_after), work.until).await?;
        let Some(callback) = self.callback_url().await? else {
            tracing::warn!("no callback URL is configured, so subscriptions are left alone");
            return Ok(self.looked(began, DAILY, 0));
        };
        // What the last consent granted is what the account's tokens may do.
        let (standing, made, outcome) = self.subscribe(account, &newest.scopes, &callback, lane, work).await;
        if !first {
            self.read_again(&living, &made).await?;
        }
        if let (Some(standing), false) = (&standing, matches!(outcome, Ok(Mended::Partly(_)))) {
            self.tell(&living, standing).await?;
        }
        match outcome? {
            Mended::Partly(refused) => {
                let refused = refused.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
                Ok(End::Again { due: self.clock.now() + APART, set: vec![(REFUSED, s(refused))] })
            }
            Mended::Whole(None) => Ok(self.looked(began, DAILY, 0)),
            Mended::Whole(Some(fault)) => {
                let failures = work.reading().maybe_number::<u32>("failures").unwrap_or(0).saturating_add(1);
                let pause = pause(failures, &*self.dice);
                tracing::warn!(%account, fault, failures, "Withings does not take a subscription; pulls go on");
                Ok(self.looked(began, pause, failures))
            }
        }
    }

    /// The callback URL as it is now, or nearly.
    async fn callback_url(&self) -> Result<Option<Secret>, CallError> {
        self.callback.url(self.clock.now()).await.map_err(|error| {
            tracing::error!(%error, "the callback URL cannot be had");
            CallError::Sealed
        })
    }

    /// A look that `began` then is over. It says nothing of what was changed since it began.
    fn looked(&self, began: Timestamp, pause: Duration, failures: u32) -> End {
        let now = self.clock.now();
        let set = vec![("looked_ms", n(began.as_millis())), ("failures", n(failures)), (REFUSED, s(""))];
        End::Again { due: now + pause, set }
    }

    /// Marks what is announced by subscriptions that had vanished: what happened meanwhile was announced to nobody.
    async fn read_again(&self, living: &[Connection], made: &[Category]) -> Result<(), CallError> {
        let now = self.clock.now();
        let entry = Entry { cause: Cause::Sweep, received: now, window: None };
        for connection in living {
            for category in made {
                let Effect::Pull(services) = category.effect() else { continue };
                for service in services {
                    self.connections.mark(&connection.id, *service, &entry, None, now).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes how the subscriptions stand, where it is public.
    async fn tell(&self, living: &[Connection], standing: &Subscriptions) -> Result<(), CallError> {
        for connection in living {
            if connection.subscriptions != *standing && self.connections.set_subscriptions(connection, standing).await?
            {
                let connection = Connection { subscriptions: standing.clone(), ..connection.clone() };
                self.records.bring(connection.fact(), self.clock.now(), SyncKind::Live).await?;
            }
        }
        Ok(())
    }

    /// Subscribes the application to category 53, which has no user: signed, and once for all.
    ///
    /// # Errors
    /// Withings or a table is out of reach; to be done again.
    pub(crate) async fn care_of_application(&self, work: &Work<'_>) -> Result<End, CallError> {
        let again = End::Again { due: self.clock.now() + WEEKLY, set: vec![("failures", n(0))] };
        let Some(callback) = self.callback_url().await? else { return Ok(again) };
        let nonce = self.gate.nonce(Lane::Reconcile, work.until).await?;
        let request = notify::subscribe_application(self.gate.app(), &nonce, callback.reveal());
        self.gate.signed(Lane::Reconcile, &request, work.until).await?;
        Ok(again)
    }

    /// Ends a connection at Withings, which its customer has ended here: subscriptions, then the consent, then the
    /// tokens, if no other connection of the account lives. One that lives again is left alone.
    ///
    /// # Errors
    /// Withings or a table is out of reach; to be done again.
    pub(crate) async fn disconnect(&self, id: &ConnectionId, work: &Work<'_>) -> Result<End, CallError> {
        let Some(connection) = self.connections.get(id).await? else { return Ok(End::Done) };
        if connection.state != State::Disconnected {
            return Ok(End::Done);
        }
        let account = connection.account.clone();
        self.wind_up(connection.clone()).await?;
        if self.lives(&account).await? {
            self.connections.set_left(&connection, Left::Shared).await?;
            return Ok(End::Done);
        }
        // Before the tokens go: whoever dies in between finds none, and could not tell.
        if self.connections.left(id).await?.is_none() {
            let alive = self.connections.tokens(&account).await?.is_some_and(|pair| !pair.dead);
            let left = match self.leave(&account, id, alive, work).await {
                Ok(Mended::Whole(_)) => Left::Revoked,
                Ok(Mended::Partly(_)) => return Ok(End::Again { due: self.clock.now() + APART, set: Vec::new() }),
                Err(CallError::Withings(error)) if !alive && is_refused(error.class()) => Left::Dead,
                Err(CallError::Withings(error)) if is_refused(error.class()) => {
                    tracing::error!(connection = %id, %error, "Withings does not take back a consent; the tokens go");
                    Left::Refused
                }
                Err(error) => return Err(error),
            };
            self.connections.set_left(&connection, left).await?;
        }
        // The calls may have renewed the pair.
        let pair = self.connections.tokens(&account).await?;
        if let Some(pair) = pair.filter(|_| self.clock.now() < work.until)
            && !self.lives(&account).await?
            && !self.connections.bury_tokens(&account, pair.generation).await?
        {
            return Ok(End::Again { due: self.clock.now(), set: Vec::new() });
        }
        Ok(End::Done)
    }

    /// Whether a connection of the account lives.
    async fn lives(&self, account: &AccountKey) -> Result<bool, StoreError> {
        let connections = self.connections.of_account(account).await?;
        Ok(connections.iter().any(|connection| connection.state == State::Connected))
    }

    /// Ends the subscriptions, if the pair is alive, and the consent at Withings. That is the application's to sign, and
    /// needs no pair: one that is dead here says nothing about the consent.
    async fn leave(
        &self,
        account: &AccountKey,
        id: &ConnectionId,
        alive: bool,
        work: &Work<'_>,
    ) -> Result<Mended, CallError> {
        if let Some(callback) = self.callback_url().await?.filter(|_| alive) {
            match self.unsubscribe(account, &callback, work).await {
                Ok(Mended::Whole(_)) | Err(CallError::Reauthorise) => {}
                Ok(partly @ Mended::Partly(_)) => return Ok(partly),
                Err(CallError::Withings(error)) if is_refused(error.class()) => {
                    tracing::warn!(connection = %id, %error, "subscriptions cannot be ended; they end with the consent");
                }
                Err(error) => return Err(error),
            }
        }
        let nonce = self.gate.nonce(Lane::OnDemand, work.until).await?;
        // Revoking ends every pair of the person: not that of somebody who has connected again meanwhile.
        let gone = self.connections.get(id).await?.is_some_and(|now| now.state == State::Disconnected);
        if gone && !self.lives(account).await? {
            let request = auth::revoke(self.gate.app(), &nonce, &account.userid);
            self.gate.signed(Lane::OnDemand, &request, work.until).await?;
        }
        Ok(Mended::Whole(None))
    }
}

/// Whether asking again would be answered the same.
const fn is_refused(class: Class) -> bool {
    matches!(class, Class::Invalid | Class::Scope)
}
