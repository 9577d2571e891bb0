use proptest::prelude::*;

use super::*;

/// A call of virtual processes: who, when it was claimed, when it arrived.
#[derive(Clone, Copy, Debug)]
struct Sent {
    lane: Lane,
    at: Timestamp,
    arrives: Timestamp,
    /// Whether it neither kept the pace nor stood back.
    owed: bool,
}

/// One item as the table has it, written as the table would.
struct World {
    item: Slots,
    sent: Vec<Sent>,
    under_way: Vec<(Timestamp, Plan)>,
}

impl World {
    fn new(slots: usize) -> Self {
        Self { item: Slots::unused(0, slots), sent: Vec::new(), under_way: Vec::new() }
    }

    fn field(item: &mut Slots, field: Field) -> &mut Timestamp {
        match field {
            Field::Slot(slot) => &mut item.free_at[slot],
            Field::Held => &mut item.held,
            Field::Next => &mut item.next,
            Field::Waits(lane) => &mut item.waits[lane.index()],
            Field::Owed(lane) => &mut item.owed[lane.index()],
            Field::OwedWaits => &mut item.owed_waits,
        }
    }

    /// The conditional write, with a plan that was made from a view that may be old.
    fn write(&mut self, plan: &Plan, now: Timestamp) -> bool {
        if plan.past.iter().any(|field| *Self::field(&mut self.item, *field) > now) {
            return false;
        }
        if plan.same.is_some_and(|(field, at)| self.item.until(field) != at) {
            return false;
        }
        for (field, at) in &plan.sets {
            *Self::field(&mut self.item, *field) = *at;
        }
        if let Some((field, by)) = plan.adds {
            let field = Self::field(&mut self.item, field);
            *field = *field + by;
        }
        true
    }

    /// Gives back the slots of calls that were answered by `now`.
    fn answer(&mut self, now: Timestamp) {
        for (answered, plan) in std::mem::take(&mut self.under_way) {
            if answered <= now {
                self.item.free_at[plan.slot] = free_after(answered);
            } else {
                self.under_way.push((answered, plan));
            }
        }
    }

    /// Tries a call of `lane` from what `view` shows.
    fn call(&mut self, view: &Slots, lane: Lane, now: Timestamp, latency: Duration) -> bool {
        let Some(slot) = view.claimable(lane, now).last() else { return false };
        let plan = view.plan(slot, lane, now, now + Duration::from_secs(30)).unwrap();
        let stands_back = lane.higher().any(|higher| self.item.waits[higher.index()] > now)
            || (lane != Lane::Auth && self.item.owed_waits > now);
        let paced = lane.yields() && self.item.next > now;
        let owed = self.item.owed[lane.index()] <= now;
        let last = self.item.owed[lane.index()].max(now - WINDOW);
        if !self.write(&plan, now) {
            return false;
        }
        assert!(self.item.held <= now);
        assert!(!(stands_back || paced) || (lane.yields() && owed), "{lane:?} went before its turn");
        assert!(self.item.waits[Lane::Auth.index()] <= now || lane == Lane::Auth, "everything stands back for auth");
        if let Some(interval) = lane.owed_after(self.item.free_at.len()) {
            let next = self.item.owed[lane.index()];
            assert_eq!(next, last.min(now) + interval, "from an old view more is owed than there is");
        }
        self.sent.push(Sent { lane, at: now, arrives: now + latency / 2, owed: stands_back || paced });
        self.under_way.push((now + latency, plan));
        true
    }

    fn overdrawn(&self, limit: usize) -> bool {
        let mut arrivals: Vec<_> = self.sent.iter().map(|sent| sent.arrives).collect();
        arrivals.sort();
        arrivals.windows(limit + 1).any(|window| window[limit].since(window[0]) <= WINDOW)
    }

    fn calls(&self, lane: Lane) -> usize {
        self.sent.iter().filter(|sent| sent.lane == lane).count()
    }
}

fn lane() -> impl Strategy<Value = Lane> {
    prop::sample::select(Lane::ALL.to_vec())
}

const START: Timestamp = Timestamp::from_secs(1_000_000);

/// Lanes that all want as much as they get, in the order that the dice give at each of `ticks` of 50 ms.
fn greedy(slots: usize, lanes: &[Lane], order: &[u8], ticks: u64, latency: u64) -> World {
    let mut world = World::new(slots);
    let mut dice = order.iter().cycle();
    for tick in 0..ticks {
        let now = START + Duration::from_millis(50 * tick);
        world.answer(now);
        let mut turns: Vec<(u8, Lane)> = lanes.iter().map(|lane| (*dice.next().unwrap(), *lane)).collect();
        turns.sort();
        for (by, lane) in turns {
            let view = world.item.clone();
            if !world.call(&view, lane, now, Duration::from_millis(latency + 10 * u64::from(by)))
                && let Some(field) = view.waiting(lane, now)
            {
                let until = World::field(&mut world.item, field);
                *until = (*until).max(now + Duration::from_secs(2));
            }
        }
    }
    world
}

