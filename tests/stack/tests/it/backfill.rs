//! Backfill runs: a past is read once, flagged, counted exactly, and behind everything that is live.

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::{Ask, Depth, State};
use afferent_domain::connection::{self, Scopes};
use afferent_domain::id::RunId;
use afferent_domain::record::{Record, SyncKind};
use afferent_local::Setup;
use afferent_local::dynamodb::Fault as TableFault;
use afferent_store::connections::Connection;
use afferent_store::item::s;
use afferent_store::runs::Run;
use stack_tests::Rig;
use withings_simulator::{Fault, FaultKind, MeasureGroup, Night, Notify, Settings};

const DAY: i64 = 86_400;
const HOUR: Duration = Duration::from_secs(3600);

async fn rig(seed: u64, parameters: &[(&str, &str)]) -> Rig {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Rig::of(Setup { seed, parameters, ..Setup::default() }, Settings::default()).await
}

fn now(rig: &Rig) -> Timestamp {
    rig.stack.clock.now()
}

/// Pressures so many days ago, of which nobody is told.
fn pressures(rig: &Rig, days: impl IntoIterator<Item = i64>) {
    let at = |days: i64| rig.person.blood_pressure(now(rig).as_secs() - days * DAY, 80, 120, 60);
    let groups: Vec<MeasureGroup> = days.into_iter().map(at).collect();
    rig.withings.add(rig.person.userid, groups, Notify::No).unwrap();
}

async fn begin(rig: &Rig, connection: &Connection, first: bool, depth: Depth) -> Option<RunId> {
    rig.connections.begin_reading(connection, first, depth, now(rig)).await.unwrap()
}

async fn run(rig: &Rig, id: &RunId) -> Run {
    rig.connections.run(&rig.connection.id, id).await.unwrap().unwrap()
}

/// Waits until the run is over.
async fn ended(rig: &Rig, id: &RunId, limit: Duration) -> Run {
    let end = now(rig) + limit;
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let run = run(rig, id).await;
        if run.state != State::Running || now(rig) >= end {
            return run;
        }
    }
}

async fn records(rig: &Rig) -> Vec<Record> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = rig.tables.records.page(&rig.connection.user, None, after.as_ref(), 500).await.unwrap();
        all.extend(page);
        after = next;
        if after.is_none() {
            return all;
        }
    }
}

async fn pressures_stored(rig: &Rig) -> Vec<Record> {
    records(rig).await.into_iter().filter(|record| record.kind == "blood_pressure").collect()
}

/// How many items of the connection have a key that begins so.
async fn items(rig: &Rig, prefix: &str) -> usize {
    let query = rig
        .client
        .query()
        .table_name(rig.name("connections"))
        .key_condition_expression("#owner = :owner AND begins_with(#item, :prefix)")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_names("#item", "item")
        .expression_attribute_values(":owner", s(format!("connection#{}", rig.connection.id)))
        .expression_attribute_values(":prefix", s(prefix));
    query.send().await.unwrap().items().len()
}

