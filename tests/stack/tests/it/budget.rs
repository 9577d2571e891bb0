//! The budget under load, as Withings counts it.

use std::time::Duration;

use afferent_domain::budget::{Lane, Limit, WINDOW};
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::budget::Budget;
use stack_tests::load::{RUSH, backfill, rush, saturate, worst_minute};

#[tokio::test(start_paused = true)]
async fn no_sliding_minute_sees_more_arrivals_than_the_limit_and_hardly_a_call_is_wasted() {
    for (seed, limit, processes) in [(1, 120, 2), (2, 20, 3)] {
        let load = saturate(seed, limit, processes, Duration::from_secs(400)).await;
        for window in load.arrivals().windows(usize::from(limit) + 1) {
            assert!(window[usize::from(limit)].since(window[0]) > WINDOW, "{limit} of {processes} processes");
        }
        assert_eq!(load.refused, 0);
        let share = load.share();
        assert!(share >= 0.95, "{share:.4} of the bound with limit {limit}, {processes} processes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_dies_with_its_slot_costs_one_deadline_and_no_overdraft() {
    let stack = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
    let table = format!("{}-connections", stack.template.place.stack);
    let client = afferent_store::client(&stack.rim.aws);
    let limit = Limit::new(2).unwrap();
    let budget = Budget::new(client, table, "app", limit, stack.clock.clone(), stack.dice.clone());
    let began = stack.clock.now();
    let give_up = began + Duration::from_secs(300);
    let dead = budget.claim(Lane::Live, Duration::from_secs(30), give_up).await.unwrap();
    drop(dead);
    let _next = budget.claim(Lane::Live, Duration::from_secs(30), give_up).await.unwrap();
    let waited = stack.clock.now().since(began);
    assert!(waited >= Duration::from_secs(90) && waited < Duration::from_secs(91), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_cannot_wait_is_told_when_the_next_call_is_free() {
    let stack = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
    let table = format!("{}-connections", stack.template.place.stack);
    let client = afferent_store::client(&stack.rim.aws);
    let limit = Limit::new(2).unwrap();
    let budget = Budget::new(client, table, "app", limit, stack.clock.clone(), stack.dice.clone());
    let soon = stack.clock.now() + Duration::from_secs(10);
    let _taken = budget.claim(Lane::Live, Duration::from_secs(30), soon).await.unwrap();
    assert!(budget.claim(Lane::Live, Duration::from_secs(30), soon).await.is_err());
    assert!(budget.claim(Lane::Auth, Duration::from_secs(30), soon).await.is_ok(), "the reserved slot");
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_holds_every_call_of_the_application_back() {
    let stack = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
    let table = format!("{}-connections", stack.template.place.stack);
    let client = afferent_store::client(&stack.rim.aws);
    let limit = Limit::new(120).unwrap();
    let budget = Budget::new(client, table, "app", limit, stack.clock.clone(), stack.dice.clone());
    let began = stack.clock.now();
    budget.hold(began + Duration::from_secs(68)).await.unwrap();
    let _claim = budget.claim(Lane::Live, Duration::from_secs(30), began + Duration::from_secs(600)).await.unwrap();
    assert!(stack.clock.now().since(began) >= Duration::from_secs(68));
}

/// How many calls; `CALLS=10000` for what is promised.
fn calls(otherwise: usize) -> usize {
    std::env::var("CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(start_paused = true)]
async fn a_backlog_uses_nearly_the_whole_budget_and_live_calls_beside_it_hardly_wait() {
    let calls = calls(600);
    let load = backfill(1, calls, 30).await;
    let (share, wait) = (load.share(), load.wait(Lane::Live, 99));
    println!("{calls} calls: {share:.4} of the bound, live p99 {wait:?}");
    assert_eq!((load.refused, load.of(Lane::Backfill).count()), (0, calls));
    assert!(worst_minute(&load.arrivals()) <= 120);
    assert!(share >= 0.97, "{share:.4} of the bound");
    assert!(wait <= Duration::from_secs(5), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rush_of_live_calls_is_worked_off_in_the_time_it_takes_though_every_lane_wants_all() {
    let calls = calls(400);
    let load = rush(1, calls).await;
    let began = load.began + RUSH;
    let stretch = load.stretch(Lane::Live, began, Duration::from_secs(5));
    println!("{calls} live calls: {stretch:.3} times their time, {:.4} of the bound", load.share());
    assert_eq!((load.refused, load.of(Lane::Live).count()), (0, calls));
    assert!(stretch <= 1.2, "{stretch:.3} times");
    // Each of the others had its share of these minutes.
    let all = load.sent.iter().filter(|sent| sent.arrived >= began).count();
    for lane in Lane::ALL {
        let calls = load.of(lane).filter(|sent| sent.arrived >= began).count();
        let share = usize::try_from(lane.share_per_mille()).unwrap() * all / 1_000;
        assert!(calls * 10 >= share * 8, "{}: {calls} of {share}", lane.name());
    }
    let calls: u64 = load.usage.iter().flat_map(|usage| usage.lanes()).map(|(_, used)| used.calls).sum();
    assert!(calls >= load.sent.len() as u64, "every call is counted");
    assert!(load.usage.iter().any(|usage| usage.percent() >= 97), "the use of the budget is told");
}
