//! Disabling endpoints, and enabling them again with the offer of what they missed.

use afferent_domain::Timestamp;
use afferent_domain::endpoint::{Cause, Endpoint, Standing};
use afferent_domain::health::{Health, PATIENCE};
use afferent_domain::id::{EndpointId, JobId};
use afferent_domain::job::{Job, Kind, MOST_PER_MINUTE, PER_MINUTE, Progress, State};
use afferent_domain::notice::{Notice, Subject};
use serde::Serialize;

use crate::wish::{LONGEST_NOTE, note};
use crate::{By, Clash, Registry, RegistryError, TRIES};

/// What came of enabling an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Enabled {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What it missed; `None` if it was enabled already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
}

/// What an endpoint missed: two previews, which are counting. Asking for the same without `preview` brings it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// What ended without being delivered.
    pub recover: Job,
    /// What was never made a delivery of.
    pub replay: Job,
}

impl Registry {
    /// Disables an endpoint: nothing is delivered to it any more, and what waits is cancelled. One that is disabled
    /// already stays so for the cause that it has, unless an operator disables it now.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn disable(&self, id: &EndpointId, why: Option<&str>, by: By) -> Result<Endpoint, RegistryError> {
        note("note", why, LONGEST_NOTE)?;
        for _ in 0..TRIES {
            let mut endpoint = self.endpoint(id).await?;
            let was = endpoint.standing.clone();
            let cause = if by == By::Operator { Cause::Operator } else { Cause::Owner };
            let (since, note) = match &was {
                Standing::Enabled => (self.clock.now(), None),
                Standing::Disabled { since_ms, note, .. } => (*since_ms, note.clone()),
            };
            let stays = matches!(&was, Standing::Disabled { cause: had, .. } if by == By::Owner || *had == cause);
            if !stays {
                let note = why.map(str::to_owned).or(note);
                endpoint.standing = Standing::Disabled { cause, note, since_ms: since };
                if !self.endpoints().set_standing(id, &was, &endpoint.standing).await? {
                    continue;
                }
            }
            // The same job however often this is asked for: who disabled it before may have died before the job began.
            let job = JobId::derive(&["cancel", id.as_str(), &since.as_millis().to_string()]);
            self.cancel_waiting(&endpoint, job).await?;
            return Ok(endpoint);
        }
        Err(Clash::Changing.into())
    }

    /// Enables an endpoint: it begins anew, without its failures, and gets what is journalled from now on. What it
    /// missed is counted, and does not come by itself.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Beyond`] if an operator disabled it and its owner asks. If it was enabled when
    /// something failed later, asking again finds it enabled and offers nothing; recover and replay can be asked for.
    pub async fn enable(&self, id: &EndpointId, by: By) -> Result<Enabled, RegistryError> {
        for _ in 0..TRIES {
            let whole = self.whole(id).await?;
            let (was, health) = (whole.endpoint, whole.health);
            let Standing::Disabled { cause, since_ms, .. } = was.standing else {
                return Ok(Enabled { endpoint: was, offer: None });
            };
            if by == By::Owner && cause == Cause::Operator {
                return Err(RegistryError::Beyond("write (to enable what an operator disabled)"));
            }
            // Before it is enabled: what its health says would stop it again at once.
            self.begin_anew(id).await?;
            let endpoint = Endpoint { standing: Standing::Enabled, ..was.clone() };
            let set = self.endpoints().set_standing(id, &was.standing, &endpoint.standing).await?;
            // A write whose answer was lost is sent again, and then finds it enabled: the offer is still to be made.
            if !set && !self.endpoint(id).await?.is_enabled() {
                continue;
            }
            let missed = missed(&endpoint, cause, since_ms, &health);
            let recover = self.preview(id, Kind::Recover, missed).await?;
            let replay = self.preview(id, Kind::Replay, missed).await?;
            self.tell(&endpoint, &health).await?;
            return Ok(Enabled { endpoint, offer: Some(Offer { recover, replay }) });
        }
        Err(Clash::Changing.into())
    }

    /// Forgets how an endpoint fared, and lets what is kept back for it go.
    async fn begin_anew(&self, id: &EndpointId) -> Result<(), RegistryError> {
        let now = self.clock.now();
        for job in self.endpoints().jobs(id).await? {
            if job.kind == Kind::Cancel && job.state == State::Running {
                // What it has not come to waits on, and is delivered.
                self.endpoints().end_job(id, &job.job, State::Cancelled, now).await?;
            }
        }
        let ever = Timestamp::from_millis(i64::MAX);
        let kept_back = !self.outbox.deliveries().kept_back(id, ever, 1).await?.is_empty();
        self.endpoints().reset_health(id, kept_back.then_some(now)).await?;
        Ok(self.endpoints().clear_line(id).await?)
    }

    async fn preview(&self, id: &EndpointId, kind: Kind, since: Timestamp) -> Result<Job, RegistryError> {
        let now = self.clock.now();
        let job = Job {
            job: JobId::draw(now, &*self.dice),
            endpoint: id.clone(),
            kind,
            preview: true,
            since_ms: since,
            until_ms: now,
            per_minute: PER_MINUTE,
            created_ms: now,
            state: State::Running,
            progress: Progress::default(),
        };
        self.endpoints().begin_job(&job).await?;
        Ok(job)
    }

    async fn tell(&self, endpoint: &Endpoint, health: &Health) -> Result<(), RegistryError> {
        let now = self.clock.now();
        let draft = Notice::Enabled { since: now }.event(&Subject::new(endpoint, health), now);
        let keys = self.outbox.commit_app(vec![draft], None).await?;
        self.announce(&keys).await;
        Ok(())
    }

    /// Has the keeper cancel what waits for an endpoint, however old it is: what was sent again is found under the time
    /// at which it was first made.
    pub(crate) async fn cancel_waiting(&self, endpoint: &Endpoint, job: JobId) -> Result<(), RegistryError> {
        let now = self.clock.now();
        let job = Job {
            job,
            endpoint: endpoint.endpoint.clone(),
            kind: Kind::Cancel,
            preview: false,
            since_ms: endpoint.created_ms,
            until_ms: now,
            per_minute: MOST_PER_MINUTE,
            created_ms: now,
            state: State::Running,
            progress: Progress::default(),
        };
        self.endpoints().begin_job(&job).await?;
        Ok(())
    }
}

