//! Sweeps: what no notification told is found all the same, in the time of its tier.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::Depth;
use afferent_domain::connection;
use afferent_domain::record::{Record, Status};
use afferent_domain::service::Service;
use afferent_domain::sweep::{Completeness, Tiers};
use afferent_local::Setup;
use stack_tests::Rig;
use withings_simulator::{MeasureGroup, Notify, Settings};

const DAY: i64 = 86_400;
const HOUR: Duration = Duration::from_secs(3600);

/// A day, and what doubts and the keeper take.
const WITHIN_A_DAY: Duration = Duration::from_secs(24 * 3600 + 1800);

/// A connection whose past is read and which is swept from now on.
async fn rig(seed: u64, parameters: &[(&str, &str)]) -> Rig {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let rig = Rig::of(Setup { seed, parameters, ..Setup::default() }, Settings::default()).await;
    rig.connections.begin_reading(&rig.connection, true, Depth::default(), now(&rig)).await.unwrap();
    tokio::time::sleep(HOUR).await;
    rig
}

fn now(rig: &Rig) -> Timestamp {
    rig.stack.clock.now()
}

/// Pressures so many days ago, of which nobody is told.
fn pressures(rig: &Rig, days: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let at = |days: i64| rig.person.blood_pressure(now(rig).as_secs() - days * DAY, 80, 120, 60);
    let groups: Vec<MeasureGroup> = days.into_iter().map(at).collect();
    rig.withings.add(rig.person.userid, groups, Notify::No).unwrap()
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

async fn of_group(rig: &Rig, grpid: i64) -> Option<Record> {
    records(rig).await.into_iter().find(|record| record.source.grpid == Some(grpid) && record.kind == "blood_pressure")
}

async fn completeness(rig: &Rig, service: Service) -> Completeness {
    let known = rig.connections.completeness(&rig.connection, &Tiers::default(), now(rig)).await.unwrap();
    known.into_iter().map(|known| known.completeness).find(|known| known.service == service).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_lost_notification_is_healed_within_a_day() {
    let rig = rig(1, &[("SweepRecent", "off"), ("SweepMonth", "off"), ("SweepEverything", "off")]).await;
    let ids = pressures(&rig, [0, 40]);
    tokio::time::sleep(WITHIN_A_DAY).await;
    for id in ids {
        assert!(of_group(&rig, id).await.is_some(), "by what was modified, however old it is");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_notification_of_a_service_without_lastupdate_is_healed_within_a_day() {
    let rig = rig(2, &[]).await;
    let ecg = rig.person.ecg(now(&rig).as_secs() - 60);
    let id = rig.withings.add(rig.person.userid, [ecg], Notify::No).unwrap()[0];
    let weight_goal = rig.withings.clone();
    weight_goal.set_goals(rig.person.userid, None).unwrap();
    tokio::time::sleep(WITHIN_A_DAY).await;
    let all = records(&rig).await;
    let found = all.iter().find(|record| record.signal.as_ref().is_some_and(|signal| signal.signalid == id));
    assert!(found.is_some());
    assert!(all.iter().any(|record| record.signal.as_ref().is_some_and(|signal| !signal.samples.is_empty())));
}

#[tokio::test(start_paused = true)]
async fn a_lost_deletion_is_found_by_the_tier_of_its_age() {
    let rig = rig(1, &[]).await;
    // Enough others that one is not much.
    let ids = pressures(&rig, [1, 2, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
    tokio::time::sleep(WITHIN_A_DAY).await;
    let (recent, older) = (ids[0], ids[2]);
    for id in [recent, older] {
        assert!(of_group(&rig, id).await.is_some());
        rig.withings.delete::<MeasureGroup>(rig.person.userid, &id, Notify::No).unwrap();
    }
    tokio::time::sleep(WITHIN_A_DAY).await;
    let status = |record: Option<Record>| record.unwrap().status;
    assert_eq!(status(of_group(&rig, recent).await), Status::EnteredInError, "three days are read daily");
    tokio::time::sleep(7 * 24 * HOUR).await;
    assert_eq!(status(of_group(&rig, older).await), Status::EnteredInError, "sixty days are read weekly");
    let others = [1, 3, 4, 5].map(|index: usize| ids[index]);
    for id in others {
        assert_ne!(status(of_group(&rig, id).await), Status::EnteredInError);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_beyond_every_other_tier_is_found_by_the_one_that_reads_everything() {
    let rig = rig(1, &[("SweepEverything", "2d"), ("SweepMonth", "off")]).await;
    let ids = pressures(&rig, (0..12).map(|month| 400 + month * 30));
    tokio::time::sleep(WITHIN_A_DAY).await;
    rig.withings.delete::<MeasureGroup>(rig.person.userid, &ids[3], Notify::No).unwrap();
    tokio::time::sleep(2 * WITHIN_A_DAY).await;
    assert_eq!(of_group(&rig, ids[3]).await.unwrap().status, Status::EnteredInError);
}

#[tokio::test(start_paused = true)]
async fn completeness_says_what_the_passes_have_proven() {
    let rig = rig(1, &[]).await;
    let began = now(&rig);
    let run = completeness(&rig, Service::Getmeas).await;
    assert_eq!(run.edits_from(began.as_secs() - 80 * DAY), Some(began - HOUR), "as the run found it when it began");
    assert!(run.deletions.is_empty(), "{run:?}");
    tokio::time::sleep(WITHIN_A_DAY).await;
    let known = completeness(&rig, Service::Getmeas).await;
    let recent = known.deletions_from(began.as_secs() - DAY).unwrap();
    assert!(recent > began - HOUR && recent < now(&rig));
    assert_eq!(known.deletions_from(began.as_secs() - 50 * DAY), None, "no pass has looked there");
    let edits = known.edits_from(began.as_secs() - 80 * DAY);
    assert!(edits.is_some_and(|edits| edits > began - HOUR), "the run has read them, and updates since: {known:?}");
    tokio::time::sleep(7 * 24 * HOUR).await;
    let known = completeness(&rig, Service::Getmeas).await;
    assert!(known.deletions_from(began.as_secs() - 50 * DAY).is_some());
    assert_eq!(known.deletions_from(began.as_secs() - 80 * DAY), None);
}

#[tokio::test(start_paused = true)]
async fn a_dead_link_is_not_swept_and_one_that_is_made_again_is() {
    let rig = rig(1, &[]).await;
    rig.connections.set_state(&rig.connection, connection::State::Reauthorise).await.unwrap();
    tokio::time::sleep(3 * 24 * HOUR).await;
    let calls = rig.withings.stats().calls;
    tokio::time::sleep(3 * 24 * HOUR).await;
    assert_eq!(rig.withings.stats().calls, calls);
    let pair = rig.connections.tokens(&rig.connection.account).await.unwrap().unwrap().pair;
    rig.connections.connect(&rig.connection, "sample", &pair, false).await.unwrap();
    rig.connections.begin_reading(&rig.connection, false, Depth::default(), now(&rig)).await.unwrap();
    rig.connections.add_sweep(&rig.connection.id, Service::Getmeas, 0, now(&rig)).await.unwrap();
    let ids = pressures(&rig, [1]);
    tokio::time::sleep(WITHIN_A_DAY).await;
    assert!(of_group(&rig, ids[0]).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_notification_does_not_wait_for_sweeps() {
    let short =
        [("SweepUpdates", "10m"), ("SweepRecent", "3d/10m"), ("SweepMonth", "60d/20m"), ("WithingsLimit", "10")];
    let rig = rig(1, &short).await;
    tokio::time::sleep(HOUR).await;
    for _ in 0..5 {
        let at = now(&rig).as_secs() - 5;
        let pressure = rig.person.blood_pressure(at, 81, 121, 61);
        let id = rig.withings.add(rig.person.userid, [pressure], Notify::Yes).unwrap()[0];
        tokio::time::sleep(Duration::from_secs(120)).await;
        let record = of_group(&rig, id).await.unwrap();
        let notified = rig.withings.notifications().last().unwrap().at_ms;
        let took = Duration::from_millis((record.changed_ms - notified).unsigned_abs());
        assert!(took <= Duration::from_secs(15), "{took:?}");
    }
}
