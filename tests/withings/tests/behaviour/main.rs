//! How the simulated Withings behaves, in virtual time.
#![expect(clippy::unwrap_used, reason = "in tests a failed `unwrap` is the failure we want to see")]

mod bench;
mod control;
mod faults;
mod lapses;
mod limits;
mod notifications;
mod reading;
mod shapes;
mod subscribing;
mod tokens;
mod transports;
mod truth;
