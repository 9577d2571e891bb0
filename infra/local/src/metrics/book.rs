//! Values by the minute, of the last day.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use afferent_domain::Timestamp;
use serde_json::{Value, json};

/// How long values are kept, in minutes.
const KEPT: i64 = 24 * 60;

/// The values of one metric in one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// All of them added up.
    pub sum: u64,
    /// How many there were.
    pub count: u64,
    /// The lowest.
    pub least: u64,
    /// The highest.
    pub most: u64,
}

impl Minute {
    fn add(&mut self, value: u64) {
        self.sum = self.sum.saturating_add(value);
        self.count += 1;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }
}

/// Which metric: its namespace, what it is of (a queue, a function; nothing for a metric of the whole stack), its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) of: String,
    pub(super) name: String,
}

/// One metric.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) unit: String,
    /// By the minute since the Unix epoch.
    pub(super) minutes: BTreeMap<i64, Minute>,
}

/// All metrics of a stack. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<Key, Series>>>);

impl Metrics {
    /// Takes a line that a function wrote: one in the embedded metric format is noted, any other is not.
    pub(crate) fn line(&self, text: &str) {
        if !text.starts_with('{') || !text.contains("\"_aws\":{") {
            return;
        }
        let Ok(root) = serde_json::from_str::<Value>(text) else { return };
        let Some(at) = root["_aws"]["Timestamp"].as_i64() else { return };
        let at = Timestamp::from_millis(at);
        for directive in root["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
            let namespace = directive["Namespace"].as_str().unwrap_or_default();
            for metric in directive["Metrics"].as_array().into_iter().flatten() {
                let (name, unit) = (metric["Name"].as_str().unwrap_or_default(), metric["Unit"].as_str());
                let values: Vec<u64> = match &root[name] {
                    Value::Array(values) => values.iter().filter_map(Value::as_u64).collect(),
                    value => value.as_u64().into_iter().collect(),
                };
                self.note(namespace, "", name, unit.unwrap_or("None"), &values, at);
            }
        }
    }

    /// Notes values of one metric.
    pub(super) fn note(&self, namespace: &str, of: &str, name: &str, unit: &str, values: &[u64], at: Timestamp) {
        let minute = at.as_secs().div_euclid(60);
        let key = Key { namespace: namespace.to_owned(), of: of.to_owned(), name: name.to_owned() };
        let mut book = self.book();
        let series = book.entry(key).or_default();
        unit.clone_into(&mut series.unit);
        for value in values {
            let fresh = Minute { sum: 0, count: 0, least: u64::MAX, most: 0 };
            series.minutes.entry(minute).or_insert(fresh).add(*value);
        }
        series.minutes.retain(|at, _| *at > minute - KEPT);
    }

    /// The minutes of one metric, by the minute since the Unix epoch. `of` is the queue or the function, empty for a
    /// metric of the whole stack.
    #[must_use]
    pub fn minutes(&self, namespace: &str, of: &str, name: &str) -> BTreeMap<i64, Minute> {
        let key = Key { namespace: namespace.to_owned(), of: of.to_owned(), name: name.to_owned() };
        self.book().get(&key).map(|series| series.minutes.clone()).unwrap_or_default()
    }

    /// Everything, in the order of its keys.
    pub(super) fn all(&self) -> BTreeMap<Key, Series> {
        self.book().clone()
    }

    /// Everything as a JSON array: of each metric its minutes as `[epoch seconds, sum, count, lowest, highest]`.
    #[must_use]
    pub fn json(&self) -> Value {
        let metric = |(key, series): (&Key, &Series)| {
            let minute = |(at, minute): (&i64, &Minute)| {
                let Minute { sum, count, least, most } = minute;
                json!([at * 60, sum, count, least, most])
            };
            json!({
                "namespace": key.namespace, "of": key.of, "name": key.name, "unit": series.unit,
                "minutes": series.minutes.iter().map(minute).collect::<Vec<_>>(),
            })
        };
        self.book().iter().map(metric).collect()
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<Key, Series>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_in_the_embedded_metric_format_is_noted_and_by_its_own_time() {
        let metrics = Metrics::default();
        metrics.line("not json");
        metrics.line(r#"{"level":"INFO","fields":{"message":"pulled","calls":3}}"#);
        metrics.line(
            r#"{"Calls":3,"CallDuration":[5,9],"_aws":{"Timestamp":120500,"CloudWatchMetrics":[{"Namespace":"Afferent",
               "Dimensions":[["Stack"]],"Metrics":[{"Name":"Calls","Unit":"Count"},{"Name":"CallDuration","Unit":"Milliseconds"}]}]}}"#,
        );
        let minute = |name| metrics.minutes("Afferent", "", name).into_iter().collect::<Vec<_>>();
        assert_eq!(minute("Calls"), [(2, Minute { sum: 3, count: 1, least: 3, most: 3 })]);
        assert_eq!(minute("CallDuration"), [(2, Minute { sum: 14, count: 2, least: 5, most: 9 })]);
        assert_eq!(metrics.all().len(), 2);
    }

    #[test]
    fn what_is_older_than_a_day_is_forgotten() {
        let metrics = Metrics::default();
        for hour in 0..30 {
            metrics.note("Afferent", "", "Calls", "Count", &[1], Timestamp::from_secs(hour * 3600));
        }
        assert_eq!(metrics.minutes("Afferent", "", "Calls").len(), 24);
    }
}
