//! Registering endpoints, showing, changing and deleting them.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::endpoint::{Cause, Endpoint, Headers, MOST_SECRETS, Standing};
use afferent_domain::health::{Breaker, Health};
use afferent_domain::id::{EndpointId, JobId};
use afferent_domain::rate::Rate;
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_store::endpoints::SealedSecret;
use serde::Serialize;

use crate::secrets::{SecretState, states};
use crate::{By, Change, Clash, New, Registry, RegistryError, TRIES};

/// An endpoint with all that may be shown of it: no secret, and no value of a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// How it fares.
    pub health: Fare,
    /// Its secrets, without what they are.
    pub secrets: Vec<SecretState>,
}

/// How an endpoint fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fare {
    /// `closed`: it is called; `open`: after too many failures it is not, but for a probe now and then; `draining`: it is
    /// again, and what was kept back is on its way.
    pub breaker: &'static str,
    /// The last delivery that succeeded, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success_ms: Option<Timestamp>,
    /// The first failed try after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since_ms: Option<Timestamp>,
    /// Failed tries after that.
    pub failed_tries: u32,
    /// Deliveries that ended undelivered after that.
    pub failures_in_a_row: u32,
    /// When the next probe may be made, while the breaker is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_probe_ms: Option<Timestamp>,
    /// When the endpoint is disabled if nothing succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_at_ms: Option<Timestamp>,
}

impl From<Health> for Fare {
    fn from(health: Health) -> Self {
        let (breaker, next_probe_ms) = match health.breaker {
            Breaker::Closed => ("closed", None),
            Breaker::Open { next_probe, .. } => ("open", Some(next_probe)),
            Breaker::Draining { .. } => ("draining", None),
        };
        Self {
            breaker,
            last_success_ms: health.last_success,
            failing_since_ms: health.failing_since,
            failed_tries: health.failed_tries,
            failures_in_a_row: health.failures_in_a_row,
            next_probe_ms,
            disabled_at_ms: health.disabled_at(),
        }
    }
}

impl Registry {
    /// Registers an endpoint. It gets what is journalled from now on, and its secret is shown here and by
    /// [`Registry::secret`].
    ///
    /// # Errors
    /// [`RegistryError`]; then there is no endpoint.
    pub async fn register(&self, new: New) -> Result<(Endpoint, SigningSecret), RegistryError> {
        let id = EndpointId::draw(self.clock.now(), &*self.dice);
        self.register_as(id, new).await
    }

    /// The same under an id that the caller chose, so that asking again after a lost answer makes no second one.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Conflict`] if there is an endpoint of this id.
    pub async fn register_as(&self, id: EndpointId, new: New) -> Result<(Endpoint, SigningSecret), RegistryError> {
        const THERE: RegistryError = RegistryError::Conflict(Clash::Taken);
        new.check()?;
        self.reach(&new.destination).await?;
        if self.endpoints().get(&id).await?.is_some() {
            return Err(THERE);
        }
        let now = self.clock.now();
        let secret = new.secret.clone().unwrap_or_else(|| SigningSecret::draw(&*self.dice));
        let (headers, endpoint) = (new.headers.clone(), new.endpoint(id.clone(), now));
        // The secret first: an endpoint that is there is delivered to, and signed for.
        let number = self.first_secret(&id, &secret, now).await?;
        let headers = self.seal_headers(&id, &headers)?;
        self.endpoints().put_headers(&id, headers.as_deref()).await?;
        // A write that was done and whose answer was lost is sent again, and then finds itself.
        if self.endpoints().put(&endpoint, None).await? || self.endpoints().get(&id).await?.as_ref() == Some(&endpoint)
        {
            return Ok((endpoint, secret));
        }
        self.endpoints().remove_secret(&id, number).await?;
        Err(THERE)
    }

