//! From a notification to records, events and signed webhooks.

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::id::{NotificationId, UserId};
use afferent_domain::notification::Quarantine;
use afferent_local::Setup;
use afferent_metrics::Metric;
use afferent_queue::{Notification as Message, Payload, Pull};
use afferent_store::events::After;
use afferent_store::notifications::{Notifications, State, Told, day};
use serde_json::Value;
use stack_tests::Rig;
use withings_simulator::sample;
use withings_simulator::{DuplicateGuard, Fate, Fault, FaultKind, MeasureGroup, Notify, Pages, Settings};

/// Longer than anything that needs the keeper's next look.
const SOON: Duration = Duration::from_secs(300);

/// The bodies of `tests/fixtures/withings/notification_bodies.txt`, for the sample person.
fn fixture_bodies(userid: i64) -> Vec<String> {
    let bodies = include_str!("../../../fixtures/withings/notification_bodies.txt");
    let lines = bodies.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.replace("90001001", &userid.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn all_sixteen_categories_end_in_signed_webhooks_and_nothing_is_lost() {
    let rig = Rig::start(1).await;
    sample::play_all(&rig.withings, &rig.person, Duration::from_secs(1)).await.unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!(tally.open(), 0, "{tally:?}");
    assert_eq!(tally.notifications(), 16);
    assert_eq!(tally.quarantined, 0);
    assert_eq!(tally.recorded, 5, "50, 51, 52, 53 and 55 are the data themselves");
    let webhooks = rig.webhooks();
    assert_eq!(webhooks.len() as u64, tally.deliveries);
    let kinds: BTreeSet<&str> = webhooks.iter().filter_map(|event| event["data"]["record"]["kind"].as_str()).collect();
    for kind in [
        "body_weight",
        "body_temperature",
        "blood_pressure",
        "oxygen_saturation",
        "activity_day",
        "workout",
        "steps",
        "sleep_session",
        "profile",
        "bed_in",
        "bed_out",
        "inflate_done",
        "device_setup",
        "ecg",
        "ecg_failed",
        "blood_glucose",
        "questionnaire_response",
        "stethoscope_recording",
        "hrv_rmssd",
    ] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
    assert_eq!(rig.withings.stats().refused, 0);
}

#[tokio::test(start_paused = true)]
async fn every_body_of_the_fixture_ends_somewhere_and_only_unknown_categories_are_quarantined() {
    let rig = Rig::start(2).await;
    let bodies = fixture_bodies(rig.person.userid);
    for body in &bodies {
        assert!(rig.post(body).await.status().is_success());
        tokio::time::sleep(Duration::from_secs(12)).await;
    }
    let tally = rig.settle(SOON).await;
    assert_eq!(tally.notifications(), bodies.len() as u64);
    assert_eq!(tally.waiting, 0, "{tally:?}");
    assert_eq!(tally.quarantined, 1, "777");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_understood_is_kept_with_its_reason() {
    let rig = Rig::start(3).await;
    let bodies = [
        ("hello", Quarantine::Unreadable),
        ("userid=1", Quarantine::NoCategory),
        ("userid=1&appli=777", Quarantine::UnknownCategory),
        ("appli=1", Quarantine::NoUser),
        ("userid=424242&appli=1", Quarantine::UnknownUser),
        ("appli=53", Quarantine::NoDevice),
    ];
    for (body, _) in &bodies {
        assert!(rig.post(body).await.status().is_success());
    }
    let tally = rig.settle(SOON).await;
    assert_eq!(tally.quarantined, bodies.len() as u64);
    let items = rig.client.scan().table_name(rig.name("notifications")).send().await.unwrap();
    let reasons: BTreeSet<String> =
        items.items().iter().filter_map(|item| item.get("reason")?.as_s().ok().cloned()).collect();
    let expected: BTreeSet<String> = bodies.iter().map(|(_, reason)| reason.reason().to_owned()).collect();
    assert_eq!(reasons, expected);
}

#[tokio::test(start_paused = true)]
async fn a_doubled_notification_writes_nothing_twice() {
    let rig = Rig::start(4).await;
    rig.withings.notifier().next_fates([Fate::Double]);
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.notifications(), tally.records, tally.revisions, tally.delivered), (2, 1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_edit_at_withings_is_a_new_revision_of_the_same_record() {
    let rig = Rig::start(5).await;
    let now = rig.stack.clock.now().as_secs();
    let group = rig.person.blood_pressure(now, 80, 120, 60);
    let ids = rig.withings.add(rig.person.userid, [group], Notify::Yes).unwrap();
    let first = rig.settle(SOON).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let edit = |group: &mut MeasureGroup| group.measures[0].value = 85;
    rig.withings.edit::<MeasureGroup>(rig.person.userid, &ids[0], Notify::Yes, edit).unwrap();
    let second = rig.settle(SOON).await;
    assert_eq!(second.records, first.records);
    assert_eq!(second.revisions, first.revisions + 1);
    let last = rig.webhooks().pop().unwrap();
    assert_eq!(last["type"], "blood_pressure.updated");
    assert_eq!((&last["data"]["record"]["rev"], &last["data"]["record"]["status"]), (&2.into(), &"amended".into()));
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_comes_late_names_the_pull_that_had_satisfied_it_and_not_the_last_one() {
    let rig = Rig::start(8).await;
    let notifications = Notifications::new(rig.client.clone(), rig.name("notifications"));
    let satisfied = || async {
        let today = day(rig.stack.clock.now());
        notifications.list(State::Satisfied, &today, None, 100).await.unwrap().0
    };
    let pulls_of = |told: &[Told], appli: u32| told.iter().find(|one| one.appli == Some(appli)).unwrap().pulls.clone();
    // It was received before all of what follows, and lies on the queue.
    let received = rig.stack.clock.now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    sample::play(&rig.withings, &rig.person, 4).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let earlier = || rig.stack.metrics.sum(Metric::NotificationsSatisfiedEarlier);
    let (before, counted) = (satisfied().await, earlier());
    let (weighed, pressed) = (pulls_of(&before, 1), pulls_of(&before, 4));
    assert!(weighed != pressed, "{weighed:?}");
    let (records, _) = rig.tables.records.page(&rig.connection.user, Some("body_weight"), None, 1).await.unwrap();
    let at = records[0].effective_ms / 1000;
    let body = format!("userid={}&appli=1&startdate={}&enddate={at}", rig.person.userid, at - 1);
    let id = NotificationId::from("ntf_late");
    let late = Message { id: id.clone(), received_ms: received, payload: Payload::Text(body) };
    rig.stack.sqs.send(&rig.name("pulls"), local_sqs::Draft::of(Pull::Notification(late).to_body())).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let told = notifications.told(&id).await.unwrap().unwrap();
    assert_eq!((told.state, told.pulls), (State::Satisfied, weighed));
    assert_eq!(earlier(), counted + 1);
}

#[tokio::test(start_paused = true)]
async fn every_page_is_read_before_the_cursor_moves() {
    let settings = Settings { pages: Pages { measures: 3, ..Pages::default() }, ..Settings::default() };
    let rig = Rig::of(Setup { seed: 6, ..Setup::default() }, settings).await;
    let now = rig.stack.clock.now().as_secs();
    let groups = (0..10).map(|hour| rig.person.blood_pressure(now - hour * 3600, 80, 120, 60));
    rig.withings.add(rig.person.userid, groups, Notify::Yes).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!(tally.open(), 0);
    let (pressures, _) =
        rig.tables.records.page(&rig.connection.user, Some("blood_pressure"), None, 100).await.unwrap();
    assert_eq!(pressures.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_users_journal_has_no_gap_and_no_repeat() {
    let rig = Rig::start(7).await;
    sample::play_all(&rig.withings, &rig.person, Duration::from_millis(100)).await.unwrap();
    rig.settle(SOON).await;
    for user in [rig.connection.user.clone(), UserId::app()] {
        let After::Events(events) = rig.tables.events.after(&user, 0, 1_000).await.unwrap() else { panic!("gone") };
        let numbers: Vec<u64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
        assert!(!numbers.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_to_withings_loses_no_notification() {
    let rig = Rig::start(8).await;
    rig.stack.network.remove(afferent_local::network::WITHINGS_HOST);
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    let during = rig.settle(Duration::from_secs(30)).await;
    assert_eq!((during.waiting, during.records), (1, 0));
    let host = afferent_local::network::WithingsHost(rig.withings.clone());
    rig.stack.network.put(afferent_local::network::WITHINGS_HOST, std::sync::Arc::new(host));
    let after = rig.settle(Duration::from_secs(600)).await;
    assert_eq!((after.waiting, after.satisfied, after.open()), (0, 1, 0));
    assert!(after.records > 0);
}

#[tokio::test(start_paused = true)]
async fn an_expired_access_token_is_refreshed_once_and_the_new_pair_is_used() {
    let rig = Rig::start(9).await;
    tokio::time::sleep(Duration::from_secs(4 * 3600)).await;
    sample::play(&rig.withings, &rig.person, 16).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.waiting, tally.open()), (0, 0));
    let refreshes = rig.withings.calls().iter().filter(|call| call.action == "requesttoken").count();
    assert_eq!(refreshes, 1, "three pulls at once, one refresh");
}

#[tokio::test(start_paused = true)]
async fn no_event_says_anything_but_what_the_record_says() {
    let rig = Rig::start(10).await;
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    rig.settle(SOON).await;
    let webhooks = rig.webhooks();
    let weight = webhooks.iter().find(|event| event["type"] == "body_weight.created").unwrap();
    assert_eq!(weight["data"]["record"]["value"], Value::from(71.655));
    assert_eq!(weight["data"]["record"]["unit"], "kg");
    assert_eq!(weight["subject"], rig.connection.user.as_str());
    assert_eq!(weight["specversion"], "1.0");
    assert!(weight["time"].is_string() && weight["timestamp"].is_string());
}

#[tokio::test(start_paused = true)]
async fn the_same_arguments_are_never_sent_again_within_ten_seconds() {
    let settings = Settings { duplicate_guard: DuplicateGuard::All, ..Settings::default() };
    let rig = Rig::of(Setup { seed: 11, ..Setup::default() }, settings).await;
    sample::play(&rig.withings, &rig.person, 46).unwrap();
    rig.settle(SOON).await;
    // Nothing new behind these: each makes the fetcher look again.
    for body in ["appli=46&action=update", "appli=1&startdate=1789625129&enddate=1789625130", "appli=58"] {
        tokio::time::sleep(Duration::from_secs(60)).await;
        rig.post(&format!("userid={}&{body}", rig.person.userid)).await;
    }
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.waiting, tally.satisfied), (0, 4));
    assert_eq!(rig.withings.stats().duplicate_refused, 0);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_moves_while_pages_are_read_is_not_missed() {
    let settings = Settings { pages: Pages { measures: 2, ..Pages::default() }, ..Settings::default() };
    let rig = Rig::of(Setup { seed: 12, ..Setup::default() }, settings).await;
    rig.stack.network.set_latency(400, 400);
    let now = rig.stack.clock.now().as_secs();
    let groups = (0..6).map(|hour| rig.person.blood_pressure(now - hour * 3600, 80, 120, 60));
    let ids = rig.withings.add(rig.person.userid, groups, Notify::No).unwrap();
    // It names no window, so nothing else would look for what the pages left out.
    rig.post(&format!("userid={}&appli=58", rig.person.userid)).await;
    // The first page has left Withings: deleting a row of it moves the next page's first row under the offset.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(rig.withings.calls().len(), 1);
    rig.withings.delete::<MeasureGroup>(rig.person.userid, &ids[0], Notify::No).unwrap();
    rig.stack.network.set_latency(0, 0);
    rig.settle(SOON).await;
    let (pressures, _) =
        rig.tables.records.page(&rig.connection.user, Some("blood_pressure"), None, 100).await.unwrap();
    let stored: BTreeSet<i64> = pressures.iter().filter_map(|record| record.source.grpid).collect();
    for id in &ids[1..] {
        assert!(stored.contains(id), "group {id} is missing");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_answer_ends_with_the_invocation_and_the_mark_stays_due() {
    let settings = Settings { pages: Pages { measures: 1, ..Pages::default() }, ..Settings::default() };
    let rig = Rig::of(Setup { seed: 13, ..Setup::default() }, settings).await;
    let now = rig.stack.clock.now().as_secs();
    let groups = (0..40).map(|minute| rig.person.blood_pressure(now - minute * 60, 80, 120, 60));
    rig.withings.add(rig.person.userid, groups, Notify::No).unwrap();
    // 20 s a page: 40 pages are more than an invocation of 120 s can read.
    rig.stack.network.set_latency(10_000, 10_000);
    let body = format!("userid={}&appli=4&startdate={now}&enddate={now}", rig.person.userid);
    rig.post(&body).await;
    tokio::time::sleep(Duration::from_secs(115)).await;
    let during = rig.tally().await;
    assert_eq!(during.waiting, 1);
    assert!(during.records > 0, "what was read is stored");
    rig.stack.network.set_latency(0, 0);
    let after = rig.settle(Duration::from_secs(900)).await;
    assert_eq!((after.waiting, after.satisfied), (0, 1));
    let dead = rig.stack.sqs.queues().into_iter().filter(|queue| queue.name.ends_with("-dead"));
    assert_eq!(dead.map(|queue| queue.visible).sum::<usize>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_which_only_a_piece_could_be_read_is_not_satisfied() {
    let rig = Rig::start(14).await;
    rig.stack.network.set_latency(500, 500);
    let (userid, now) = (rig.person.userid, rig.stack.clock.now().as_secs());
    rig.withings.add(userid, rig.person.intraday(now - 30 * 3600, now - 30 * 3600 + 600), Notify::No).unwrap();
    rig.post(&format!("userid={userid}&appli=62&startdate={}&enddate={now}", now - 30 * 3600)).await;
    // Thirty hours are two calls of getintradayactivity. The first, with something new, is under way.
    let intraday = || rig.withings.calls().iter().filter(|call| call.action == "getintradayactivity").count();
    while intraday() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rig.withings.fail(Fault {
        service: None,
        action: Some("getintradayactivity".to_owned()),
        count: 1,
        after_effect: false,
        kind: FaultKind::Status { status: 522, error: "timeout".to_owned() },
    });
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!((intraday(), rig.tally().await.waiting), (2, 1));
    let after = rig.settle(SOON).await;
    assert_eq!((after.waiting, after.satisfied), (0, 1));
}
