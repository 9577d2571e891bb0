//! Access tokens. A refresh token is used up by its use, and two refreshes at once cut the person off: one
//! lease per account, and the new pair is stored before it is first used, because until then the old refresh
//! token still lives (8 h). So a crash at any point leaves a usable pair.
//!
//! What becomes of the lease when a refresh ends:
//!
//! | the refresh | the lease |
//! |---|---|
//! | brought a pair that is stored | ends |
//! | was never sent, or refused for the limit | is given back |
//! | was refused as a repetition (601's twin) | nobody refreshes for 11 s, and longer each time |
//! | has an answer that was lost: perhaps it was used up | nobody refreshes while it could still be under way |
//! | said that the refresh token is dead | ends, and the pair is condemned |
//! | brought a pair of another account | ends, and the pair is condemned |
//! | died with its process | runs out, 30 s after the request's own deadline |

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::budget::Lane;
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_function::Rim;
use afferent_secrets::{Sealed, Seals};
use afferent_store::StoreError;
use afferent_store::connections::{AccountKey, Connections};
use afferent_store::tokens::{Pair, RefreshLease};
use afferent_withings::{Class, Secret, answer, auth};
use tokio::sync::Mutex;

use crate::gate::{CALL, CallError, Gate};

/// A token is not used any more when it has less than this to live: the call must arrive while it lives.
const LAST_USE: Duration = Duration::from_secs(60);

/// How long a refresh in a lane below live waits for its turn; a notification may want the same account's token.
const LOW_LANE: Duration = Duration::from_secs(5);

/// The lease outlives the request by this. More than [`TWIN`], so that whoever takes over is no repetition.
const LEASE_SLACK: Duration = Duration::from_secs(30);

/// Withings refuses the same call within 10 s.
const TWIN: Duration = Duration::from_secs(11);

/// The longest pause between two refused repetitions: longer than any `wait_seconds` that was seen (188).
const LONGEST_PAUSE: Duration = Duration::from_secs(240);

/// How often the pair is looked at while somebody else refreshes it.
const LOOK: Duration = Duration::from_millis(500);

/// How often a new pair is tried to be stored, a second apart: until it is, the refresh was for nothing.
const STORES: usize = 5;

/// An access token and the generation of its pair.
#[derive(Clone, Debug)]
pub struct Access {
    /// The token.
    pub token: Secret,
    /// Which pair it is of.
    pub generation: u64,
    expires: Timestamp,
    refreshed: Timestamp,
}

/// The accounts' tokens.
pub struct Tokens {
    connections: Connections,
    seals: Seals,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    known: Mutex<HashMap<AccountKey, Access>>,
}

