//! The pure core of Afferent: every decision, and no I/O.
//!
//! Nothing in here knows AWS, a socket or a wall clock. Time comes in as a [`Timestamp`], chance as
//! [`Dice`], so that the same code runs on Lambda, on one machine and in a simulation under virtual time.

pub mod clock;
pub mod id;

pub use clock::{Clock, Dice, Timestamp};
