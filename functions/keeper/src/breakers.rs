//! What open breakers keep back, in a shard of the due index for each endpoint.
//!
//! - While a breaker is open: one delivery, the oldest, is woken for each probe. What expires is woken too, so that the
//!   dispatcher ends it.
//! - When it has closed: all are woken, at a pace. Once nothing is left, and no dispatcher is alive that still believed
//!   the breaker open, that is noted.
//! - Every day the shard of every endpoint is looked at, whatever its health says: should an index have been behind at
//!   the wrong moment, nothing is stranded.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::health::{Breaker, DRAINING, Health};
use afferent_domain::id::EndpointId;
use afferent_domain::rate::Rate;
use afferent_metrics::{Metric, observe};
use afferent_store::StoreError;
use afferent_store::deliveries::Due;
use futures_util::future::join_all;

use crate::deliveries::{Seen, Woken};
use crate::{Keeper, begin_elsewhere};

/// How far ahead of a probe its delivery is woken: one run of the keeper, no more, or two runs would wake two. And so
/// long after it the one that was woken is waited for, before it counts as lost. (A probe's time is known this long
/// before, but for the end of a lease on one: that is late then, by a minute.)
const RUN: Duration = Duration::from_secs(60);

/// How many are released in a minute: 20 in a second. A server that has just come back is not met by all that it missed
/// at once, and the dispatcher, which makes some 250 calls a second to one endpoint, has room for what is live.
const RELEASED: u32 = 1_200;

/// How much of a backlog that the daily look finds is released in one go: 15 minutes of it, as far as SQS delays.
const STRANDED_MINUTES: u32 = 15;

/// So late that everything kept back expires before.
pub(crate) const EVER: Timestamp = Timestamp::from_secs(253_402_300_799);

