//! How each curve is played, or reckoned.

mod age;
mod dispatch;
mod fanout;
mod keys;
mod lanes;
mod pulls;
mod sweeps;
mod waiting;

use std::time::Duration;

use afferent_domain::{Dice, Timestamp};
use afferent_metrics::{Kept, Metric};
use serde_json::Value;

use crate::curve::Line;
use crate::{Error, Size};

/// What a run brought: the lines of its curve, and numbers that others reckon with.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The lines.
    pub lines: Vec<Line>,
    /// Numbers by their names.
    pub facts: Vec<(&'static str, f64)>,
}

impl From<Vec<Line>> for Run {
    fn from(lines: Vec<Line>) -> Self {
        Self { lines, facts: Vec::new() }
    }
}

/// Plays one curve. To be called on a runtime whose clock is paused.
///
/// # Errors
/// There is no such curve, or the stack cannot be made.
pub async fn play(name: &str, size: Size) -> Result<Run, Error> {
    match name {
        "age" => age::play(size).await,
        "dispatch" => dispatch::play(size).await,
        "fanout" => fanout::play(size).await,
        "keys" => keys::play(size).await,
        "lanes" => lanes::play(size).await,
        "pulls" => pulls::play(size).await,
        "sweeps" => sweeps::play(size).await,
        "waiting" => waiting::play(size).await,
        _ => Err(format!("there is no curve {name}").into()),
    }
}

/// Nothing that nobody asked for: no sweeps, no backfill.
fn quiet() -> Vec<(&'static str, String)> {
    [
        ("SweepUpdates", "off"),
        ("SweepRecent", "off"),
        ("SweepMonth", "off"),
        ("SweepEverything", "off"),
        ("BackfillDays", "0"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// How long until the next of what comes at random, so often a second.
fn gap(dice: &dyn Dice, per_second: f64) -> Duration {
    let chance = (dice.between(1, 1_000_000) as f64) / 1e6;
    Duration::from_secs_f64(-chance.ln() / per_second)
}

/// The values of a metric that were written from `since` on.
fn values(kept: &Kept, metric: Metric, since: Timestamp) -> Vec<u64> {
    let lines = kept.lines();
    let roots = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let roots = roots.filter(|root| root["_aws"]["Timestamp"].as_i64() >= Some(since.as_millis()));
    let values = roots.flat_map(|mut root| match root[&*metric.name()].take() {
        Value::Array(values) => values,
        value => vec![value],
    });
    values.filter_map(|value| value.as_u64()).collect()
}

/// What so many of a hundred do not exceed; nothing if there is none.
fn percentile(values: &[u64], percent: usize) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied()
}

/// How often a second something happened, between the first and the last tenth of its times: neither the beginning nor
/// the end, when not everybody was at work, enters.
fn steady(mut at: Vec<Timestamp>) -> Option<f64> {
    at.sort_unstable();
    let (first, last) = (at.len() / 10, at.len() * 9 / 10);
    let span = at.get(last)?.since(*at.get(first)?).as_secs_f64();
    (span > 0.0).then(|| (last - first) as f64 / span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_that_of_the_middle() {
        let at = |second: i64| Timestamp::from_secs(second);
        let mut times: Vec<Timestamp> = (0..100).map(|number| at(1_000 + number)).collect();
        times[0] = at(0);
        times[99] = at(9_000);
        assert_eq!(steady(times), Some(1.0));
        assert_eq!(steady(Vec::new()), None);
        assert_eq!(percentile(&[5, 1, 3, 2, 4], 50), Some(3));
        assert_eq!(percentile(&[5, 1, 3, 2, 4], 99), Some(5));
        assert_eq!(percentile(&[], 99), None);
    }
}
