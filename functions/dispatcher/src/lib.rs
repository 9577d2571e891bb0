//! From a message on `deliveries` to the endpoint, and to the next alarm or a terminal state.
//!
//! For each message: read its endpoint (once in a batch), get one of the endpoint's permits, claim the delivery, and
//! then make the tries of its cycle, each when it is the endpoint's turn. What follows is written first, and only
//! after that the alarm is moved.
//!
//! | module | is |
//! |---|---|
//! | `receiver` | the endpoints of one batch, each with its secrets, its health, its line and its permits |
//! | `cycle` | the tries of one claim, and what follows from each |
//! | `turn` | whether a try may be made now: breaker, rate, time |
//! | `post`, `queue` | one try: to an HTTP server, to a queue of the customer's |
//! | `answer` | what is kept of an answer |
//! | `notes` | how the endpoint fares, written for whoever comes next |
//! | `custody` | a claimed delivery, and the ways to let it go |
//!
//! What the message becomes is decided in one place (`Fate`):
//!
//! - *done* (deleted): the delivery ended, or waits in the table and `keeper` will wake it;
//! - *wait until* (its visibility is set, and it is reported as a failure): the delivery waits for its next
//!   cycle, or somebody else holds it. A message that finds it so may be the only alarm there is, so it is
//!   never acknowledged;
//! - *again* (reported as a failure, visibility as it is, and counted as one): infrastructure failed.
//!
//! No step hides a retry of its own: the HTTP client sends once, and the schedule is the only thing that
//! sends again.

mod answer;
mod config;
mod custody;
mod cycle;
mod envelope;
mod flight;
mod notes;
mod post;
mod queue;
mod receiver;
mod turn;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::delivery::{EVENT_GONE, End, Key, Limits, MOST_RECEIVES, Place, Try, WaitsFor};
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_function::{Edge, Env, Rim, StartError, trace};
use afferent_metrics::{Metric, count, observe_ms};
use afferent_queue::{MessageError, Queue, each};
use afferent_secrets::Seals;
use afferent_store::StoreError;
use afferent_store::deliveries::{Claim, Claimed, Deliveries};
use afferent_store::endpoints::Endpoints;
use afferent_store::events::Events;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};

pub use config::Config;
use custody::Custody;
use cycle::Cycle;
use envelope::Envelope;
use flight::InFlight;
use notes::Notes;
use post::Sender;
use receiver::{Answer, Receivers, Unsealed};

/// How long an invocation may take: the function's timeout in the template.
const INVOCATION: Duration = Duration::from_secs(30);

/// How early a message may come and be waited for inside. Alarms ring in whole seconds; they are rounded down, so that
/// a try is made at its very time and not up to a second later.
const EARLY: Duration = Duration::from_secs(1);

/// When a message comes back whose endpoint had no permit left.
const CROWDED: Duration = Duration::from_secs(5);

/// The function.
pub struct Dispatcher {
    deliveries: Deliveries,
    endpoints: Endpoints,
    events: Events,
    queue: Queue,
    in_flight: InFlight,
    limits: Limits,
    receivers: receiver::Opener,
    notes: Notes,
    sender: Sender,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    edge: Edge,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    WaitUntil(Timestamp),
}

/// Why a message must come again: our own trouble, never the endpoint's.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unsealed(#[from] Unsealed),
}

/// What the messages of one invocation share.
struct Batch {
    receivers: Receivers,
    /// The alarms to move once the batch is through, because they ring after its end: receipt handle and time.
    alarms: Mutex<Vec<(String, Timestamp)>>,
    /// When the invocation ends.
    ends: Timestamp,
}

