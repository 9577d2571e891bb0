//! From a sheet to lines of the embedded metric format (CloudWatch User Guide, "Specification: Embedded metric format").

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use serde_json::{Map, Value, json};

use crate::Metric;
use crate::sheet::Sheet;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Afferent";

/// The one dimension: the stack's name.
pub const DIMENSION: &str = "Stack";

/// The most metrics that one line may define.
pub const MOST_METRICS: usize = 100;

/// The most values that one metric may have in a line.
pub const MOST_VALUES: usize = 100;

/// The lines of a sheet: one, unless a metric has more than [`MOST_VALUES`] values or there are more than [`MOST_METRICS`].
pub(crate) fn lines(sheet: Sheet, function: &str, stack: &str, at: Timestamp) -> Vec<String> {
    let Sheet { counted, observed, properties, .. } = sheet;
    let mut rounds: Vec<Vec<(Metric, Value)>> =
        vec![counted.into_iter().map(|(metric, count)| (metric, count.into())).collect()];
    for (metric, values) in observed {
        for (round, values) in values.chunks(MOST_VALUES).enumerate() {
            if round == rounds.len() {
                rounds.push(Vec::new());
            }
            let value = if let [value] = values { json!(value) } else { json!(values) };
            if let Some(round) = rounds.get_mut(round) {
                round.push((metric, value));
            }
        }
    }
    let chunks = rounds.iter().flat_map(|round| round.chunks(MOST_METRICS));
    chunks.map(|metrics| line(metrics, &properties, function, stack, at)).collect()
}

fn line(
    metrics: &[(Metric, Value)],
    properties: &BTreeMap<&'static str, String>,
    function: &str,
    stack: &str,
    at: Timestamp,
) -> String {
    let defined = |metric: Metric| json!({"Name": metric.name(), "Unit": metric.unit().name()});
    let definitions: Vec<Value> = metrics.iter().map(|(metric, _)| defined(*metric)).collect();
    let mut root = Map::new();
    root.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.as_millis(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": definitions}],
        }),
    );
    root.insert(DIMENSION.to_owned(), stack.into());
    root.insert("function".to_owned(), function.into());
    for (name, value) in properties {
        root.entry(*name).or_insert_with(|| value.as_str().into());
    }
    for (metric, value) in metrics {
        root.insert(metric.name().into_owned(), value.clone());
    }
    Value::Object(root).to_string()
}
