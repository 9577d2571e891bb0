//! What is known of a connection, service by service, and whether anything is missing.

mod completeness;
mod services;

use afferent_domain::Timestamp;
use afferent_domain::sweep::{Completed, Report};
use serde::Serialize;
use utoipa::ToSchema;

use crate::routes::put::Routes;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    completeness::routes(services::routes(routes))
}

/// Everything that is dated from `back_to` on is known as Withings held it at `complete_to`.
#[derive(Serialize, ToSchema)]
struct KnownSpan {
    /// Up to when.
    complete_to: String,
    /// How far back.
    back_to: String,
}

impl From<&Completed> for KnownSpan {
    fn from(done: &Completed) -> Self {
        Self { complete_to: done.began.to_string(), back_to: Timestamp::from_secs(done.back).to_string() }
    }
}

/// How a tier of the sweeps stands.
#[derive(Serialize, ToSchema)]
struct SweepTier {
    /// `updates` (what was modified since), `recent` (the last days), `month` (the last months), `everything`.
    tier: &'static str,
    /// What its last pass that is over proves.
    done: Option<KnownSpan>,
    /// When the pass began that is under way.
    under_way_since: Option<String>,
    /// For how many seconds its turn, or the end of its pass, has been overdue.
    late_s: u64,
}

impl From<&Report> for SweepTier {
    fn from(report: &Report) -> Self {
        Self {
            tier: report.tier.name(),
            done: report.done.as_ref().map(KnownSpan::from),
            under_way_since: report.under_way.map(|at| at.to_string()),
            late_s: report.late.as_secs(),
        }
    }
}
