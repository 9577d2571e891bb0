//! The table and the file.

use std::path::Path;

use serde::Serialize;

use crate::Error;

/// One number.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    value: f64,
    unit: &'static str,
    /// The promise, if there is one.
    limit: Option<f64>,
    /// Whether it is kept.
    holds: bool,
}

/// All numbers of a run.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Line>);

impl Report {
    /// A number without a promise.
    pub(crate) fn note(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.0.push(Line { name: name.into(), value, unit, limit: None, holds: true });
    }

    /// A number that must not be greater than `limit`.
    pub(crate) fn at_most(&mut self, name: impl Into<String>, value: f64, unit: &'static str, limit: f64) {
        self.0.push(Line { name: name.into(), value, unit, limit: Some(limit), holds: value <= limit });
    }

    /// A number that must not be smaller than `limit`.
    pub(crate) fn at_least(&mut self, name: impl Into<String>, value: f64, unit: &'static str, limit: f64) {
        self.0.push(Line { name: name.into(), value, unit, limit: Some(limit), holds: value >= limit });
    }

    #[expect(clippy::print_stdout, reason = "the table is this program's purpose")]
    pub(crate) fn print(&self) {
        for line in &self.0 {
            let limit = line.limit.map_or_else(String::new, |limit| format!("{limit:>10.3}"));
            let holds = match (line.limit, line.holds) {
                (None, _) => "",
                (Some(_), true) => "holds",
                (Some(_), false) => "DOES NOT HOLD",
            };
            println!("{:<58} {:>10.3} {:<8} {limit:>10}  {holds}", line.name, line.value, line.unit);
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(path, serde_json::to_string_pretty(&self.0)?)?)
    }
}

/// The middle of some samples.
pub(crate) fn median(samples: &mut [f64]) -> f64 {
    percentile(samples, 50)
}

/// The sample that `percent` of all are not greater than.
pub(crate) fn percentile(samples: &mut [f64], percent: usize) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len().saturating_sub(1) * percent / 100).copied().unwrap_or(f64::NAN)
}
