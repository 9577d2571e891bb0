//! What a workload costs on AWS, from the units that it uses on the local stack under virtual time.
//!
//! | module | is |
//! |---|---|
//! | [`workload`] | what happens on a stack with people, and what of it AWS would bill |
//! | [`month`] | the days of a person, at rest and with notifications |
//! | [`request`] | a request to the API |
//! | [`units`] | what was used, as lines that can be added, subtracted and priced |
//! | [`prices`] | what AWS charges, and others, with dates |
//! | [`fixed`] | what a stack costs by being there |
//! | [`report`] | the tables, and whether the aims are kept |
//! | [`logs`] | the size of the log |

pub mod fixed;
pub mod logs;
pub mod month;
pub mod prices;
pub mod report;
pub mod request;
pub mod units;
pub mod workload;

/// Why nothing can be said.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
