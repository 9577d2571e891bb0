//! What the routes work with: built once, when the function starts. What only some requests need and costs a call is
//! read when it is first needed.

use std::sync::Arc;

use afferent_domain::Timestamp;
use afferent_domain::budget::Limit;
use afferent_domain::sweep::Tiers;
use afferent_function::{Env, Rim, StartError};
use afferent_outbox::Outbox;
use afferent_queue::Queue;
use afferent_registry::Registry;
use afferent_secrets::{Seals, SecretsError};
use afferent_store::connections::Connections;
use afferent_store::keys::Keys;
use afferent_store::notifications::Notifications;
use afferent_store::records::Records;
use tokio::sync::OnceCell;

use crate::config::Config;
use crate::consent::Consents;

/// What the routes work with.
pub(crate) struct App {
    pub(crate) records: Records,
    pub(crate) notifications: Notifications,
    pub(crate) connections: Connections,
    pub(crate) keys: Keys,
    /// Events, deliveries and endpoints, and the road from a change to its deliveries.
    pub(crate) outbox: Outbox,
    /// Where the fetcher is told to read at once.
    pub(crate) pulls: Queue,
    pub(crate) consents: Consents,
    /// How often what is swept.
    pub(crate) tiers: Tiers,
    /// The calls to Withings that the plan allows.
    pub(crate) limit: Limit,
    pub(crate) rim: Rim,
    seal_endpoints_secret_arn: String,
    seals: OnceCell<Seals>,
    registry: OnceCell<Registry>,
}

impl App {
    /// Builds it; calls nothing.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub(crate) fn new(env: &Env, rim: &Rim) -> Result<Self, StartError> {
        let config = Config::from_env(env)?;
        let client = afferent_store::client(&rim.aws);
        let records = Records::new(client.clone(), config.records_table);
        Ok(Self {
            connections: Connections::new(client.clone(), config.consent.connections_table.clone()),
            tiers: config.tiers,
            limit: config.consent.place.limit,
            consents: Consents::new(config.consent, records.clone(), client.clone(), rim),
            notifications: Notifications::new(client.clone(), config.notifications_table),
            keys: Keys::new(client, config.keys_table),
            outbox: Outbox::new(config.registry.outbox, rim).keeping(config.delivery_retention),
            pulls: Queue::new(&rim.aws, config.pulls_queue_url),
            seal_endpoints_secret_arn: config.registry.seal_endpoints_secret_arn,
            seals: OnceCell::new(),
            registry: OnceCell::new(),
            rim: rim.clone(),
            records,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.rim.clock.now()
    }

    /// The keys that secrets of endpoints, and kept answers, are sealed under.
    pub(crate) async fn seals(&self) -> Result<&Seals, SecretsError> {
        let read = || Seals::read(&self.rim.aws, &self.seal_endpoints_secret_arn, self.now());
        self.seals.get_or_try_init(read).await
    }

    /// What owners of endpoints may ask for.
    pub(crate) async fn registry(&self) -> Result<&Registry, SecretsError> {
        let build = || async { Ok(Registry::new(self.outbox.clone(), self.seals().await?.clone(), &self.rim)) };
        self.registry.get_or_try_init(build).await
    }
}

/// How routes are handed it.
pub(crate) type Shared = Arc<App>;
