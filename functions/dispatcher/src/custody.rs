//! A delivery that this function holds, and the ways to let it go.
//!
//! Each writes all that follows in one conditional write, so that a crash leaves either the claim, which ends with
//! its lease, or what comes after it; the due index shows both.

use afferent_domain::Timestamp;
use afferent_domain::delivery::{End, Place, Try, Verdict, WaitsFor, hold_or_park};
use afferent_domain::schedule::RetryPolicy;
use afferent_metrics::{Metric, observe_ms};
use afferent_store::deliveries::{Attempt, Claimed, Kept, Rest};

use crate::envelope::Envelope;
use crate::{Dispatcher, Fate, Trouble};

/// A claimed delivery.
pub(crate) struct Custody<'a> {
    pub(crate) function: &'a Dispatcher,
    pub(crate) claimed: &'a Claimed,
    envelope: &'a Envelope,
    attempts: u32,
    /// The delivery's first try, which is written with its end.
    first: Option<Attempt>,
}

impl<'a> Custody<'a> {
    pub(crate) fn new(function: &'a Dispatcher, claimed: &'a Claimed, envelope: &'a Envelope) -> Self {
        Self { function, claimed, envelope, attempts: claimed.delivery.attempts, first: None }
    }

    /// Puts an attempt into the log; its number there.
    pub(crate) async fn log(&mut self, attempt: &Attempt) -> Result<u32, Trouble> {
        let key = &self.claimed.delivery.key;
        self.attempts = self.function.deliveries.log(key, self.attempts + 1, attempt).await?;
        Ok(self.attempts)
    }

    /// Puts the attempt after which the delivery ends into the log; its number there. One that nobody can have made another
    /// before is written with the end, which saves a write.
    pub(crate) async fn log_last(&mut self, attempt: Attempt) -> Result<u32, Trouble> {
        if self.claimed.delivery.claims > 1 || self.attempts > 0 {
            return self.log(&attempt).await;
        }
        self.first = Some(attempt);
        self.attempts = 1;
        Ok(self.attempts)
    }

    /// Puts an attempt into the log that was to be written with the end, where there is none.
    pub(crate) async fn log_first(&mut self) -> Result<(), Trouble> {
        if let Some(first) = self.first.take() {
            self.attempts = self.function.deliveries.log(&self.claimed.delivery.key, 1, &first).await?;
        }
        Ok(())
    }

    /// It is over.
    pub(crate) async fn end(&mut self, end: End, reason: &str) -> Result<Fate, Trouble> {
        let (key, attempts) = (&self.claimed.delivery.key, self.attempts);
        let now = self.function.clock.now();
        let log = (attempts, self.first.as_ref());
        let ended = self.function.deliveries.end(self.claimed, end, reason, log, now).await;
        if !matches!(ended, Ok(Kept::Yes)) {
            // The try was made, whatever became of its claim.
            self.log_first().await?;
        }
        let kept = ended?;
        if kept == Kept::Yes {
            let (event, endpoint) = (key.event.as_str(), key.endpoint.as_str());
            if end == End::Delivered {
                // That it arrived is told by its last attempt's line.
                observe_ms(Metric::DeliveryAge, now.since(self.claimed.delivery.since));
            } else {
                tracing::info!(event, endpoint, attempts, state = end.as_str(), reason, "a delivery ended");
            }
        }
        Ok(self.fate(kept, Fate::Done))
    }

    /// It waits for `at` until `next`: held on the queue, or parked in the table.
    pub(crate) async fn wait(&self, at: Try, next: Timestamp, waits_for: WaitsFor) -> Result<Fate, Trouble> {
        let now = self.function.clock.now();
        let wait = next.since(now);
        let in_flight = self.function.in_flight.count(now, wait).await;
        let verdict = hold_or_park(wait, self.envelope.alarm(now), in_flight, self.function.limits, waits_for);
        if verdict == Verdict::Park {
            return self.park(at, next, waits_for).await;
        }
        let rest = Rest { place: Place::Held, ..self.rest(at, next, waits_for) };
        self.leave(rest, Fate::WaitUntil(next)).await
    }

    /// It waits for `at` until `next`, in the table; the message goes.
    pub(crate) async fn park(&self, at: Try, next: Timestamp, waits_for: WaitsFor) -> Result<Fate, Trouble> {
        self.leave(self.rest(at, next, waits_for), Fate::Done).await
    }

    /// It waits for `at` until the breaker closes or it is chosen as the probe, at most until it expires. It may be
    /// tried from now on: when it is chosen, no other wait of its own may stand in the way.
    pub(crate) async fn keep_back(&self, at: Try, policy: &RetryPolicy) -> Result<Fate, Trouble> {
        let kept_back = Some(self.claimed.delivery.expires(policy));
        let rest = self.rest(at, self.function.clock.now(), WaitsFor::Breaker);
        self.leave(Rest { kept_back, ..rest }, Fate::Done).await
    }

    fn rest(&self, at: Try, next: Timestamp, waits_for: WaitsFor) -> Rest {
        Rest { place: Place::Parked, at, next, waits_for, kept_back: None, attempts: self.attempts }
    }

    async fn leave(&self, rest: Rest, fate: Fate) -> Result<Fate, Trouble> {
        let kept = self.function.deliveries.wait(self.claimed, rest).await?;
        Ok(self.fate(kept, fate))
    }

    /// `fate`, unless another claim came after ours: then another message is at it. Ours is kept until that claim has
    /// ended, and then sees what became of it.
    fn fate(&self, kept: Kept, fate: Fate) -> Fate {
        if kept == Kept::Yes {
            return fate;
        }
        let key = &self.claimed.delivery.key;
        tracing::warn!(event = %key.event, endpoint = %key.endpoint, "a claim was overtaken");
        Fate::WaitUntil(self.claimed.lease_until)
    }
}
