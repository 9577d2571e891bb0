//! From a message on `deliveries` to the endpoint, and to the next alarm or a terminal state.
//!
//! For each message: claim the delivery; read its event and its endpoint; sign and POST, twice if need be;
//! log each attempt; then write what follows, and only after that move the alarm. What the message becomes
//! is decided in one place (`Fate`):
//!
//! - *done* (deleted): the delivery ended, or waits in the table and `keeper` will wake it;
//! - *wait until* (its visibility is set, and it is reported as a failure): the delivery waits for its next
//!   cycle, or somebody else holds it. A message that finds it so may be the only alarm there is, so it is
//!   never acknowledged;
//! - *again* (reported as a failure, visibility as it is): infrastructure failed.
//!
//! No step hides a retry of its own: the HTTP client sends once, and the schedule is the only thing that
//! sends again.

mod flight;
mod post;
mod receiver;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::delivery::{Cause, DEADLINE, End, Key, Place, Step, Try, Verdict, hold_or_park, next_step};
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_function::{Env, EnvError, Rim, StartError};
use afferent_http::Http;
use afferent_queue::{MessageError, Queue, each};
use afferent_secrets::{Sealer, sealer};
use afferent_store::StoreError;
use afferent_store::deliveries::{Claim, Claimed, Deliveries, Kept};
use afferent_store::endpoints::Endpoints;
use afferent_store::events::Events;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};

use flight::InFlight;
use receiver::{Receiver, Receivers, Unsealed};

/// What `dispatcher` reads from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// `DELIVERIES_TABLE`: deliveries and their attempts.
    pub deliveries_table: String,
    /// `ENDPOINTS_TABLE`: endpoints, their sealed secrets and their health.
    pub endpoints_table: String,
    /// `EVENTS_TABLE`: the journal, for the bodies.
    pub events_table: String,
    /// `DELIVERIES_QUEUE_URL`: the queue that the messages come from.
    pub deliveries_queue_url: String,
    /// `SEAL_ENDPOINTS_SECRET_ARN`: the keys that endpoint secrets are sealed under.
    pub seal_endpoints_secret_arn: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        Ok(Self {
            deliveries_table: env.required("DELIVERIES_TABLE")?,
            endpoints_table: env.required("ENDPOINTS_TABLE")?,
            events_table: env.required("EVENTS_TABLE")?,
            deliveries_queue_url: env.required("DELIVERIES_QUEUE_URL")?,
            seal_endpoints_secret_arn: env.required("SEAL_ENDPOINTS_SECRET_ARN")?,
        })
    }
}

/// The function.
pub struct Dispatcher {
    deliveries: Deliveries,
    endpoints: Endpoints,
    events: Events,
    queue: Queue,
    in_flight: InFlight,
    sealer: Sealer,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
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

/// The alarms to move once the batch is through: receipt handle and time.
type Alarms = Mutex<Vec<(String, Timestamp)>>;

impl Dispatcher {
    /// Builds the function; reads the sealing keys.
    ///
    /// # Errors
    /// A variable is missing, or the keys cannot be had.
    pub async fn start(env: &Env, rim: &Rim) -> Result<Self, StartError> {
        let config = Config::from_env(env)?;
        let client = afferent_store::client(&rim.aws);
        let queue = Queue::new(&rim.aws, config.deliveries_queue_url);
        Ok(Self {
            deliveries: Deliveries::new(client.clone(), config.deliveries_table),
            endpoints: Endpoints::new(client.clone(), config.endpoints_table),
            events: Events::new(client, config.events_table),
            in_flight: InFlight::new(queue.clone()),
            queue,
            sealer: sealer(&rim.aws, &config.seal_endpoints_secret_arn).await?,
            http: Arc::clone(&rim.http),
            clock: Arc::clone(&rim.clock),
            dice: Arc::clone(&rim.dice),
        })
    }

    /// Handles one batch, all messages at once.
    ///
    /// # Errors
    /// A message has no id.
    pub async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        let (receivers, alarms) = (Receivers::default(), Alarms::default());
        let response = each(event, |message| self.one(message, &receivers, &alarms)).await?;
        // At the end of the batch: a visibility timeout counts from the moment of the call.
        self.move_alarms(alarms.into_inner().unwrap_or_else(PoisonError::into_inner)).await;
        Ok(response)
    }

    async fn move_alarms(&self, alarms: Vec<(String, Timestamp)>) {
        let now = self.clock.now();
        let waits: Vec<(String, Duration)> =
            alarms.into_iter().map(|(handle, until)| (handle, until.since(now))).collect();
        if let Err(error) = self.queue.alarm(&waits).await {
            // The messages come back after the queue's own timeout and find the due time in the table.
            tracing::warn!(%error, messages = waits.len(), "alarms could not be moved");
        }
    }

    async fn one(&self, message: SqsMessage, receivers: &Receivers, alarms: &Alarms) -> afferent_queue::Outcome {
        match self.deliver(&message, receivers).await {
            Ok(Fate::Done) => afferent_queue::Outcome::Done,
            Ok(Fate::WaitUntil(until)) => {
                if let Some(handle) = message.receipt_handle {
                    alarms.lock().unwrap_or_else(PoisonError::into_inner).push((handle, until));
                }
                afferent_queue::Outcome::Again
            }
            Err(error) => {
                tracing::error!(%error, message_id = message.message_id, "a message comes again");
                afferent_queue::Outcome::Again
            }
        }
    }

