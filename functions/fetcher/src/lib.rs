//! Brings the records to the state that Withings' API shows.
//!
//! | module | does |
//! |---|---|
//! | [`accept`] | a notification becomes an item, and a record, a mark or a reason |
//! | [`pull`] | takes the lease of a marked service, reads it, gives the lease back |
//! | [`read`] | which calls a service needs, page by page, and what they prove |
//! | [`mod@write`] | facts become revisions in the `records` table |
//! | [`gate`] | one call to Withings: a token, a slot of the budget, one request |
//! | [`tokens`] | access tokens, refreshed under a lease |
//!
//! A message is acknowledged once its mark is stored. What a pull could not do stays on the mark with a due
//! time, and `keeper` wakes it; nothing is ever sent to the function's own queue.

pub mod accept;
pub mod gate;
pub mod pull;
pub mod read;
pub mod tokens;
pub mod write;

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::budget::Limit;
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_function::{Env, Rim, StartError};
use afferent_queue::{Outcome, Pull, each};
use afferent_store::budget::Budget;
use afferent_store::connections::Connections;
use afferent_store::notifications::Notifications;
use afferent_store::records::Records;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};

use gate::Gate;

/// How long one invocation works before it puts what is left down; below the template's timeout of 120 s.
const WORK: Duration = Duration::from_secs(105);

/// What `fetcher` reads from its environment.
#[derive(Debug)]
pub struct Config {
    /// `NOTIFICATIONS_TABLE`.
    pub notifications_table: String,
    /// `CONNECTIONS_TABLE`.
    pub connections_table: String,
    /// `RECORDS_TABLE`.
    pub records_table: String,
    /// `WITHINGS_SECRET_ARN`: the application's client id and secret.
    pub withings_secret_arn: String,
    /// `SEAL_TOKENS_SECRET_ARN`: the keys that tokens are sealed under.
    pub seal_tokens_secret_arn: String,
    /// `WITHINGS_API_URL`: where Withings is; the public cloud unless it is set.
    pub withings_api_url: String,
    /// `WITHINGS_REGION`: `eu` (the public cloud) or `us`; userids are unique within one.
    pub withings_region: String,
    /// `WITHINGS_LIMIT`: requests in any 60 s that the plan allows; 120 unless it is set.
    pub withings_limit: Limit,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, StartError> {
        Ok(Self {
            notifications_table: env.required("NOTIFICATIONS_TABLE")?,
            connections_table: env.required("CONNECTIONS_TABLE")?,
            records_table: env.required("RECORDS_TABLE")?,
            withings_secret_arn: env.required("WITHINGS_SECRET_ARN")?,
            seal_tokens_secret_arn: env.required("SEAL_TOKENS_SECRET_ARN")?,
            withings_api_url: env
                .optional("WITHINGS_API_URL")
                .unwrap_or_else(|| "https://wbsapi.withings.net".to_owned()),
            withings_region: env.optional("WITHINGS_REGION").unwrap_or_else(|| "eu".to_owned()),
            withings_limit: Limit::new(env.parsed("WITHINGS_LIMIT", 120, "a whole number from 2 to 30000")?)?,
        })
    }
}

/// The function.
pub struct Fetcher {
    application: String,
    region: String,
    notifications: Notifications,
    connections: Connections,
    records: Records,
    gate: Gate,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

impl Fetcher {
    /// Reads the environment and the secrets.
    ///
    /// # Errors
    /// A variable is missing or cannot be read, or a secret cannot be had.
    pub async fn start(env: &Env, rim: &Rim) -> Result<Self, StartError> {
        let config = Config::from_env(env)?;
        let app = afferent_secrets::application(&rim.aws, &config.withings_secret_arn).await?;
        let sealer = afferent_secrets::sealer(&rim.aws, &config.seal_tokens_secret_arn).await?;
        let client = afferent_store::client(&rim.aws);
        let connections = Connections::new(client.clone(), config.connections_table.clone());
        let budget = Budget::new(
            client.clone(),
            config.connections_table,
            &app.client_id,
            config.withings_limit,
            rim.clock.clone(),
            rim.dice.clone(),
        );
        let withings = afferent_withings::Client::new(rim.http.clone(), &config.withings_api_url);
        Ok(Self {
            application: app.client_id.clone(),
            region: config.withings_region,
            notifications: Notifications::new(client.clone(), config.notifications_table),
            records: Records::new(client, config.records_table),
            gate: Gate::new(withings, app, sealer, budget, connections.clone(), rim),
            connections,
            clock: rim.clock.clone(),
            dice: rim.dice.clone(),
        })
    }

    /// Handles a batch of `pulls` or `backfill`, each message by itself.
    ///
    /// # Errors
    /// AWS sent a message without an id.
    pub async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        let until = self.clock.now() + WORK;
        Ok(each(event, |message| self.message(message, until)).await?)
    }

    async fn message(&self, message: SqsMessage, until: Timestamp) -> Outcome {
        let id = message.message_id.as_deref().unwrap_or_default();
        let handled = match Pull::from_body(message.body.as_deref().unwrap_or_default()) {
            Ok(Pull::Notification(notification)) => self.notification(notification, until).await,
            Ok(Pull::Wake(wake)) => self.wake(&wake, until).await,
            Err(error) => {
                tracing::error!(message_id = id, %error, "a message on the queue cannot be read");
                return Outcome::Again;
            }
        };
        match handled {
            Ok(()) => Outcome::Done,
            Err(error) => {
                tracing::error!(message_id = id, %error, "a message could not be handled and comes back");
                Outcome::Again
            }
        }
    }
}
