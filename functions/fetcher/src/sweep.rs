//! Sweeps: a connection's service is read although no notification asked for it.
//!
//! What a pass has read is kept on the duty's item piece by piece, so a pass goes on where it stopped, whoever died
//! meanwhile; a piece that is read twice writes nothing.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::is_detail;
use afferent_domain::budget::Lane;
use afferent_domain::id::ConnectionId;
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::pause::pause;
use afferent_domain::service::Service;
use afferent_domain::sweep::{Completed, Next, Pass, Rhythm, Sweep, Tier};
use afferent_gate::{CALL, CallError};
use afferent_metrics::{Metric, count, observe};
use afferent_store::connections::Connection;
use afferent_store::duties::End;
use afferent_store::item::n;
use afferent_store::sweeps::{read_sweep, sweep_attributes};

use crate::Fetcher;
use crate::duty::Work;
use crate::read::{Progress, Reading, Task};
use crate::slice::{Short, short};

/// The most pieces that are read in one wake. A piece of series is a week's days or nights.
const MOST_PIECES: usize = 10;

/// How long a piece may take, a call's own time beside the wait for it: where other lanes want the budget all the time
/// a sweep is owed a call every 20 s or so, and the rest of its batch must not wait for more.
const LONGEST: Duration = CALL.saturating_add(Duration::from_secs(30));

/// When it is looked again whether a service was read that was marked.
const LOOK: Duration = Duration::from_secs(5 * 60);

/// When a service is tried again that Withings refuses, or one that has no tier.
const SELDOM: Duration = Duration::from_secs(24 * 3600);

impl Fetcher {
    /// Sweeps until nothing is due, or the wake's share is done.
    pub(crate) async fn sweep(&self, id: &ConnectionId, service: Service, work: &Work<'_>) -> Result<End, CallError> {
        let living = self.living(id).await?;
        // Connecting again calls it back, with all that it knows.
        let Some(connection) = living.filter(|living| living.scopes.allow(service)) else { return Ok(End::Rest) };
        let mut sweep = read_sweep(id, service, work.item)?;
        // A tier that fails does not keep the others waiting.
        let (mut tiers, mut failed) = (self.tiers, None);
        for _ in 0..MOST_PIECES {
            let now = self.clock.now();
            let (tier, rhythm, due) = match sweep.next(&tiers, now) {
                Next::Wait(due) => {
                    let due = due.unwrap_or(now + SELDOM);
                    let (first, failures) = failed.unwrap_or((due, 0));
                    return Ok(again(&sweep, due.min(first), failures));
                }
                Next::Now(tier, due) => match self.tiers.of(tier, service) {
                    Some(rhythm) => (tier, rhythm, due),
                    None => break,
                },
            };
            let step = match tier {
                Tier::Updates => self.updates(&connection, &mut sweep, work.until.min(now + LONGEST)).await,
                _ => self.piece(&connection, &mut sweep, tier, rhythm, due, work).await,
            };
            let Err(error) = step else { continue };
            let now = self.clock.now();
            let (due, failures) = match short(&error, now) {
                _ if matches!(error, CallError::Reauthorise) => return Err(error),
                Short::Later(due) => (due.unwrap_or(now), work.failures()),
                Short::Refused(_) => (now + SELDOM, work.failures().saturating_add(1)),
                Short::Failed => {
                    let failures = work.failures().saturating_add(1);
                    (now + pause(failures, &*self.dice), failures)
                }
            };
            tracing::warn!(connection = %id, service = service.name(), tier = tier.name(), %error, failures, "a sweep was cut short");
            if matches!(short(&error, now), Short::Later(_)) {
                return Ok(again(&sweep, due, failures));
            }
            tiers = tiers.without(tier);
            failed = Some(failed.map_or((due, failures), |(first, _): (Timestamp, u32)| (due.min(first), failures)));
        }
        Ok(again(&sweep, self.clock.now(), failed.map_or(0, |(_, failures)| failures)))
    }

