//! The tries of one claim, and what follows from each.

use afferent_domain::Timestamp;
use afferent_domain::delivery::{ABORTED, End, Step, Try, WaitsFor, next_step};
use afferent_domain::reply::Reply;

use crate::custody::Custody;
use crate::notes::Failed;
use crate::post::{self, Parcel};
use crate::receiver::{Receiver, Seals, stopped};
use crate::turn::Turn;
use crate::{Fate, Trouble};

/// A claimed delivery whose tries are being made.
pub(crate) struct Cycle<'a> {
    pub(crate) custody: Custody<'a>,
    pub(crate) receiver: &'a Receiver,
    seals: &'a Seals,
    /// When the lease or the invocation ends.
    pub(crate) ends: Timestamp,
    failed: Failed,
}

impl<'a> Cycle<'a> {
    pub(crate) fn new(custody: Custody<'a>, receiver: &'a Receiver, seals: &'a Seals, ends: Timestamp) -> Self {
        Self { custody, receiver, seals, ends, failed: Failed::default() }
    }

    /// Makes the try that falls due, and those that follow it at once.
    pub(crate) async fn run(mut self, parcel: &Parcel) -> Result<Fate, Trouble> {
        let function = self.custody.function;
        let policy = &self.receiver.endpoint.policy;
        let waiting = self.custody.claimed.waiting;
        let mut made = waiting.at;
        let mut place = (waiting.waits_for == WaitsFor::Rate).then_some(waiting.next);
        loop {
            let probe = match self.turn(place.take()).await {
                Ok(Turn::Go(probe)) => probe,
                Ok(Turn::Shut) => return self.wait(made, function.clock.now(), WaitsFor::Breaker).await,
                Ok(Turn::Later(next, waits_for)) => return self.wait(made, next, waits_for).await,
                Ok(Turn::Stopped(stop)) => return self.custody.end(End::Cancelled, &stopped(stop)).await,
                Err(trouble) => return self.broken_off(trouble).await,
            };
            let done = function.sender.attempt(self.receiver, self.seals, parcel, made).await;
            let step = next_step(policy, made, &done.reply, function.dice.as_ref());
            if let Some(probe) = probe.filter(|_| step != Step::Delivered) {
                function.notes.probe_failed(self.receiver, probe).await;
            }
            if done.is_receivers_fault && matches!(step, Step::Again(_) | Step::Wait { .. } | Step::Exhausted) {
                self.failed.add(done.attempt.at);
            }
            let logged = match step {
                Step::Delivered if done.reply.stop().is_none() => self.custody.log_last(done.attempt.clone()).await,
                _ => self.custody.log(&done.attempt).await,
            };
            match logged {
                Ok(number) => post::tell(&self.custody.claimed.delivery.key, number, &done.attempt, probe.is_some()),
                Err(trouble) => return self.broken_off(trouble).await,
            }
            match step {
                Step::Delivered => return self.delivered(&done.reply).await,
                Step::Stopped => return self.stopped(&done.reply).await,
                Step::Aborted => {
                    function.notes.tries(self.receiver, self.failed).await;
                    return self.custody.end(End::Cancelled, ABORTED).await;
                }
                Step::Exhausted => return self.exhausted().await,
                Step::Again(at) if probe.is_none() => made = at,
                Step::Again(at) => return self.wait(at, function.clock.now(), WaitsFor::Schedule).await,
                Step::Wait { at, wait, waits_for } => {
                    return self.wait(at, function.clock.now() + wait, waits_for).await;
                }
            }
        }
    }

    /// A table of ours does not answer: the message comes again. What failed by the receiver's fault is counted all the
    /// same, because it was tried.
    async fn broken_off(self, trouble: Trouble) -> Result<Fate, Trouble> {
        self.custody.function.notes.tries(self.receiver, self.failed).await;
        Err(trouble)
    }

    /// No further try for now: what failed is counted. If the breaker is open then, the delivery is kept back once its
    /// time has come, and until then waits in the table: an outage that its schedule would outlast costs it no tries.
    async fn wait(self, at: Try, next: Timestamp, waits_for: WaitsFor) -> Result<Fate, Trouble> {
        self.custody.function.notes.tries(self.receiver, self.failed).await;
        let (open, due) = (self.receiver.health().is_open(), next <= self.custody.function.clock.now());
        if waits_for == WaitsFor::Breaker || (open && due) {
            return self.custody.keep_back(at, &self.receiver.endpoint.policy).await;
        }
        if open {
            return self.custody.park(at, next, waits_for).await;
        }
        self.custody.wait(at, next, waits_for).await
    }

    async fn delivered(mut self, reply: &Reply) -> Result<Fate, Trouble> {
        self.note_stop(reply).await?;
        let fate = self.custody.end(End::Delivered, "the endpoint took it").await?;
        self.custody.function.notes.success(self.receiver).await;
        Ok(fate)
    }

    async fn stopped(mut self, reply: &Reply) -> Result<Fate, Trouble> {
        self.note_stop(reply).await?;
        let reason = self.receiver.health().stop.map(stopped).unwrap_or_default();
        self.custody.end(End::Cancelled, &reason).await
    }

    /// Before the delivery ends: where this fails or dies the message comes again, and so does the answer.
    async fn note_stop(&mut self, reply: &Reply) -> Result<(), Trouble> {
        let Some(cause) = reply.stop() else { return Ok(()) };
        let noted = self.custody.function.notes.stop(self.receiver, cause).await;
        if noted.is_err() {
            self.custody.log_first().await?;
        }
        Ok(noted?)
    }

    async fn exhausted(mut self) -> Result<Fate, Trouble> {
        let notes = &self.custody.function.notes;
        notes.tries(self.receiver, self.failed).await;
        // Counted before: a crash in between warns early, the other way round not at all.
        notes.failure(self.receiver).await;
        self.custody.end(End::Exhausted, "every try failed").await
    }
}
