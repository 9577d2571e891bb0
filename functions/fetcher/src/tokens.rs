//! Access tokens. A refresh token is used up by its use, and two refreshes at once cut the person off: one
//! lease per account, and the new pair is stored before it is first used, because until then the old refresh
//! token still lives (8 h). So a crash at any point leaves a usable pair.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::budget::Lane;
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_function::Rim;
use afferent_secrets::{Sealed, Sealer};
use afferent_store::connections::{AccountKey, Connections, Tokens as Stored};
use afferent_withings::{Class, Secret, answer, auth};
use tokio::sync::Mutex;

use crate::gate::{CALL, CallError, Gate};

/// A token is not used any more when it has less than this to live: the call must arrive while it lives.
const LAST_USE: Duration = Duration::from_secs(60);

/// The lease outlives the request by this.
const LEASE_SLACK: Duration = Duration::from_secs(30);

/// How often the pair is looked at while somebody else refreshes it.
const LOOK: Duration = Duration::from_millis(500);

/// An access token and the generation of its pair.
#[derive(Clone, Debug)]
pub struct Access {
    /// The token.
    pub token: Secret,
    /// Which pair it is of.
    pub generation: u64,
    expires: Timestamp,
}

/// The accounts' tokens.
pub struct Tokens {
    connections: Connections,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    known: Mutex<HashMap<AccountKey, Access>>,
}

impl Tokens {
    pub(crate) fn new(connections: Connections, sealer: Sealer, rim: &Rim) -> Self {
        let (clock, dice) = (rim.clock.clone(), rim.dice.clone());
        Self { connections, sealer, clock, dice, known: Mutex::default() }
    }

    /// A living access token of the account.
    pub(crate) async fn access(
        &self,
        gate: &Gate,
        account: &AccountKey,
        lane: Lane,
        until: Timestamp,
    ) -> Result<Access, CallError> {
        let lives = |access: &Access| access.expires > self.clock.now() + LAST_USE;
        if let Some(access) = self.known.lock().await.get(account).filter(|access| lives(access)) {
            return Ok(access.clone());
        }
        let access = self.stored(account).await?;
        if lives(&access) { Ok(access) } else { self.refreshed(gate, account, access.generation, lane, until).await }
    }

    /// An access token of a later generation than `generation`, which is dead or about to die.
    pub(crate) async fn refreshed(
        &self,
        gate: &Gate,
        account: &AccountKey,
        generation: u64,
        lane: Lane,
        until: Timestamp,
    ) -> Result<Access, CallError> {
        loop {
            let now = self.clock.now();
            // Waiting for a slot is inside the lease: `until` bounds it.
            let lease_until = until.max(now + CALL) + LEASE_SLACK;
            if let Some(lease) = self.connections.lease_refresh(account, generation, now, lease_until).await? {
                let old = self.open(account, &lease.tokens.refresh)?;
                let request = auth::token_by_refresh(&gate.app, &old);
                // Never sent twice: what it would use up may be used up already.
                let answer =
                    gate.once(lane, &request, None, until).await.and_then(|body| Ok(answer::token::read(&body)?));
                if let Err(CallError::Spent(_)) = &answer {
                    // Nothing was sent: let somebody try who has more time.
                    self.connections.give_back_refresh(account, &lease).await?;
                }
                let pair = answer.map_err(|error| match error {
                    CallError::Withings(error) if error.class() == Class::InvalidRefreshToken => CallError::Reauthorise,
                    error => error,
                })?;
                let life = Duration::from_secs(u64::try_from(pair.expires_in_s).unwrap_or(0));
                let tokens = Stored {
                    access: self.seal(account, &pair.access_token)?,
                    refresh: self.seal(account, &pair.refresh_token)?,
                    expires: self.clock.now() + life,
                    generation: generation + 1,
                };
                if self.connections.store_refreshed(account, &lease, &tokens).await? {
                    tracing::info!(region = account.region, generation = tokens.generation, "refreshed a token pair");
                }
                return self.stored(account).await;
            }
            let access = self.stored(account).await?;
            if access.generation > generation {
                return Ok(access);
            }
            if self.clock.now() + LOOK >= until {
                return Err(CallError::Refreshing);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn stored(&self, account: &AccountKey) -> Result<Access, CallError> {
        let stored = self.connections.tokens(account).await?.ok_or(CallError::Reauthorise)?;
        let access = Access {
            token: self.open(account, &stored.access)?,
            generation: stored.generation,
            expires: stored.expires,
        };
        self.known.lock().await.insert(account.clone(), access.clone());
        Ok(access)
    }

    fn open(&self, account: &AccountKey, sealed: &str) -> Result<Secret, CallError> {
        let open = self.sealer.open(&account.to_string(), &Sealed(sealed.to_owned()));
        open.map_err(|_| CallError::Reauthorise)
    }

    fn seal(&self, account: &AccountKey, token: &Secret) -> Result<String, CallError> {
        let sealed = self.sealer.seal(&account.to_string(), token, &*self.dice);
        sealed.map(|sealed| sealed.0).map_err(|_| CallError::Reauthorise)
    }
}
