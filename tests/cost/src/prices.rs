//! What AWS charges, in one place with a date: us-east-1, on demand, arm64, without free tiers. And what others charge.
//!
//! Not fetched from aws.amazon.com: as published price lists and AWS's own toolkit quote them.

/// When these were last looked at.
pub const DATE: &str = "2026-11-21";

/// DynamoDB: a million write units (1 KB each).
pub const WRITE_UNITS: f64 = 0.625;
/// DynamoDB: a million read units (4 KB each, strongly consistent).
pub const READ_UNITS: f64 = 0.125;
/// SQS, standard queue: a million requests of up to 64 KB.
pub const SQS_REQUESTS: f64 = 0.40;
/// SQS: what a million requests with a fair-queue group cost on top.
pub const SQS_FAIR: f64 = 0.10;
/// Lambda: a million invocations.
pub const INVOCATIONS: f64 = 0.20;
/// Lambda, arm64: a GB-second.
pub const GB_SECOND: f64 = 0.000_013_333_4;
/// CloudWatch Logs: a GB taken in.
pub const LOG_GB: f64 = 0.50;
/// Secrets Manager: ten thousand requests.
pub const SECRET_REQUESTS: f64 = 0.05;
/// Secrets Manager: a secret for a month.
pub const SECRET_MONTH: f64 = 0.40;
/// CloudWatch: a metric of one's own that is written all the time, for a month.
pub const METRIC_MONTH: f64 = 0.30;
/// CloudWatch: each metric that an alarm looks at, for a month.
pub const ALARM_MONTH: f64 = 0.10;
/// CloudWatch: a dashboard for a month.
pub const DASHBOARD_MONTH: f64 = 3.00;
/// KMS: a key of one's own for a month.
pub const KEY_MONTH: f64 = 1.00;
/// API Gateway, HTTP API: a million requests of up to 512 KB.
pub const HTTP_API_REQUESTS: f64 = 1.00;
/// Data out to the internet: a GB, after 100 GB a month that are free.
pub const OUT_GB: f64 = 0.09;

/// A month, in seconds.
pub const MONTH_S: f64 = 730.0 * 3600.0;
/// A month, in days.
pub const MONTH_DAYS: f64 = 730.0 / 24.0;

/// Lambda polls an idle queue with five long polls of 20 s at a time (fewer with a maximum concurrency, which AWS does
/// not document; so this is the upper bound).
pub const POLLERS: f64 = 5.0;
/// How long one of them waits, in seconds.
pub const POLL_S: f64 = 20.0;

/// A hosted vendor's price.
#[derive(Clone, Copy, Debug)]
pub struct Vendor {
    /// Its name.
    pub name: &'static str,
    /// Dollars for a connected user and month; `None` where no price is known.
    pub user_month: Option<f64>,
    /// Dollars for a month at least.
    pub least_month: f64,
    /// Who says so, and when.
    pub source: &'static str,
}

/// Hosted vendors that bring Withings' data.
pub const VENDORS: [Vendor; 2] = [
    Vendor {
        name: "Vital (Junction)",
        user_month: Some(0.50),
        least_month: 300.0,
        source: "0.50 $ a user, 300 $ at least: third-party report, May 2026",
    },
    Vendor {
        name: "Terra",
        user_month: None,
        least_month: 0.0,
        source: "about 200 credits a connected user, 100,000 included: third-party report and its documentation, 2026; what a credit costs is not known",
    },
];
