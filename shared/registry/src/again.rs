//! Test events, and deliveries made anew or cancelled: one, or many by a job.

use afferent_domain::Timestamp;
use afferent_domain::delivery::{End, Key, State as Standing, WITHDRAWN};
use afferent_domain::event::Draft;
use afferent_domain::id::{EndpointId, EventId, JobId, RecordId, UserId};
use afferent_domain::job::{Job, Kind, Progress, State, pace};
use afferent_domain::notice::source;
use afferent_domain::record::SyncKind;
use afferent_outbox::Unsent;
use afferent_store::deliveries::Again;
use serde::{Deserialize, Serialize};

use crate::{Clash, Registry, RegistryError};

/// How many jobs of an endpoint run at once at most, so that the pace of each means something.
pub const MOST_JOBS: usize = 5;

/// Which deliveries or events a job is about, and how it goes about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// From when on: what ended undelivered then or later (recover), what was journalled then or later (replay).
    pub since_ms: Timestamp,
    /// And made or journalled before this; now if nothing is said, and never later.
    #[serde(default)]
    pub until_ms: Option<Timestamp>,
    /// How many are sent in a minute at most; 600 if nothing is said.
    #[serde(default)]
    pub per_minute: Option<u32>,
    /// Whether it only counts.
    #[serde(default)]
    pub preview: bool,
}

/// Reads an instant as people write it: RFC 3339 with an offset. `name` is the member that holds it.
///
/// # Errors
/// [`RegistryError::Invalid`].
pub fn instant(name: &str, text: &str) -> Result<Timestamp, RegistryError> {
    let instant = text.parse::<jiff::Timestamp>().map(|instant| Timestamp::from_millis(instant.as_millisecond()));
    instant.map_err(|_| RegistryError::invalid(name, "an instant of RFC 3339, such as 2026-11-21T07:03:11Z"))
}

impl Span {
    /// All since `since_ms`.
    #[must_use]
    pub const fn since(since_ms: Timestamp) -> Self {
        Self { since_ms, until_ms: None, per_minute: None, preview: false }
    }
}

impl Registry {
    /// Sends an example of an event type to one endpoint, whatever it wants otherwise: marked as a test, journalled, and
    /// delivered as everything else is. What became of it: [`Registry::delivery`].
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn send_test(&self, id: &EndpointId, event_type: &str) -> Result<EventId, RegistryError> {
        self.enabled(id).await?;
        let data = afferent_schemas::example(event_type).ok_or_else(|| {
            RegistryError::invalid("type", "an event type, such as webhook.test or body_weight.created")
        })?;
        let (user, now) = (UserId::app(), self.clock.now());
        let record = RecordId::draw(now, &*self.dice);
        let draft = Draft {
            id: EventId::derive(&[user.as_str(), record.as_str(), "1"]),
            user,
            event_type: event_type.to_owned(),
            source: source(id),
            time: now,
            synckind: SyncKind::Live,
            run: None,
            record,
            rev: 1,
            data,
            about: None,
            test: true,
            trace: None,
        };
        let event = draft.id.clone();
        let keys = self.outbox.commit_app(vec![draft], Some(id)).await?;
        self.announce(&keys).await;
        Ok(event)
    }

    /// Delivers an event again that was delivered, or was not: with the same id and every try of the policy.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Conflict`] while the delivery has not ended.
    pub async fn resend(&self, event: &EventId, id: &EndpointId) -> Result<(), RegistryError> {
        self.enabled(id).await?;
        let key = key(event, id)?;
        match self.outbox.deliveries().again(&key, self.clock.now()).await? {
            Again::Yes => {
                self.announce(&[key.into()]).await;
                Ok(())
            }
            Again::Waits => Err(Clash::DeliveryWaits.into()),
            Again::Gone => Err(RegistryError::NotFound("delivery")),
        }
    }

