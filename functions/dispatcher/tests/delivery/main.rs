//! The dispatcher on the simulated stack: real SDK, virtual time, scripted receivers.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod breaker;
mod claims;
mod queue;
mod rate;
mod request;
mod schedule;
mod sealing;
mod stack;
mod steering;
