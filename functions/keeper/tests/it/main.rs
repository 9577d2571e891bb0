//! The keeper on the simulated stack, in virtual time: what happens although no message says so.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod breakers;
mod deliveries;
mod erasing;
mod feed;
mod gauges;
mod jobs;
mod pulls;
mod replay;
mod stack;
mod sweep;