    /// Cancels a delivery that waits: held, parked or kept back by a breaker. It can be sent again, and no recovery does
    /// so. One that was cancelled so before stays as it is.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Conflict`] if it has ended, and while a try of it is under way.
    pub async fn cancel(&self, event: &EventId, id: &EndpointId) -> Result<(), RegistryError> {
        crate::known(id)?;
        let key = key(event, id)?;
        let deliveries = self.outbox.deliveries();
        if deliveries.cancel(&key, WITHDRAWN, self.clock.now()).await? {
            return Ok(());
        }
        let delivery = deliveries.get(&key).await?.ok_or(RegistryError::NotFound("delivery"))?;
        match delivery.state {
            Standing::Ended { end: End::Cancelled, reason, .. } if reason == WITHDRAWN => Ok(()),
            Standing::Ended { .. } => Err(Clash::DeliveryOver.into()),
            Standing::Waiting(_) => Err(Clash::TryUnderWay.into()),
        }
    }

    /// Begins a job that delivers again what ended without being delivered since a time, however long before it was made;
    /// but not what its receiver or its owner wants no more, nor what the journal keeps no more.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn recover(&self, id: &EndpointId, span: Span) -> Result<Job, RegistryError> {
        self.begin(id, Kind::Recover, span).await
    }

    /// Begins a job that delivers what the endpoint would want now and has no delivery of.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn replay(&self, id: &EndpointId, span: Span) -> Result<Job, RegistryError> {
        self.begin(id, Kind::Replay, span).await
    }

    async fn begin(&self, id: &EndpointId, kind: Kind, span: Span) -> Result<Job, RegistryError> {
        let per_minute =
            pace(span.per_minute).map_err(|error| RegistryError::invalid("per_minute", format!("right: {error}")))?;
        let now = self.clock.now();
        let until_ms = span.until_ms.map_or(now, |until| until.min(now));
        if span.since_ms >= until_ms {
            let name = if span.until_ms.is_some_and(|until| until < now) { "until" } else { "now" };
            return Err(RegistryError::invalid("since", format!("a time before {name}")));
        }
        self.enabled(id).await?;
        let jobs = self.endpoints().jobs(id).await?;
        if jobs.iter().filter(|job| job.state == State::Running).count() >= MOST_JOBS {
            return Err(Clash::TooManyJobs.into());
        }
        let job = Job {
            job: JobId::draw(now, &*self.dice),
            endpoint: id.clone(),
            kind,
            preview: span.preview,
            since_ms: span.since_ms,
            until_ms,
            per_minute,
            created_ms: now,
            state: State::Running,
            progress: Progress::default(),
        };
        self.endpoints().begin_job(&job).await?;
        Ok(job)
    }

    /// The jobs of an endpoint, the oldest first. Those of a deleted one are shown for as long as they are kept.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn jobs(&self, id: &EndpointId) -> Result<Vec<Job>, RegistryError> {
        crate::known(id)?;
        let jobs = self.endpoints().jobs(id).await?;
        if jobs.is_empty() {
            self.endpoint(id).await?;
        }
        Ok(jobs)
    }

    /// One job, and how far it is.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn job(&self, id: &EndpointId, job: &JobId) -> Result<Job, RegistryError> {
        crate::known(id)?;
        self.endpoints().job(id, job).await?.ok_or(RegistryError::NotFound("job"))
    }

    /// Ends a job that runs. What it sent is sent.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Conflict`] if it is over, or cancels what waits for a disabled endpoint.
    pub async fn cancel_job(&self, id: &EndpointId, job: &JobId) -> Result<Job, RegistryError> {
        if self.job(id, job).await?.kind == Kind::Cancel {
            return Err(Clash::JobNeeded.into());
        }
        if !self.endpoints().end_job(id, job, State::Cancelled, self.clock.now()).await? {
            return Err(Clash::JobOver.into());
        }
        self.job(id, job).await
    }

    /// Sends the messages of stored deliveries. Without them the keeper finds the deliveries overdue, and sends others.
    pub(crate) async fn announce(&self, unsent: &[Unsent]) {
        if let Err(error) = self.outbox.announce(unsent).await {
            tracing::warn!(%error, deliveries = unsent.len(), "deliveries are stored but not announced; they come later");
        }
    }
}

/// The key of a delivery. A text that is no id of an event is none of one that is there; a table would call it an error.
fn key(event: &EventId, id: &EndpointId) -> Result<Key, RegistryError> {
    if event.as_str().starts_with(EventId::PREFIX) {
        Ok(Key { event: event.clone(), endpoint: id.clone() })
    } else {
        Err(RegistryError::NotFound("delivery"))
    }
}
