//! Brings the records to the state that Withings' API shows.
//!
//! | module | does |
//! |---|---|
//! | [`accept`] | a notification becomes an item, and a record, a mark or a reason |
//! | [`agenda`] | what a batch of messages asks for, and which of its notifications are not stored yet |
//! | [`pull`] | takes the lease of a marked service, reads it, gives the lease back |
//! | [`duty`] | takes what else is due, and has it done |
//! | `earlier` | what a pull leaves to those after it |
//! | `plan` | which calls read a window whole, and what their answers must contain |
//! | `read` | the pages of a plan, one after the other, and what they prove |
//! | `signals` | the samples of recordings |
//! | `write` | facts become revisions in the `records` table |
//! | `compare`, `doubt` | what a complete answer lacks is looked for again, and retracted |
//! | `sweep`, `slice` | what is read without a notification: what was missed, and the past |
//! | `care`, `link`, `replay` | an account: its subscriptions, its end, what came before it was known |
//!
//! A message is acknowledged once its mark is stored. What a pull could not do stays on the mark with a due
//! time, and `keeper` wakes it; nothing is ever sent to the function's own queue.

pub mod accept;
pub mod agenda;
mod care;
mod compare;
mod doubt;
pub mod duty;
mod earlier;
mod link;
mod plan;
pub mod pull;
mod read;
mod replay;
mod signals;
mod slice;
mod sweep;
mod write;

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::backfill::Depth;
use afferent_domain::connection::{OnUnlink, State};
use afferent_domain::id::ConnectionId;
use afferent_domain::sweep::Tiers;
use afferent_domain::trace::Trace;
use afferent_domain::{Clock, Dice};
use afferent_function::{Edge, Env, Rim, StartError, trace};
use afferent_gate::{Gate, Place};
use afferent_metrics::{Metric, batch_failed, count};
use afferent_queue::{Outcome, Pull, each};
use afferent_secrets::Seals;
use afferent_store::StoreError;
use afferent_store::budget::Budget;
use afferent_store::connections::{Connection, Connections};
use afferent_store::notifications::Notifications;
use afferent_store::records::Records;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join;

use accept::Coming;
use agenda::Agenda;
use care::Callback;

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
    /// `WITHINGS_REGION`, `WITHINGS_API_URL`, `WITHINGS_LIMIT`.
    pub place: Place,
    /// `SIGNALS`: whether the samples of ECGs and stethoscope recordings are read, `true` or `false`; true unless
    /// it is set.
    pub signals: bool,
    /// `RETRACTION_HOLD_HOURS`: how long a retraction that would take away much is held; 168 unless it is set.
    pub retraction_hold: Duration,
    /// `ON_UNLINK`: whether a person's records are kept or erased when they have unlinked the application at Withings,
    /// `keep` or `erase`; keep unless it is set.
    pub on_unlink: OnUnlink,
    /// `RENEW_AFTER_DAYS`: the age at which an account's token pair is renewed although nothing asked for it; 30 unless
    /// it is set. Withings lets one die after a year.
    pub renew_after: Duration,
    /// `LIVE_SYNC`: whether categories 98 to 100 are subscribed to, which need a contract with Withings, `true` or
    /// `false`; false unless it is set.
    pub live_sync: bool,
    /// `BACKFILL_DAYS`: how far back a person is read who has connected, in days, or `everything`; 90 unless it is set.
    pub backfill: Depth,
    /// `SWEEP_UPDATES`, `SWEEP_RECENT`, `SWEEP_MONTH`, `SWEEP_EVERYTHING`: how far back and how often each tier of the
    /// sweeps reads (`3d/1d`), or `off`; `SWEEP_DETAILS`: whether series are swept too, `true` or `false`.
    pub tiers: Tiers,
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
            place: Place::from_env(env)?,
            signals: env.parsed("SIGNALS", true, "true or false")?,
            retraction_hold: Duration::from_secs(3600 * env.parsed::<u64>("RETRACTION_HOLD_HOURS", 168, "hours")?),
            on_unlink: env.parsed("ON_UNLINK", OnUnlink::default(), "keep or erase")?,
            renew_after: Duration::from_secs(86_400 * env.parsed::<u64>("RENEW_AFTER_DAYS", 30, "days")?),
            live_sync: env.parsed("LIVE_SYNC", false, "true or false")?,
            backfill: env.parsed("BACKFILL_DAYS", Depth::default(), "a number of days or everything")?,
            tiers: afferent_gate::tiers(env)?,
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
    signals: bool,
    retraction_hold: Duration,
    on_unlink: OnUnlink,
    renew_after: Duration,
    live_sync: bool,
    backfill: Depth,
    tiers: Tiers,
    callback: Callback,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    edge: Edge,
}

