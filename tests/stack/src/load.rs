//! Crowds of callers under one budget, as Withings counts them; and what a log of calls says of the budget.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::budget::{Lane, Limit, MARGIN, WINDOW};
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::budget::{Budget, Usage};
use bytes::Bytes;
use http::Request;
use tokio::task::JoinSet;
use tokio::time::sleep;
use withings_simulator::{CallRecord, ClientApp, NewUser, Settings, Simulator};

/// How long a call may take.
const CALL: Duration = Duration::from_secs(30);

/// How long a caller waits before it gives up and comes again, as an invocation does.
const PATIENCE: Duration = Duration::from_secs(75);

/// Callers of one lane in some processes. Processes share nothing but the table.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The lane.
    pub lane: Lane,
    /// In which processes they are. Crowds may share one.
    pub processes: Range<usize>,
    /// What they want.
    pub wants: Wants,
}

/// What a crowd wants.
#[derive(Clone, Copy, Debug)]
pub enum Wants {
    /// As much as this many callers in each process get.
    Everything(usize),
    /// So many calls, all wanted from this time after the start on, by ten callers in each process.
    Backlog(usize, Duration),
    /// So many calls in a minute, at random instants, each by a caller of its own.
    PerMinute(u64),
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// When it reached Withings.
    pub arrived: Timestamp,
    /// When it was wanted: for a backlog, since when its caller waited.
    pub wanted: Timestamp,
    /// Its lane.
    pub lane: Lane,
    /// The whole time from request to answer.
    pub latency: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Load {
    /// The calls in the order they arrived.
    pub sent: Vec<Sent>,
    /// When it began.
    pub began: Timestamp,
    /// How many the simulated Withings refused.
    pub refused: u64,
    /// The limit.
    pub limit: u16,
    /// What each process says that it used.
    pub usage: Vec<Usage>,
}

impl Load {
    /// When the calls arrived.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Timestamp> {
        self.sent.iter().map(|sent| sent.arrived).collect()
    }

    /// The calls of one lane.
    pub fn of(&self, lane: Lane) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| sent.lane == lane)
    }

    /// What was used of the bound.
    #[must_use]
    pub fn share(&self) -> f64 {
        share_of_bound(&self.arrivals(), self.limit, self.latency())
    }

    /// From being wanted to reaching Withings: what `percent` of the lane's calls did not exceed.
    #[must_use]
    pub fn wait(&self, lane: Lane, percent: usize) -> Duration {
        percentile(self.of(lane).map(|sent| sent.arrived.since(sent.wanted)).collect(), percent)
    }

    /// How many times longer than `limit` calls per cycle it took at worst until a call of `lane` arrived, all of which
    /// were wanted at `from`. The `grace` is for the first ones.
    #[must_use]
    pub fn stretch(&self, lane: Lane, from: Timestamp, grace: Duration) -> f64 {
        let step = (cycle(self.latency()) / f64::from(self.limit)).max(f64::MIN_POSITIVE);
        let calls = self.of(lane).filter(|sent| sent.arrived >= from).enumerate();
        let stretches = calls.map(|(before, sent)| {
            let took = sent.arrived.since(from).saturating_sub(grace).as_secs_f64();
            took / (step * (before + 1) as f64)
        });
        stretches.fold(0.0, f64::max)
    }

    fn latency(&self) -> Duration {
        self.sent.iter().map(|sent| sent.latency).sum::<Duration>() / u32::try_from(self.sent.len()).unwrap_or(1).max(1)
    }
}

/// When the calls of a log arrived.
#[must_use]
pub fn arrivals(log: &[CallRecord]) -> Vec<Timestamp> {
    let mut arrivals: Vec<_> = log.iter().map(|call| Timestamp::from_millis(call.at_ms)).collect();
    arrivals.sort();
    arrivals
}

/// What calls used of the budget's bound: every slot once in each cycle of 60 s, the margin and the mean latency.
///
/// The time from a call to the one `limit` later is the cycle as it was. Measured so, call by call, neither the free
/// start nor the cut-off end enters.
#[must_use]
pub fn share_of_bound(arrivals: &[Timestamp], limit: u16, latency: Duration) -> f64 {
    let limit = usize::from(limit);
    let cycles: Vec<_> =
        arrivals.windows(limit + 1).map(|window| window[limit].since(window[0]).as_secs_f64()).collect();
    cycle(latency) * cycles.len() as f64 / cycles.iter().sum::<f64>()
}

