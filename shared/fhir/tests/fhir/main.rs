//! What everything that the recorded shapes of Withings' answers become is in FHIR. The resources are also written to
//! `target/tmp/fhir`, where `tests/fhir` has them judged by programs that others wrote.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod documented;
mod fixtures;
mod projection;
mod rules;
mod search;
mod written;