impl Fetcher {
    /// Reads the environment and the secrets.
    ///
    /// # Errors
    /// A variable is missing or cannot be read, or a secret cannot be had.
    pub async fn start(env: &Env, rim: &Rim) -> Result<Self, StartError> {
        let config = Config::from_env(env)?;
        let edge = rim.edge("fetcher", env);
        let app = edge.start(afferent_secrets::application(&rim.aws, &config.withings_secret_arn)).await?;
        let seals = Seals::read(&rim.aws, &config.seal_tokens_secret_arn, rim.clock.now());
        let seals = edge.start(seals).await?;
        let client = afferent_store::client(&rim.aws);
        let connections = Connections::new(client.clone(), config.connections_table.clone());
        let budget = Budget::new(
            client.clone(),
            config.connections_table,
            &app.client_id,
            config.place.limit,
            rim.clock.clone(),
            rim.dice.clone(),
        );
        let withings = afferent_withings::Client::new(rim.http.clone(), &config.place.api_url);
        let url = app.callback_url.clone();
        let callback = Callback::new(rim.aws.clone(), config.withings_secret_arn, url, rim.clock.now());
        Ok(Self {
            application: app.client_id.clone(),
            region: config.place.region.name().to_owned(),
            notifications: Notifications::new(client.clone(), config.notifications_table),
            records: Records::new(client, config.records_table),
            gate: Gate::new(withings, app, seals, budget, connections.clone(), rim),
            connections,
            signals: config.signals,
            retraction_hold: config.retraction_hold,
            on_unlink: config.on_unlink,
            renew_after: config.renew_after,
            live_sync: config.live_sync,
            backfill: config.backfill,
            tiers: config.tiers,
            callback,
            clock: rim.clock.clone(),
            dice: rim.dice.clone(),
            edge,
        })
    }

    /// Handles a batch of `pulls` or `backfill`, each message by itself.
    ///
    /// # Errors
    /// AWS sent a message without an id.
    pub async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        self.edge.invocation(self.batch(event)).await
    }

    async fn batch(&self, event: SqsEvent) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        let until = self.clock.now() + WORK;
        let agenda = Agenda::of(event.records.len(), until);
        let handle = |message: SqsMessage| {
            let trace = message.attributes.get("AWSTraceHeader").and_then(|header| Trace::of_header(header));
            trace.into_iter().for_each(trace::link);
            trace::carrying(trace, self.message(message, &agenda))
        };
        let mut answer = each(event, handle).await?;
        join(self.pull_all(&agenda, until), self.do_all(&agenda, until)).await;
        for message in self.finish(&agenda).await {
            batch_failed();
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message;
            if !answer.batch_item_failures.contains(&failure) {
                answer.batch_item_failures.push(failure);
            }
        }
        Ok(answer)
    }

    async fn message(&self, message: SqsMessage, agenda: &Agenda) -> Outcome {
        let id = message.message_id.as_deref().unwrap_or_default();
        let handled = match Pull::from_body(message.body.as_deref().unwrap_or_default()) {
            Ok(Pull::Notification(notification)) => {
                let receives = message.attributes.get("ApproximateReceiveCount").map(String::as_str);
                let coming = if receives == Some("1") { Coming::First } else { Coming::Once };
                self.notification(notification, id, coming, agenda).await
            }
            Ok(Pull::Wake(wake)) => self.wake(&wake, agenda).await,
            Ok(Pull::Replay(replay)) => self.sort_again(&replay.notification, agenda).await,
            Ok(Pull::Duty(duty)) => {
                agenda.owe(duty);
                Ok(())
            }
            Err(error) => {
                count(Metric::PoisonMessages, 1);
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

    /// The connection, if it lives.
    pub(crate) async fn living(&self, id: &ConnectionId) -> Result<Option<Connection>, StoreError> {
        let connection = self.connections.get(id).await?;
        Ok(connection.filter(|connection| connection.state == State::Connected))
    }
}