    /// Stores the first secret of an endpoint that is not there yet. A registration that broke off may have left one
    /// under the same id: then both sign, and either is right.
    async fn first_secret(
        &self,
        id: &EndpointId,
        secret: &SigningSecret,
        now: Timestamp,
    ) -> Result<u16, RegistryError> {
        let sealed = self.seal_secret(id, secret)?;
        for number in (1..).take(MOST_SECRETS) {
            let secret = SealedSecret { number, sealed: sealed.clone(), created: now, until: None };
            if self.endpoints().add_secret(id, &secret).await? {
                return Ok(number);
            }
        }
        Err(Clash::BrokeOff.into())
    }

    /// The headers as they are stored; `None` if there are none.
    fn seal_headers(&self, id: &EndpointId, headers: &Headers) -> Result<Option<String>, RegistryError> {
        if headers.names().is_empty() {
            return Ok(None);
        }
        Ok(Some(self.seals.seal(id.as_str(), &Secret::new(headers.to_json()), &*self.dice)?.0))
    }

    /// One endpoint, and how it fares.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn get(&self, id: &EndpointId) -> Result<Shown, RegistryError> {
        let whole = self.whole(id).await?;
        let secrets = states(&whole.secrets, self.clock.now());
        Ok(Shown { endpoint: whole.endpoint, health: whole.health.into(), secrets })
    }

    /// Every endpoint, the oldest first.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn list(&self) -> Result<Vec<Endpoint>, RegistryError> {
        let mut all = self.endpoints().all().await?;
        all.sort_by(|one, other| (one.created_ms, &one.endpoint).cmp(&(other.created_ms, &other.endpoint)));
        Ok(all)
    }

    /// Changes an endpoint. A refused change changes nothing. Its owner may not change what it may see, and a new address
    /// is not sent the headers that were given for another one.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Beyond`] if its owner may not.
    pub async fn change(&self, id: &EndpointId, change: &Change, by: By) -> Result<Endpoint, RegistryError> {
        change.check()?;
        let mut was = self.endpoint(id).await?;
        change.allowed(&was, by)?;
        if let Some(destination) = &change.destination {
            self.reach(destination).await?;
        }
        for _ in 0..TRIES {
            change.allowed(&was, by)?;
            let now = change.of(&was);
            let headers = change.headers_of(&was).map(|headers| self.seal_headers(id, &headers)).transpose()?;
            let headers = headers.as_ref().map(Option::as_deref);
            if self.endpoints().put_with(&now, Some(&was), headers).await? {
                if is_faster(now.rate, was.rate) {
                    // The places taken at the old rate may reach days ahead, and whoever raises it wants no event to stand
                    // behind them. What has one of those keeps it: until then both rates add up.
                    self.endpoints().clear_line(id).await?;
                }
                return Ok(now);
            }
            // Somebody else changed, disabled or deleted it meanwhile.
            was = self.endpoint(id).await?;
        }
        Err(Clash::Changing.into())
    }

    /// Deletes an endpoint with its secrets. What waits for it is cancelled; what was delivered stays in the log.
    ///
    /// # Errors
    /// [`RegistryError`]; asking again is right.
    pub async fn delete(&self, id: &EndpointId) -> Result<(), RegistryError> {
        let whole = self.whole(id).await?;
        let now = self.clock.now();
        // Disabled first: should this break off, what is cancelled is not what is still delivered.
        let note = Some("it is being deleted".to_owned());
        // And what an operator disabled stays so for its owner, should this break off.
        let cause = match whole.endpoint.standing {
            Standing::Disabled { cause: Cause::Operator, .. } => Cause::Operator,
            _ => Cause::Owner,
        };
        let disabled = Standing::Disabled { cause, note, since_ms: now };
        self.endpoints().set_standing(id, &whole.endpoint.standing, &disabled).await?;
        self.cancel_waiting(&whole.endpoint, JobId::draw(now, &*self.dice)).await?;
        Ok(self.endpoints().delete(&whole.endpoint, &whole.secrets).await?)
    }
}

fn is_faster(now: Option<Rate>, was: Option<Rate>) -> bool {
    let interval = |rate: Option<Rate>| rate.map_or(Duration::ZERO, Rate::interval);
    interval(now) < interval(was)
}
