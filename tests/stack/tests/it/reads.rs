//! Reading: details, resumed reads, pauses, retractions.

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::duty::Duty;
use afferent_domain::record::{Record, Status};
use afferent_domain::service::Service;
use afferent_local::Setup;
use afferent_store::duties::{DutyKey, Owner};
use stack_tests::Rig;
use withings_simulator::{Ecg, Fault, FaultKind, Lapse, MeasureGroup, Night, Notify, Pages, Settings};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Longer than anything that needs the keeper's next look.
const SOON: Duration = Duration::from_secs(300);

async fn of_kind(rig: &Rig, kind: &str) -> Vec<Record> {
    rig.tables.records.page(&rig.connection.user, Some(kind), None, 100).await.unwrap().0
}

async fn retracted(rig: &Rig, kind: &str) -> usize {
    of_kind(rig, kind).await.iter().filter(|record| record.status == Status::EnteredInError).count()
}

fn calls(rig: &Rig, action: &str) -> usize {
    rig.withings.calls().iter().filter(|call| call.action == action).count()
}

/// Blood pressures, one an hour, the newest an hour ago.
fn pressures(rig: &Rig, count: i64) -> Vec<MeasureGroup> {
    let now = rig.stack.clock.now().as_secs();
    (1..=count).map(|hour| rig.person.blood_pressure(now - hour * 3600, 80, 120, 60)).collect()
}

/// Stores the groups here and at Withings, as a notification each would.
async fn measured(rig: &Rig, groups: Vec<MeasureGroup>) -> Vec<i64> {
    let ids = rig.withings.add(rig.person.userid, groups, Notify::No).unwrap();
    rig.post(&format!("userid={}&appli=58", rig.person.userid)).await;
    rig.settle(SOON).await;
    assert_eq!(of_kind(rig, "blood_pressure").await.len(), ids.len());
    ids
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_retracted_after_a_second_read_and_not_before() {
    let rig = Rig::start(101).await;
    let ids = measured(&rig, pressures(&rig, 3)).await;
    rig.withings.delete::<MeasureGroup>(rig.person.userid, &ids[1], Notify::Yes).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.waiting, retracted(&rig, "blood_pressure").await), (0, 0), "one read proves nothing");
    tokio::time::sleep(20 * MINUTE).await;
    rig.settle(SOON).await;
    let records = of_kind(&rig, "blood_pressure").await;
    let gone: Vec<Option<i64>> = records
        .iter()
        .filter(|record| record.status == Status::EnteredInError)
        .map(|record| record.source.grpid)
        .collect();
    assert_eq!(gone, [Some(ids[1])]);
    let last = rig.webhooks().pop().unwrap();
    assert!(["blood_pressure.deleted", "heart_rate.deleted"].contains(&last["type"].as_str().unwrap()));
    assert_eq!(last["data"]["record"]["status"], "entered-in-error");
}

