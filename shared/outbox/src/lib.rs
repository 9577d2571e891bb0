//! From a change of a record to messages on the `deliveries` queue: the one road that every event takes,
//! whether `fanout` brings it, `keeper`'s sweep or an operator.
//!
//! Three steps, each of which may be repeated: the event goes into its user's journal; each endpoint that
//! wants it gets a delivery; each delivery gets a message. A message is sent only after its delivery is
//! stored, and a delivery is stored only after its event is. Whoever dies between two steps leaves nothing
//! that the next one to pass does not finish: what is there already is found, and goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::delivery::{Delivery, Key};
use afferent_domain::endpoint::{Endpoint, Wanted};
use afferent_domain::event::Draft;
use afferent_domain::id::{EndpointId, EventId, UserId};
use afferent_domain::trace::Trace;
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_function::{Env, EnvError, Rim};
use afferent_metrics::{Metric, count, observe_ms};
use afferent_queue::{Queue, QueueError, Sending};
use afferent_store::StoreError;
use afferent_store::deliveries::Deliveries;
use afferent_store::endpoints::Endpoints;
use afferent_store::events::{Events, Failure, Journalled};
use futures_util::future::try_join_all;

/// How many reads or writes are under way at once.
const AT_ONCE: usize = 16;

const DAY_S: u64 = 24 * 60 * 60;

/// How long events are kept unless it is set, in days.
const KEPT_DAYS: u64 = afferent_store::events::KEPT.as_secs() / DAY_S;

/// What the outbox is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// `EVENTS_TABLE`: the journal.
    pub events_table: String,
    /// `EVENTS_RETENTION_DAYS`: how long events are kept; 90 unless it is set.
    pub events_retention: Duration,
    /// `DELIVERIES_TABLE`: one item per event and endpoint.
    pub deliveries_table: String,
    /// `ENDPOINTS_TABLE`: who wants what.
    pub endpoints_table: String,
    /// `DELIVERIES_QUEUE_URL`: the queue that the dispatcher reads.
    pub deliveries_queue_url: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        let days = env.number("EVENTS_RETENTION_DAYS", KEPT_DAYS, 7..=3_650, "a number of days from 7 to 3650")?;
        Ok(Self {
            events_retention: Duration::from_secs(days * DAY_S),
            events_table: env.required("EVENTS_TABLE")?,
            deliveries_table: env.required("DELIVERIES_TABLE")?,
            endpoints_table: env.required("ENDPOINTS_TABLE")?,
            deliveries_queue_url: env.required("DELIVERIES_QUEUE_URL")?,
        })
    }
}

/// The endpoints that may want something of a batch of changes, read once for the whole batch.
#[derive(Clone, Debug, Default)]
pub struct Audience {
    endpoints: BTreeMap<EndpointId, Endpoint>,
}

impl Audience {
    fn of<'a>(&'a self, event: &'a Journalled) -> impl Iterator<Item = &'a Endpoint> {
        self.endpoints.values().filter(move |endpoint| endpoint.wants(&wanted(event)))
    }
}

/// A stored delivery whose message must be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// Which it is.
    pub key: Key,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
}

impl From<Key> for Unsent {
    fn from(key: Key) -> Self {
        Self { key, trace: None }
    }
}

/// What of an event decides who receives it.
#[must_use]
pub fn wanted(event: &Journalled) -> Wanted<'_> {
    let Journalled { user, event_type, synckind, about, .. } = event;
    Wanted { user, event_type, synckind: *synckind, about: about.as_ref() }
}

/// The road.
#[derive(Clone)]
pub struct Outbox {
    events: Events,
    deliveries: Deliveries,
    endpoints: Endpoints,
    queue: Queue,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

impl Outbox {
    /// Builds it; calls nothing.
    #[must_use]
    pub fn new(config: Config, rim: &Rim) -> Self {
        let client = afferent_store::client(&rim.aws);
        Self {
            events: Events::new(client.clone(), config.events_table).keeping(config.events_retention),
            deliveries: Deliveries::new(client.clone(), config.deliveries_table),
            endpoints: Endpoints::new(client, config.endpoints_table),
            queue: Queue::new(&rim.aws, config.deliveries_queue_url),
            clock: Arc::clone(&rim.clock),
            dice: Arc::clone(&rim.dice),
        }
    }

    /// The same road, whose deliveries are kept for so long after they ended.
    #[must_use]
    pub fn keeping(self, kept: Duration) -> Self {
        Self { deliveries: self.deliveries.keeping(kept), ..self }
    }

