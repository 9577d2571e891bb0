//! What `api` reads from its environment.

use std::time::Duration;

use afferent_domain::sweep::Tiers;
use afferent_function::{Env, StartError};

use crate::consent;

/// What `api` reads from its environment.
#[derive(Debug)]
pub struct Config {
    /// `RECORDS_TABLE`.
    pub records_table: String,
    /// `NOTIFICATIONS_TABLE`.
    pub notifications_table: String,
    /// `KEYS_TABLE`.
    pub keys_table: String,
    /// `PULLS_QUEUE_URL`: where the fetcher is told to read at once.
    pub pulls_queue_url: String,
    /// `EVENTS_TABLE`, `DELIVERIES_TABLE`, `ENDPOINTS_TABLE`, `DELIVERIES_QUEUE_URL` and `SEAL_ENDPOINTS_SECRET_ARN`.
    pub registry: afferent_registry::Config,
    /// `DELIVERY_RETENTION_DAYS`: how long a delivery is kept after it ended; 30 unless it is set.
    pub delivery_retention: Duration,
    /// `SWEEP_UPDATES`, `SWEEP_RECENT`, `SWEEP_MONTH`, `SWEEP_EVERYTHING`, `SWEEP_DETAILS`: how often what is swept.
    pub tiers: Tiers,
    /// What connecting people needs.
    pub consent: consent::Config,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing or cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, StartError> {
        let days = env.number("DELIVERY_RETENTION_DAYS", 30, 1..=365, "a number of days from 1 to 365")?;
        Ok(Self {
            records_table: env.required("RECORDS_TABLE")?,
            notifications_table: env.required("NOTIFICATIONS_TABLE")?,
            keys_table: env.required("KEYS_TABLE")?,
            pulls_queue_url: env.required("PULLS_QUEUE_URL")?,
            registry: afferent_registry::Config::from_env(env)?,
            delivery_retention: Duration::from_secs(days * 86_400),
            tiers: afferent_gate::tiers(env)?,
            consent: consent::Config::from_env(env)?,
        })
    }
}
