//! What `dispatcher` reads from its environment.

use std::time::Duration;

use afferent_domain::delivery::{DEADLINE, KEPT, Limits};
use afferent_function::{Env, EnvError};

/// A try may take between a second and so many: two of them, and the waits around them, fit into an invocation.
const LONGEST_DEADLINE_S: u64 = 12;

const DAY_S: u64 = 24 * 60 * 60;

/// The settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// `DELIVERIES_TABLE`: deliveries and their attempts.
    pub deliveries_table: String,
    /// `ENDPOINTS_TABLE`: endpoints, their sealed secrets and their health.
    pub endpoints_table: String,
    /// `EVENTS_TABLE`: the journal, for the bodies.
    pub events_table: String,
    /// `DELIVERIES_QUEUE_URL`: the queue that the messages come from.
    pub deliveries_queue_url: String,
    /// `SEAL_ENDPOINTS_SECRET_ARN`: the keys that endpoint secrets are sealed under.
    pub seal_endpoints_secret_arn: String,
    /// `DELIVERY_DEADLINE_S`: how long one try may take, 1 to 12 seconds; 10 if it is not set.
    pub deadline: Duration,
    /// `DELIVERY_RETENTION_DAYS`: how long a delivery is kept after it ended; 30 if it is not set.
    pub kept: Duration,
    /// `IN_FLIGHT_LIMIT`: how many messages SQS lets the queue have in flight; 120,000 if it is not set.
    pub limits: Limits,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing, or is no number in its range.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        let seconds = env.number(
            "DELIVERY_DEADLINE_S",
            DEADLINE.as_secs(),
            1..=LONGEST_DEADLINE_S,
            "a number of seconds from 1 to 12",
        )?;
        let days =
            env.number("DELIVERY_RETENTION_DAYS", KEPT.as_secs() / DAY_S, 1..=365, "a number of days from 1 to 365")?;
        let in_flight = env.number("IN_FLIGHT_LIMIT", 120_000, 4..=u64::MAX, "a whole number from 4")?;
        Ok(Self {
            deliveries_table: env.required("DELIVERIES_TABLE")?,
            endpoints_table: env.required("ENDPOINTS_TABLE")?,
            events_table: env.required("EVENTS_TABLE")?,
            deliveries_queue_url: env.required("DELIVERIES_QUEUE_URL")?,
            seal_endpoints_secret_arn: env.required("SEAL_ENDPOINTS_SECRET_ARN")?,
            deadline: Duration::from_secs(seconds),
            kept: Duration::from_secs(days * DAY_S),
            limits: Limits::of(in_flight),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(name: &str, value: &str) -> Result<Config, EnvError> {
        let given = [
            "DELIVERIES_TABLE",
            "ENDPOINTS_TABLE",
            "EVENTS_TABLE",
            "DELIVERIES_QUEUE_URL",
            "SEAL_ENDPOINTS_SECRET_ARN",
        ];
        let mut variables: BTreeMap<String, String> = given.map(|name| (name.to_owned(), "x".to_owned())).into();
        variables.insert(name.to_owned(), value.to_owned());
        Config::from_env(&Env::of(variables))
    }

    #[test]
    fn what_is_not_set_is_what_the_design_says() {
        let config = read("OTHER", "").unwrap();
        assert_eq!((config.deadline, config.kept), (DEADLINE, KEPT));
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn a_deadline_that_does_not_fit_into_an_invocation_is_refused() {
        assert_eq!(read("DELIVERY_DEADLINE_S", "12").unwrap().deadline, Duration::from_secs(12));
        for wrong in ["0", "13", "-1", "ten"] {
            assert!(read("DELIVERY_DEADLINE_S", wrong).is_err(), "{wrong}");
        }
    }
}