/// From when on an endpoint missed something. What waited then is older, and ended later.
fn missed(endpoint: &Endpoint, cause: Cause, disabled: Timestamp, health: &Health) -> Timestamp {
    // The keeper forgets the health of what it disabled; 20 days are counted from the first failure.
    let failed = match cause {
        Cause::Failing => disabled - PATIENCE,
        Cause::Owner | Cause::Operator | Cause::Gone | Cause::Receiver => disabled,
    };
    let first = health.failing_since.map_or(failed, |since| since.min(failed));
    first.max(endpoint.created_ms)
}

#[cfg(test)]
mod tests {
    use afferent_domain::endpoint::{Destination, EndpointUrl};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_244_400);
    const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

    fn endpoint(created: Timestamp) -> Endpoint {
        let url = EndpointUrl::parse("https://example.org/").unwrap();
        Endpoint::new(EndpointId::from("ep_1"), Destination::Http { url }, created)
    }

    #[test]
    fn what_was_missed_begins_with_the_first_failure() {
        let old = endpoint(NOW - DAY * 300);
        assert_eq!(missed(&old, Cause::Gone, NOW, &Health::default()), NOW);
        assert_eq!(missed(&old, Cause::Failing, NOW, &Health::default()), NOW - PATIENCE);
        let since = Health { failing_since: Some(NOW - DAY), ..Health::default() };
        assert_eq!(missed(&old, Cause::Owner, NOW, &since), NOW - DAY);
    }

    #[test]
    fn nothing_was_missed_before_an_endpoint_was_there() {
        let young = endpoint(NOW - DAY);
        assert_eq!(missed(&young, Cause::Failing, NOW, &Health::default()), NOW - DAY);
    }
}
