//! The lanes of the budget against a DynamoDB: several processes, which share nothing but the table.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::{Lane, Limit};
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::budget::{Budget, Claim};
use afferent_store::item::{Item, s};
use tokio::task::JoinHandle;
use tokio::time::sleep;

const TABLE: &str = "afferent-connections";
const CALL: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(600);

struct World {
    stack: Simulation,
    limit: Limit,
}

impl World {
    async fn new(limit: u16) -> Self {
        let setup = Setup { ticks: Ticks::Off, aws_latency_ms: (1, 8), ..Setup::default() };
        Self { stack: Simulation::bare(setup).await.unwrap(), limit: Limit::new(limit).unwrap() }
    }

    /// The budget as one process has it.
    fn process(&self) -> Arc<Budget> {
        let client = afferent_store::client(&self.stack.rim.aws);
        let (clock, dice) = (self.stack.clock.clone(), self.stack.dice.clone());
        Arc::new(Budget::new(client, TABLE.to_owned(), &"c".repeat(64), self.limit, clock, dice))
    }

    fn now(&self) -> Timestamp {
        self.stack.clock.now()
    }

    /// Claims and is answered at once.
    async fn call(&self, budget: &Budget, lane: Lane) -> Timestamp {
        let claim = budget.claim(lane, CALL, self.now() + LONG).await.unwrap();
        let at = self.now();
        budget.release(claim, at).await.unwrap();
        at
    }

    /// The same at some time; tells when.
    fn caller(&self, budget: &Arc<Budget>, lane: Lane) -> JoinHandle<Timestamp> {
        let (budget, clock) = (budget.clone(), self.stack.clock.clone());
        tokio::spawn(async move {
            let claim = budget.claim(lane, CALL, clock.now() + LONG).await.unwrap();
            let at = clock.now();
            budget.release(claim, at).await.unwrap();
            at
        })
    }

    /// Uses up all slots that are not reserved, at a time.
    async fn use_up(&self, budget: &Budget) -> Vec<Claim> {
        let mut claims = Vec::new();
        for _ in 1..self.limit.calls() {
            claims.push(budget.claim(Lane::Live, CALL, self.now() + LONG).await.unwrap());
        }
        claims
    }

