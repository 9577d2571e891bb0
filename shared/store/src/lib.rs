//! The seven tables: their items, and the conditional writes that keep them true.
//!
//! One module per noun. Every write that could meet another one carries a condition, and what a failed
//! condition means is part of the method's result, never an error. Errors are infrastructure only, and
//! are all [`StoreError`]. Which function may open which table: `docs/tables.md`.

mod bring;
mod connect;
mod error;
pub mod item;

pub mod anchors;
pub mod budget;
pub mod changes;
pub mod connections;
pub mod deliveries;
pub mod doubts;
pub mod duties;
pub mod endpoints;
pub mod erasure;
pub mod events;
pub mod holdings;
pub mod keys;
pub mod links;
pub mod marks;
pub mod notifications;
pub mod records;
pub mod rounds;
pub mod runs;
pub mod states;
pub mod sweeps;
pub mod tokens;
pub mod users;

use afferent_aws::{Aws, Service, Throttles};
use aws_sdk_dynamodb::config::Builder;

pub use aws_sdk_dynamodb::Client;
pub use error::StoreError;

/// One DynamoDB client for all the tables of a function.
#[must_use]
pub fn client(aws: &Aws) -> Client {
    let config = Builder::from(&aws.config(Service::DynamoDb)).interceptor(Throttles).build();
    Client::from_conf(config)
}
