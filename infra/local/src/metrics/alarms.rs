//! The template's alarms, judged by what was measured here. (CloudWatch User Guide, "Using Amazon CloudWatch alarms".)
//!
//! Two differences, both on the side of ringing sooner: periods end with the last whole minute instead of on their own
//! grid, and a percentile is the highest value, because a minute here has few.

use afferent_domain::Timestamp;
use serde_json::{Value, json};

use super::Metrics;
use super::expression::evaluate;
use crate::template::{Alarm, Query, QuerySource};

/// How an alarm stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// Its condition is met, by this value.
    Alarm(Option<f64>),
    /// It is not.
    Fine(Option<f64>),
    /// There is nothing to judge it by.
    NoData,
    /// It cannot be judged here; why.
    NotHere(String),
}

impl Standing {
    /// In a word, CloudWatch's where it has one.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Alarm(_) => "ALARM",
            Self::Fine(_) => "OK",
            Self::NoData => "INSUFFICIENT_DATA",
            Self::NotHere(_) => "NOT_JUDGED",
        }
    }

    /// The newest value.
    pub(super) const fn value(&self) -> Option<f64> {
        match self {
            Self::Alarm(value) | Self::Fine(value) => *value,
            Self::NoData | Self::NotHere(_) => None,
        }
    }
}

/// How `alarm` stands at `now`. Of periods before `began`, or in which it lies, only what was measured is judged: that
/// nothing was says nothing, because nobody measured then.
pub(super) fn judge(alarm: &Alarm, metrics: &Metrics, began: Timestamp, now: Timestamp) -> Standing {
    let Some(returned) = alarm.queries.iter().find(|query| query.returned) else {
        return Standing::NotHere("it returns nothing".to_owned());
    };
    let period = |query: &Query| match query.source {
        QuerySource::Metric { period_s, .. } => Some(period_s),
        QuerySource::Expression(_) => None,
    };
    let period_s = alarm.queries.iter().filter_map(period).max().unwrap_or(60).max(60);
    let whole = now.as_secs().div_euclid(60) * 60;
    let mut points = Vec::new();
    for back in 0..alarm.periods {
        let ends = whole - period_s * i64::try_from(back).unwrap_or(i64::MAX);
        let before = ends - period_s < began.as_secs() - 60;
        match value(alarm, returned, metrics, period_s, whole, back) {
            Ok(None) if before => break,
            Ok(value) => points.push(value),
            Err(why) => return Standing::NotHere(why),
        }
    }
    let newest = points.iter().flatten().next().copied();
    let breaches = |point: &Option<f64>| match point {
        Some(value) => compare(&alarm.comparison, *value, alarm.threshold),
        None => alarm.missing == "breaching",
    };
    if points.iter().filter(|point| breaches(point)).count() >= alarm.to_alarm.max(1) {
        return Standing::Alarm(newest);
    }
    match newest {
        None if alarm.missing != "notBreaching" || points.is_empty() => Standing::NoData,
        newest => Standing::Fine(newest),
    }
}

/// The value of a query in the period that is `back` periods before the newest, which ends at `whole` (epoch seconds).
fn value(
    alarm: &Alarm,
    query: &Query,
    metrics: &Metrics,
    period_s: i64,
    whole: i64,
    back: usize,
) -> Result<Option<f64>, String> {
    match &query.source {
        QuerySource::Metric { namespace, of, name, statistic, .. } => {
            let ends = (whole - period_s * i64::try_from(back).unwrap_or(i64::MAX)) / 60;
            let all = metrics.minutes(namespace, of, name);
            let minutes: Vec<_> = all.range(ends - period_s / 60..ends).map(|(_, minute)| *minute).collect();
            if minutes.is_empty() {
                return Ok(None);
            }
            let sum: u64 = minutes.iter().map(|minute| minute.sum).sum();
            let count: u64 = minutes.iter().map(|minute| minute.count).sum();
            let most = minutes.iter().map(|minute| minute.most).max().unwrap_or(0);
            Ok(Some(match statistic.as_str() {
                "Sum" => sum as f64,
                "SampleCount" => count as f64,
                "Average" => sum as f64 / count.max(1) as f64,
                "Minimum" => minutes.iter().map(|minute| minute.least).min().unwrap_or(0) as f64,
                "Maximum" => most as f64,
                percentile if percentile.starts_with('p') => most as f64,
                other => return Err(format!("the statistic {other} is not known here")),
            }))
        }
        QuerySource::Expression(text) => {
            let named = |name: &str, back: usize| {
                let other = alarm.queries.iter().find(|other| other.id == name && other.id != query.id)?;
                value(alarm, other, metrics, period_s, whole, back).ok().flatten()
            };
            evaluate(text, back, &named).map_err(|error| error.to_string())
        }
    }
}