    /// The journal.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The deliveries.
    #[must_use]
    pub fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    /// The endpoints.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The queue of the deliveries.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Reads the endpoints of everybody's and of these users' events.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn audience(&self, users: impl IntoIterator<Item = UserId>) -> Result<Audience, StoreError> {
        let users: BTreeSet<UserId> = users.into_iter().collect();
        let users: Vec<UserId> = users.into_iter().collect();
        let mut found = self.endpoints.of_all_users().await?;
        for users in users.chunks(AT_ONCE) {
            let read = try_join_all(users.iter().map(|user| self.endpoints.of_user(user))).await?;
            found.extend(read.into_iter().flatten());
        }
        let endpoints = found.into_iter().map(|endpoint| (endpoint.endpoint.clone(), endpoint)).collect();
        Ok(Audience { endpoints })
    }

    /// Journals what is not about a record (notices, test events) and stores a delivery for each endpoint that wants
    /// it, or for `only` this one, whatever it wants. Returns the deliveries whose messages must now be sent.
    ///
    /// # Errors
    /// DynamoDB failed; doing all of it again is right.
    pub async fn commit_app(&self, drafts: Vec<Draft>, only: Option<&EndpointId>) -> Result<Vec<Unsent>, StoreError> {
        let user = UserId::app();
        let Some(endpoint) = only else {
            let audience = self.audience([user.clone()]).await?;
            return self.commit(&user, drafts, &audience).await;
        };
        let now = self.clock.now();
        let journalled = self.events.append(&user, drafts, now, self.dice.as_ref()).await?;
        let mut keys = Vec::new();
        for event in &journalled {
            self.deliver(event, endpoint).await?;
            keys.push(Key { event: event.event.clone(), endpoint: endpoint.clone() }.into());
        }
        Ok(keys)
    }

    /// Stores the delivery of a journalled event to an endpoint. `false` if there is one already.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn deliver(&self, event: &Journalled, endpoint: &EndpointId) -> Result<bool, StoreError> {
        self.deliveries.put_if_absent(&delivery(event, endpoint, None, self.clock.now())).await
    }

    /// Journals changes of one user in their order, and stores a delivery for each endpoint that wants one.
    /// Returns the deliveries whose messages must now be sent, old ones too.
    ///
    /// # Errors
    /// DynamoDB failed; doing all of it again is right.
    pub async fn commit(
        &self,
        user: &UserId,
        drafts: Vec<Draft>,
        audience: &Audience,
    ) -> Result<Vec<Unsent>, StoreError> {
        let now = self.clock.now();
        // A trace goes with the deliveries, which need it, and not into the journal, which would pay for its bytes twice.
        let traces: HashMap<EventId, Trace> =
            drafts.iter().filter_map(|draft| Some((draft.id.clone(), draft.trace?))).collect();
        let oldest = drafts.iter().map(|draft| draft.time).min();
        let journalled = self.events.append(user, drafts, now, self.dice.as_ref()).await?;
        if let Some(oldest) = oldest.filter(|_| journalled.iter().any(|event| event.fresh)) {
            observe_ms(Metric::EventAge, now.since(oldest));
        }
        let mut deliveries = Vec::new();
        for event in journalled {
            let trace = traces.get(&event.event).copied();
            let wanted = audience.of(&event).map(|endpoint| delivery(&event, &endpoint.endpoint, trace, now));
            deliveries.extend(wanted);
        }
        for deliveries in deliveries.chunks(AT_ONCE) {
            try_join_all(deliveries.iter().map(|delivery| self.deliveries.put_if_absent(delivery))).await?;
        }
        Ok(deliveries.into_iter().map(|Delivery { key, trace, .. }| Unsent { key, trace }).collect())
    }

    /// Sends the messages of stored deliveries.
    ///
    /// # Errors
    /// SQS did not take all of them; sending all of them again is right.
    pub async fn announce(&self, unsent: &[Unsent]) -> Result<(), QueueError> {
        let message = |unsent: &Unsent| message(&unsent.key, Duration::ZERO, unsent.trace);
        self.queue.send_all(unsent.iter().map(message).collect()).await
    }

    /// Keeps a note of a change that can never become an event.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn note(&self, failure: &Failure) -> Result<(), StoreError> {
        self.events.put_failure(failure).await?;
        count(Metric::RecordsUnfit, 1);
        Ok(())
    }
}

fn delivery(event: &Journalled, endpoint: &EndpointId, trace: Option<Trace>, now: Timestamp) -> Delivery {
    let key = Key { event: event.event.clone(), endpoint: endpoint.clone() };
    Delivery { trace, ..Delivery::new(key, event.user.clone(), event.sequence, event.event_type.clone(), now) }
}

/// The message of a delivery, in the fair-queue group of its endpoint; a part of `trace`, if it has one.
#[must_use]
pub fn message(key: &Key, delay: Duration, trace: Option<Trace>) -> Sending {
    let body = afferent_queue::Delivery { event: key.event.clone(), endpoint: key.endpoint.clone() }.to_body();
    Sending { body, group: Some(key.endpoint.as_str().to_owned()), delay, trace }
}
