//! The pure core of Afferent: every decision, and no I/O.
//!
//! Nothing in here knows AWS, a socket or a wall clock. Time comes in as a [`Timestamp`], chance as
//! [`Dice`], so that the same code runs on Lambda, on one machine and in a simulation under virtual time.

pub mod address;
pub mod backfill;
pub mod budget;
pub mod clock;
pub mod connection;
pub mod contact;
pub mod delivery;
pub mod duty;
pub mod endpoint;
pub mod erasure;
pub mod event;
pub mod exact;
pub mod excerpt;
pub mod filter;
pub mod grant;
pub mod health;
pub mod id;
pub mod job;
pub mod link;
pub mod mark;
pub mod notice;
pub mod notification;
pub mod pause;
pub mod payload;
pub mod rate;
pub mod record;
pub mod reply;
pub mod retraction;
pub mod round;
pub mod schedule;
pub mod secret;
pub mod service;
pub mod signature;
pub mod sweep;
pub mod trace;
pub mod work;

pub use clock::{Clock, Dice, Timestamp};
