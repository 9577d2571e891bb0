//! What connecting people reads from the environment.

use afferent_domain::backfill::Depth;
use afferent_function::{Env, StartError};
use afferent_gate::Place;

/// What is read from the environment for connecting.
#[derive(Debug)]
pub struct Config {
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `WITHINGS_SECRET_ARN`: the application's client id and secret.
    pub withings_secret_arn: String,
    /// `SEAL_TOKENS_SECRET_ARN`: the keys that tokens are sealed under.
    pub seal_tokens_secret_arn: String,
    /// `WITHINGS_REGION`, `WITHINGS_API_URL`, `WITHINGS_LIMIT`.
    pub place: Place,
    /// `WITHINGS_ACCOUNT_URL`: where people consent; the region's own page unless it is set.
    pub account_url: String,
    /// `REDIRECT_URL`: the redirect address as it is registered with Withings; unless it is set, `/v1/oauth/callback`
    /// at the address under which the function was called.
    pub redirect_url: Option<String>,
    /// `BACKFILL_DAYS`: how much of the past a first connection brings: days, or `everything`; 90 unless it is set.
    pub depth: Depth,
    /// `SHARED_ACCOUNTS`: whether one Withings account may be connected for two users: `allow`, unless it is set, or
    /// `refuse`.
    pub shared_accounts: SharedAccounts,
    /// `APP_NAME`: who asks people for their data, as the page calls it; "the app that sent you here", in the person's
    /// language, unless it is set.
    pub app_name: Option<String>,
}

/// Whether one Withings account may be connected for two users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedAccounts {
    /// Both are connected, and share the chain of tokens.
    #[default]
    Allow,
    /// The second one is refused while the first one lives.
    Refuse,
}

impl std::str::FromStr for SharedAccounts {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "allow" => Ok(Self::Allow),
            "refuse" => Ok(Self::Refuse),
            _ => Err(()),
        }
    }
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, StartError> {
        let place = Place::from_env(env)?;
        Ok(Self {
            connections_table: env.required("CONNECTIONS_TABLE")?,
            withings_secret_arn: env.required("WITHINGS_SECRET_ARN")?,
            seal_tokens_secret_arn: env.required("SEAL_TOKENS_SECRET_ARN")?,
            account_url: env.optional("WITHINGS_ACCOUNT_URL").unwrap_or_else(|| place.region.account_url().to_owned()),
            place,
            redirect_url: env.optional("REDIRECT_URL"),
            depth: env.parsed("BACKFILL_DAYS", Depth::default(), "a number of days, or everything")?,
            shared_accounts: env.parsed("SHARED_ACCOUNTS", SharedAccounts::default(), "allow or refuse")?,
            app_name: env.optional("APP_NAME").filter(|name| !name.trim().is_empty()),
        })
    }
}
