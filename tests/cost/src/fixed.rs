//! What a stack costs by being there.

use std::collections::BTreeMap;

use afferent_local::template::{Place, QuerySource, Source, Template};
use afferent_metrics::Metric;

use crate::Error;
use crate::prices::{
    ALARM_MONTH, DASHBOARD_MONTH, KEY_MONTH, METRIC_MONTH, MONTH_S, POLL_S, POLLERS, SECRET_MONTH, SQS_REQUESTS,
};
use crate::units::MILLION;

/// The stack's template.
const TEMPLATE: &str = include_str!("../../../infra/template.yaml");

/// Something that is billed by the month.
#[derive(Clone, Debug, PartialEq)]
pub struct Monthly {
    /// What.
    pub what: String,
    /// How many of it.
    pub count: f64,
    /// Dollars for each.
    pub each: f64,
}

impl Monthly {
    fn new(what: &str, count: usize, each: f64) -> Self {
        Self { what: what.to_owned(), count: count as f64, each }
    }

    /// Dollars for all of it.
    #[must_use]
    pub fn dollars(&self) -> f64 {
        self.count * self.each
    }
}

/// What the stack at rest costs beside what its keeper uses: its secrets, and the polls of its queues.
///
/// # Errors
/// The template cannot be read.
pub fn base() -> Result<Vec<Monthly>, Error> {
    let template = template()?;
    let sources = template.functions.iter().flat_map(|function| &function.sources);
    let polled = sources.filter(|source| matches!(source, Source::Queue(_))).count();
    let polls = POLLERS * MONTH_S / POLL_S;
    Ok(vec![
        Monthly::new("secrets", resources("AWS::SecretsManager::Secret"), SECRET_MONTH),
        Monthly::new("queues that Lambda polls", polled, polls * SQS_REQUESTS / MILLION),
    ])
}

/// Metrics, alarms, the dashboard and a key: `measured` metrics had a value, and the most there can be are all.
///
/// # Errors
/// The template cannot be read.
pub fn watching(measured: usize) -> Result<Vec<Monthly>, Error> {
    let template = template()?;
    let metric = |source: &QuerySource| matches!(source, QuerySource::Metric { .. });
    let looked_at =
        template.alarms.iter().flat_map(|alarm| &alarm.queries).filter(|query| metric(&query.source)).count();
    // Those of versions and of quiet hours are not read; each looks at one metric.
    let others = resources("AWS::CloudWatch::Alarm") - template.alarms.len();
    Ok(vec![
        Monthly::new("metrics of these workloads", measured, METRIC_MONTH),
        Monthly::new("all other metrics, if each had a value all month", Metric::all().len() - measured, METRIC_MONTH),
        Monthly::new(&format!("metrics looked at by {} alarms", template.alarms.len()), looked_at, ALARM_MONTH),
        Monthly::new("alarms of versions and of silence", others, ALARM_MONTH),
        Monthly::new("dashboards", resources("AWS::CloudWatch::Dashboard"), DASHBOARD_MONTH),
        Monthly::new("a key of your own, if you give one", 1, KEY_MONTH),
    ])
}

fn template() -> Result<Template, Error> {
    let given = [("WithingsClientId", "id"), ("WithingsClientSecret", "secret"), ("CallbackSecretSha256", "00")];
    let given: BTreeMap<String, String> = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Ok(Template::parse(TEMPLATE, &Place::default(), &given)?)
}

/// How many resources of this type the template has.
fn resources(of: &str) -> usize {
    TEMPLATE.lines().filter(|line| line.trim() == format!("Type: {of}")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_billed_by_the_month_is_counted_in_the_template() {
        let base = base().unwrap();
        assert_eq!(base[1].count, 3.0, "pulls, backfill, deliveries");
        assert_eq!(base[0].count, 3.0);
        let watching = watching(30).unwrap();
        assert_eq!(watching[0].count, 30.0);
        assert!(watching[2].count >= 30.0 && watching[4].count >= 1.0, "{watching:?}");
    }
}