#[test]
fn the_slots_of_all_items_are_the_limit() {
    for calls in [2, 59, 60, 61, 120, 1_500, 30_000] {
        let limit = Limit::new(calls).unwrap();
        let slots: usize = (0..limit.items()).map(|item| limit.slots_of(item)).sum();
        assert_eq!(slots, usize::from(calls));
    }
}

#[test]
fn every_lane_has_a_name_of_its_own() {
    for (index, lane) in Lane::ALL.into_iter().enumerate() {
        assert_eq!((Lane::of(lane.name()), lane.index()), (Some(lane), index));
    }
}

#[test]
fn one_slot_is_kept_for_code_exchanges() {
    let (first, second) = (Slots::unused(0, 2), Slots::unused(1, 2));
    assert_eq!(first.claimable(Lane::Live, START).collect::<Vec<_>>(), [1]);
    assert_eq!(first.claimable(Lane::Auth, START).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(second.claimable(Lane::Live, START).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_held_application_makes_no_call_in_any_lane_however_much_it_is_owed() {
    let held = START + Duration::from_secs(68);
    let slots = Slots { held, ..Slots::unused(0, 60) };
    for lane in Lane::ALL {
        assert_eq!(slots.claimable(lane, START).count(), 0);
        assert_eq!(slots.next_try(lane, START), Some(held));
        assert_ne!(slots.claimable(lane, held).count(), 0);
    }
}

#[test]
fn a_claim_is_refused_if_what_it_rests_on_has_changed_since_it_was_seen() {
    let soon = START + Duration::from_secs(1);
    let (settled, never) = (START + Duration::from_secs(30), Timestamp::default());
    // (the lane, from when it is owed a call, what changes, to what)
    let changes = [
        (Lane::Auth, never, Field::Slot(1), soon),
        (Lane::Auth, never, Field::Held, soon),
        (Lane::Live, never, Field::Waits(Lane::Auth), soon),
        (Lane::Live, never, Field::OwedWaits, soon),
        (Lane::Reconcile, settled, Field::Waits(Lane::Live), soon),
        (Lane::Reconcile, settled, Field::Waits(Lane::Backfill), soon),
        (Lane::Reconcile, settled, Field::OwedWaits, soon),
        (Lane::Reconcile, settled, Field::Next, soon),
        (Lane::Backfill, never, Field::Held, soon),
        (Lane::Backfill, never, Field::Waits(Lane::Auth), soon),
        // Another was made of those that are owed.
        (Lane::Backfill, never, Field::Owed(Lane::Backfill), START - Duration::from_secs(40)),
    ];
    for (lane, owed, field, to) in changes {
        let mut world = World::new(2);
        world.item.owed[lane.index()] = owed;
        let plan = world.item.plan(1, lane, START, soon).unwrap();
        *World::field(&mut world.item, field) = to;
        assert!(!world.write(&plan, START), "{lane:?} in spite of {field:?}");
        // What is no reason to refuse is none.
        *World::field(&mut world.item, Field::Waits(Lane::Reconcile)) = soon;
        *World::field(&mut world.item, field) = if let Field::Owed(_) = field { owed } else { never };
        assert!(world.write(&plan, START), "{lane:?}");
    }
}

#[test]
fn a_burst_of_live_calls_slows_the_lanes_down_that_keep_the_pace() {
    let mut world = World::new(60);
    let answered = Duration::from_millis(100);
    let view = world.item.clone();
    assert!(world.call(&view, Lane::Backfill, START, answered));
    for _ in 0..44 {
        let view = world.item.clone();
        assert!(world.call(&view, Lane::Live, START, answered));
    }
    // Forty-five calls are three quarters of a minute's: the next one is due after as much of the minute.
    let next = world.item.next.since(START);
    assert!(next >= Duration::from_secs(44) && next <= Duration::from_secs(45), "{next:?}");
    // It is owed some before that: what a minute brings, then one every 20 s.
    for (after, owed) in [(0, 3), (10, 0), (20, 1), (30, 0), (40, 1)] {
        let at = START + Duration::from_secs(after);
        let calls = (0..10).take_while(|_| {
            let view = world.item.clone();
            view.next > at && world.call(&view, Lane::Backfill, at, answered)
        });
        assert_eq!(calls.count(), owed, "after {after} s");
    }
}

#[test]
fn the_shares_of_the_lower_lanes_leave_live_work_more_than_it_is_promised() {
    let shares: u32 = Lane::ALL.into_iter().map(Lane::share_per_mille).sum();
    assert!(1000 - shares > 1000 * 10 / 12, "{shares}");
    assert_eq!(Lane::Backfill.owed_after(60), Some(Duration::from_secs(20)));
    assert_eq!(Lane::Reconcile.owed_after(2), Some(Duration::from_secs(1_200)));
    assert_eq!(Lane::Live.owed_after(60), None);
}

proptest! {
    /// Greedy callers of all lanes, each with a view of its own age and a latency of its own, the call arriving
    /// anywhere between its start and its answer: no window of 60 s ever sees more than the limit.
    #[test]
    fn no_sliding_window_sees_more_arrivals_than_the_limit_whatever_lanes_they_are_of(
        calls in prop::collection::vec((lane(), 0_u64..400, 1_u64..5_000, 0_u64..4, 0_u64..6_000), 50..400),
        limit in 2_usize..20,
    ) {
        let mut world = World::new(limit);
        let mut views = vec![world.item.clone(); 4];
        let mut now = START;
        for (lane, pause, latency, process, waits) in calls {
            now = now + Duration::from_millis(pause);
            world.answer(now);
            let view = &mut views[usize::try_from(process).unwrap()];
            if !world.call(&view.clone(), lane, now, Duration::from_millis(latency)) {
                // Refused or not even tried: it looks, and says that it waits.
                *view = world.item.clone();
                if let Some(field) = view.waiting(lane, now) {
                    *World::field(&mut world.item, field) = now + Duration::from_millis(waits);
                }
            }
            // Its own slots are not given back in its own view: they look taken for longer than they are.
        }
        prop_assert!(!world.overdrawn(limit));
    }

    /// What keeps the pace does so in the long run, and never comes closer than half of it.
    #[test]
    fn calls_that_keep_the_pace_are_spaced(
        slots in 2_usize..60,
        order in prop::collection::vec(any::<u8>(), 7..30),
        latency in 10_u64..2_000,
    ) {
        let world = greedy(slots, &Lane::ALL[2..], &order, 3_000, latency);
        prop_assert!(!world.overdrawn(slots));
        let kept: Vec<_> = world.sent.iter().filter(|sent| !sent.owed).map(|sent| sent.at).collect();
        let pace = pace(slots);
        for (first, at) in kept.iter().enumerate() {
            for (steps, later) in kept[first..].iter().enumerate() {
                let least = (pace * u32::try_from(steps).unwrap()).saturating_sub(pace / 2);
                prop_assert!(later.since(*at) >= least, "{steps} steps in {:?}", later.since(*at));
            }
        }
    }

    /// Whoever waits is told an instant at which there is something to try or to look for, and never one after
    /// the first at which it may call.
    #[test]
    fn nobody_sleeps_through_its_turn(
        free in prop::collection::vec(0_u64..120_000, 2..20),
        held in 0_u64..90_000, next in 0_u64..60_000,
        waits in prop::collection::vec(0_u64..5_000, Lane::COUNT),
        owed in prop::collection::vec(0_u64..40_000, Lane::COUNT),
        owed_waits in 0_u64..5_000,
        lane in lane(),
    ) {
        let after = |millis: &u64| START + Duration::from_millis(*millis);
        let mut slots = Slots::unused(0, free.len());
        slots.free_at = free.iter().map(after).collect();
        (slots.held, slots.next, slots.owed_waits) = (after(&held), after(&next), after(&owed_waits));
        for (index, (waits, owed)) in waits.iter().zip(&owed).enumerate() {
            (slots.waits[index], slots.owed[index]) = (after(waits), after(owed));
        }
        let mut now = START - Duration::from_millis(1);
        let mut looks = 0;
        while slots.claimable(lane, now).next().is_none() {
            let next = slots.next_try(lane, now).unwrap();
            prop_assert!(next > now, "no progress at {now}");
            prop_assert!(slots.claimable(lane, next - Duration::from_millis(1)).next().is_none(), "slept until {next}");
            now = next;
            looks += 1;
            prop_assert!(looks < 60, "looks without end");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// With every lane as greedy as can be, each gets most of what it is owed, and live work what it is promised.
    #[test]
    fn no_lane_starves(order in prop::collection::vec(any::<u8>(), 101..211), latency in 50_u64..1_500) {
        let lanes = &Lane::ALL[1..];
        let (slots, minutes) = (60, 20);
        let world = greedy(slots, lanes, &order, minutes * 60 * 20, latency);
        prop_assert!(!world.overdrawn(slots));
        let all = world.sent.len();
        for lane in &lanes[1..] {
            let share = all * usize::try_from(lane.share_per_mille()).unwrap() / 1000;
            prop_assert!(world.calls(*lane) * 10 >= share * 8, "{lane:?}: {} of {share}", world.calls(*lane));
        }
        prop_assert!(world.calls(Lane::Live) * 12 >= all * 10, "live: {} of {all}", world.calls(Lane::Live));
    }
}
