//! Sealing keys that notice a rotation: a function that started before it meets texts sealed under a newer key.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_aws::Aws;
use afferent_domain::secret::Secret;
use afferent_domain::{Dice, Timestamp};

use crate::{Sealed, Sealer, SecretsError, Unsealable, sealer};

/// How often the keys are read anew at most, however many texts cannot be opened.
const READ_ANEW: Duration = Duration::from_secs(60);

/// The keys, and where newer ones are. Clones share them.
#[derive(Clone)]
pub struct Seals {
    source: Option<(Aws, String)>,
    state: Arc<Mutex<State>>,
}

struct State {
    sealer: Arc<Sealer>,
    read: Timestamp,
}

/// Keys that never change.
impl From<Sealer> for Seals {
    fn from(sealer: Sealer) -> Self {
        let state = State { sealer: Arc::new(sealer), read: Timestamp::default() };
        Self { source: None, state: Arc::new(Mutex::new(state)) }
    }
}

impl Seals {
    /// Reads the keys of the secret `arn`.
    ///
    /// # Errors
    /// The secret cannot be had or has another shape.
    pub async fn read(aws: &Aws, arn: &str, now: Timestamp) -> Result<Self, SecretsError> {
        let state = State { sealer: Arc::new(sealer(aws, arn).await?), read: now };
        Ok(Self { source: Some((aws.clone(), arn.to_owned())), state: Arc::new(Mutex::new(state)) })
    }

    /// Seals `secret` for `owner` under the current key.
    ///
    /// # Errors
    /// See [`Sealer::seal`].
    pub fn seal(&self, owner: &str, secret: &Secret, dice: &dyn Dice) -> Result<Sealed, Unsealable> {
        self.sealer().seal(owner, secret, dice)
    }

    /// Opens what was sealed for `owner`; under a key that is not known, after reading the keys anew.
    ///
    /// # Errors
    /// [`Unsealable`] if none of the keys opens it. It may be one that Secrets Manager did not give just now, so this
    /// never means that the text is worthless.
    pub async fn open(&self, owner: &str, sealed: &Sealed, now: Timestamp) -> Result<Secret, Unsealable> {
        let known = self.sealer();
        if known.knows(sealed) {
            return known.open(owner, sealed);
        }
        self.read_anew(now).await;
        self.sealer().open(owner, sealed)
    }

    /// Whether a text was sealed under another key than the current one, and is better sealed anew.
    #[must_use]
    pub fn is_old(&self, sealed: &Sealed) -> bool {
        self.sealer().is_old(sealed)
    }

    async fn read_anew(&self, now: Timestamp) {
        let Some((aws, arn)) = &self.source else { return };
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if now < state.read + READ_ANEW {
                return;
            }
            state.read = now;
        }
        // A failure is no error of its own: the text stays closed, and the next minute asks again.
        if let Ok(fresh) = sealer(aws, arn).await {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).sealer = Arc::new(fresh);
        }
    }

    fn sealer(&self) -> Arc<Sealer> {
        Arc::clone(&self.state.lock().unwrap_or_else(PoisonError::into_inner).sealer)
    }
}

#[cfg(test)]
mod tests {
    use afferent_local::{Setup, Simulation, Ticks};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_244_400);

    #[tokio::test(start_paused = true)]
    async fn a_text_under_a_newer_key_is_opened_after_reading_the_keys_anew() {
        let stack = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
        let arn = format!("{}/seal-tokens", stack.template.place.stack);
        let rotated = sealer(&stack.rim.aws, &arn).await.unwrap();
        let sealed = rotated.seal("con_a", &Secret::new("token"), &*stack.dice).unwrap();
        // What this function read at its start has no version 1.
        let stale = || {
            let json = format!(r#"{{"current":"0","0":"{}"}}"#, "0".repeat(64));
            State { sealer: Arc::new(Sealer::from_json(&json).unwrap()), read: NOW }
        };
        let seals = Seals { source: Some((stack.rim.aws.clone(), arn)), state: Arc::new(Mutex::new(stale())) };
        let soon = NOW + READ_ANEW - Duration::from_millis(1);
        assert_eq!(seals.open("con_a", &sealed, soon).await, Err(Unsealable), "not at every text");
        assert_eq!(seals.open("con_a", &sealed, NOW + READ_ANEW).await, Ok(Secret::new("token")));
        assert_eq!(seals.open("con_b", &sealed, NOW + READ_ANEW).await, Err(Unsealable));
        assert_eq!(Seals::from(rotated).open("con_a", &sealed, NOW).await, Ok(Secret::new("token")));
    }
}
