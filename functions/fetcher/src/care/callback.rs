//! The callback URL as it is now: its secret is changed while functions run, and those that were started before must not
//! subscribe to the old one for as long as they live.

use afferent_aws::Aws;
use afferent_domain::Timestamp;
use afferent_domain::round::SETTLE;
use afferent_secrets::SecretsError;
use afferent_withings::Secret;
use tokio::sync::Mutex;

/// The callback URL, and where it is read anew.
pub(crate) struct Callback {
    aws: Aws,
    arn: String,
    kept: Mutex<Kept>,
}

struct Kept {
    url: Option<Secret>,
    read: Timestamp,
}

impl Callback {
    /// The URL as the secret `arn` has it at `now`.
    pub(crate) fn new(aws: Aws, arn: String, url: Option<Secret>, now: Timestamp) -> Self {
        Self { aws, arn, kept: Mutex::new(Kept { url, read: now }) }
    }

    /// The URL as it was less than [`SETTLE`] before `now`. `None` if none is configured. Whoever asks while it is being
    /// read waits for it: an older one is given to nobody.
    ///
    /// # Errors
    /// Secrets Manager does not give it.
    pub(crate) async fn url(&self, now: Timestamp) -> Result<Option<Secret>, SecretsError> {
        let mut kept = self.kept.lock().await;
        if now >= kept.read + SETTLE {
            kept.url = afferent_secrets::application(&self.aws, &self.arn).await?.callback_url;
            kept.read = now;
        }
        Ok(kept.url.clone())
    }
}