#[tokio::test(start_paused = true)]
async fn ninety_days_come_flagged_with_their_run_and_the_run_is_a_record_itself() {
    let rig = rig(1, &[]).await;
    pressures(&rig, [10, 80, 200]);
    let id = begin(&rig, &rig.connection, true, Depth::default()).await.unwrap();
    let run = ended(&rig, &id, HOUR).await;
    assert_eq!((run.state, run.counts.done), (State::Done, run.counts.slices));
    assert_eq!(run.problems, BTreeSet::new());
    assert_eq!(items(&rig, "slice#").await, 0);

    let stored = pressures_stored(&rig).await;
    assert!(
        stored.iter().all(|record| record.synckind == SyncKind::Backfill && record.run.as_deref() == Some(id.as_str()))
    );
    let oldest = now(&rig).as_secs() - 91 * DAY;
    assert!(stored.iter().all(|record| record.effective_ms > oldest * 1000), "200 days ago is not asked for");
    assert_eq!(stored.iter().filter(|record| record.effective_ms < (now(&rig).as_secs() - 5 * DAY) * 1000).count(), 2);

    rig.settle(HOUR).await;
    let webhooks = rig.webhooks();
    let told: Vec<&str> = webhooks
        .iter()
        .filter(|event| event["data"]["record"]["kind"] == "backfill")
        .filter_map(|event| event["data"]["record"]["value_code"].as_str())
        .collect();
    assert_eq!((told.first(), told.last()), (Some(&"running"), Some(&"done")), "{told:?}");
    let of_run = |event: &&serde_json::Value| event["synckind"] == "backfill" && event["run"] == id.as_str();
    assert_eq!(webhooks.iter().filter(of_run).count(), webhooks.len());
    assert!(webhooks.len() > 10);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_begun_once_however_often_it_is_asked_for() {
    let rig = rig(1, &[]).await;
    let first = begin(&rig, &rig.connection, true, Depth::default()).await;
    let planted = items(&rig, "slice#").await;
    assert_eq!(begin(&rig, &rig.connection, true, Depth::default()).await, first);
    assert_eq!((items(&rig, "slice#").await, items(&rig, "run#").await), (planted, 1));
    ended(&rig, &first.unwrap(), HOUR).await;
    begin(&rig, &rig.connection, true, Depth::default()).await;
    assert_eq!(items(&rig, "slice#").await, 0);
}

#[tokio::test(start_paused = true)]
async fn zero_days_are_no_run() {
    let rig = rig(1, &[]).await;
    pressures(&rig, [10]);
    assert_eq!(begin(&rig, &rig.connection, true, Depth::Days(0)).await, None);
    tokio::time::sleep(HOUR).await;
    assert_eq!(pressures_stored(&rig).await.len(), 0);
    assert!(records(&rig).await.iter().any(|record| record.kind == "device"), "what has no past is read at once");
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_after_crashes_and_every_slice_counts_once() {
    for seed in 1..=2 {
        let parameters =
            [("SweepUpdates", "off"), ("SweepRecent", "off"), ("SweepMonth", "off"), ("SweepEverything", "off")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let setup = Setup { seed, parameters, aws_latency_ms: (1, 20), ..Setup::default() };
        let rig = Rig::of(setup, Settings::default()).await;
        pressures(&rig, (0..18 * 4).map(|quarter| 5 + quarter * 90));
        rig.stack.functions.crash_sometimes(200, rig.stack.dice.clone());
        // A crash may fall into this, too.
        let id = begin(&rig, &rig.connection, true, Depth::Everything).await.unwrap();
        let run = ended(&rig, &id, 48 * HOUR).await;
        rig.stack.functions.crash_sometimes(0, rig.stack.dice.clone());
        assert_eq!(run.state, State::Done, "{run:?}");
        assert!(run.counts.slices > 90, "more than one transaction plants");
        assert_eq!((run.counts.done, run.counts.planted), (run.counts.slices, run.counts.slices), "seed {seed}");
        tokio::time::sleep(HOUR).await;
        assert_eq!(items(&rig, "slice#").await, 0);
        let stored = pressures_stored(&rig).await;
        assert!(stored.len() >= 18 * 4, "{} pressures", stored.len());
        let record = records(&rig).await.into_iter().find(|record| record.kind == "backfill").unwrap();
        assert_eq!(record.value_code.as_deref(), Some("done"));
        let done = record.components.iter().find(|part| part.kind == "slices_done").unwrap();
        assert_eq!(done.value.as_ref().unwrap().to_string(), run.counts.slices.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_counts_and_could_not_be_deleted_does_not_count_again() {
    let rig = rig(1, &[("SweepRecent", "off"), ("WithingsLimit", "10")]).await;
    rig.stack.dynamodb.faults().next(TableFault::Failed, "DeleteItem", "slice#", 12);
    let id = begin(&rig, &rig.connection, true, Depth::Everything).await.unwrap();
    let over = ended(&rig, &id, 5 * HOUR).await;
    assert!(over.ended.unwrap().since(over.created) > Duration::from_secs(15 * 60), "they were taken again meanwhile");
    tokio::time::sleep(HOUR).await;
    assert_eq!(items(&rig, "slice#").await, 0);
    let run = run(&rig, &id).await;
    assert_eq!((run.state, run.counts.done), (State::Done, run.counts.slices));
}

#[tokio::test(start_paused = true)]
async fn a_live_notification_goes_before_a_run() {
    let rig = rig(3, &[("WithingsLimit", "20"), ("SweepRecent", "off")]).await;
    let id = begin(&rig, &rig.connection, true, Depth::Everything).await.unwrap();
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert_eq!(run(&rig, &id).await.state, State::Running);
    for _ in 0..3 {
        let at = now(&rig);
        let pressure = rig.person.blood_pressure(at.as_secs() - 5, 81, 121, 61);
        rig.withings.add(rig.person.userid, [pressure], Notify::Yes).unwrap();
        tokio::time::sleep(Duration::from_secs(90)).await;
        let stored = pressures_stored(&rig).await;
        let newest = stored.iter().max_by_key(|record| record.effective_ms).unwrap();
        assert_eq!(newest.effective_ms / 1000, at.as_secs() - 5);
        let notified = rig.withings.notifications().last().unwrap().at_ms;
        let took = Duration::from_millis((newest.changed_ms - notified).unsigned_abs());
        assert!(took <= Duration::from_secs(10), "{took:?}");
    }
    let run = ended(&rig, &id, 3 * HOUR).await;
    assert_eq!(run.state, State::Done);
}

#[tokio::test(start_paused = true)]
async fn after_a_reconnect_only_the_gap_is_read() {
    let rig = rig(1, &[]).await;
    let id = begin(&rig, &rig.connection, true, Depth::default()).await.unwrap();
    ended(&rig, &id, HOUR).await;
    // Swept, pulled; then the link dies for ten days.
    tokio::time::sleep(50 * HOUR).await;
    rig.connections.set_state(&rig.connection, connection::State::Reauthorise).await.unwrap();
    tokio::time::sleep(120 * HOUR).await;
    let ecg = rig.person.ecg(now(&rig).as_secs() - 60);
    rig.withings.add(rig.person.userid, [ecg], Notify::No).unwrap();
    pressures(&rig, [0]);
    tokio::time::sleep(120 * HOUR).await;
    let before = records(&rig).await.len();

    let again = Connection { connected: now(&rig), state: connection::State::Connected, ..rig.connection.clone() };
    reconnect(&rig, &again).await;
    rig.withings.clear_calls();
    let gap = begin(&rig, &again, false, Depth::default()).await.unwrap();
    let run = ended(&rig, &gap, HOUR).await;
    assert_eq!(run.state, State::Done);
    let days = (run.ask.to - run.ask.oldest()) / DAY;
    assert!((10..=13).contains(&days), "{days} days");
    assert!(run.ask.from.keys().all(|service| !service.uses_lastupdate()), "the cursor fills those: {:?}", run.ask);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let after = records(&rig).await;
    assert!(after.iter().any(|record| record.kind == "ecg" && record.run.as_deref() == Some(gap.as_str())));
    assert!(after.len() > before);
    assert_eq!(
        pressures_stored(&rig).await.iter().filter(|record| record.effective_ms / 1000 > run.ask.to - 6 * DAY).count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_reconnect_lastupdate_goes_on_where_it_stopped_even_if_nothing_had_moved_its_cursor() {
    let rig = rig(1, &[("SweepRecent", "off"), ("SweepMonth", "off"), ("SweepEverything", "off")]).await;
    let id = begin(&rig, &rig.connection, true, Depth::default()).await.unwrap();
    ended(&rig, &id, HOUR).await;
    tokio::time::sleep(50 * HOUR).await;
    rig.connections.set_state(&rig.connection, connection::State::Reauthorise).await.unwrap();
    tokio::time::sleep(24 * HOUR).await;
    // Long ago, so that no window shows it: only what was modified does.
    pressures(&rig, [300]);
    tokio::time::sleep(24 * HOUR).await;
    let before = pressures_stored(&rig).await.len();
    let again = Connection { connected: now(&rig), state: connection::State::Connected, ..rig.connection.clone() };
    reconnect(&rig, &again).await;
    begin(&rig, &again, false, Depth::default()).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(pressures_stored(&rig).await.len(), before + 1);
}

/// The person connects again; the token pair is the one that there was.
async fn reconnect(rig: &Rig, connection: &Connection) {
    let pair = rig.connections.tokens(&connection.account).await.unwrap().unwrap().pair;
    rig.connections.connect(connection, "sample", &pair, false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_the_person_goes_on_after_a_reconnect() {
    let rig = rig(1, &[]).await;
    pressures(&rig, [10]);
    rig.connections.set_state(&rig.connection, connection::State::Reauthorise).await.unwrap();
    let id = begin(&rig, &rig.connection, true, Depth::default()).await.unwrap();
    let waiting = ended(&rig, &id, 5 * HOUR).await;
    assert_eq!((waiting.state, waiting.counts.done), (State::Running, 0));
    assert_eq!(rig.withings.stats().calls, 0);
    reconnect(&rig, &Connection { state: connection::State::Connected, ..rig.connection.clone() }).await;
    assert_eq!(ended(&rig, &id, 3 * HOUR).await.state, State::Done);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_reads_nothing_more_and_says_so() {
    let rig = rig(1, &[("WithingsLimit", "20")]).await;
    let id = begin(&rig, &rig.connection, true, Depth::Everything).await.unwrap();
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert!(rig.connections.end_run(&rig.connection.id, &id, State::Cancelled, now(&rig)).await.unwrap());
    tokio::time::sleep(2 * HOUR).await;
    let run = run(&rig, &id).await;
    assert!(run.counts.done < run.counts.slices);
    assert_eq!(items(&rig, "slice#").await, 0);
    let record = records(&rig).await.into_iter().find(|record| record.kind == "backfill").unwrap();
    assert_eq!(record.value_code.as_deref(), Some("cancelled"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_refused_is_named_and_does_not_stop_the_others() {
    let rig = rig(1, &[("SweepRecent", "off"), ("SweepMonth", "off"), ("SweepUpdates", "off")]).await;
    pressures(&rig, [10]);
    rig.withings.fail(Fault {
        service: Some("v2/heart".to_owned()),
        action: None,
        count: 1_000,
        after_effect: false,
        kind: FaultKind::Status { status: 277, error: String::new() },
    });
    let id = begin(&rig, &rig.connection, true, Depth::default()).await.unwrap();
    let run = ended(&rig, &id, HOUR).await;
    assert_eq!((run.state, run.counts.failed), (State::Done, 1));
    assert_eq!(run.problems, BTreeSet::from(["heart_list scope".to_owned()]));
    assert!(!pressures_stored(&rig).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_fails_is_tried_again_after_growing_pauses() {
    let rig = rig(1, &[("SweepRecent", "off"), ("SweepMonth", "off"), ("SweepUpdates", "off")]).await;
    pressures(&rig, [10]);
    let fault = |count| Fault {
        service: Some("measure".to_owned()),
        action: Some("getmeas".to_owned()),
        count,
        after_effect: false,
        kind: FaultKind::Http(502),
    };
    rig.withings.fail(fault(5));
    let id = begin(&rig, &rig.connection, true, Depth::default()).await.unwrap();
    let run = ended(&rig, &id, 6 * HOUR).await;
    assert_eq!((run.state, run.counts.failed), (State::Done, 0));
    assert!(run.ended.unwrap().since(run.created) > Duration::from_secs((1 + 2 + 4 + 8) * 60), "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn series_come_on_request_after_their_summaries_and_are_flagged_too() {
    let rig = rig(1, &[("SweepRecent", "off"), ("SweepMonth", "off"), ("SweepUpdates", "off")]).await;
    // Withings has had it since: what is new there since the connect is no past, and has its series read at once.
    let (start, stored) = (now(&rig).as_secs() - 20 * DAY, now(&rig).as_secs() - 19 * DAY);
    let night = Night { created: stored, modified: stored, ..rig.person.night(start) };
    rig.withings.add(rig.person.userid, [night], Notify::No).unwrap();
    // Older than what is read because the person has just connected.
    let to = now(&rig) - 240 * HOUR;
    let ask = |details| Ask::of(&Scopes::default(), to - 360 * HOUR, to, details);
    let without = RunId::derive(&["without"]);
    rig.connections.begin_run(&rig.connection, &without, ask(false), to).await.unwrap();
    assert_eq!(ended(&rig, &without, HOUR).await.state, State::Done);
    let series = |records: &[Record]| records.iter().filter(|record| record.series.is_some()).count();
    assert_eq!(series(&records(&rig).await), 0);
    let with = RunId::derive(&["with"]);
    rig.connections.begin_run(&rig.connection, &with, ask(true), to).await.unwrap();
    assert_eq!(ended(&rig, &with, HOUR).await.state, State::Done);
    let all = records(&rig).await;
    assert!(series(&all) > 0);
    let others = all.iter().filter(|record| record.series.is_some() && record.run.as_deref() != Some(with.as_str()));
    let others: Vec<_> = others.map(|record| (&record.source.service, &record.kind, &record.run, record.rev)).collect();
    assert!(others.is_empty(), "{others:?}");
}
