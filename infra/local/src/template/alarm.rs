//! Alarms, as far as one machine can judge them.

use serde_json::Value;

use super::TemplateError;
use super::scope::{Scope, scalar};

/// One `AWS::CloudWatch::Alarm`.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// What it says when it rings.
    pub description: String,
    /// `ComparisonOperator`.
    pub comparison: String,
    /// What the value is compared with.
    pub threshold: f64,
    /// Of so many periods …
    pub periods: usize,
    /// … so many must breach.
    pub to_alarm: usize,
    /// `TreatMissingData`.
    pub missing: String,
    /// What it looks at: one metric, or several and an expression.
    pub queries: Vec<Query>,
}

/// One entry of an alarm's `Metrics`; an alarm of a single metric has one.
#[derive(Clone, Debug)]
pub struct Query {
    /// By what expressions name it.
    pub id: String,
    /// Whether it is what the alarm compares.
    pub returned: bool,
    /// What it is.
    pub source: QuerySource,
}

/// Where the values of a query come from.
#[derive(Clone, Debug)]
pub enum QuerySource {
    /// A metric.
    Metric {
        /// Its namespace.
        namespace: String,
        /// What it is of: the queue or the function; empty for a metric of the stack.
        of: String,
        /// Its name.
        name: String,
        /// The length of a period, in seconds.
        period_s: i64,
        /// The statistic.
        statistic: String,
    },
    /// Metric math over the others.
    Expression(String),
}

/// Reads an alarm.
pub(super) fn read(scope: &Scope<'_>, logical: &str, resource: &Value) -> Result<Alarm, TemplateError> {
    let at = format!("Resources.{logical}.Properties");
    let wrong = |name: &str| TemplateError::new(format!("{at}.{name}"), "is not understood here");
    let get = |name: &str| scope.resolve(&format!("{at}.{name}"), &resource["Properties"][name]);
    let text = |name: &str| -> Result<Option<String>, TemplateError> { Ok(get(name)?.as_ref().and_then(scalar)) };
    let needed = |name: &str| text(name)?.ok_or_else(|| wrong(name));
    let whole = |name: &str| text(name)?.map(|text| text.parse::<usize>().map_err(|_| wrong(name))).transpose();
    let periods = whole("EvaluationPeriods")?.ok_or_else(|| wrong("EvaluationPeriods"))?;
    let queries = match get("Metrics")? {
        Some(Value::Array(all)) => all.iter().map(query).collect::<Option<Vec<_>>>().ok_or_else(|| wrong("Metrics"))?,
        _ => {
            let dimensions = get("Dimensions")?.unwrap_or_default();
            let statistic = text("Statistic")?.or(text("ExtendedStatistic")?).ok_or_else(|| wrong("Statistic"))?;
            let period_s = needed("Period")?.parse().map_err(|_| wrong("Period"))?;
            let (namespace, name) = (needed("Namespace")?, needed("MetricName")?);
            let of = of(&namespace, &dimensions);
            let source = QuerySource::Metric { namespace, of, name, period_s, statistic };
            vec![Query { id: "value".to_owned(), returned: true, source }]
        }
    };
    Ok(Alarm {
        name: needed("AlarmName")?,
        description: text("AlarmDescription")?.unwrap_or_default(),
        comparison: needed("ComparisonOperator")?,
        threshold: needed("Threshold")?.parse().map_err(|_| wrong("Threshold"))?,
        periods,
        to_alarm: whole("DatapointsToAlarm")?.unwrap_or(periods),
        missing: text("TreatMissingData")?.unwrap_or_else(|| "missing".to_owned()),
        queries,
    })
}

fn query(query: &Value) -> Option<Query> {
    let source = match query["Expression"].as_str() {
        Some(expression) => QuerySource::Expression(expression.to_owned()),
        None => {
            let (stat, metric) = (&query["MetricStat"], &query["MetricStat"]["Metric"]);
            let namespace = metric["Namespace"].as_str()?.to_owned();
            QuerySource::Metric {
                of: of(&namespace, &metric["Dimensions"]),
                namespace,
                name: metric["MetricName"].as_str()?.to_owned(),
                period_s: scalar(&stat["Period"])?.parse().ok()?,
                statistic: stat["Stat"].as_str()?.to_owned(),
            }
        }
    };
    let returned = scalar(&query["ReturnData"]).is_none_or(|returned| returned == "true");
    Some(Query { id: query["Id"].as_str()?.to_owned(), returned, source })
}

/// The values of the dimensions; of our own namespace there is one, the stack, and everything is of it.
fn of(namespace: &str, dimensions: &Value) -> String {
    let values = dimensions.as_array().into_iter().flatten().filter_map(|dimension| dimension["Value"].as_str());
    if namespace.starts_with("AWS/") { values.collect::<Vec<_>>().join(" ") } else { String::new() }
}
