//! Erasing a person altogether, because a customer asks: every connection is ended at Withings, and everything that is
//! kept of the person goes. The item of the erasure says how far it is, and is the receipt in the end. The passes, and
//! why there are three: [`afferent_domain::erasure`].
//!
//! Nobody connects the person meanwhile: whoever would has to see that there is no erasure. So nothing comes back but
//! what was under way, and that is what the later passes are for.

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::connection::{KIND, State};
use afferent_domain::duty::Duty;
use afferent_domain::erasure::{Erasure, Left, Link, PASSES, PATIENCE, Part};
use afferent_domain::event::Event;
use afferent_domain::grant::{Grant, Grants};
use afferent_domain::id::{ErasureId, KeyId, PullId, RecordId};
use afferent_store::StoreError;
use afferent_store::connections::{AccountKey, Connections};
use afferent_store::duties::{DutyKey, End, Owner, Taken};
use afferent_store::erasure::{erasure_attributes, read_erasure};
use futures_util::future::try_join_all;

use super::{AT_ONCE, Listing, PAGE, WORK};
use crate::Keeper;

/// How soon it is looked again whether Withings was told, at first and at last.
const LOOK: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// Where a run is with the notifications of each Withings userid.
type Listings = BTreeMap<String, Listing>;

impl Keeper {
    /// Goes on with an erasure until it is over, has to wait, or the time is up.
    pub(super) async fn erase_person(&self, id: &ErasureId, until: Timestamp) -> Result<(), StoreError> {
        let key = Connections::erasure_key(id);
        let now = self.clock.now();
        // Only one keeper gets the lease, so a name by the time is enough.
        let holder = PullId::derive(&["erasure", id.as_str(), &now.as_millis().to_string()]);
        let Taken::Yes(item) = self.connections.take_duty(&key, &holder, now, until + WORK).await? else {
            return Ok(());
        };
        let mut erasure = read_erasure(id, &item)?;
        let outcome = self.go_on(&mut erasure, &holder, until).await;
        // What was counted stays counted, also if something failed.
        let due = match &outcome {
            Ok(due) => due.unwrap_or(now),
            Err(_) => self.clock.now() + LOOK.0,
        };
        let kept = End::Again { due, set: erasure_attributes(&erasure) };
        if self.connections.end_duty(&key, &holder, kept).await? && erasure.is_done() {
            self.close(&erasure).await?;
        }
        outcome.map(drop)
    }

    /// Takes in connections that were made while the erasure was being asked for.
    async fn adopt(&self, erasure: &mut Erasure) -> Result<(), StoreError> {
        for connection in self.connections.of_user(&erasure.user).await? {
            if erasure.links.iter().all(|link| link.connection != connection.id) {
                let AccountKey { application, region, userid } = connection.account;
                erasure.links.push(Link { connection: connection.id, application, region, userid, left: None });
            }
        }
        Ok(())
    }

    /// Ends the duty of an erasure whose item says that it is over: nobody may come back before it does.
    async fn close(&self, erasure: &Erasure) -> Result<(), StoreError> {
        let now = self.clock.now();
        let key = Connections::erasure_key(&erasure.id);
        let holder = PullId::derive(&["close", erasure.id.as_str(), &now.as_millis().to_string()]);
        if let Taken::Yes(_) = self.connections.take_duty(&key, &holder, now, now + WORK).await? {
            self.connections.end_erasing(&erasure.user).await?;
            self.connections.end_duty(&key, &holder, End::Rest).await?;
        }
        Ok(())
    }

    /// When it is to be gone on with; `None` when it is over.
    async fn go_on(
        &self,
        erasure: &mut Erasure,
        holder: &PullId,
        until: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (mut kept, mut listings) = (erasure.links.clone(), Listings::new());
        self.adopt(erasure).await?;
        while !erasure.is_done() {
            let now = self.clock.now();
            if now >= until {
                return Ok(Some(now));
            }
            let wait = self.withings(erasure, now).await?;
            // Before anything goes: how a connection ended is found nowhere once it is gone.
            if erasure.links != kept {
                if !self.connections.keep_erasure(erasure, holder).await? {
                    return Ok(Some(now));
                }
                kept.clone_from(&erasure.links);
            }
            if let Some(due) = wait {
                return Ok(Some(due));
            }
            let pass = erasure.pass;
            if !self.erase_some(erasure, &mut listings).await? {
                erasure.advance();
                listings.clear();
            }
            if erasure.pass == pass {
                continue;
            }
            let counts = erasure.counts;
            tracing::info!(erasure = %erasure.id, pass, ?counts, "a pass of an erasure is over");
            if erasure.pass == PASSES {
                erasure.ended = Some(self.clock.now());
            } else if let Some(due) = erasure.not_before(self.clock.now()) {
                return Ok(Some(due));
            }
        }
        Ok(None)
    }

    /// Sees to it that every connection is ended at Withings. When to look again, if the pass has to wait for that.
    async fn withings(&self, erasure: &mut Erasure, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let patient = now < erasure.begun + PATIENCE;
        let mut waits = false;
        for link in erasure.links.iter_mut().filter(|link| link.left.is_none()) {
            link.left = self.ended(link, patient, now).await?;
            waits |= link.left.is_none();
        }
        // What the first pass takes nobody at Withings needs.
        let pause = (now.since(erasure.begun) / 10).clamp(LOOK.0, LOOK.1);
        Ok((waits && erasure.pass > 0).then_some(now + pause))
    }

