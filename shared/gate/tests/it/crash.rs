//! A crash, a failing table or a lost answer at any point: the account still works, and no two refreshes were under
//! way at once.

use std::time::Duration;

use afferent_local::dynamodb::Fault;
use futures_util::future::join_all;
use withings_simulator::{FaultKind, Settings};

use crate::bench::{Bench, HOUR, MINUTE};

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_moment_of_a_refresh_leaves_a_usable_pair() {
    for moment in 0..60 {
        let bench = Bench::of(moment, Settings::default(), (5, 5)).await;
        bench.connect(Duration::ZERO).await;
        bench.stack.network.set_latency(40, 40);
        // Dropped where it stands; what it has sent takes effect.
        let _ =
            tokio::time::timeout(Duration::from_millis(3 + 5 * moment), bench.call(&bench.process(), 2 * MINUTE)).await;
        assert!(bench.recovers(10 * MINUTE).await, "it died after {} ms", 3 + 5 * moment);
        assert_eq!((bench.wire.dead(), bench.wire.violations()), (0, vec![]), "moment {moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_at_any_step_of_a_refresh_leaves_a_usable_pair() {
    // Each request of a refresh, by a word that only its body holds.
    let steps = [
        ("GetItem", "account"),
        ("UpdateItem", "fence :one"),
        ("UpdateItem", "budget#"),
        ("UpdateItem", "refreshed_ms"),
        ("UpdateItem", "refresh_lease_ms"),
        ("", ""),
    ];
    for (operation, about) in steps {
        for fault in [Fault::Failed, Fault::Throttled, Fault::AnswerLost] {
            for times in [1, 4, 40] {
                let bench = Bench::start(1).await;
                bench.connect(Duration::ZERO).await;
                bench.stack.dynamodb.faults().next(fault, operation, about, times);
                let _ = bench.call(&bench.process(), 2 * MINUTE).await;
                bench.stack.dynamodb.faults().clear();
                let what = format!("{operation} {about} {fault:?} {times} times");
                assert!(bench.recovers(10 * MINUTE).await, "{what}");
                assert_eq!((bench.wire.dead(), bench.wire.violations()), (0, vec![]), "{what}");
            }
        }
    }
}

/// Processes that die, tables that fail, answers that are lost or slow, over a virtual day of tokens that live three
/// hours.
#[tokio::test(start_paused = true)]
async fn two_processes_never_refresh_at_once_whatever_goes_wrong() {
    for seed in 0..12 {
        let bench = Bench::of(seed, Settings::default(), (1, 200)).await;
        let dice = bench.stack.dice.clone();
        bench.connect(Duration::ZERO).await;
        bench.stack.network.set_latency(10, 12_000);
        for hour in 0..24 {
            // A refresh token that was used lives eight hours: no trouble lasts that long here.
            match if hour % 4 == 3 { 5 } else { dice.between(0, 5) } {
                0 => bench.spoil(FaultKind::Hang, dice.between(0, 1) == 1, 1),
                1 => bench.spoil(FaultKind::Http(500), dice.between(0, 1) == 1, 1),
                2 => bench.stack.dynamodb.faults().next(Fault::AnswerLost, "UpdateItem", "", 5),
                3 => bench.stack.dynamodb.faults().next(Fault::Failed, "UpdateItem", "refreshed_ms", 20),
                _ => {}
            }
            let lives: Vec<_> =
                (0..3).map(|_| (bench.process(), Duration::from_millis(dice.between(1, 150_000)))).collect();
            join_all(lives.iter().map(async |(gate, life)| {
                tokio::time::sleep(Duration::from_millis(dice.between(0, 20_000))).await;
                drop(tokio::time::timeout(*life, bench.call(gate, 2 * MINUTE)).await);
            }))
            .await;
            bench.stack.dynamodb.faults().clear();
            bench.withings.heal();
            tokio::time::sleep(HOUR).await;
        }
        bench.stack.network.set_latency(10, 100);
        assert!(bench.recovers(10 * MINUTE).await, "seed {seed}");
        assert_eq!((bench.wire.dead(), bench.wire.violations()), (0, vec![]), "seed {seed}");
    }
}