    /// Marks the service and pulls it, so that the one road of pulls moves its cursor. If that did not read it, it is
    /// looked again whether another pull did.
    async fn updates(&self, connection: &Connection, sweep: &mut Sweep, until: Timestamp) -> Result<(), CallError> {
        let now = self.clock.now();
        let service = sweep.service;
        let standing = sweep.tiers.entry(Tier::Updates).or_default();
        // An entry from before the last connect was struck out with the link, and nothing was read for it.
        let under_way = standing.pass.take().filter(|pass| pass.began >= connection.connected);
        let began = under_way.as_ref().map_or(now, |pass| pass.began);
        let entry = Entry { cause: Cause::Sweep, received: began, window: None };
        if under_way.is_none() {
            self.connections.mark(&connection.id, service, &entry, None, now + LOOK).await?;
            self.pull(connection, service, until).await?;
        }
        let connected = self.living(&connection.id).await?.is_some_and(|now| now.connected == connection.connected);
        if !connected {
            // The entry was struck out with the link: nothing was read for it.
            return Err(CallError::Reauthorise);
        }
        if self.connections.is_marked(&connection.id, service, &entry).await? {
            let next = (self.clock.now() + LOOK).as_secs();
            standing.pass = Some(Pass { began, next, back: 0, progress: None });
        } else {
            standing.done = Some(Completed { began, back: 0 });
        }
        Ok(())
    }

    /// Reads the next piece of a tier's pass; begins the pass if none is under way.
    async fn piece(
        &self,
        connection: &Connection,
        sweep: &mut Sweep,
        tier: Tier,
        rhythm: Rhythm,
        due: Timestamp,
        work: &Work<'_>,
    ) -> Result<(), CallError> {
        let now = self.clock.now();
        let service = sweep.service;
        let begun = sweep.tiers.get(&tier).and_then(|standing| standing.pass.clone());
        let mut pass = match begun {
            Some(pass) => pass,
            None => {
                let late_s = now.since(due).as_secs();
                observe(Metric::SweepLag, late_s);
                tracing::info!(connection = %connection.id, service = service.name(), tier = tier.name(), late_s, "a sweep begins");
                Pass::begin(service, rhythm, self.floor(connection, sweep, now).await?, now)
            }
        };
        if let Some(piece) = pass.piece(service) {
            let task = Task {
                connection,
                service,
                lane: Lane::Reconcile,
                run: None,
                details: true,
                compare: true,
                pull: work.holder,
                until: work.until.min(now + LONGEST),
            };
            let resume = pass.progress.as_deref().and_then(Progress::from_text);
            let mut reading = Reading::default();
            let read = self.read_window(task, piece, resume, &mut reading).await;
            count(Metric::SweepGaps, reading.written);
            match read {
                Ok(()) => pass.advance(piece),
                Err(error) => {
                    pass.progress = reading.progress.as_ref().and_then(Progress::to_text);
                    sweep.tiers.entry(tier).or_default().pass = Some(pass);
                    return Err(error);
                }
            }
        }
        let standing = sweep.tiers.entry(tier).or_default();
        if pass.piece(service).is_none() {
            standing.done = Some(Completed { began: pass.began, back: pass.back });
            standing.pass = None;
        } else {
            standing.pass = Some(pass);
        }
        Ok(())
    }

    /// Before when there is nothing to sweep (epoch seconds): the oldest record that is known of the service, or what
    /// the first backfill reached, whichever is older. Of series only what is known: they are not backfilled unasked.
    async fn floor(&self, connection: &Connection, sweep: &Sweep, now: Timestamp) -> Result<i64, CallError> {
        let all = (i64::MIN / 2, i64::MAX / 2);
        let oldest = self.records.of_service(&connection.user, sweep.service, all, false, 1).await?;
        let oldest = oldest.first().map(|known| known.effective_ms.div_euclid(1000));
        let horizon = match is_detail(sweep.service) {
            // What came since the person connected is ours to have, whether a summary tells of it or not.
            true => connection.first_connected.as_secs().min(now.as_secs()),
            false => sweep.horizon,
        };
        Ok(oldest.map_or(horizon, |oldest| oldest.min(horizon)))
    }
}

/// The sweep as it stands, due then.
fn again(sweep: &Sweep, due: Timestamp, failures: u32) -> End {
    let mut set = sweep_attributes(sweep);
    set.push(("failures", n(failures)));
    End::Again { due, set }
}
