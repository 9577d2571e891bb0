use proptest::prelude::*;

use super::*;
use crate::schedule::Custom;

struct Roll(u64);

impl Dice for Roll {
    fn roll(&self) -> u64 {
        self.0
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn delivery(now: Timestamp) -> Delivery {
    let key = Key { event: EventId::from("evt_1"), endpoint: EndpointId::from("ep_1") };
    Delivery::new(key, UserId::from("usr_1"), 1, "ecg.created".to_owned(), now)
}

fn waiting(place: Place, next: Timestamp) -> Waiting {
    Waiting { place, next, cycle: 2, lease_until: Timestamp::default(), wakes: 0 }
}

/// Plays a delivery whose every try gets `answers(try)`; returns the tries made and how it ended.
fn play(policy: &RetryPolicy, roll: u64, answers: impl Fn(u32) -> Option<u16>) -> (u32, Step, Duration) {
    let (mut made, mut elapsed, mut now) = (0, Duration::ZERO, Try::first(1));
    loop {
        made += 1;
        match next_step(policy, now, answers(made), &Roll(roll)) {
            Step::Again(again) => now = again,
            Step::Wait { cycle, wait } => {
                elapsed += wait;
                now = Try::first(cycle);
            }
            end => return (made, end, elapsed),
        }
    }
}

#[test]
fn an_endpoint_that_never_answers_gets_ten_tries_under_the_withings_policy_and_then_no_more() {
    let (made, end, elapsed) = play(&RetryPolicy::Withings, 0, |_| None);
    assert_eq!((made, end), (10, Step::Exhausted));
    assert_eq!(elapsed, secs(10 + 120 + 3_720 + 14_580));
}

#[test]
fn the_second_try_of_a_cycle_follows_at_once() {
    let step = next_step(&RetryPolicy::Withings, Try::first(3), Some(500), &Roll(0));
    assert_eq!(step, Step::Again(Try { cycle: 3, number: 2 }));
}

#[test]
fn a_try_that_succeeds_is_the_last() {
    assert_eq!(play(&RetryPolicy::Withings, 0, |made| Some(if made == 4 { 200 } else { 503 })).1, Step::Delivered);
    assert_eq!(play(&RetryPolicy::Withings, 0, |_| Some(302)).0, 1);
    assert_eq!(play(&RetryPolicy::StandardWebhooks, 0, |_| Some(302)).1, Step::Exhausted);
}

#[test]
fn a_live_lease_and_a_due_time_in_the_future_both_keep_a_message_waiting() {
    let now = Timestamp::from_secs(1_000);
    let mut delivery = delivery(now);
    assert_eq!(delivery.look(now), Look::Due(1));
    let mut held = waiting(Place::Held, now + secs(5));
    held.lease_until = now + secs(3);
    delivery.state = State::Waiting(held);
    assert_eq!(delivery.look(now), Look::NotYet(now + secs(5)));
    held.lease_until = now + secs(8);
    delivery.state = State::Waiting(held);
    assert_eq!(delivery.look(now), Look::NotYet(now + secs(8)));
    delivery.state = State::Ended { end: End::Delivered, reason: String::new(), at: now };
    assert_eq!(delivery.look(now), Look::Over);
}

#[test]
fn a_message_that_meets_a_parked_delivery_can_go_unless_it_may_be_the_keepers_own_alarm() {
    let now = Timestamp::from_secs(1_000);
    let mut delivery = delivery(now);
    let mut look = |waiting| {
        delivery.state = State::Waiting(waiting);
        delivery.look(now)
    };
    let far = waiting(Place::Parked, now + secs(91));
    assert_eq!(look(far), Look::Parked);
    assert_eq!(look(Waiting { lease_until: now + secs(1), ..far }), Look::NotYet(now + secs(91)));
    assert_eq!(look(waiting(Place::Parked, now + secs(90))), Look::NotYet(now + secs(90)));
    assert_eq!(look(waiting(Place::Parked, now)), Look::Due(2));
}

#[test]
fn the_lease_outlives_every_try_of_a_cycle() {
    assert!(LEASE > DEADLINE * u32::from(RetryPolicy::Withings.tries()) + secs(5));
}

#[test]
fn a_delivery_is_held_until_the_numbers_say_park() {
    let hold = |wait, since, in_flight| hold_or_park(wait, since, in_flight, Cause::Schedule) == Verdict::Hold;
    assert!(hold(secs(16_200), secs(5_500), 30_000));
    assert!(!hold(secs(901), secs(0), 30_001) && hold(secs(900), secs(0), 30_001));
    assert!(!hold(secs(11), secs(0), 60_001) && hold(secs(10), secs(0), 60_001));
    assert!(hold(secs(10), secs(11 * 3600 - 10), 0) && !hold(secs(11), secs(11 * 3600 - 10), 0));
}

#[test]
fn a_wait_that_is_no_retry_of_the_schedule_is_always_parked() {
    for cause in [Cause::RateLimit, Cause::Breaker, Cause::RetryAfter] {
        assert_eq!(hold_or_park(secs(1), secs(0), 0, cause), Verdict::Park);
    }
}

#[test]
fn the_keeper_wakes_parked_deliveries_ahead_of_time_and_others_only_when_overdue() {
    let now = Timestamp::from_secs(10_000);
    let leaves = |place, due| wake(&waiting(place, due), due, now) == Wake::Leave;
    assert!(!leaves(Place::Parked, now + secs(90)) && leaves(Place::Parked, now + secs(91)));
    assert!(!leaves(Place::Held, now - secs(120)) && leaves(Place::Held, now - secs(119)));
    assert!(!leaves(Place::Queued, now - secs(120)) && leaves(Place::Queued, now + secs(1)));
    let Wake::Send { delay, .. } = wake(&waiting(Place::Parked, now + secs(42)), now + secs(42), now) else {
        panic!("a parked delivery within the minute is woken");
    };
    assert_eq!(delay, secs(42));
}

#[test]
fn a_delivery_woken_in_vain_is_woken_again_later_each_time() {
    let mut now = Timestamp::from_secs(10_000);
    let mut late = waiting(Place::Queued, now - OVERDUE);
    let (mut due, mut gaps) = (late.next, Vec::new());
    for _ in 0..7 {
        let Wake::Send { look_again, .. } = wake(&late, due, now) else { panic!("it is overdue") };
        let then = look_again + OVERDUE;
        assert_eq!(wake(&Waiting { wakes: late.wakes + 1, ..late }, look_again, then - secs(1)), Wake::Leave);
        gaps.push(then.since(now).as_secs() / 60);
        (due, now, late.wakes) = (look_again, then, late.wakes + 1);
    }
    assert_eq!(gaps, [2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn three_days_are_enough_for_withings_and_the_longer_standard_schedule_gets_its_own_life() {
    let now = Timestamp::from_secs(0);
    let old = |hours: u64, policy: &RetryPolicy| delivery(now).is_expired(policy, now + secs(hours * 3600 + 1));
    assert!(!old(71, &RetryPolicy::Withings) && old(72, &RetryPolicy::Withings));
    assert!(!old(84, &RetryPolicy::StandardWebhooks) && old(120, &RetryPolicy::StandardWebhooks));
}

proptest! {
    #[test]
    fn every_policy_makes_exactly_its_number_of_tries_and_ends(
        waits in prop::collection::vec(1_u32..=86_400, 0..=20), roll: u64,
    ) {
        for policy in [RetryPolicy::Withings, RetryPolicy::StandardWebhooks, RetryPolicy::Custom(Custom::new(waits.clone()).unwrap())] {
            let (made, end, elapsed) = play(&policy, roll, |_| Some(500));
            prop_assert_eq!(made, u32::from(policy.cycles()) * u32::from(policy.tries()));
            prop_assert_eq!(end, Step::Exhausted);
            let now = Timestamp::from_secs(0);
            prop_assert!(!delivery(now).is_expired(&policy, now + elapsed), "every try comes before the expiry");
        }
    }

    #[test]
    fn more_in_flight_a_longer_wait_or_an_older_message_never_turns_park_into_hold(
        wait in 0_u64..50_000, since in 0_u64..50_000, in_flight in 0_u64..130_000,
        more in (0_u64..50_000, 0_u64..50_000, 0_u64..130_000),
    ) {
        let less = hold_or_park(secs(wait), secs(since), in_flight, Cause::Schedule);
        let more = hold_or_park(secs(wait + more.0), secs(since + more.1), in_flight + more.2, Cause::Schedule);
        prop_assert!(less == Verdict::Hold || more == Verdict::Park);
    }

    #[test]
    fn what_is_held_always_ends_within_the_twelve_hours_of_a_message(wait in 0_u64..90_000, since in 0_u64..50_000, in_flight: u64) {
        if hold_or_park(secs(wait), secs(since), in_flight, Cause::Schedule) == Verdict::Hold {
            prop_assert!(wait + since <= 11 * 3600);
        }
    }

    #[test]
    fn the_keeper_passes_every_delivery_parked_for_two_minutes_or_more_before_it_is_due(wait in 120_000_u64..100_000_000, phase in 0_u64..60_000) {
        let parked_at = Timestamp::from_millis(0);
        let next = parked_at + Duration::from_millis(wait);
        let runs = (0..).map(|minute| parked_at + Duration::from_millis(phase + minute * 60_000));
        let woken = runs.take_while(|run| *run <= next)
            .find(|run| wake(&waiting(Place::Parked, next), next, *run) != Wake::Leave);
        prop_assert!(woken.is_some());
    }

    #[test]
    fn every_delivery_has_a_shard_of_the_due_index(event in "[0-9a-z]{26}", endpoint in "[0-9a-z]{26}") {
        let key = Key { event: EventId::from(event), endpoint: EndpointId::from(endpoint) };
        prop_assert!((0..DUE_SHARDS).map(due_shard).any(|shard| shard == key.due_shard()));
    }
}
