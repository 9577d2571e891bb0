//! From one release to the next: what a release leaves, in `tests/fixtures/releases`, and what the functions of today make of
//! it; and whether what they write can be read by that release, for as long as both run side by side.
//!
//! `make release-fixture VERSION=0.1.0` records what the functions of today leave.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod ask;
mod files;
mod history;
mod later;
mod log;
mod people;
mod record;
mod replay;
mod shapes;
mod side_by_side;
mod world;
