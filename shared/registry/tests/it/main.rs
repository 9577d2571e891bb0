//! The registry over the simulated stack: the real functions, virtual time.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod again;
mod deliveries;
mod register;
mod secrets;
mod stack;
mod standing;
