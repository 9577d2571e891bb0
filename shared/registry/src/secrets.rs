//! Signing secrets. Several sign at once while one replaces another, so that a receiver may change over in its own time:
//! the newest without an end is the *current* one, and the others sign until their end.
//!
//! A secret that lies sealed under an older key is sealed anew when it is read here.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::endpoint::{LONGEST_OVERLAP, MOST_SECRETS};
use afferent_domain::id::EndpointId;
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_secrets::Sealed;
use afferent_store::endpoints::{SealedSecret, Whole};
use serde::{Serialize, Serializer};

use crate::{Clash, Registry, RegistryError};

/// How long a replaced secret goes on signing if nothing is said, at every rotation.
pub const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// A secret, without what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretState {
    /// Which of the endpoint's secrets, from 1.
    pub number: u16,
    /// When it was made.
    pub created_ms: Timestamp,
    /// When it stops signing; `None` for the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<Timestamp>,
    /// Whether it signs now.
    pub signs: bool,
}

/// A secret as its owner is shown it. Its debug form shows nothing of it; its JSON does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Current {
    /// Which of the endpoint's secrets.
    pub number: u16,
    /// The secret.
    #[serde(serialize_with = "reveal")]
    pub secret: SigningSecret,
}

fn reveal<S: Serializer>(secret: &SigningSecret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&secret.reveal())
}

/// How a secret is to be replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// How long the older ones go on signing: up to 7 days, [`OVERLAP`] if nothing is said. None of them signs longer
    /// than it would have.
    pub overlap: Option<Duration>,
    /// The new one, if its owner brings one; else it is drawn.
    pub secret: Option<SigningSecret>,
}

pub(crate) fn states(secrets: &[SealedSecret], now: Timestamp) -> Vec<SecretState> {
    let state = |secret: &SealedSecret| SecretState {
        number: secret.number,
        created_ms: secret.created,
        until_ms: secret.until,
        signs: secret.signs(now),
    };
    secrets.iter().map(state).collect()
}

