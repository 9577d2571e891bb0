//! Tokens and connecting, on a simulated Withings and local tables under virtual time.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod bench;
mod connect;
mod crash;
mod import;
mod tokens;
