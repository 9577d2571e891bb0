//! Endpoints over HTTP, from the request to what the endpoint gets. Every answer is held against the OpenAPI document.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod answers;
mod clashes;
mod compat;
mod life;
mod owners;
mod stack;
mod wrong;
