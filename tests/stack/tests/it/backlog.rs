//! A backlog of slices, and live notifications beside it, through the whole pipeline: queues, keeper, fetcher, budget.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::Depth;
use afferent_local::{Setup, Ticks};
use stack_tests::load::{arrivals, percentile, share_of_bound, worst_minute};
use stack_tests::town::Town;
use withings_simulator::sample::Person;
use withings_simulator::{CallRecord, Notify, Settings};

const MINUTE: Duration = Duration::from_secs(60);

/// How long the backlog is looked at. `MINUTES` for more.
const MINUTES: u64 = 4;

/// Each has a history of eighteen years: about 180 slices.
const PEOPLE: u64 = 7;

/// What a call takes, there and back.
const LATENCY: Duration = Duration::from_millis(400);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The first call that a notification which came at `at` made necessary.
fn first_after(calls: &[CallRecord], userid: i64, at: Timestamp) -> Option<Duration> {
    let live = |call: &&CallRecord| {
        call.userid == Some(userid)
            && call.action == "getmeas"
            && call.parameters.contains_key("lastupdate")
            && Timestamp::from_millis(call.at_ms) >= at
    };
    calls.iter().filter(live).map(|call| Timestamp::from_millis(call.at_ms).since(at)).min()
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_slices_uses_the_budget_and_live_notifications_beside_it_do_not_wait() {
    let minutes = number("MINUTES", MINUTES);
    let people = PEOPLE.max((minutes + 5) * 120 / 150);
    let off = [("SweepUpdates", "off"), ("SweepRecent", "off"), ("SweepMonth", "off"), ("SweepEverything", "off")];
    let parameters = off.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let setup = Setup { seed: 31, ticks: Ticks::WhenDue, parameters, ..Setup::default() };
    let mut town = Town::found(setup, Settings::default()).await;
    town.stack.network.set_latency(150, 250);
    town.depth = Depth::Everything;
    let mut userids = Vec::new();
    for _ in 0..people {
        userids.push(town.welcome("UTC").await);
    }
    // Until the slices are fed and the slots come back one by one.
    tokio::time::sleep(4 * MINUTE).await;
    town.withings.clear_calls();
    let (person, began) = (Person::of(userids[0]), town.stack.clock.now());
    let mut told = Vec::new();
    for _ in 0..minutes * 20 {
        let now = town.stack.clock.now();
        town.withings.add(person.userid, [person.blood_pressure(now.as_secs(), 80, 120, 60)], Notify::No).unwrap();
        let secs = now.as_secs();
        let body = format!("userid={}&startdate={}&enddate={secs}&appli=4", person.userid, secs - 1);
        town.withings.notify_url(&stack_tests::callback(), &body);
        told.push(now);
        // Twenty a minute, each a call of its own.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let ended = town.stack.clock.now();
    tokio::time::sleep(MINUTE).await;
    let calls = town.withings.calls();
    let within = |call: &&CallRecord| (began..=ended).contains(&Timestamp::from_millis(call.at_ms));
    let busy: Vec<CallRecord> = calls.iter().filter(within).cloned().collect();
    let arrived = arrivals(&busy);
    let (share, worst) = (share_of_bound(&arrived, 120, LATENCY), worst_minute(&arrived));
    let waits: Vec<Duration> = told.iter().filter_map(|at| first_after(&calls, person.userid, *at)).collect();
    let p99 = percentile(waits.clone(), 99);
    println!("{} calls in {minutes} min: {share:.4} of the bound, live p99 {p99:?} of {}", busy.len(), told.len());
    assert_eq!(waits.len(), told.len(), "each is pulled");
    assert!(share >= 0.97, "{share}");
    assert!(p99 <= Duration::from_secs(5), "{p99:?}");
    assert!(worst <= 120, "{worst}");
    assert_eq!((town.withings.stats().refused, town.dead()), (0, 0));
}
