//! Users, links, connections and devices over HTTP.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod callback;
mod connections;
mod devices;
mod import;
mod links;
mod stack;
mod users;
mod whole;
