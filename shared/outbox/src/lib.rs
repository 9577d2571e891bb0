//! From a change of a record to messages on the `deliveries` queue: the one road that every event takes,
//! whether `fanout` brings it, `keeper`'s sweep or an operator.
//!
//! Three steps, each of which may be repeated: the event goes into its user's journal; each endpoint that
//! wants it gets a delivery; each delivery gets a message. A message is sent only after its delivery is
//! stored, and a delivery is stored only after its event is. Whoever dies between two steps leaves nothing
//! that the next one to pass does not finish: what is there already is found, and goes on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::delivery::{Delivery, Key};
use afferent_domain::endpoint::Endpoint;
use afferent_domain::event::Draft;
use afferent_domain::filter::Scope;
use afferent_domain::id::UserId;
use afferent_domain::{Clock, Dice};
use afferent_function::{Env, EnvError, Rim};
use afferent_queue::{Queue, QueueError, Sending};
use afferent_store::StoreError;
use afferent_store::deliveries::Deliveries;
use afferent_store::endpoints::Endpoints;
use afferent_store::events::{Events, Failure};
use futures_util::future::try_join_all;

/// How many reads or writes are under way at once.
const AT_ONCE: usize = 16;

/// What the outbox is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// `EVENTS_TABLE`: the journal.
    pub events_table: String,
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
    /// A variable is missing.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        Ok(Self {
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
    endpoints: Vec<Endpoint>,
}

impl Audience {
    fn of<'a>(&'a self, user: &'a UserId, event_type: &'a str) -> impl Iterator<Item = &'a Endpoint> {
        self.endpoints.iter().filter(move |endpoint| endpoint.wants(user, event_type))
    }
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
            events: Events::new(client.clone(), config.events_table),
            deliveries: Deliveries::new(client.clone(), config.deliveries_table),
            endpoints: Endpoints::new(client, config.endpoints_table),
            queue: Queue::new(&rim.aws, config.deliveries_queue_url),
            clock: Arc::clone(&rim.clock),
            dice: Arc::clone(&rim.dice),
        }
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
        let users: HashSet<UserId> = users.into_iter().collect();
        let scopes: Vec<Scope> = std::iter::once(Scope::All).chain(users.into_iter().map(Scope::User)).collect();
        let mut audience = Audience::default();
        for scopes in scopes.chunks(AT_ONCE) {
            let read = try_join_all(scopes.iter().map(|scope| self.endpoints.of_scope(scope))).await?;
            audience.endpoints.extend(read.into_iter().flatten());
        }
        Ok(audience)
    }

    /// Journals changes of one user in their order, and stores a delivery for each endpoint that wants one.
    /// Returns the deliveries whose messages must now be sent, old ones too.
    ///
    /// # Errors
    /// DynamoDB failed; doing all of it again is right.
    pub async fn commit(&self, user: &UserId, drafts: Vec<Draft>, audience: &Audience) -> Result<Vec<Key>, StoreError> {
        let now = self.clock.now();
        let journalled = self.events.append(user, drafts, now, self.dice.as_ref()).await?;
        let mut deliveries = Vec::new();
        for event in journalled {
            for endpoint in audience.of(user, &event.event_type) {
                let key = Key { event: event.event.clone(), endpoint: endpoint.endpoint.clone() };
                deliveries.push(Delivery::new(key, user.clone(), event.sequence, event.event_type.clone(), now));
            }
        }
        for deliveries in deliveries.chunks(AT_ONCE) {
            try_join_all(deliveries.iter().map(|delivery| self.deliveries.put_if_absent(delivery))).await?;
        }
        Ok(deliveries.into_iter().map(|delivery| delivery.key).collect())
    }

    /// Sends the messages of stored deliveries.
    ///
    /// # Errors
    /// SQS did not take all of them; sending all of them again is right.
    pub async fn announce(&self, deliveries: &[Key]) -> Result<(), QueueError> {
        self.queue.send_all(deliveries.iter().map(|key| message(key, Duration::ZERO)).collect()).await
    }

    /// Keeps a note of a change that can never become an event.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn note(&self, failure: &Failure) -> Result<(), StoreError> {
        self.events.put_failure(failure).await
    }
}

/// The message of a delivery, in the fair-queue group of its endpoint.
#[must_use]
pub fn message(key: &Key, delay: Duration) -> Sending {
    let body = afferent_queue::Delivery { event: key.event.clone(), endpoint: key.endpoint.clone() }.to_body();
    Sending { body, group: Some(key.endpoint.as_str().to_owned()), delay }
}
