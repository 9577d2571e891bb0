//! The door: keys, how often they may ask, requests that are made twice, and what is noted of them.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod audit;
mod idempotency;
mod keys;
mod notifications;
mod stack;
