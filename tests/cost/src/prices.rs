//! What AWS charges, in one place with a date: us-east-1, on demand, arm64, without free tiers.
//!
//! Not fetched from aws.amazon.com: as published price lists and AWS's own toolkit quote them.

/// When these were last looked at.
pub(crate) const DATE: &str = "2026-11-21";

/// DynamoDB: a million write units (1 KB each).
pub(crate) const WRITE_UNITS: f64 = 0.625;
/// DynamoDB: a million read units (4 KB each, strongly consistent).
pub(crate) const READ_UNITS: f64 = 0.125;
/// SQS, standard queue: a million requests of up to 64 KB.
pub(crate) const SQS_REQUESTS: f64 = 0.40;
/// SQS: what a million requests with a fair-queue group cost on top.
pub(crate) const SQS_FAIR: f64 = 0.10;
/// Lambda: a million invocations.
pub(crate) const INVOCATIONS: f64 = 0.20;
/// Lambda, arm64: a GB-second.
pub(crate) const GB_SECOND: f64 = 0.000_013_333_4;
/// CloudWatch Logs: a GB taken in.
pub(crate) const LOG_GB: f64 = 0.50;
/// Secrets Manager: ten thousand requests.
pub(crate) const SECRET_REQUESTS: f64 = 0.05;
/// Secrets Manager: a secret for a month.
pub(crate) const SECRET_MONTH: f64 = 0.40;

/// A month, in seconds.
pub(crate) const MONTH_S: f64 = 730.0 * 3600.0;

/// Lambda polls an idle queue with five long polls of 20 s at a time (fewer with a maximum concurrency, which AWS does
/// not document; so this is the upper bound).
pub(crate) const POLLERS: f64 = 5.0;
/// How long one of them waits, in seconds.
pub(crate) const POLL_S: f64 = 20.0;