fn compare(operator: &str, value: f64, threshold: f64) -> bool {
    match operator {
        "GreaterThanThreshold" => value > threshold,
        "GreaterThanOrEqualToThreshold" => value >= threshold,
        "LessThanThreshold" => value < threshold,
        "LessThanOrEqualToThreshold" => value <= threshold,
        _ => false,
    }
}

/// All alarms as JSON.
pub(super) fn json(alarms: &[Alarm], metrics: &Metrics, began: Timestamp, now: Timestamp) -> Value {
    let one = |alarm: &Alarm| {
        let standing = judge(alarm, metrics, began, now);
        json!({
            "name": alarm.name, "state": standing.name(), "value": standing.value(), "threshold": alarm.threshold,
            "description": alarm.description,
        })
    };
    alarms.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{Place, Template};

    const BEGAN: Timestamp = Timestamp::from_secs(600_000);

    fn alarm(comparison: &str, threshold: f64, periods: usize, missing: &str) -> Alarm {
        let source = QuerySource::Metric {
            namespace: "Afferent".to_owned(),
            of: String::new(),
            name: "Calls".to_owned(),
            period_s: 60,
            statistic: "Sum".to_owned(),
        };
        Alarm {
            name: "calls".to_owned(),
            description: String::new(),
            comparison: comparison.to_owned(),
            threshold,
            periods,
            to_alarm: periods,
            missing: missing.to_owned(),
            queries: vec![Query { id: "value".to_owned(), returned: true, source }],
        }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_secs(BEGAN.as_secs() + 60 * minute)
    }

    #[test]
    fn an_alarm_rings_when_so_many_periods_in_a_row_breach_and_stops_when_one_does_not() {
        let (metrics, alarm) = (Metrics::default(), alarm("GreaterThanThreshold", 5.0, 2, "notBreaching"));
        for (minute, value) in [(10, 6), (11, 6), (12, 1)] {
            metrics.note("Afferent", "", "Calls", "Count", &[value], at(minute));
        }
        assert_eq!(judge(&alarm, &metrics, BEGAN, at(11)), Standing::Fine(Some(6.0)), "one period breaches");
        assert_eq!(judge(&alarm, &metrics, BEGAN, at(12)), Standing::Alarm(Some(6.0)));
        assert_eq!(judge(&alarm, &metrics, BEGAN, at(13)), Standing::Fine(Some(1.0)));
        assert_eq!(judge(&alarm, &metrics, BEGAN, at(60)), Standing::Fine(None), "silence does not breach");
    }

    #[test]
    fn what_happens_soon_after_the_beginning_rings_and_waits_for_no_whole_period() {
        let (metrics, mut alarm) = (Metrics::default(), alarm("GreaterThanThreshold", 5.0, 1, "notBreaching"));
        let QuerySource::Metric { period_s, .. } = &mut alarm.queries[0].source else { panic!("a metric") };
        *period_s = 900;
        metrics.note("Afferent", "", "Calls", "Count", &[6], at(1));
        assert_eq!(judge(&alarm, &metrics, BEGAN, at(2)), Standing::Alarm(Some(6.0)));
        assert_eq!(judge(&alarm, &metrics, BEGAN, at(16)), Standing::Alarm(Some(6.0)));
        assert_eq!(judge(&alarm, &metrics, BEGAN, at(17)), Standing::Fine(None));
    }

    #[test]
    fn every_alarm_of_the_template_but_those_of_versions_can_be_judged_here() {
        let text = include_str!("../../../template.yaml");
        let given = [("WithingsClientId", "id"), ("WithingsClientSecret", "secret"), ("CallbackSecretSha256", "00")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let alarms = Template::parse(text, &Place::default(), &given).unwrap().alarms;
        // Not made by default: the alarm of quiet hours. Not read: those of one version, of which there is none here.
        let others = text.matches("Condition: WatchesSilence\n    Properties:\n      AlarmName").count()
            + text.matches("- { Name: ExecutedVersion").count();
        assert_eq!(alarms.len() + others, text.matches("Type: AWS::CloudWatch::Alarm").count());
        for alarm in alarms {
            let standing = judge(&alarm, &Metrics::default(), BEGAN, at(100_000));
            assert!(!matches!(standing, Standing::NotHere(_)), "{}: {standing:?}", alarm.name);
        }
    }

    /// The template's alarm of this name, after the stack's.
    fn of_template(name: &str) -> Alarm {
        let given = [("WithingsClientId", "id"), ("WithingsClientSecret", "secret"), ("CallbackSecretSha256", "00")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let template = Template::parse(include_str!("../../../template.yaml"), &Place::default(), &given).unwrap();
        let is_it = |alarm: &Alarm| alarm.name == format!("{}-{name}", template.place.stack);
        template.alarms.iter().find(|alarm| is_it(alarm)).unwrap().clone()
    }

    #[test]
    fn a_new_version_that_fails_all_of_its_tenth_is_taken_back_and_a_few_failures_take_nothing_back() {
        for function in ["fetcher", "fanout", "dispatcher"] {
            let alarm = of_template(&format!("deployment-{function}-batches"));
            let standing = |failed: u64, invocations: usize| {
                let metrics = Metrics::default();
                metrics.note("Afferent", "", &format!("BatchesFailed.{function}"), "Count", &[failed], at(9));
                let of = format!("afferent-{function}");
                metrics.note("AWS/Lambda", &of, "Invocations", "Count", &vec![1; invocations], at(9));
                judge(&alarm, &metrics, BEGAN, at(10))
            };
            assert_eq!(standing(10, 100), Standing::Alarm(Some(10.0)), "the tenth that a canary gets");
            assert_eq!(standing(2, 2), Standing::Fine(Some(0.0)), "a message that cannot be read stops no deployment");
            assert_eq!(standing(3, 6), Standing::Alarm(Some(50.0)));
            assert_eq!(standing(5, 100), Standing::Fine(Some(5.0)));
            let quiet = Metrics::default();
            quiet.note("AWS/Lambda", &format!("afferent-{function}"), "Invocations", "Count", &[1, 1], at(9));
            assert_eq!(judge(&alarm, &quiet, BEGAN, at(10)), Standing::Fine(Some(0.0)), "a zero is not written");
            assert_eq!(judge(&alarm, &Metrics::default(), BEGAN, at(10)), Standing::Fine(Some(0.0)));
        }
    }

    #[test]
    fn silence_rings_where_it_is_the_failure_but_not_before_anybody_measured() {
        let (metrics, alarm) = (Metrics::default(), alarm("LessThanThreshold", 1.0, 3, "breaching"));
        assert_eq!(judge(&alarm, &metrics, BEGAN, at(1)), Standing::NoData);
        assert_eq!(judge(&alarm, &metrics, BEGAN, at(10)), Standing::Alarm(None));
        (7..10).for_each(|minute| metrics.note("Afferent", "", "Calls", "Count", &[1], at(minute)));
        assert_eq!(judge(&alarm, &metrics, BEGAN, at(10)), Standing::Fine(Some(1.0)));
    }
}
