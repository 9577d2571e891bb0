//! One trace, from the invocation that took a notification to the webhooks that it leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use afferent_local::Setup;
use afferent_local::network::{Collector, Reply};
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use http::StatusCode;
use local_sqs::Receive;
use serde_json::Value;
use stack_tests::Rig;
use withings_simulator::{Fault, FaultKind, Settings, sample};

const SOON: Duration = Duration::from_secs(300);

/// Where the spans go.
const COLLECTOR: &str = "collector.example";

async fn recorded(seed: u64) -> Rig {
    Rig::of(Setup { seed, sampled: true, ..Setup::default() }, Settings::default()).await
}

impl Trace<'_> {
    /// What the items of a table have as their trace; none for one that has none.
    async fn in_table(&self, table: &str) -> BTreeSet<Option<String>> {
        let items = self.0.client.scan().table_name(self.0.name(table)).send().await.unwrap();
        let trace =
            |item: &BTreeMap<String, AttributeValue>| item.get("trace").map(|trace| trace.as_s().unwrap().clone());
        items.items().iter().map(|item| trace(&item.clone().into_iter().collect())).collect()
    }

    /// The traces that `ingest` began, as its lines of metrics tell them.
    fn begun(&self) -> BTreeSet<String> {
        let lines = self.0.stack.metrics.lines();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_ingest = lines.filter(|line| line["function"] == "ingest");
        of_ingest.filter_map(|line| line["trace"].as_str().map(str::to_owned)).collect()
    }

    /// The header of every webhook that was tried.
    fn traceparents(&self) -> Vec<Option<String>> {
        let header = |seen: &afferent_local::network::Seen| {
            seen.request.headers().get("traceparent").map(|value| value.to_str().unwrap().to_owned())
        };
        self.0.receiver.seen().iter().map(header).collect()
    }
}

/// The rig, looked at for traces.
struct Trace<'a>(&'a Rig);

/// X-Ray's name of a trace, of what an item holds.
fn named(item: &str) -> String {
    let root = item.split('-').next().unwrap();
    format!("1-{}-{}", &root[..8], &root[8..])
}

#[tokio::test(start_paused = true)]
async fn the_trace_of_a_notification_goes_to_its_record_its_delivery_and_each_of_its_webhooks_without_a_lineage() {
    let rig = recorded(901).await;
    let trace = Trace(&rig);
    // A failed cycle, a second one that is held on the queue, and one that is parked for an hour.
    let later = Reply::Full(503, vec![("retry-after", "3600".to_owned())], Bytes::new());
    rig.receiver.next([Reply::Status(500), Reply::Status(500), Reply::Status(500), later]);
    rig.stack.pause("dispatcher");
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;

    let begun = trace.begun();
    let [root] = Vec::from_iter(&begun)[..] else { panic!("one notification began one trace: {begun:?}") };
    let ask = Receive { visibility_s: Some(0), ..Receive::default() };
    let messages = rig.stack.sqs.receive(&rig.name("deliveries"), ask).await.unwrap();
    let header = messages[0].system["AWSTraceHeader"].clone();
    assert!(header.starts_with(&format!("Root={root};Parent=")) && header.ends_with(";Sampled=1"), "{header}");
    assert!(!header.contains("Lineage"));

    rig.stack.resume("dispatcher");
    let tally = rig.settle(Duration::from_secs(6 * 3600)).await;
    assert_eq!((tally.records, tally.delivered, rig.receiver.seen().len()), (1, 1, 5));
    for table in ["records", "deliveries"] {
        let found = trace.in_table(table).await;
        let names: BTreeSet<String> = found.iter().flatten().map(|item| named(item)).collect();
        assert_eq!(names, begun, "{table}: {found:?}");
    }
    let (number, parent) = header.trim_start_matches("Root=1-").split_once(";Parent=").unwrap();
    let (number, parent) = (number.replace('-', ""), &parent[..16]);
    assert_eq!(
        trace.traceparents(),
        vec![Some(format!("00-{number}-{parent}-01")); 5],
        "every try is in the same trace"
    );
    // Nothing of it is shown to those who read events, or left where nothing waits.
    assert!(!rig.webhooks()[0].to_string().contains("trace"));
    assert_eq!(trace.in_table("connections").await, [None].into());
    assert_eq!(trace.in_table("events").await, [None].into());
}

