//! What goes to the log is the embedded metric format, whatever was counted.
#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use afferent_metrics::{DIMENSION, Edge, Kept, MOST_METRICS, MOST_VALUES, Metric, NAMESPACE, count, observe, property};
use jsonschema::Validator;
use serde_json::{Value, json};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_244_400_123)
    }
}

/// The specification as a JSON schema (CloudWatch User Guide, "Specification: Embedded metric format"), with its limits,
/// and with what we promise beyond it: one directive, our namespace, the stack as the one dimension.
fn schema() -> Validator {
    let units = ["Seconds", "Milliseconds", "Percent", "Count"];
    let schema = json!({
        "type": "object",
        "required": ["_aws", DIMENSION, "function"],
        "properties": {
            "_aws": {
                "type": "object",
                "required": ["Timestamp", "CloudWatchMetrics"],
                "additionalProperties": false,
                "properties": {
                    "Timestamp": {"type": "integer", "minimum": 0},
                    "CloudWatchMetrics": {"type": "array", "minItems": 1, "maxItems": 1, "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": false,
                        "properties": {
                            "Namespace": {"const": NAMESPACE},
                            "Dimensions": {"const": [[DIMENSION]]},
                            "Metrics": {"type": "array", "minItems": 1, "maxItems": MOST_METRICS, "items": {
                                "type": "object",
                                "required": ["Name", "Unit"],
                                "additionalProperties": false,
                                "properties": {
                                    "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                    "Unit": {"enum": units},
                                },
                            }},
                        },
                    }},
                },
            },
            DIMENSION: {"type": "string", "minLength": 1, "maxLength": 1024},
        },
        "additionalProperties": {"anyOf": [
            {"type": "string"},
            {"type": "integer"},
            {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": MOST_VALUES},
        ]},
    });
    jsonschema::validator_for(&schema).unwrap()
}

/// The lines, each of which is valid and has a value for everything that it defines, and nothing else but texts.
fn lines(kept: &Kept) -> Vec<Value> {
    let schema = schema();
    let read = |line: &String| {
        assert!(!line.contains('\n'));
        let line: Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = schema.iter_errors(&line).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        let defined = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        for definition in defined {
            let metric = Metric::of(definition["Name"].as_str().unwrap()).unwrap();
            assert_eq!(definition["Unit"], metric.unit().name());
            assert!(!line[&*metric.name()].is_null(), "{metric:?} has no value");
        }
        let others = line.as_object().unwrap().iter().filter(|(name, _)| Metric::of(name).is_none() && *name != "_aws");
        assert!(others.clone().all(|(_, value)| value.is_string()), "a property is a text");
        line
    };
    kept.lines().iter().map(read).collect()
}

fn edge(kept: &Arc<Kept>) -> Edge {
    Edge::new("fetcher", "afferent-test".to_owned(), Arc::new(Fixed), kept.clone())
}

#[tokio::test]
async fn an_invocation_is_one_line_with_its_sums_its_values_and_its_properties() {
    let kept = Arc::new(Kept::default());
    edge(&kept)
        .invocation(async {
            count(Metric::Calls, 1);
            count(Metric::Calls, 2);
            count(Metric::Refusals, 0);
            observe(Metric::CallDuration, 120);
            observe(Metric::CallDuration, 80);
            observe(Metric::PullAge, 7);
            property("notification", "ntf_1");
            property("function", "another");
        })
        .await;
    let line = lines(&kept).remove(0);
    assert_eq!(kept.size().0, 1);
    assert_eq!(line["_aws"]["Timestamp"], 1_795_244_400_123_u64);
    assert_eq!((&line["Stack"], &line["function"]), (&json!("afferent-test"), &json!("fetcher")));
    assert_eq!((&line["Calls"], &line["CallDuration"], &line["PullAge"]), (&json!(3), &json!([120, 80]), &json!(7)));
    assert_eq!((&line["notification"], &line["ColdStarts"]), (&json!("ntf_1"), &json!(1)));
    assert!(line.get("Refusals").is_none(), "nothing was refused");
}

#[tokio::test]
async fn every_metric_at_once_and_more_values_than_a_line_takes_are_several_valid_lines_that_lose_nothing() {
    let kept = Arc::new(Kept::default());
    let all = Metric::all();
    assert!(all.len() > MOST_METRICS);
    edge(&kept)
        .invocation(async {
            for metric in &all {
                match metric.is_counted() {
                    true => count(*metric, 2),
                    false => (0..250).for_each(|value| observe(*metric, value)),
                }
            }
        })
        .await;
    assert!(lines(&kept).len() > 3);
    for metric in all {
        let expected = match (metric.is_counted(), metric) {
            (true, Metric::ColdStarts) => (3, 1),
            (true, _) => (2, 1),
            (false, _) => (249 * 250 / 2, 250),
        };
        assert_eq!((kept.sum(metric), kept.values(metric)), expected, "{metric:?}");
    }
}

#[tokio::test]
async fn an_invocation_that_counts_nothing_writes_nothing() {
    let kept = Arc::new(Kept::default());
    let edge = edge(&kept);
    edge.start(async { property("a", 1) }).await;
    assert_eq!(kept.size().0, 0);
    edge.invocation(async {}).await;
    assert_eq!((kept.size().0, kept.sum(Metric::ColdStarts)), (1, 1), "the first one is a cold start");
    edge.invocation(async { property("a", 1) }).await;
    assert_eq!(kept.size().0, 1);
    count(Metric::Calls, 1);
    assert_eq!(kept.sum(Metric::Calls), 0, "outside of an invocation nobody counts");
}

#[tokio::test(start_paused = true)]
async fn the_line_is_written_also_when_the_work_panics_or_is_broken_off() {
    let kept = Arc::new(Kept::default());
    let edge = Arc::new(edge(&kept));
    let task = tokio::spawn({
        let edge = Arc::clone(&edge);
        async move {
            edge.invocation(async {
                count(Metric::Calls, 1);
                panic!("as it happens");
            })
            .await
        }
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(kept.sum(Metric::Calls), 1);
    let endless = edge.invocation(async {
        count(Metric::Calls, 1);
        pending::<()>().await;
    });
    assert!(tokio::time::timeout(Duration::from_secs(1), endless).await.is_err());
    assert_eq!((kept.sum(Metric::Calls), lines(&kept).len()), (2, 2));
}

#[tokio::test]
async fn two_invocations_side_by_side_have_a_sheet_each() {
    let (one, two) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
    let (first, second) = (edge(&one), edge(&two));
    let work = |times: usize| async move {
        for _ in 0..times {
            count(Metric::Calls, 1);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(first.invocation(work(5)), second.invocation(work(3)));
    assert_eq!((one.sum(Metric::Calls), two.sum(Metric::Calls)), (5, 3));
}
