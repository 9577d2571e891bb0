//! Records as FHIR R4 (4.0.1): a view that is derived from the records, and nothing of its own. Pure: no call, no clock.
//!
//! | module | is |
//! |---|---|
//! | [`observation`], [`device`], [`patient`] | the resources, from a record or a user |
//! | [`Bundle`], [`Outcome`], [`capabilities`] | what a server says around them |
//! | [`search`] | what a search asks for: which kinds to read, and which records to keep |
//! | [`id`] | FHIR's ids for our users and records |
//!
//! Decimals keep the digits that Withings sent, so resources are to be written by `serde_json` as they are, never by way of
//! a `serde_json::Value`. What maps to what is in `docs/fhir.md`.

mod bundle;
mod capability;
mod device;
pub mod id;
mod model;
mod number;
mod outcome;
mod patient;
mod project;
pub mod search;
mod units;
mod vital;

pub use bundle::{Bundle, Entry, Link};
pub use capability::capabilities;
pub use device::{Device, device};
pub use model::{CodeableConcept, Coding, Component, Observation, Quantity, Reference, SampledData, Value};
pub use number::Number;
pub use outcome::{Issue, Outcome};
pub use patient::{Patient, patient};
pub use project::{codings, device_record, observation};

/// The version of FHIR.
pub const VERSION: &str = "4.0.1";

/// The media type of FHIR in JSON.
pub const MEDIA_TYPE: &str = "application/fhir+json";

/// What our identifiers and the code systems of coded values begin with.
const SPACE: &str = "urn:afferent";
