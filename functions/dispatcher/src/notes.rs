//! How an endpoint fares, written for whoever comes next.
//!
//! Health is no part of a delivery: that it cannot be written is logged, and changes nothing else. But a receiver that
//! wants no more may not say so again for a week, so a stop is either written or our own trouble.

use std::sync::Arc;

use afferent_domain::delivery::LEASE;
use afferent_domain::endpoint::Cause;
use afferent_domain::health::{Breaker, FIRST_PROBE, Stop, probe_wait};
use afferent_domain::{Clock, Timestamp};
use afferent_store::StoreError;
use afferent_store::endpoints::Endpoints;

use crate::receiver::Receiver;

/// Failed tries that were not yet counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failed {
    count: u32,
    first: Timestamp,
}

impl Failed {
    /// One more, begun at `at`.
    pub(crate) fn add(&mut self, at: Timestamp) {
        if self.count == 0 {
            self.first = at;
        }
        self.count += 1;
    }
}

/// The single try that an open breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    since: Timestamp,
    probes: u32,
}

/// The writer of it.
pub(crate) struct Notes {
    pub(crate) endpoints: Endpoints,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Notes {
    /// A delivery arrived. Written once for a batch, and only if it is news.
    pub(crate) async fn success(&self, receiver: &Receiver) {
        let now = self.clock.now();
        if receiver.betters(now) {
            tell(receiver, "a success", self.endpoints.note_success(&receiver.endpoint.endpoint, now).await);
        }
    }

    /// The tries of a cycle failed. Enough of them open the breaker.
    pub(crate) async fn tries(&self, receiver: &Receiver, failed: Failed) {
        if failed.count == 0 {
            return;
        }
        let id = &receiver.endpoint.endpoint;
        let counted = self.endpoints.count_tries(id, failed.count, failed.first).await;
        let Some(mut health) = tell(receiver, "failed tries", counted) else { return };
        let now = self.clock.now();
        if health.opens(now)
            && tell(receiver, "an open breaker", self.endpoints.open_breaker(id, now).await) == Some(true)
        {
            health.breaker = Breaker::Open { since: now, probes: 0, next_probe: now + FIRST_PROBE };
            tracing::warn!(endpoint = %id, failed_tries = health.failed_tries, "a breaker opened");
        }
        receiver.set_health(health);
    }

    /// A delivery ended undelivered.
    pub(crate) async fn failure(&self, receiver: &Receiver) {
        let now = self.clock.now();
        tell(receiver, "a failure", self.endpoints.count_failure(&receiver.endpoint.endpoint, now).await);
    }

    /// Asks for the probe that is due; `None` if somebody else has it.
    pub(crate) async fn take_probe(&self, receiver: &Receiver) -> Option<Probe> {
        let Breaker::Open { since, probes, next_probe } = receiver.health().breaker else { return None };
        let until = self.clock.now() + LEASE;
        let taken = self.endpoints.take_probe(&receiver.endpoint.endpoint, next_probe, until).await;
        // Whoever has it, nobody else of this batch asks again.
        receiver.set_breaker(Breaker::Open { since, probes, next_probe: until });
        (tell(receiver, "a probe", taken) == Some(true)).then_some(Probe { since, probes })
    }

    /// A probe was made, and did not succeed.
    pub(crate) async fn probe_failed(&self, receiver: &Receiver, probe: Probe) {
        let now = self.clock.now();
        let noted = self.endpoints.probe_failed(&receiver.endpoint.endpoint, probe.probes, now).await;
        tell(receiver, "a failed probe", noted);
        let probes = probe.probes + 1;
        receiver.set_breaker(Breaker::Open { since: probe.since, probes, next_probe: now + probe_wait(probes) });
    }

    /// The endpoint wants no more. From now on nothing is sent to it, not even by this batch.
    ///
    /// # Errors
    /// It could not be written.
    pub(crate) async fn stop(&self, receiver: &Receiver, cause: Cause) -> Result<(), StoreError> {
        let stop = Stop { cause, at: self.clock.now() };
        self.endpoints.note_stop(&receiver.endpoint.endpoint, stop).await?;
        receiver.set_stop(stop);
        Ok(())
    }
}

fn tell<T>(receiver: &Receiver, what: &str, noted: Result<T, StoreError>) -> Option<T> {
    noted
        .inspect_err(|error| {
            let endpoint = &receiver.endpoint.endpoint;
            tracing::warn!(%error, %endpoint, what, "how an endpoint fares could not be noted");
        })
        .ok()
}