/// How many seconds a slot is away for a call of this latency.
fn cycle(latency: Duration) -> f64 {
    (WINDOW + MARGIN + latency).as_secs_f64()
}

/// The most calls in any 60 s.
#[must_use]
pub fn worst_minute(arrivals: &[Timestamp]) -> usize {
    let from = |end: usize| arrivals.partition_point(|at| *at + WINDOW < arrivals[end]);
    (0..arrivals.len()).map(|end| end + 1 - from(end)).max().unwrap_or(0)
}

/// What `percent` of some times do not exceed.
#[must_use]
pub fn percentile(mut times: Vec<Duration>, percent: usize) -> Duration {
    times.sort();
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}

/// Greedy callers in `processes` processes for `length` of virtual time. One of them uses the slot that is kept for
/// code exchanges.
pub async fn saturate(seed: u64, limit: u16, processes: usize, length: Duration) -> Load {
    let crowds = [
        Crowd { lane: Lane::Auth, processes: 0..1, wants: Wants::Everything(1) },
        Crowd { lane: Lane::Live, processes: 0..processes, wants: Wants::Everything(10) },
    ];
    play(seed, limit, &crowds, length).await
}

/// A backlog of `calls` in the lane `backfill`, beside it live work at `live` calls a minute.
pub async fn backfill(seed: u64, calls: usize, live: u64) -> Load {
    let crowds = [
        Crowd { lane: Lane::Backfill, processes: 0..2, wants: Wants::Backlog(calls, Duration::ZERO) },
        Crowd { lane: Lane::Live, processes: 2..4, wants: Wants::PerMinute(live) },
    ];
    play(seed, 120, &crowds, FOREVER).await
}

/// `calls` live ones that are all wanted after two minutes, while all lower lanes want as much as they get.
pub async fn rush(seed: u64, calls: usize) -> Load {
    let crowds = [
        Crowd { lane: Lane::OnDemand, processes: 0..1, wants: Wants::Everything(10) },
        Crowd { lane: Lane::Backfill, processes: 1..3, wants: Wants::Everything(10) },
        Crowd { lane: Lane::Reconcile, processes: 2..4, wants: Wants::Everything(10) },
        Crowd { lane: Lane::Live, processes: 4..6, wants: Wants::Backlog(calls, RUSH) },
    ];
    play(seed, 120, &crowds, FOREVER).await
}

/// When the rush begins.
pub const RUSH: Duration = Duration::from_secs(120);

