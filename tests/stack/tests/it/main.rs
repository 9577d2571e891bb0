//! Behaviours of the whole pipeline. Virtual time unless the module says otherwise.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod budget;
mod delivery;
mod ingest;
mod pipeline;
mod restart;