impl Tokens {
    pub(crate) fn new(connections: Connections, seals: Seals, rim: &Rim) -> Self {
        let (clock, dice) = (rim.clock.clone(), rim.dice.clone());
        Self { connections, seals, clock, dice, known: Mutex::default() }
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

    /// Refreshes the pair if Withings issued it longer ago than `older_than`; whether it did. A refresh token lives a
    /// year, so an account that nobody calls for must be looked after.
    pub(crate) async fn renew(
        &self,
        gate: &Gate,
        account: &AccountKey,
        lane: Lane,
        older_than: Duration,
        until: Timestamp,
    ) -> Result<bool, CallError> {
        let access = self.stored(account).await?;
        if self.clock.now() < access.refreshed + older_than {
            return Ok(false);
        }
        self.refreshed(gate, account, access.generation, lane, until).await.map(|_| true)
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
        let mut pause = TWIN;
        loop {
            let now = self.clock.now();
            // Whoever holds the lease is waited for: in a lane that must stand back nobody waits for long under it.
            let until = if lane > Lane::Live { until.min(now + CALL + LOW_LANE) } else { until };
            // Waiting for a slot is inside the lease: `until` bounds it.
            let lease_until = until.max(now + CALL) + LEASE_SLACK;
            if let Some(lease) = self.connections.lease_refresh(account, generation, now, lease_until).await? {
                match self.refresh(gate, account, &lease, lane, until).await {
                    Ok(()) => return self.stored(account).await,
                    Err(error) => self.put_down(account, &lease, error, &mut pause).await?,
                }
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

    /// Sends one refresh and stores what it brings, unless that is of another account. Never sent twice: what it would use up may be used up already.
    async fn refresh(
        &self,
        gate: &Gate,
        account: &AccountKey,
        lease: &RefreshLease,
        lane: Lane,
        until: Timestamp,
    ) -> Result<(), CallError> {
        let old = self.open(account, &lease.tokens.pair.refresh).await?;
        let request = auth::token_by_refresh(gate.app(), &old);
        let body = gate.once(lane, &request, None, until).await?;
        let issued = self.clock.now();
        let token = answer::token::read(&body)?;
        if token.userid.to_string() != account.userid {
            // An import that named the wrong account: with this pair one person's data would become another's.
            tracing::error!(region = account.region, "a refresh brought a pair of another account: the link is dead");
            self.connections.condemn(account, lease).await?;
            return Ok(());
        }
        let pair = Pair {
            access: self.seal(account, &token.access_token)?,
            refresh: self.seal(account, &token.refresh_token)?,
            expires: issued + token.life(),
            refreshed: issued,
        };
        self.store(account, lease, &pair).await?;
        Ok(())
    }

    /// Stores a new pair, again and again while DynamoDB fails: the process that has it is the only one.
    async fn store(&self, account: &AccountKey, lease: &RefreshLease, pair: &Pair) -> Result<(), StoreError> {
        for left in (0..STORES).rev() {
            match self.connections.store_refreshed(account, lease, pair).await {
                Ok(stored) => {
                    let generation = lease.tokens.generation + 1;
                    tracing::info!(region = account.region, generation, stored, "refreshed a token pair");
                    return Ok(());
                }
                Err(error) if left == 0 => return Err(error),
                Err(error) => tracing::warn!(%error, "a new token pair is not stored yet"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// What a refresh that brought nothing means for the lease. `Ok` if another try may follow after a look at what is
    /// stored.
    async fn put_down(
        &self,
        account: &AccountKey,
        lease: &RefreshLease,
        error: CallError,
        pause: &mut Duration,
    ) -> Result<(), CallError> {
        let class = match &error {
            CallError::Withings(error) => error.class(),
            // Not sent, or held back by the table: where it is not certain, the lease runs out by itself.
            CallError::Spent(_) | CallError::Sealed => {
                self.connections.give_back_refresh(account, lease).await?;
                return Err(error);
            }
            _ => return Err(error),
        };
        match class {
            Class::InvalidRefreshToken => {
                // Unless another pair was stored meanwhile: of that one nothing is known, and the look will find it.
                if self.connections.condemn(account, lease).await? {
                    tracing::warn!(region = account.region, "Withings takes a refresh token for dead");
                }
                Ok(())
            }
            Class::SameArguments { .. } => {
                self.connections.pause_refresh(account, lease, self.clock.now() + *pause).await?;
                *pause = (*pause * 2).min(LONGEST_PAUSE);
                Ok(())
            }
            Class::TooManyRequests { .. } => {
                self.connections.give_back_refresh(account, lease).await?;
                Err(error)
            }
            // Whether it was used up is not known. The stored pair still lives unless the new one is used, and nobody
            // has that; but Withings may still be at work on this one.
            _ => {
                self.connections.pause_refresh(account, lease, self.clock.now() + CALL).await?;
                Err(error)
            }
        }
    }

    async fn stored(&self, account: &AccountKey) -> Result<Access, CallError> {
        let stored = self.connections.tokens(account).await?;
        let Some(stored) = stored.filter(|stored| !stored.dead) else {
            self.known.lock().await.remove(account);
            return Err(CallError::Reauthorise);
        };
        let access = Access {
            token: self.open(account, &stored.pair.access).await?,
            generation: stored.generation,
            expires: stored.pair.expires,
            refreshed: stored.pair.refreshed,
        };
        self.known.lock().await.insert(account.clone(), access.clone());
        Ok(access)
    }

    async fn open(&self, account: &AccountKey, sealed: &str) -> Result<Secret, CallError> {
        let open = self.seals.open(&account.to_string(), &Sealed(sealed.to_owned()), self.clock.now()).await;
        open.map_err(|_| CallError::Sealed)
    }

    fn seal(&self, account: &AccountKey, token: &Secret) -> Result<String, CallError> {
        let sealed = self.seals.seal(&account.to_string(), token, &*self.dice);
        sealed.map(|sealed| sealed.0).map_err(|_| CallError::Sealed)
    }
}
