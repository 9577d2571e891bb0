//! The budget under load, as Withings counts it.

use std::time::Duration;

use afferent_domain::budget::{Lane, Limit, WINDOW};
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::budget::Budget;
use stack_tests::load::saturate;

#[tokio::test(start_paused = true)]
async fn no_sliding_minute_sees_more_arrivals_than_the_limit_and_hardly_a_call_is_wasted() {
    for (seed, limit, processes) in [(1, 120, 2), (2, 20, 3)] {
        let load = saturate(seed, limit, processes, Duration::from_secs(400)).await;
        for window in load.arrivals.windows(usize::from(limit) + 1) {
            assert!(window[usize::from(limit)].since(window[0]) > WINDOW, "{limit} of {processes} processes");
        }
        assert_eq!(load.refused, 0);
        assert!(load.share >= 0.95, "{:.4} of the bound with limit {limit}, {processes} processes", load.share);
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
