//! Behaviours of the whole pipeline. Virtual time unless the module says otherwise.

mod budget;
mod delivery;
mod ingest;
mod pipeline;
mod restart;
