//! Notifications that are the data themselves: 46, 50 to 53, 55, 98 to 100; and what 63 names.

use std::time::Duration;

use afferent_domain::id::UserId;
use afferent_domain::notification::Quarantine;
use stack_tests::Rig;
use withings_simulator::{BedEvent, Measure, MeasureGroup, Notify, ProfileAction};

use crate::links::of_kind;

const HOUR: Duration = Duration::from_secs(3600);

/// Longer than anything that needs the keeper's next look.
const SOON: Duration = Duration::from_secs(300);

const MAT: &str = "c49dc1e0e9d0d2e48a5b8c77e2e9d96c2b6622c2";

async fn post(rig: &Rig, fields: &str) {
    assert!(rig.post(&format!("userid={}&{fields}", rig.person.userid)).await.status().is_success());
}

#[tokio::test(start_paused = true)]
async fn every_device_event_is_a_record_at_its_own_time_however_late_and_often_it_comes() {
    let rig = Rig::start(221).await;
    let now = rig.stack.clock.now().as_secs();
    let kinds = [
        (50, "bed_in"),
        (51, "bed_out"),
        (52, "inflate_done"),
        (55, "ecg_failed"),
        (98, "bed_occupied"),
        (99, "bed_empty"),
        (100, "bed_in_out"),
    ];
    for (place, (appli, kind)) in kinds.into_iter().enumerate() {
        let date = now - 3600 * i64::try_from(place).unwrap();
        for _ in 0..2 {
            post(&rig, &format!("date={date}&deviceid={MAT}&appli={appli}")).await;
            // A repeat may come long after Withings' own tries are over: it has a date, so it is the same for ever.
            tokio::time::sleep(10 * HOUR).await;
        }
        let records = of_kind(&rig, kind).await;
        assert_eq!(records.len(), 1, "{kind}");
        assert_eq!((records[0].rev, records[0].effective_ms), (1, date * 1000), "{kind}");
        assert_eq!(records[0].source.device_id.as_deref(), Some(MAT));
    }
    assert_eq!(rig.settle(SOON).await.recorded, 14);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_names_a_window_happened_at_its_end_and_one_without_any_time_is_kept_with_the_reason() {
    let rig = Rig::start(222).await;
    post(&rig, "startdate=1795240000&enddate=1795240600&appli=99").await;
    post(&rig, "appli=98").await;
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.recorded, tally.quarantined), (1, 1));
    assert_eq!(of_kind(&rig, "bed_empty").await[0].effective_ms, 1_795_240_600_000);
    let items = rig.client.scan().table_name(rig.name("notifications")).send().await.unwrap();
    let reasons: Vec<&str> =
        items.items().iter().filter_map(|item| Some(item.get("reason")?.as_s().unwrap().as_str())).collect();
    assert_eq!(reasons, [Quarantine::NoDate.reason()]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_after_a_newer_one_lies_before_it() {
    let rig = Rig::start(223).await;
    let now = rig.stack.clock.now().as_secs();
    rig.withings.bed_event(rig.person.userid, BedEvent::Out, MAT, now);
    rig.settle(SOON).await;
    rig.withings.bed_event(rig.person.userid, BedEvent::In, MAT, now - 8 * 3600);
    rig.settle(SOON).await;
    let (came, left) = (&of_kind(&rig, "bed_in").await[0], &of_kind(&rig, "bed_out").await[0]);
    assert!(came.effective_ms < left.effective_ms && came.ingested_ms > left.ingested_ms);
}

#[tokio::test(start_paused = true)]
async fn a_device_without_an_account_is_one_record_for_seven_hours_and_a_new_one_afterwards() {
    let rig = Rig::start(224).await;
    for _ in 0..3 {
        rig.withings.device_without_account("00:24:e4:00:00:01");
        rig.withings.device_without_account("00:24:e4:00:00:02");
        tokio::time::sleep(3 * HOUR).await;
    }
    let setups = || async { rig.tables.records.page(&UserId::app(), Some("device_setup"), None, 100).await.unwrap().0 };
    assert_eq!(setups().await.len(), 2, "two devices");
    assert!(setups().await.iter().all(|record| record.rev == 1));
    rig.withings.device_without_account("00:24:e4:00:00:01");
    rig.settle(SOON).await;
    assert_eq!(setups().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_changed_profile_has_devices_and_goals_read() {
    let rig = Rig::start(225).await;
    rig.settle(SOON).await;
    let calls = |action: &str| rig.withings.calls().iter().filter(|call| call.action == action).count();
    let before = (calls("getdevice"), calls("getgoals"));
    rig.withings.profile(rig.person.userid, ProfileAction::Update, Notify::Yes).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!(tally.waiting, 0);
    assert_eq!((calls("getdevice"), calls("getgoals")), (before.0 + 1, before.1 + 1));
    let profile = &of_kind(&rig, "profile").await[0];
    assert_eq!(profile.value_code.as_deref(), Some("update"));
    assert_eq!(profile.components[0].value_code.as_deref(), Some("linked"));
}

#[tokio::test(start_paused = true)]
async fn a_urine_test_is_read_with_the_measures() {
    let rig = Rig::start(226).await;
    let date = rig.stack.clock.now().as_secs();
    let group = MeasureGroup { date, measures: vec![Measure::new(147, 65, -1)], ..MeasureGroup::default() };
    rig.withings.add(rig.person.userid, [group], Notify::Yes).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.waiting, tally.satisfied), (0, 1));
}