#[tokio::test(start_paused = true)]
async fn what_an_invocation_of_fanout_did_for_several_traces_is_found_by_the_name_of_each() {
    let rig = recorded(907).await;
    rig.stack.pause("fanout");
    for appli in [1, 2, 4] {
        sample::play(&rig.withings, &rig.person, appli).unwrap();
        tokio::time::sleep(SOON).await;
    }
    let lines = rig.stack.metrics.lines().len();
    rig.stack.resume("fanout");
    rig.settle(SOON).await;
    let written = rig.stack.metrics.lines().split_off(lines);
    let written = written.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let named: Vec<String> = written
        .filter(|line| line["function"] == "fanout")
        .filter_map(|line| Some(line["trace"].as_str()?.into()))
        .collect();
    let begun = Trace(&rig).begun();
    let known = |line: &String| line.split(' ').filter(|name| begun.contains(*name)).count();
    assert!(named.iter().map(known).max() >= Some(3), "{named:?} of {begun:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_waits_for_withings_goes_on_in_the_trace_of_what_it_waits_for() {
    let rig = recorded(902).await;
    let trace = Trace(&rig);
    let kind = FaultKind::Status { status: 522, error: "timeout".to_owned() };
    rig.withings.fail(Fault { service: None, action: Some("getmeas".to_owned()), count: 2, after_effect: false, kind });
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let waiting: Vec<String> = trace.in_table("connections").await.into_iter().flatten().collect();
    let begun = trace.begun();
    assert_eq!(waiting.iter().map(|item| named(item)).collect::<BTreeSet<_>>(), begun, "the mark has it meanwhile");
    let tally = rig.settle(Duration::from_secs(2 * 3600)).await;
    assert_eq!((tally.records, tally.delivered), (1, 1));
    assert_eq!(trace.in_table("records").await, [waiting.first().cloned()].into());
    assert_eq!(trace.in_table("connections").await, [None].into());
}

#[tokio::test(start_paused = true)]
async fn what_x_ray_does_not_record_is_carried_nowhere() {
    let rig = Rig::start(903).await;
    let trace = Trace(&rig);
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.records, tally.delivered), (1, 1));
    assert_eq!((trace.begun(), trace.traceparents()), (BTreeSet::new(), vec![None]));
    for table in ["records", "deliveries", "connections", "events"] {
        assert_eq!(trace.in_table(table).await, [None].into(), "{table}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_with_a_trace_is_still_paid_as_one_kilobyte() {
    let rig = recorded(904).await;
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    rig.settle(SOON).await;
    for table in ["records", "deliveries"] {
        let items = rig.client.scan().table_name(rig.name(table)).send().await.unwrap();
        for item in items.items().iter().filter(|item| item.contains_key("trace")) {
            let size = bytes_of(&AttributeValue::M(item.clone()));
            assert!(size <= 1024, "{table}: {size} bytes");
        }
    }
}

/// The size of a value as DynamoDB reckons it, or somewhat more (developer guide, "DynamoDB item sizes and formats").
fn bytes_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + bytes_of(value)).sum::<usize>(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + bytes_of(value)).sum::<usize>(),
        _ => 1,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

async fn exporting(seed: u64, status: StatusCode) -> (Rig, Collector) {
    let parameters = [("OtlpEndpoint".to_owned(), format!("https://{COLLECTOR}"))].into();
    let rig = Rig::of(Setup { seed, sampled: true, parameters, ..Setup::default() }, Settings::default()).await;
    let collector = Collector::answering(status);
    rig.stack.network.put(COLLECTOR, Arc::new(collector.clone()));
    (rig, collector)
}

#[tokio::test(start_paused = true)]
async fn a_collector_is_told_the_spans_of_a_notification_in_one_trace() {
    let (rig, collector) = exporting(905, StatusCode::OK).await;
    rig.receiver.next([Reply::Status(500)]);
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.records, tally.delivered), (1, 1));
    assert!(collector.told().iter().all(|told| told.path == "/v1/traces"));

    let spans = collector.spans();
    let trace = text(&spans.iter().find(|(name, _)| name == "ingest").unwrap().1["traceId"]);
    assert_eq!(Trace(&rig).begun(), [named(&trace)].into());
    let mine: Vec<&(String, Value)> = spans.iter().filter(|(_, span)| span["traceId"] == trace.as_str()).collect();
    let count = |wanted: &str| mine.iter().filter(|(name, _)| name == wanted).count();
    assert_eq!((count("pull"), count("events"), count("attempt")), (1, 1, 2), "{mine:?}");
    assert!(count("call") >= 1);
    // Each is under the one that led to it.
    let ids: BTreeMap<String, &str> = mine.iter().map(|(name, span)| (text(&span["spanId"]), name.as_str())).collect();
    let parents = mine.iter().filter(|(name, _)| name != "ingest");
    let led: BTreeSet<(&str, &str)> =
        parents.map(|(name, span)| (ids[&text(&span["parentSpanId"])], name.as_str())).collect();
    assert_eq!(led, [("ingest", "pull"), ("pull", "call"), ("pull", "events"), ("pull", "attempt")].into());
    // The invocations have traces of their own, and are linked with this one.
    for function in ["fetcher", "fanout", "dispatcher"] {
        let of_function = spans.iter().filter(|(name, _)| name == function);
        let mut links = of_function.flat_map(|(_, span)| span["links"].as_array().unwrap());
        assert!(links.any(|link| link["traceId"] == trace.as_str()), "{function}");
    }
    // The webhook names its own try.
    let attempts: BTreeSet<String> =
        mine.iter().filter(|(name, _)| name == "attempt").map(|(_, span)| text(&span["spanId"])).collect();
    let told: BTreeSet<String> =
        Trace(&rig).traceparents().into_iter().flatten().map(|header| header[36..52].to_owned()).collect();
    assert_eq!(told, attempts);
    // Ids and words of ours, and nothing of what is secret.
    let everything = format!("{spans:?}");
    for secret in [afferent_local::CALLBACK_SECRET, "/webhooks", "/measure", "access_token"] {
        assert!(!everything.contains(secret), "{secret}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_fails_or_is_not_there_costs_nothing_but_its_spans() {
    let (rig, collector) = exporting(906, StatusCode::SERVICE_UNAVAILABLE).await;
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    assert_eq!(rig.settle(SOON).await.delivered, 1);
    let asked = collector.told().len();
    assert!((1..10).contains(&asked), "after a failure it is left alone for a while: {asked}");

    rig.stack.network.remove(COLLECTOR);
    tokio::time::sleep(Duration::from_secs(120)).await;
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.open(), tally.delivered > 1), (0, true));
    assert_eq!(collector.told().len(), asked);
}
