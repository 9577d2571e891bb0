//! What connections are told to do, and what is known of them, over HTTP and through the whole stack under virtual time.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod backfills;
mod completeness;
mod disconnecting;
mod erasing;
mod refreshing;
mod retractions;
mod services;
mod world;
