//! Behaviours of the whole pipeline. Virtual time unless the module says otherwise.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod backfill;
mod backlog;
mod budget;
mod burst;
mod delivery;
mod events;
mod ingest;
mod isolation;
mod links;
mod metrics;
mod pipeline;
mod reads;
mod restart;
mod rounds;
mod subscriptions;
mod sweeps;
mod timing;
mod traces;
mod waiting;