impl Registry {
    /// The current secret of an endpoint.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn secret(&self, id: &EndpointId) -> Result<Current, RegistryError> {
        let whole = self.whole(id).await?;
        let now = self.clock.now();
        let signing = whole.secrets.iter().filter(|secret| secret.signs(now));
        // After a rotation that broke off two have no end; the newer one is right.
        let current = signing.max_by_key(|secret| (secret.until.is_none(), secret.number));
        let current = current.ok_or(RegistryError::NotFound("secret"))?;
        self.seal_headers_anew(id, whole.headers.as_deref()).await?;
        Ok(Current { number: current.number, secret: self.open_secret(id, current).await? })
    }

    /// The secrets of an endpoint by their numbers, without what they are.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn secrets(&self, id: &EndpointId) -> Result<Vec<SecretState>, RegistryError> {
        Ok(states(&self.whole(id).await?.secrets, self.clock.now()))
    }

    /// Replaces the secret of an endpoint. The new one signs at once; the older ones until the overlap ends.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::TooManySecrets`] if too many would sign at once.
    pub async fn rotate(&self, id: &EndpointId, rotation: &Rotation) -> Result<Current, RegistryError> {
        let overlap = rotation.overlap.unwrap_or(OVERLAP);
        if overlap > LONGEST_OVERLAP {
            let most = LONGEST_OVERLAP.as_secs();
            return Err(RegistryError::invalid("overlap_s", format!("0 to {most} seconds, which are 7 days")));
        }
        let Whole { secrets, .. } = self.whole(id).await?;
        let now = self.clock.now();
        let until = now + overlap;
        room(&secrets, overlap, now)?;
        let secret = match &rotation.secret {
            None => SigningSecret::draw(&*self.dice),
            Some(given) => {
                self.is_new(id, &secrets, given).await?;
                given.clone()
            }
        };
        let last = secrets.iter().map(|secret| secret.number).max().unwrap_or(0);
        let number = last.checked_add(1).ok_or(Clash::NoMoreSecrets)?;
        let sealed = self.seal_secret(id, &secret)?;
        // The new one first: there is always one that signs and has no end.
        let new = SealedSecret { number, sealed, created: now, until: None };
        if !self.endpoints().add_secret(id, &new).await? {
            return Err(Clash::Changing.into());
        }
        for old in &secrets {
            if old.signs(now) {
                self.endpoints().end_secret(id, old.number, until).await?;
            } else {
                self.endpoints().remove_secret(id, old.number).await?;
            }
        }
        Ok(Current { number, secret })
    }

    /// Lets a secret sign no more from now on. One that ended already is left as it is.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Conflict`] if it is the only one without an end: that one is replaced by a
    /// rotation without an overlap.
    pub async fn revoke(&self, id: &EndpointId, number: u16) -> Result<(), RegistryError> {
        let Whole { secrets, .. } = self.whole(id).await?;
        let revoked = secrets.iter().find(|secret| secret.number == number).ok_or(RegistryError::NotFound("secret"))?;
        let lasting = secrets.iter().filter(|secret| secret.until.is_none() && secret.number != number).count();
        if revoked.until.is_none() && lasting == 0 {
            return Err(Clash::CurrentSecret.into());
        }
        self.endpoints().end_secret(id, number, self.clock.now()).await?;
        Ok(())
    }

    pub(crate) fn seal_secret(&self, id: &EndpointId, secret: &SigningSecret) -> Result<String, RegistryError> {
        Ok(self.seals.seal(id.as_str(), &Secret::new(secret.reveal()), &*self.dice)?.0)
    }

    async fn open_secret(&self, id: &EndpointId, secret: &SealedSecret) -> Result<SigningSecret, RegistryError> {
        let (sealed, now) = (Sealed(secret.sealed.clone()), self.clock.now());
        let text = self.seals.open(id.as_str(), &sealed, now).await?;
        let opened = SigningSecret::parse(text.reveal()).map_err(|error| {
            tracing::error!(%error, endpoint = %id, number = secret.number, "what is sealed is no signing secret");
            RegistryError::Unavailable("the secret cannot be read")
        })?;
        if self.seals.is_old(&sealed) {
            let anew = self.seal_secret(id, &opened)?;
            // If somebody else did it meanwhile, theirs is as good.
            self.endpoints().reseal(id, secret.number, &sealed.0, &anew).await?;
        }
        Ok(opened)
    }

    /// The headers lie under the same keys, and nobody else reads them here.
    async fn seal_headers_anew(&self, id: &EndpointId, sealed: Option<&str>) -> Result<(), RegistryError> {
        let Some(sealed) = sealed.map(|sealed| Sealed(sealed.to_owned())) else { return Ok(()) };
        if self.seals.is_old(&sealed) {
            let headers = self.seals.open(id.as_str(), &sealed, self.clock.now()).await?;
            let anew = self.seals.seal(id.as_str(), &headers, &*self.dice)?;
            self.endpoints().reseal_headers(id, &sealed.0, &anew.0).await?;
        }
        Ok(())
    }

    async fn is_new(
        &self,
        id: &EndpointId,
        secrets: &[SealedSecret],
        given: &SigningSecret,
    ) -> Result<(), RegistryError> {
        for secret in secrets {
            if self.open_secret(id, secret).await? == *given {
                return Err(RegistryError::invalid("secret", "another one than those that the endpoint had"));
            }
        }
        Ok(())
    }
}

/// Whether there is room for one more that signs. Without an overlap the others end at once.
fn room(secrets: &[SealedSecret], overlap: Duration, now: Timestamp) -> Result<(), RegistryError> {
    let ends: Vec<Timestamp> = secrets.iter().filter(|one| one.signs(now)).filter_map(|one| one.until).collect();
    let signing = secrets.iter().filter(|secret| secret.signs(now)).count();
    match ends.iter().min() {
        Some(until) if signing >= MOST_SECRETS && !overlap.is_zero() => {
            Err(RegistryError::TooManySecrets { until: *until })
        }
        _ => Ok(()),
    }
}