impl Dispatcher {
    /// Builds the function; reads the sealing keys.
    ///
    /// # Errors
    /// A variable is missing, or the keys cannot be had.
    pub async fn start(env: &Env, rim: &Rim) -> Result<Self, StartError> {
        let config = Config::from_env(env)?;
        let client = afferent_store::client(&rim.aws);
        let queue = Queue::new(&rim.aws, config.deliveries_queue_url);
        let endpoints = Endpoints::new(client.clone(), config.endpoints_table);
        let edge = rim.edge("dispatcher", env);
        let keys = edge.start(Seals::read(&rim.aws, &config.seal_endpoints_secret_arn, rim.clock.now())).await?;
        Ok(Self {
            deliveries: Deliveries::new(client.clone(), config.deliveries_table).keeping(config.kept),
            events: Events::new(client, config.events_table),
            in_flight: InFlight::new(queue.clone()),
            queue,
            limits: config.limits,
            receivers: receiver::Opener { endpoints: endpoints.clone(), keys, clock: Arc::clone(&rim.clock) },
            notes: Notes { endpoints: endpoints.clone(), clock: Arc::clone(&rim.clock) },
            endpoints,
            sender: Sender::new(rim, config.deadline),
            clock: Arc::clone(&rim.clock),
            dice: Arc::clone(&rim.dice),
            edge,
        })
    }