/// How many endpoints are looked after at once.
const AT_ONCE: usize = 8;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Keeper {
    /// Looks after what breakers keep back; how many deliveries were woken. Trouble with one endpoint stops no other.
    pub(crate) async fn tend_breakers(&self, until: Timestamp) -> Result<usize, lambda_runtime::Error> {
        let mut watched = self.outbox.endpoints().watched().await?;
        let open = watched.iter().filter(|(_, health)| health.is_open()).count();
        observe(Metric::BreakersOpen, open as u64);
        begin_elsewhere(&mut watched, self.clock.now(), MINUTE);
        let (mut woken, mut outcome) = (0, Ok(()));
        for watched in watched.chunks(AT_ONCE) {
            if self.clock.now() >= until {
                tracing::warn!("not every breaker could be looked after");
                break;
            }
            let tended = join_all(watched.iter().map(|(endpoint, health)| self.tend(endpoint, health, until))).await;
            for ((endpoint, _), tended) in watched.iter().zip(tended) {
                match tended {
                    Ok(count) => woken += count,
                    Err(error) => {
                        tracing::error!(%error, %endpoint, "what a breaker keeps back could not be looked after");
                        outcome = outcome.and(Err(error));
                    }
                }
            }
        }
        outcome.map(|()| woken)
    }

    async fn tend(
        &self,
        endpoint: &EndpointId,
        health: &Health,
        until: Timestamp,
    ) -> Result<usize, lambda_runtime::Error> {
        match health.breaker {
            Breaker::Closed => Ok(0),
            Breaker::Open { next_probe, .. } => {
                let expired = self.wake_expired(endpoint, until).await?;
                Ok(expired + self.wake_probe(endpoint, next_probe, expired, until).await?)
            }
            Breaker::Draining { since } => {
                let pace = self.pace(endpoint).await?;
                let released = self.release(endpoint, pace, pace, until).await?;
                // Empty it must be found after the last dispatcher that knew no better.
                if released == 0 && self.clock.now().since(since) >= DRAINING {
                    let drained = self.outbox.endpoints().note_drained(endpoint, since).await?;
                    tracing::info!(%endpoint, drained, "nothing is kept back any more");
                }
                Ok(released)
            }
        }
    }

    /// Wakes what is too old to be tried: its message finds it expired.
    async fn wake_expired(&self, endpoint: &EndpointId, until: Timestamp) -> Result<usize, lambda_runtime::Error> {
        let (mut woken, mut seen) = (0, Seen::default());
        loop {
            let now = self.clock.now();
            let page = seen.next(|most| self.outbox.deliveries().kept_back(endpoint, now, most)).await?;
            if page.is_empty() || now >= until {
                return Ok(woken);
            }
            // On its very millisecond it would not be too old yet.
            let at = now + Duration::from_secs(1);
            let wakes = page.into_iter().map(|due| Woken::kept_back(due, at, now)).collect();
            let (count, result) = self.send_woken(wakes, until).await;
            woken += count;
            result?;
        }
    }

    /// Wakes one for the next probe, none of the `expired` ones, which the index may still show. If nothing is kept back,
    /// the next delivery that comes is the probe.
    async fn wake_probe(
        &self,
        endpoint: &EndpointId,
        next_probe: Timestamp,
        expired: usize,
        until: Timestamp,
    ) -> Result<usize, lambda_runtime::Error> {
        let now = self.clock.now();
        let ahead = next_probe > now && next_probe <= now + RUN;
        let lost = next_probe + RUN <= now;
        if !ahead && !lost {
            return Ok(0);
        }
        let kept = self.outbox.deliveries().kept_back(endpoint, EVER, expired + 1).await?;
        let Some(oldest) = kept.into_iter().find(|kept| kept.due > now) else { return Ok(0) };
        let (count, result) = self.send_woken(vec![Woken::kept_back(oldest, next_probe, now)], until).await;
        result.map(|()| count)
    }

    /// Wakes up to `most` of what is kept back, spread out so that `pace` become visible in a minute; how many.
    async fn release(
        &self,
        endpoint: &EndpointId,
        most: u32,
        pace: u32,
        until: Timestamp,
    ) -> Result<usize, lambda_runtime::Error> {
        let now = self.clock.now();
        let kept: Vec<Due> = self.outbox.deliveries().kept_back(endpoint, EVER, most as usize).await?;
        let wakes = (0..).zip(kept).map(|(place, due)| Woken::kept_back(due, now + MINUTE * place / pace, now));
        let (count, result) = self.send_woken(wakes.collect(), until).await;
        if count > 0 {
            tracing::info!(%endpoint, released = count, "what a breaker kept back is released");
        }
        result.map(|()| count)
    }

    /// How many are released in a minute: no more than the endpoint's own rate takes.
    async fn pace(&self, endpoint: &EndpointId) -> Result<u32, StoreError> {
        let endpoint = match self.outbox.endpoints().get(endpoint).await {
            // Nobody will call one that cannot be read; what waits for it ends.
            Err(error) if error.is_of_one_item() => None,
            other => other?,
        };
        Ok(endpoint.and_then(|endpoint| endpoint.rate).map_or(RELEASED, paced))
    }

    /// Looks at what is kept back of every endpoint, watched or not, and releases what no open breaker keeps.
    pub(crate) async fn find_stranded(&self, until: Timestamp) -> Result<usize, lambda_runtime::Error> {
        let mut endpoints = self.outbox.endpoints().all().await?;
        begin_elsewhere(&mut endpoints, self.clock.now(), DAY);
        let (mut found, mut outcome) = (0, Ok(()));
        for endpoints in endpoints.chunks(AT_ONCE) {
            if self.clock.now() >= until {
                tracing::error!("not every endpoint could be looked at");
                break;
            }
            let looks = join_all(endpoints.iter().map(|endpoint| self.unstrand(&endpoint.endpoint, until))).await;
            for (endpoint, look) in endpoints.iter().zip(looks) {
                match look {
                    Ok(count) => found += count,
                    Err(error) => {
                        tracing::error!(%error, endpoint = %endpoint.endpoint, "what is kept back could not be looked at");
                        outcome = outcome.and(Err(error));
                    }
                }
            }
        }
        outcome.map(|()| found)
    }

    async fn unstrand(&self, endpoint: &EndpointId, until: Timestamp) -> Result<usize, lambda_runtime::Error> {
        if self.outbox.deliveries().kept_back(endpoint, EVER, 1).await?.is_empty() {
            return Ok(0);
        }
        let whole = self.outbox.endpoints().whole(endpoint).await?;
        let tended = whole.is_some_and(|whole| whole.health.breaker != Breaker::Closed);
        if tended {
            return Ok(0);
        }
        let pace = self.pace(endpoint).await?;
        let count = self.release(endpoint, pace * STRANDED_MINUTES, pace, until).await?;
        tracing::warn!(%endpoint, count, "deliveries were kept back although the breaker is closed");
        Ok(count)
    }
}

fn paced(rate: Rate) -> u32 {
    let in_a_minute = MINUTE.as_millis() / rate.interval().as_millis().max(1);
    u32::try_from(in_a_minute).unwrap_or(u32::MAX).clamp(1, RELEASED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_released_faster_than_the_endpoints_rate_and_never_nothing_at_all() {
        let paced = |requests, per_s| paced(Rate::new(requests, per_s).unwrap());
        assert_eq!((paced(1_000, 1), paced(2, 1), paced(1, 10), paced(1, 300)), (RELEASED, 120, 6, 1));
    }
}