/// Longer than any backlog takes.
const FOREVER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Lets the crowds call until every backlog is done, at most for `length` of virtual time. Each call takes 50 to
/// 2,000 ms, half of it before it arrives.
#[expect(clippy::expect_used, reason = "a test that cannot start has failed")]
pub async fn play(seed: u64, limit: u16, crowds: &[Crowd], length: Duration) -> Load {
    let setup = Setup { seed, ticks: Ticks::Off, aws_latency_ms: (1, 8), ..Setup::default() };
    let stack = Simulation::bare(setup).await.expect("the simulation starts");
    let settings = Settings { limit: u32::from(limit), clients: vec![ClientApp::default()], ..Settings::default() };
    let withings = Arc::new(Simulator::new(settings, stack.clock.clone(), stack.dice.clone()));
    let userid = withings.create_user(NewUser::default()).expect("the user is new");
    let token = withings.issue_tokens(userid, None, "").expect("the user is there").access_token;
    let table = format!("{}-connections", stack.template.place.stack);
    let processes = crowds.iter().map(|crowd| crowd.processes.end).max().unwrap_or(0);
    let began = stack.clock.now();
    let world = World {
        clock: stack.clock.clone(),
        dice: stack.dice.clone(),
        withings,
        token,
        sent: Arc::default(),
        end: began + length,
    };
    let budgets: Vec<_> = (0..processes)
        .map(|_| {
            let client = afferent_store::client(&stack.rim.aws);
            let limit = Limit::new(limit).expect("the limit is one");
            Arc::new(Budget::new(client, table.clone(), "load", limit, stack.clock.clone(), stack.dice.clone()))
        })
        .collect();
    let (mut backlogs, mut others) = (JoinSet::new(), JoinSet::new());
    for crowd in crowds {
        let lane = crowd.lane;
        let budgets = &budgets[crowd.processes.clone()];
        match crowd.wants {
            Wants::Everything(callers) => {
                for budget in budgets.iter().flat_map(|budget| std::iter::repeat_n(budget, callers)) {
                    others.spawn(world.clone().everything(budget.clone(), lane));
                }
            }
            Wants::Backlog(calls, from) => {
                let left = Arc::new(AtomicUsize::new(calls));
                for budget in budgets.iter().flat_map(|budget| std::iter::repeat_n(budget, 10)) {
                    backlogs.spawn(world.clone().backlog(budget.clone(), lane, from, left.clone()));
                }
            }
            Wants::PerMinute(calls) => {
                others.spawn(world.clone().per_minute(budgets.to_vec(), lane, calls));
            }
        }
    }
    if backlogs.is_empty() {
        while others.join_next().await.is_some() {}
    }
    while backlogs.join_next().await.is_some() {}
    others.shutdown().await;
    let mut sent = std::mem::take(&mut *world.sent.lock().unwrap_or_else(PoisonError::into_inner));
    sent.sort_by_key(|sent| sent.arrived);
    let usage = budgets.iter().map(|budget| budget.take_usage()).collect();
    Load { sent, began, refused: world.withings.stats().refused, limit, usage }
}

/// What every caller has.
#[derive(Clone)]
struct World {
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    withings: Arc<Simulator>,
    token: String,
    sent: Arc<Mutex<Vec<Sent>>>,
    end: Timestamp,
}

impl World {
    async fn everything(self, budget: Arc<Budget>, lane: Lane) {
        while self.call(&budget, lane).await {}
    }

    async fn backlog(self, budget: Arc<Budget>, lane: Lane, from: Duration, left: Arc<AtomicUsize>) {
        sleep(from).await;
        let one_less = |left: usize| left.checked_sub(1);
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            if !self.call(&budget, lane).await {
                return;
            }
        }
    }

    async fn per_minute(self, budgets: Vec<Arc<Budget>>, lane: Lane, calls: u64) {
        let mut callers = JoinSet::new();
        while self.clock.now() < self.end {
            // Nobody knows of the others: the gaps are exponential.
            let chance = (self.dice.between(1, 1_000_000) as f64) / 1e6;
            sleep(Duration::from_secs_f64(-chance.ln() * 60.0 / calls as f64)).await;
            let world = self.clone();
            let index = usize::try_from(self.dice.between(0, budgets.len() as u64 - 1)).unwrap_or(0);
            let budget = budgets[index].clone();
            callers.spawn(async move { world.call(&budget, lane).await });
            while callers.try_join_next().is_some() {}
        }
    }

    /// One call, however long it waits. Whether there was time for it.
    #[expect(clippy::expect_used, reason = "a table that cannot be written fails the test")]
    async fn call(&self, budget: &Budget, lane: Lane) -> bool {
        let wanted = self.clock.now();
        let claim = loop {
            let give_up = self.clock.now() + PATIENCE;
            if let Ok(claim) = budget.claim(lane, CALL, give_up.min(self.end)).await {
                break claim;
            }
            if give_up >= self.end {
                return false;
            }
            // Who gives up at once comes back later.
            sleep(Duration::from_secs(1)).await;
        };
        let there = Duration::from_millis(self.dice.between(25, 1_000));
        let back = Duration::from_millis(self.dice.between(25, 1_000));
        sleep(there).await;
        let sent = Sent { arrived: self.clock.now(), wanted, lane, latency: there + back };
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
        let _ = self.withings.handle(getdevice(&self.token)).await;
        sleep(back).await;
        budget.release(claim, self.clock.now()).await.expect("the table is there");
        true
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
