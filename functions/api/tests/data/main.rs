//! Getting data out over HTTP: records, series, summaries, exports.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod export;
mod journal;
mod records;
mod series;
mod stack;
mod summaries;
