//! How often what is swept, for the function that sweeps and the one that answers how far that is.

use afferent_domain::sweep::Tiers;
use afferent_function::{Env, StartError};

/// What a tier's variable may hold.
const PACE: &str = "off, a span like 1d, or two like 3d/1d";

/// Reads `SWEEP_UPDATES`, `SWEEP_RECENT`, `SWEEP_MONTH`, `SWEEP_EVERYTHING`: how far back and how often each tier reads
/// (`3d/1d`), or `off`; and `SWEEP_DETAILS`: whether series are swept too, `true` or `false`. Those that are not set are as
/// in [`Tiers::default`].
///
/// # Errors
/// A variable cannot be read.
pub fn tiers(env: &Env) -> Result<Tiers, StartError> {
    let usual = Tiers::default();
    Ok(Tiers {
        updates: env.parsed("SWEEP_UPDATES", usual.updates, PACE)?,
        recent: env.parsed("SWEEP_RECENT", usual.recent, PACE)?,
        month: env.parsed("SWEEP_MONTH", usual.month, PACE)?,
        everything: env.parsed("SWEEP_EVERYTHING", usual.everything, PACE)?,
        details: env.parsed("SWEEP_DETAILS", usual.details, "true or false")?,
    })
}