#[tokio::test(start_paused = true)]
async fn what_is_back_before_the_second_read_stays() {
    let rig = Rig::start(102).await;
    let groups = pressures(&rig, 3);
    let ids = measured(&rig, groups.clone()).await;
    rig.withings.delete::<MeasureGroup>(rig.person.userid, &ids[1], Notify::Yes).unwrap();
    rig.settle(SOON).await;
    let back = MeasureGroup { grpid: ids[1], ..groups[1].clone() };
    rig.withings.add(rig.person.userid, [back], Notify::No).unwrap();
    tokio::time::sleep(DAY).await;
    assert_eq!(retracted(&rig, "blood_pressure").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lapsed_plan_retracts_nothing_however_long_it_lasts() {
    let rig = Rig::start(103).await;
    measured(&rig, pressures(&rig, 5)).await;
    let lapse = Lapse { userid: Some(rig.person.userid), service: None };
    rig.withings.lapse(lapse);
    let now = rig.stack.clock.now().as_secs();
    let (from, to) = (now - 2 * 3600 - 600, now - 2 * 3600 + 600);
    for _ in 0..10 {
        rig.post(&format!("userid={}&appli=4&startdate={from}&enddate={to}", rig.person.userid)).await;
        tokio::time::sleep(DAY).await;
    }
    assert_eq!(retracted(&rig, "blood_pressure").await, 0);
    assert_eq!(rig.tally().await.waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn without_anything_to_compare_with_the_second_read_is_a_day_later() {
    let rig = Rig::start(104).await;
    let ids = measured(&rig, pressures(&rig, 1)).await;
    rig.withings.delete::<MeasureGroup>(rig.person.userid, &ids[0], Notify::Yes).unwrap();
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!(retracted(&rig, "blood_pressure").await, 0);
    tokio::time::sleep(DAY).await;
    assert_eq!(retracted(&rig, "blood_pressure").await, 1);
}

#[tokio::test(start_paused = true)]
async fn much_at_once_is_held_and_told_and_applied_after_the_hold() {
    let setup = Setup {
        seed: 105,
        parameters: [("RetractionHoldHours".to_owned(), "48".to_owned())].into(),
        ..Setup::default()
    };
    let rig = Rig::of(setup, Settings::default()).await;
    let ids = measured(&rig, pressures(&rig, 30)).await;
    let now = rig.stack.clock.now().as_secs();
    for id in &ids[2..27] {
        rig.withings.delete::<MeasureGroup>(rig.person.userid, id, Notify::No).unwrap();
    }
    rig.post(&format!("userid={}&appli=4&startdate={}&enddate={now}", rig.person.userid, now - 40 * 3600)).await;
    tokio::time::sleep(DAY).await;
    assert_eq!(retracted(&rig, "blood_pressure").await, 0);
    let state = async |rig: &Rig| of_kind(rig, "retraction").await[0].value_code.clone();
    assert_eq!(state(&rig).await.as_deref(), Some("held"));
    assert!(rig.webhooks().iter().any(|event| event["type"] == "retraction.created"));
    tokio::time::sleep(2 * DAY).await;
    assert_eq!(retracted(&rig, "blood_pressure").await, 25);
    assert_eq!(state(&rig).await.as_deref(), Some("applied"));
}

#[tokio::test(start_paused = true)]
async fn an_operator_lets_a_held_retraction_through_at_once() {
    let rig = Rig::start(113).await;
    let ids = measured(&rig, pressures(&rig, 30)).await;
    let now = rig.stack.clock.now().as_secs();
    for id in &ids[2..27] {
        rig.withings.delete::<MeasureGroup>(rig.person.userid, id, Notify::No).unwrap();
    }
    rig.post(&format!("userid={}&appli=4&startdate={}&enddate={now}", rig.person.userid, now - 40 * 3600)).await;
    tokio::time::sleep(DAY).await;
    let held = of_kind(&rig, "retraction").await;
    let id = held[0].components.iter().find(|component| component.kind == "retraction").unwrap();
    let duty = Duty::Doubt { service: Service::Getmeas, id: id.value_code.clone().unwrap() };
    let key = DutyKey { owner: Owner::Connection(rig.connection.id.clone()), duty };
    assert!(rig.connections.approve_retraction(&key, rig.stack.clock.now()).await.unwrap());
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!(retracted(&rig, "blood_pressure").await, 25);
    assert!(!rig.connections.approve_retraction(&key, rig.stack.clock.now()).await.unwrap(), "it is done");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_understood_any_more_is_not_taken_for_gone() {
    let rig = Rig::start(114).await;
    let ids = measured(&rig, pressures(&rig, 3)).await;
    let absurd = |group: &mut MeasureGroup| group.measures.iter_mut().for_each(|measure| measure.unit = 4_000);
    rig.withings.edit::<MeasureGroup>(rig.person.userid, &ids[1], Notify::Yes, absurd).unwrap();
    tokio::time::sleep(2 * DAY).await;
    assert_eq!(retracted(&rig, "blood_pressure").await, 0);
    assert_eq!(rig.tally().await.waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn neighbours_that_are_deleted_together_are_no_reason_to_keep_them() {
    let rig = Rig::start(115).await;
    let now = rig.stack.clock.now().as_secs();
    let night = |days: i64| rig.person.night(now - days * 24 * 3600);
    let ids = rig.withings.add(rig.person.userid, [night(9), night(6), night(5)], Notify::Yes).unwrap();
    rig.settle(SOON).await;
    assert_eq!(of_kind(&rig, "sleep_stage").await.len(), 3);
    for id in &ids[1..] {
        rig.withings.delete::<Night>(rig.person.userid, id, Notify::Yes).unwrap();
    }
    tokio::time::sleep(6 * HOUR).await;
    rig.settle(SOON).await;
    for kind in ["sleep_session", "sleep_stage"] {
        assert_eq!(retracted(&rig, kind).await, 2, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_a_service_knew_may_be_deleted_if_another_still_answers() {
    let rig = Rig::start(116).await;
    measured(&rig, pressures(&rig, 2)).await;
    let now = rig.stack.clock.now().as_secs();
    let nights = [5, 4].map(|days| rig.person.night(now - days * 24 * 3600));
    let ids = rig.withings.add(rig.person.userid, nights, Notify::Yes).unwrap();
    rig.settle(SOON).await;
    for id in &ids {
        rig.withings.delete::<Night>(rig.person.userid, id, Notify::Yes).unwrap();
    }
    tokio::time::sleep(4 * DAY).await;
    for kind in ["sleep_session", "sleep_stage"] {
        assert_eq!(retracted(&rig, kind).await, 2, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_series_of_a_night_are_read_when_its_summary_changes_and_not_otherwise() {
    let rig = Rig::start(106).await;
    let now = rig.stack.clock.now().as_secs();
    // Not beside the sample person's own night, which is the last one.
    let start = now - 5 * 24 * 3600;
    let night = rig.person.night(start);
    let ids = rig.withings.add(rig.person.userid, [night], Notify::Yes).unwrap();
    rig.settle(SOON).await;
    assert_eq!((of_kind(&rig, "sleep_session").await.len(), of_kind(&rig, "sleep_stage").await.len()), (1, 1));
    let once = calls(&rig, "get");
    assert!(once >= 1);
    tokio::time::sleep(HOUR).await;
    rig.post(&format!("userid={}&appli=44&startdate={start}&enddate={}", rig.person.userid, start + 8 * 3600)).await;
    rig.settle(SOON).await;
    assert_eq!(calls(&rig, "get"), once, "nothing about the night is new");
    // The person went back to bed: the night grows.
    let grown = |night: &mut Night| {
        let last = night.stages.last_mut().unwrap();
        last.enddate += 1800;
    };
    rig.withings.edit::<Night>(rig.person.userid, &ids[0], Notify::Yes, grown).unwrap();
    rig.settle(SOON).await;
    assert!(calls(&rig, "get") > once);
    let stages = of_kind(&rig, "sleep_stage").await;
    assert_eq!((stages.len(), stages[0].rev), (1, 2), "one record, more revisions");
    assert_eq!(of_kind(&rig, "sleep_session").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_series_of_a_deleted_night_are_retracted_after_it() {
    let rig = Rig::start(107).await;
    let now = rig.stack.clock.now().as_secs();
    let nights = [rig.person.night(now - 6 * 24 * 3600), rig.person.night(now - 5 * 24 * 3600)];
    let ids = rig.withings.add(rig.person.userid, nights, Notify::Yes).unwrap();
    rig.settle(SOON).await;
    assert_eq!(of_kind(&rig, "sleep_stage").await.len(), 2);
    rig.withings.delete::<Night>(rig.person.userid, &ids[0], Notify::Yes).unwrap();
    tokio::time::sleep(3 * HOUR).await;
    rig.settle(SOON).await;
    for kind in ["sleep_session", "sleep_stage"] {
        assert_eq!(retracted(&rig, kind).await, 1, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_signal_of_an_ecg_is_read_once_and_goes_with_it() {
    let rig = Rig::start(108).await;
    let now = rig.stack.clock.now().as_secs();
    let ecgs = [rig.person.ecg(now - 7200), rig.person.ecg(now - 600)];
    let ids = rig.withings.add(rig.person.userid, ecgs, Notify::Yes).unwrap();
    rig.settle(SOON).await;
    let signals = of_kind(&rig, "ecg_signal").await;
    assert_eq!(signals.len(), 2);
    let read = calls(&rig, "get");
    // The sample person's own ECG is older.
    rig.post(&format!("userid={}&appli=54&startdate={}&enddate={now}", rig.person.userid, now - 700)).await;
    rig.settle(SOON).await;
    assert_eq!(calls(&rig, "get"), read);
    rig.withings.delete::<Ecg>(rig.person.userid, &ids[0], Notify::Yes).unwrap();
    tokio::time::sleep(HOUR).await;
    assert_eq!((retracted(&rig, "ecg").await, retracted(&rig, "ecg_signal").await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn without_signals_only_the_findings_are_read() {
    let setup =
        Setup { seed: 109, parameters: [("Signals".to_owned(), "false".to_owned())].into(), ..Setup::default() };
    let rig = Rig::of(setup, Settings::default()).await;
    let now = rig.stack.clock.now().as_secs();
    rig.withings.add(rig.person.userid, [rig.person.ecg(now - 600)], Notify::Yes).unwrap();
    rig.settle(SOON).await;
    assert_eq!((of_kind(&rig, "ecg").await.len(), calls(&rig, "get")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_cut_short_goes_on_where_it_stopped() {
    let settings = Settings { pages: Pages { measures: 1, ..Pages::default() }, ..Settings::default() };
    let rig = Rig::of(Setup { seed: 110, ..Setup::default() }, settings).await;
    rig.withings.add(rig.person.userid, pressures(&rig, 12), Notify::No).unwrap();
    // 20 s a page: an invocation reads four or five of the twelve.
    rig.stack.network.set_latency(10_000, 10_000);
    rig.post(&format!("userid={}&appli=58", rig.person.userid)).await;
    let tally = rig.settle(Duration::from_secs(1800)).await;
    assert_eq!((tally.waiting, tally.satisfied), (0, 1));
    assert_eq!(of_kind(&rig, "blood_pressure").await.len(), 12);
    let read = calls(&rig, "getmeas");
    assert!(read <= 12 + 4, "{read} calls for 12 pages: it began anew");
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_while_withings_fails() {
    let rig = Rig::start(111).await;
    let fault = FaultKind::Http(502);
    rig.withings.fail(Fault { service: None, action: None, count: 1_000, after_effect: false, kind: fault });
    rig.withings.add(rig.person.userid, pressures(&rig, 1), Notify::Yes).unwrap();
    tokio::time::sleep(2 * DAY).await;
    let tried = calls(&rig, "getmeas");
    assert!((8..=20).contains(&tried), "{tried} calls in two days");
    assert_eq!(rig.tally().await.waiting, 1, "and nothing is lost");
    rig.withings.heal();
    tokio::time::sleep(2 * DAY).await;
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.waiting, tally.records > 0), (0, true));
}

#[tokio::test(start_paused = true)]
async fn an_answer_too_long_is_read_in_halves() {
    let rig = Rig::start(112).await;
    let now = rig.stack.clock.now().as_secs();
    rig.withings.fail(Fault {
        service: None,
        action: Some("getintradayactivity".to_owned()),
        count: 1,
        after_effect: false,
        kind: FaultKind::Long(9_000_000),
    });
    rig.withings.add(rig.person.userid, rig.person.intraday(now - 7200, now - 3600), Notify::No).unwrap();
    rig.post(&format!("userid={}&appli=62&startdate={}&enddate={}", rig.person.userid, now - 7200, now - 3600)).await;
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.waiting, tally.satisfied), (0, 1));
    let kinds: BTreeSet<String> = of_kind(&rig, "steps").await.into_iter().map(|record| record.kind).collect();
    assert!(kinds.contains("steps"));
    assert!(calls(&rig, "getintradayactivity") >= 3);
}
