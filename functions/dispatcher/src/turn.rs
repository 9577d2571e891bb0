//! Whether a try may be made now: the breaker, the rate, and the time that is left for it.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::WaitsFor;
use afferent_domain::health::{Breaker, Health, Pass, Stop, probe_wait};
use afferent_domain::rate::{NEAR, Rate};

use crate::Trouble;
use crate::cycle::Cycle;
use crate::notes::Probe;

/// How long before the end of the lease or the invocation a try must be over, so that what follows can be written.
const MARGIN: Duration = Duration::from_secs(2);

/// What a try finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It may be made, as a probe if the breaker is open.
    Go(Option<Probe>),
    /// The breaker is open.
    Shut,
    /// It may be made from then on, and that is not waited for here.
    Later(Timestamp, WaitsFor),
    /// The endpoint wants no more.
    Stopped(Stop),
}

impl Cycle<'_> {
    /// Waits for the turn of a try, as far as that is near. `place` is the place in the line that it waited for.
    pub(crate) async fn turn(&self, place: Option<Timestamp>) -> Result<Turn, Trouble> {
        let now = self.custody.function.clock.now();
        if let Some(halt) = self.halt(now) {
            return Ok(halt);
        }
        let good = |place: &Timestamp| self.receiver.endpoint.rate.is_some_and(|rate| rate.is_good(*place, now));
        let place = match place.filter(good) {
            Some(place) => Some(place),
            None => self.take_place(now).await?,
        };
        let begins = place.unwrap_or(now).max(now);
        if begins > now + NEAR || begins + self.custody.function.sender.deadline + MARGIN > self.ends {
            let (next, waits_for) = place.map_or((now, WaitsFor::Schedule), |place| (place, WaitsFor::Rate));
            return Ok(Turn::Later(next, waits_for));
        }
        self.custody.function.sleep_until(begins).await;
        // Others of the batch may have found out something meanwhile.
        let now = self.custody.function.clock.now();
        if let Some(halt) = self.halt(now) {
            return Ok(halt);
        }
        if self.receiver.health().pass(now) == Pass::Probe {
            let probe = self.custody.function.notes.take_probe(self.receiver).await;
            return Ok(probe.map_or(Turn::Shut, |probe| Turn::Go(Some(probe))));
        }
        Ok(Turn::Go(None))
    }

    fn halt(&self, now: Timestamp) -> Option<Turn> {
        let health = self.receiver.health();
        match health.pass(now) {
            _ if health.stop.is_some() => health.stop.map(Turn::Stopped),
            Pass::Shut(_) => Some(Turn::Shut),
            Pass::Probe if self.receiver.endpoint.rate.is_some_and(|rate| is_too_soon(rate, &health, now)) => {
                Some(Turn::Shut)
            }
            Pass::Free | Pass::Probe => None,
        }
    }

    /// The next place in the line, if the endpoint has a rate. A probe does not stand behind places that others took
    /// before the breaker opened; that it is rare enough was seen to.
    async fn take_place(&self, now: Timestamp) -> Result<Option<Timestamp>, Trouble> {
        let endpoint = &self.receiver.endpoint;
        let Some(rate) = endpoint.rate else { return Ok(None) };
        let seen = self.receiver.line();
        if seen > now + NEAR && self.receiver.health().is_open() {
            return Ok(None);
        }
        let place = self.custody.function.endpoints.take_place(&endpoint.endpoint, rate, seen, now).await?;
        self.receiver.set_line(place.line);
        Ok(Some(place.at))
    }
}

/// Whether a probe at `now` would follow the last try closer than the endpoint's rate allows: the waits between probes
/// are shorter than the interval of the slowest rates.
fn is_too_soon(rate: Rate, health: &Health, now: Timestamp) -> bool {
    match health.breaker {
        Breaker::Open { probes, next_probe, .. } => now < next_probe - probe_wait(probes) + rate.interval(),
        Breaker::Closed | Breaker::Draining { .. } => false,
    }
}