    /// How a connection's consent ended; `None` while that is under way.
    async fn ended(&self, link: &Link, patient: bool, now: Timestamp) -> Result<Option<Left>, StoreError> {
        let Some(connection) = self.connections.get(&link.connection).await? else { return Ok(Some(Left::Dead)) };
        let key = DutyKey { owner: Owner::Connection(link.connection.clone()), duty: Duty::Disconnect };
        match connection.state {
            // There is nothing left that could be ended.
            State::Unlinked => return Ok(Some(Left::Dead)),
            State::Disconnected if !self.connections.has_duty(&key).await? => {
                if let Some(left) = self.connections.left(&link.connection).await? {
                    return Ok(Some(left));
                }
                self.connections.begin_disconnect(&connection, now).await?;
            }
            State::Disconnected => {}
            State::Connected | State::Reauthorise => drop(self.connections.begin_disconnect(&connection, now).await?),
        }
        Ok((!patient).then_some(Left::Unreachable))
    }

    /// A piece of the part that it is at; whether there is more of it.
    async fn erase_some(&self, erasure: &mut Erasure, listings: &mut Listings) -> Result<bool, StoreError> {
        match erasure.part {
            Part::Work => {
                for link in &erasure.links {
                    erasure.counts.connections += self.connections.erase_rest(&link.connection).await?;
                }
                Ok(false)
            }
            Part::Records => self.erase_all_records(erasure).await,
            Part::Journal => self.erase_all_events(erasure).await,
            Part::Deliveries => {
                self.erase_late(&Owner::Erasure(erasure.id.clone()), &mut erasure.counts.deliveries).await
            }
            Part::Notifications => {
                for link in &erasure.links {
                    let listing = listings.entry(link.userid.clone()).or_default();
                    if listing.through {
                        continue;
                    }
                    if self.is_shared(erasure, &link.userid).await? {
                        listing.through = true;
                        continue;
                    }
                    erasure.counts.notifications += self.erase_notifications(&link.userid, listing).await?;
                    return Ok(true);
                }
                Ok(false)
            }
            Part::Keys => self.revoke_keys(erasure).await,
            Part::Person => {
                for link in &erasure.links {
                    erasure.counts.connections += self.connections.erase_connection(link).await?;
                }
                if self.connections.remains(erasure).await?.user > 0 {
                    erasure.counts.connections += self.connections.forget_user(&erasure.user).await?;
                }
                Ok(false)
            }
        }
    }

    /// Whether one of the person's accounts with this Withings userid is another user's as well, who may want what waits
    /// for it: notifications name the userid, and not by which application or in which region it is linked. (Applications
    /// and regions that the person has no link of are not looked at: a stack has one of each, unless it was changed.)
    async fn is_shared(&self, erasure: &Erasure, userid: &str) -> Result<bool, StoreError> {
        for Link { application, region, userid, .. } in erasure.links.iter().filter(|link| link.userid == userid) {
            let account =
                AccountKey { application: application.clone(), region: region.clone(), userid: userid.clone() };
            let others = self.connections.of_account(&account).await?;
            if others.iter().any(|other| other.user != erasure.user && other.state != State::Unlinked) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A page of records; whether there are more.
    async fn erase_all_records(&self, erasure: &mut Erasure) -> Result<bool, StoreError> {
        let after = erasure.after.as_deref().map(RecordId::from);
        let (page, more) = self.records.erasable(&erasure.user, after.as_ref(), PAGE).await?;
        let next = page.last().map(|last| last.record.as_str().to_owned());
        let spared = erasure.spares_connections();
        let gone: Vec<_> = page.into_iter().filter(|one| !spared || one.kind != KIND).collect();
        for some in gone.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|one| self.records.erase(&erasure.user, &one.record))).await?;
            erasure.counts.records += u64::try_from(some.len()).unwrap_or(0);
        }
        erasure.after = next;
        Ok(more)
    }

    /// A page of events, each after its deliveries; whether there may be more.
    async fn erase_all_events(&self, erasure: &mut Erasure) -> Result<bool, StoreError> {
        let (events, deliveries) = (self.outbox.events(), self.outbox.deliveries());
        let after = erasure.after.as_deref().and_then(|after| after.parse().ok()).unwrap_or(0);
        let head = events.settle(&erasure.user).await?;
        let mut page = events.erasable(&erasure.user, after, PAGE).await?;
        let more = page.len() == usize::from(PAGE);
        // What lies behind it is still being written: the next pass takes it.
        page.retain(|event| event.sequence <= head);
        let last = page.last().map(|last| last.sequence.to_string());
        let spared = erasure.spares_connections();
        let gone = page.into_iter().filter(|event| !spared || !event.event_type.starts_with("connection."));
        let gone: Vec<Event> = gone.collect();
        self.connections.keep_late(&Owner::Erasure(erasure.id.clone()), &gone, self.clock.now()).await?;
        for event in gone {
            erasure.counts.deliveries += deliveries.erase_of(&event.id).await?;
            events.erase(&event).await?;
            erasure.counts.events += 1;
        }
        erasure.after = last;
        Ok(more)
    }

    /// A page of the keys: those that open nothing but this person are revoked, because the same reference makes the same
    /// user again. Whether there are more.
    async fn revoke_keys(&self, erasure: &mut Erasure) -> Result<bool, StoreError> {
        let after = erasure.after.as_deref().map(KeyId::from);
        let (page, more) = self.keys.list(after.as_ref(), PAGE).await?;
        erasure.after = page.last().map(|last| last.id.as_str().to_owned());
        let only = Grants::new([Grant::User(erasure.user.clone())]);
        for key in page.iter().filter(|key| key.grants == only && key.revoked.is_none()) {
            self.keys.revoke(&key.id, self.clock.now()).await?;
            erasure.counts.keys += 1;
        }
        Ok(more)
    }
}