    async fn item(&self, number: usize) -> Item {
        let get = afferent_store::client(&self.stack.rim.aws).get_item().table_name(TABLE).consistent_read(true);
        let get = get.key("owner", s(format!("app#{}", "c".repeat(64)))).key("item", s(format!("budget#{number}")));
        get.send().await.unwrap().item.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_lower_lanes_are_spaced_across_processes_and_lanes_and_live_ones_are_not() {
    let world = World::new(60).await;
    let (one, two) = (world.process(), world.process());
    // What they are owed after a long silence goes first. (`two` knows nothing of it.)
    for lane in [Lane::OnDemand, Lane::Backfill] {
        for _ in 0..4 {
            world.call(&one, lane).await;
        }
    }
    sleep(Duration::from_secs(10)).await;
    let mut callers = Vec::new();
    for _ in 0..5 {
        for (budget, lane) in [(&one, Lane::OnDemand), (&two, Lane::Backfill), (&two, Lane::OnDemand)] {
            callers.push(world.caller(budget, lane));
        }
    }
    let mut calls = Vec::new();
    for caller in callers {
        calls.push(caller.await.unwrap());
    }
    calls.sort();
    for pair in calls.windows(2) {
        assert!(pair[1].since(pair[0]) >= Duration::from_millis(450), "{calls:?}");
    }
    let took = calls[14].since(calls[0]);
    assert!(took >= Duration::from_millis(13_400) && took < Duration::from_millis(14_500), "{took:?}");

    let began = world.now();
    for _ in 0..10 {
        world.call(&two, Lane::Live).await;
    }
    assert!(world.now().since(began) < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_next_slot_goes_to_the_highest_lane_that_waits_in_whatever_process() {
    let world = World::new(6).await;
    let processes: Vec<_> = (0..4).map(|_| world.process()).collect();
    // Each has had what it is owed, and the budget is used up by a call each ten seconds.
    for lane in [Lane::OnDemand, Lane::Backfill, Lane::Reconcile] {
        sleep(Duration::from_secs(11)).await;
        world.call(&processes[0], lane).await;
    }
    for _ in 0..2 {
        sleep(Duration::from_secs(11)).await;
        world.call(&processes[0], Lane::Live).await;
    }
    // The lowest lane was there first.
    let mut callers = Vec::new();
    for (process, lane) in [Lane::Reconcile, Lane::Backfill, Lane::OnDemand, Lane::Live].into_iter().enumerate() {
        callers.push((lane, world.caller(&processes[process], lane)));
        sleep(Duration::from_millis(100)).await;
    }
    let mut order = Vec::new();
    for (lane, caller) in callers {
        order.push((caller.await.unwrap(), lane));
    }
    order.sort();
    let lanes: Vec<_> = order.iter().map(|(_, lane)| *lane).collect();
    assert_eq!(lanes, [Lane::Live, Lane::OnDemand, Lane::Backfill, Lane::Reconcile], "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_live_caller_does_not_queue_behind_others_of_its_process_and_those_of_a_lane_keep_their_order() {
    let world = World::new(60).await;
    let budget = world.process();
    let mut claims = world.use_up(&budget).await;
    let mut backfill = Vec::new();
    for _ in 0..5 {
        backfill.push(world.caller(&budget, Lane::Backfill));
        sleep(Duration::from_millis(20)).await;
    }
    let live = world.caller(&budget, Lane::Live);
    sleep(Duration::from_millis(20)).await;
    for claim in claims.drain(..) {
        budget.release(claim, world.now()).await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    let mut calls = Vec::new();
    for caller in backfill {
        calls.push(caller.await.unwrap());
    }
    // Backfill, too, is owed calls by now; but only four.
    assert!(live.await.unwrap() < calls[4]);
    assert!(calls.is_sorted(), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_died_waiting_holds_the_lower_lanes_back_for_seconds_only() {
    let world = World::new(60).await;
    let (one, two) = (world.process(), world.process());
    for _ in 0..4 {
        world.call(&two, Lane::Backfill).await;
    }
    let claims: Vec<_> = {
        let mut claims = Vec::new();
        for _ in 0..55 {
            claims.push(one.claim(Lane::Live, CALL, world.now() + LONG).await.unwrap());
        }
        claims
    };
    for claim in claims {
        one.release(claim, world.now()).await.unwrap();
    }
    // It says that it waits only when the first slot is about to come back; then it dies.
    let waiting = world.caller(&one, Lane::Live);
    sleep(Duration::from_secs(59)).await;
    let said = number(&world.item(0).await, "waits_live_ms");
    assert!(said > world.now().as_millis() && said <= world.now().as_millis() + 6_000, "{said}");
    waiting.abort();
    // Backfill has its slots back now, and is not owed one before 20 s after its last.
    let died = world.now();
    world.call(&two, Lane::Backfill).await;
    assert!(world.now().since(died) <= Duration::from_secs(7), "{:?}", world.now().since(died));
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_takes_back_that_it_does() {
    let world = World::new(60).await;
    let budget = world.process();
    for claim in world.use_up(&budget).await {
        budget.release(claim, world.now()).await.unwrap();
    }
    world.call(&budget, Lane::Live).await;
    let item = world.item(0).await;
    assert!(number(&item, "waits_live_ms") > 0, "it waited");
    assert!(number(&item, "waits_live_ms") <= world.now().as_millis(), "it waits no longer");
}

#[tokio::test(start_paused = true)]
async fn an_item_stays_within_one_write_unit_with_everything_in_it() {
    let world = World::new(60).await;
    let (one, two) = (world.process(), world.process());
    one.refused(Lane::Live, world.now() + Duration::from_secs(5)).await.unwrap();
    let mut callers = Vec::new();
    for lane in Lane::ALL {
        for budget in [&one, &two] {
            callers.extend((0..40).map(|_| world.caller(budget, lane)));
        }
    }
    let mut attributes = 0;
    for _ in 0..400 {
        sleep(Duration::from_secs(1)).await;
        let item = world.item(0).await;
        attributes = item.len();
        let size: usize = item.iter().map(|(name, value)| name.len() + size(value)).sum();
        assert!(size <= 1_024, "{size} bytes");
    }
    assert_eq!(attributes, 2 + 60 + 10, "keys, slots, held, next, four that wait, three owed and one that waits owed");
    for caller in callers {
        caller.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn use_and_waiting_are_told_by_lane_and_only_once() {
    let world = World::new(4).await;
    let budget = world.process();
    for _ in 0..3 {
        world.call(&budget, Lane::Live).await;
    }
    assert!(budget.claim(Lane::Live, CALL, world.now() + CALL).await.is_err(), "no time to wait");
    world.call(&budget, Lane::Live).await;
    budget.refused(Lane::Backfill, world.now()).await.unwrap();
    let usage = budget.take_usage();
    let live = usage.lane(Lane::Live);
    assert_eq!((live.calls, live.spent, live.refused), (4, 1, 0));
    assert!(live.longest_wait > Duration::from_secs(59) && live.wait < Duration::from_secs(62), "{live:?}");
    assert_eq!(usage.lane(Lane::Backfill).refused, 1);
    assert_eq!((usage.in_use, usage.limit, usage.percent()), (3, 4, 75));
    assert_eq!(usage.lanes().count(), 2);
    assert_eq!(budget.take_usage().lanes().count(), 0);
}

fn number(item: &Item, attribute: &str) -> i64 {
    item.get(attribute).map_or(0, |value| value.as_n().unwrap().parse().unwrap())
}

/// AWS: "DynamoDB item sizes and formats". A number has a byte for each two digits and one more.
fn size(value: &aws_sdk_dynamodb::types::AttributeValue) -> usize {
    match (value.as_s(), value.as_n()) {
        (Ok(text), _) => text.len(),
        (_, Ok(number)) => number.len().div_ceil(2) + 1,
        _ => panic!("neither text nor number"),
    }
}