    async fn deliver(&self, message: &SqsMessage, receivers: &Receivers) -> Result<Fate, Trouble> {
        let body = afferent_queue::Delivery::from_body(message.body.as_deref().unwrap_or_default())?;
        let key = Key { event: body.event, endpoint: body.endpoint };
        match self.deliveries.claim(&key, self.clock.now()).await? {
            Claim::Taken(claimed) => self.cycle(&claimed, first_receive(message), receivers).await,
            Claim::NotYet(until) => Ok(Fate::WaitUntil(until)),
            Claim::Over | Claim::Parked => Ok(Fate::Done),
            Claim::Gone => {
                tracing::warn!(event = %key.event, endpoint = %key.endpoint, "a message names no delivery");
                Ok(Fate::Done)
            }
        }
    }

    /// One cycle of a claimed delivery: its tries, and what follows.
    async fn cycle(
        &self,
        claimed: &Claimed,
        first_receive: Option<Timestamp>,
        receivers: &Receivers,
    ) -> Result<Fate, Trouble> {
        let delivery = &claimed.delivery;
        let mut attempts = delivery.attempts;
        let (receiver, event) = tokio::join!(
            receivers.get(&self.endpoints, &self.sealer, &delivery.key.endpoint, self.clock.now()),
            self.events.get(&delivery.user, delivery.sequence)
        );
        let receiver = match receiver? {
            Ok(receiver) => receiver,
            Err(reason) => return self.end(claimed, End::Cancelled, &reason, attempts).await,
        };
        let policy = &receiver.endpoint.policy;
        if delivery.is_expired(policy, self.clock.now()) {
            return self.end(claimed, End::Expired, "it is older than its retry policy allows", attempts).await;
        }
        let Some(event) = event? else {
            return self.end(claimed, End::Expired, "its event is no longer kept", attempts).await;
        };
        let secrets = receiver.secrets()?;
        let lease_until = claimed.lease_until;
        let mut made = Try::first(claimed.cycle);
        loop {
            if self.clock.now() + DEADLINE > lease_until {
                // The tables were slow. Another message may claim it once the lease ends, so stop before.
                return Ok(Fate::WaitUntil(lease_until));
            }
            let (http, clock) = (self.http.as_ref(), self.clock.as_ref());
            let attempt = post::attempt(http, clock, &receiver.endpoint, secrets, &event, made).await;
            attempts = self.deliveries.log(&delivery.key, attempts + 1, &attempt).await?;
            post::tell(&delivery.key, attempts, &attempt);
            match next_step(policy, made, post::status(&attempt), self.dice.as_ref()) {
                Step::Again(again) => made = again,
                Step::Wait { cycle, wait } => {
                    return self.wait(claimed, cycle, wait, first_receive, attempts).await;
                }
                Step::Delivered => {
                    let fate = self.end(claimed, End::Delivered, "the endpoint took it", attempts).await?;
                    self.note_success(&receiver).await;
                    return Ok(fate);
                }
                Step::Exhausted => {
                    let fate = self.end(claimed, End::Exhausted, "every try failed", attempts).await?;
                    self.note_exhausted(&receiver).await;
                    return Ok(fate);
                }
            }
        }
    }

    /// The cycle failed, and there is another: held on the queue, or parked in the table.
    async fn wait(
        &self,
        claimed: &Claimed,
        cycle: u16,
        wait: Duration,
        first_receive: Option<Timestamp>,
        attempts: u32,
    ) -> Result<Fate, Trouble> {
        let now = self.clock.now();
        let since = first_receive.map_or(Duration::ZERO, |first| now.since(first));
        let in_flight = self.in_flight.count(now, wait).await;
        let next = now + wait;
        let (place, fate) = match hold_or_park(wait, since, in_flight, Cause::Schedule) {
            Verdict::Hold => (Place::Held, Fate::WaitUntil(next)),
            Verdict::Park => (Place::Parked, Fate::Done),
        };
        match self.deliveries.wait(claimed, place, cycle, next, attempts).await? {
            Kept::Yes => Ok(fate),
            Kept::Overtaken => Ok(overtaken(claimed)),
        }
    }

    async fn end(&self, claimed: &Claimed, end: End, reason: &str, attempts: u32) -> Result<Fate, Trouble> {
        let key = &claimed.delivery.key;
        match self.deliveries.end(claimed, end, reason, attempts, self.clock.now()).await? {
            Kept::Yes => {
                let (event, endpoint) = (key.event.as_str(), key.endpoint.as_str());
                tracing::info!(event, endpoint, attempts, state = end.as_str(), reason, "a delivery ended");
                Ok(Fate::Done)
            }
            Kept::Overtaken => Ok(overtaken(claimed)),
        }
    }

    /// The endpoint's health is no part of the delivery: that it cannot be written is not its failure.
    async fn note_success(&self, receiver: &Receiver) {
        let Some(health) = receiver.better(self.clock.now()) else { return };
        if let Err(error) = self.endpoints.put_health(&receiver.endpoint.endpoint, &health).await {
            tracing::warn!(%error, endpoint = %receiver.endpoint.endpoint, "a success could not be noted");
        }
    }

    async fn note_exhausted(&self, receiver: &Receiver) {
        if let Err(error) = self.endpoints.count_exhausted(&receiver.endpoint.endpoint, self.clock.now()).await {
            tracing::warn!(%error, endpoint = %receiver.endpoint.endpoint, "an exhausted delivery could not be counted");
        }
    }
}

/// Another claim came after ours, so another message is at it. Ours is kept until that claim has ended, and
/// then sees what became of it.
fn overtaken(claimed: &Claimed) -> Fate {
    let key = &claimed.delivery.key;
    tracing::warn!(event = %key.event, endpoint = %key.endpoint, "a claim was overtaken");
    Fate::WaitUntil(claimed.lease_until)
}

/// When SQS first gave this message to anyone: from then its 12 h in flight count.
fn first_receive(message: &SqsMessage) -> Option<Timestamp> {
    message.attributes.get("ApproximateFirstReceiveTimestamp")?.parse().ok().map(Timestamp::from_millis)
}
