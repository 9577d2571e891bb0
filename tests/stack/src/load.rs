//! Greedy callers under one budget, as Withings counts them.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::{Lane, Limit, MARGIN, WINDOW};
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::budget::Budget;
use bytes::Bytes;
use http::Request;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use withings_simulator::{ClientApp, NewUser, Settings, Simulator};

/// How long a call may take.
const CALL: Duration = Duration::from_secs(30);

/// Callers per process. More than the calls that are ever under way at once.
const CALLERS: usize = 10;

/// What came of it.
#[derive(Debug)]
pub struct Load {
    /// When each call arrived, in order.
    pub arrivals: Vec<Timestamp>,
    /// How many arrived.
    pub calls: usize,
    /// How many the simulated Withings refused.
    pub refused: u64,
    /// What was used of the bound: `limit` calls in each cycle of 60 s, the margin and the mean latency.
    pub share: f64,
}

/// Lets callers in `processes` processes, which share nothing but the table, call as often as the budget of
/// `limit` lets them for `length` of virtual time. Each call takes 50 to 2,000 ms, half of it before it arrives.
///
/// The share is taken call by call, so neither the free start nor the cut-off end enters it.
#[expect(clippy::expect_used, reason = "a test that cannot start has failed")]
pub async fn saturate(seed: u64, limit: u16, processes: usize, length: Duration) -> Load {
    let setup = Setup { seed, ticks: Ticks::Off, aws_latency_ms: (1, 8), ..Setup::default() };
    let stack = Simulation::bare(setup).await.expect("the simulation starts");
    let settings = Settings { limit: u32::from(limit), clients: vec![ClientApp::default()], ..Settings::default() };
    let withings = Arc::new(Simulator::new(settings, stack.clock.clone(), stack.dice.clone()));
    let userid = withings.create_user(NewUser::default()).expect("the user is new");
    let token = withings.issue_tokens(userid, None, "").expect("the user is there").access_token;
    let table = format!("{}-connections", stack.template.place.stack);
    let seen = Arc::new(Mutex::new(Vec::<(Timestamp, Duration)>::new()));
    let began = stack.clock.now();
    let end = began + length;
    let mut callers = JoinSet::new();
    for process in 0..processes {
        let client = afferent_store::client(&stack.rim.aws);
        let limit = Limit::new(limit).expect("the limit is one");
        let budget = Budget::new(client, table.clone(), "load", limit, stack.clock.clone(), stack.dice.clone());
        let budget = Arc::new(budget);
        for caller in 0..CALLERS {
            // One of them uses the slot that is kept for code exchanges.
            let lane = if (process, caller) == (0, 0) { Lane::Auth } else { Lane::Live };
            let (budget, seen, withings, token) = (budget.clone(), seen.clone(), withings.clone(), token.clone());
            let (clock, dice) = (stack.clock.clone(), stack.dice.clone());
            callers.spawn(async move {
                while let Ok(claim) = budget.claim(lane, CALL, end).await {
                    let there = Duration::from_millis(dice.between(25, 1_000));
                    let back = Duration::from_millis(dice.between(25, 1_000));
                    tokio::time::sleep(there).await;
                    let arrived = clock.now();
                    let _ = withings.handle(getdevice(&token)).await;
                    tokio::time::sleep(back).await;
                    seen.lock().await.push((arrived, there + back));
                    budget.release(claim, clock.now()).await.expect("the table is there");
                }
            });
        }
    }
    while callers.join_next().await.is_some() {}
    let mut seen = std::mem::take(&mut *seen.lock().await);
    seen.sort();
    let mean = seen.iter().map(|(_, latency)| *latency).sum::<Duration>() / u32::try_from(seen.len()).unwrap_or(1);
    // Every slot once in each cycle is what the bound allows. The time from a call to the one `limit` later is the
    // cycle as it was; measured so, neither the free start nor the cut-off end enters.
    let cycle = (WINDOW + MARGIN + mean).as_secs_f64();
    let spans: Vec<f64> =
        seen.windows(usize::from(limit) + 1).map(|w| w[usize::from(limit)].0.since(w[0].0).as_secs_f64()).collect();
    let taken = spans.iter().sum::<f64>() / spans.len() as f64;
    Load {
        calls: seen.len(),
        refused: withings.stats().refused,
        share: cycle / taken,
        arrivals: seen.into_iter().map(|(at, _)| at).collect(),
    }
}

#[expect(clippy::expect_used, reason = "the request is the same every time")]
fn getdevice(token: &str) -> Request<Bytes> {
    Request::post("https://wbsapi.withings.net/v2/user")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(b"action=getdevice"))
        .expect("the request is one")
}