    /// Handles one batch, all messages at once, in the time that the template gives an invocation.
    ///
    /// # Errors
    /// A message has no id.
    pub async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        self.handle_until(event, self.clock.now() + INVOCATION).await
    }

    /// The same, where the invocation ends at `ends`: no try is begun that could not be ended before. An end that is past
    /// is by another clock than ours. To go by it would be to begin no try at all, again and again, and to say nothing
    /// that anybody would notice; with the tries receivers refuse our signatures, and breakers open.
    ///
    /// # Errors
    /// A message has no id.
    pub async fn handle_until(
        &self,
        event: SqsEvent,
        ends: Timestamp,
    ) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        let now = self.clock.now();
        let ends = if ends > now { ends } else { now + INVOCATION };
        let ends = ends - self.edge.afterwards();
        self.edge.invocation(self.batch(event, ends)).await
    }

    async fn batch(&self, event: SqsEvent, ends: Timestamp) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        let batch = Batch { receivers: Receivers::default(), alarms: Mutex::default(), ends };
        let response = each(event, |message| self.one(message, &batch)).await?;
        self.move_alarms(batch.alarms.into_inner().unwrap_or_else(PoisonError::into_inner)).await;
        Ok(response)
    }

    async fn move_alarms(&self, alarms: Vec<(String, Timestamp)>) {
        let now = self.clock.now();
        let whole = |until: Timestamp| Duration::from_secs(until.since(now).as_secs());
        let waits: Vec<(String, Duration)> = alarms.into_iter().map(|(handle, until)| (handle, whole(until))).collect();
        if let Err(error) = self.queue.alarm(&waits).await {
            // The messages come back after the queue's own timeout and find the due time in the table.
            tracing::warn!(%error, messages = waits.len(), "alarms could not be moved");
        }
    }

    async fn one(&self, message: SqsMessage, batch: &Batch) -> afferent_queue::Outcome {
        match self.deliver(&message, batch).await {
            Ok(Fate::Done) => afferent_queue::Outcome::Done,
            Ok(Fate::WaitUntil(until)) => {
                match message.receipt_handle {
                    // A slow neighbour must not make it late. Lambda leaves the visibility of a reported failure as it
                    // is, so it may also come back before the batch is through.
                    Some(handle) if until < batch.ends => self.move_alarms(vec![(handle, until)]).await,
                    Some(handle) => batch.alarms.lock().unwrap_or_else(PoisonError::into_inner).push((handle, until)),
                    None => {}
                }
                afferent_queue::Outcome::Later
            }
            Err(error) => {
                count(Metric::PoisonMessages, usize::from(matches!(error, Trouble::Message(_))));
                tracing::error!(%error, message_id = message.message_id, "a message comes again");
                afferent_queue::Outcome::Again
            }
        }
    }

    async fn deliver(&self, message: &SqsMessage, batch: &Batch) -> Result<Fate, Trouble> {
        let body = afferent_queue::Delivery::from_body(message.body.as_deref().unwrap_or_default())?;
        let key = Key { event: body.event, endpoint: body.endpoint };
        let envelope = Envelope::of(message);
        envelope.trace.into_iter().for_each(trace::link);
        let answer = batch.receivers.get(&self.receivers, &key.endpoint).await?;
        // Kept until the cycle is over.
        let _permit = match &answer {
            Ok(receiver) => match receiver.permit().await {
                Some(permit) => Some(permit),
                None => return self.crowded(&key, &envelope).await,
            },
            Err(_) => None,
        };
        match self.claim(&key).await? {
            Ok(claimed) => self.claimed(&claimed, &envelope, &answer, batch.ends).await,
            Err(fate) => Ok(fate),
        }
    }

    /// The claim, or what becomes of a message that got none.
    async fn claim(&self, key: &Key) -> Result<Result<Box<Claimed>, Fate>, Trouble> {
        let mut claim = self.deliveries.claim(key, self.clock.now()).await?;
        if let Claim::NotYet(until) = claim
            && until <= self.clock.now() + EARLY
        {
            self.sleep_until(until).await;
            claim = self.deliveries.claim(key, self.clock.now()).await?;
        }
        Ok(match claim {
            Claim::Taken(claimed) => Ok(claimed),
            Claim::NotYet(until) => Err(Fate::WaitUntil(until)),
            Claim::Over | Claim::Parked => Err(Fate::Done),
            Claim::Gone => {
                tracing::warn!(event = %key.event, endpoint = %key.endpoint, "a message names no delivery");
                Err(Fate::Done)
            }
        })
    }

    async fn sleep_until(&self, at: Timestamp) {
        // A timer may ring a moment early by another clock.
        while self.clock.now() < at {
            tokio::time::sleep(at.since(self.clock.now())).await;
        }
    }

    /// The endpoint is busy with others of the batch: the message comes back, unless it came too often already.
    async fn crowded(&self, key: &Key, envelope: &Envelope) -> Result<Fate, Trouble> {
        let now = self.clock.now();
        if envelope.receives < MOST_RECEIVES {
            return Ok(Fate::WaitUntil(now + CROWDED));
        }
        let claimed = match self.claim(key).await? {
            Ok(claimed) => claimed,
            Err(fate) => return Ok(fate),
        };
        let waiting = claimed.waiting;
        Custody::new(self, &claimed, envelope).park(waiting.at, now, waiting.waits_for).await
    }

    /// A delivery that is ours: what ends it without a try, and then its cycle.
    async fn claimed(
        &self,
        claimed: &Claimed,
        envelope: &Envelope,
        answer: &Answer,
        ends: Timestamp,
    ) -> Result<Fate, Trouble> {
        let delivery = &claimed.delivery;
        let waiting = claimed.waiting;
        if waiting.place != Place::Queued && waiting.waits_for == WaitsFor::Schedule {
            observe_ms(Metric::RetryLateness, self.clock.now().since(waiting.next));
        }
        let mut custody = Custody::new(self, claimed, envelope);
        let receiver = match answer {
            Ok(receiver) => receiver,
            Err(reason) => return custody.end(End::Cancelled, reason).await,
        };
        if delivery.is_expired(&receiver.endpoint.policy, self.clock.now()) {
            // A failure only if the endpoint was tried, or not tried because it failed: neither a standstill of ours nor a
            // backlog longer than its rate is a fault of its own.
            if waiting.waits_for == WaitsFor::Breaker || waiting.at != Try::first(1) {
                self.notes.failure(receiver).await;
            }
            return custody.end(End::Expired, "it is older than its retry policy allows").await;
        }
        let Some(event) = self.events.get(&delivery.user, delivery.sequence).await? else {
            // Nobody failed: the journal keeps no event for ever.
            return custody.end(End::Expired, EVENT_GONE).await;
        };
        let seals = receiver.seals()?;
        let Some(parcel) = post::Parcel::of(&event, &receiver.endpoint.payload) else {
            tracing::error!(event = %delivery.key.event, "an event cannot be read, and is not sent");
            return custody.end(End::Cancelled, "its event cannot be read").await;
        };
        let ends = claimed.lease_until.min(ends);
        trace::carrying(delivery.trace, Cycle::new(custody, receiver, seals, ends).run(&parcel)).await
    }
}
