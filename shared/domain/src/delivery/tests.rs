use proptest::prelude::*;

use super::*;
use crate::clock::Dice;
use crate::reply::{Control, Reply};
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
    let at = Try::first(2);
    Waiting { place, next, at, waits_for: WaitsFor::Schedule, lease_until: Timestamp::default(), wakes: 0 }
}

fn status(status: u16) -> Reply {
    Reply::Answer { status, retry_after: None, control: None }
}

/// Plays a delivery whose every try gets `replies(try)`; returns the tries made, how it ended, and how long it waited.
fn play(policy: &RetryPolicy, roll: u64, replies: impl Fn(u32) -> Reply) -> (u32, Step, Duration) {
    let (mut made, mut elapsed, mut now) = (0, Duration::ZERO, Try::first(1));
    loop {
        made += 1;
        match next_step(policy, now, &replies(made), &Roll(roll)) {
            Step::Again(again) => now = again,
            Step::Wait { at, wait, .. } => {
                elapsed += wait;
                now = at;
            }
            end => return (made, end, elapsed),
        }
    }
}

#[test]
fn an_endpoint_that_never_answers_gets_ten_tries_under_the_withings_policy_and_then_no_more() {
    let (made, end, elapsed) = play(&RetryPolicy::Withings, 0, |_| Reply::Nothing);
    assert_eq!((made, end), (10, Step::Exhausted));
    assert_eq!(elapsed, secs(10 + 120 + 3_720 + 14_580));
}

#[test]
fn the_second_try_of_a_cycle_follows_at_once() {
    let step = next_step(&RetryPolicy::Withings, Try::first(3), &status(500), &Roll(0));
    assert_eq!(step, Step::Again(Try { cycle: 3, number: 2 }));
}

#[test]
fn a_try_that_succeeds_is_the_last() {
    assert_eq!(play(&RetryPolicy::Withings, 0, |made| status(if made == 4 { 200 } else { 503 })).1, Step::Delivered);
    assert_eq!(play(&RetryPolicy::Withings, 0, |_| status(302)).0, 1);
    assert_eq!(play(&RetryPolicy::StandardWebhooks, 0, |_| status(302)).1, Step::Exhausted);
}

#[test]
fn a_live_lease_and_a_due_time_in_the_future_both_keep_a_message_waiting() {
    let now = Timestamp::from_secs(1_000);
    let mut delivery = delivery(now);
    assert_eq!(delivery.look(now), Look::Due(Try::first(1)));
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
    assert_eq!(look(waiting(Place::Parked, now)), Look::Due(Try::first(2)));
}

#[test]
fn the_lease_outlives_every_try_of_a_cycle() {
    assert!(LEASE > DEADLINE * u32::from(RetryPolicy::Withings.tries()) + secs(5));
}

fn aged(seconds: u64) -> Alarm {
    Alarm { age: secs(seconds), receives: 1 }
}

fn holds(wait: u64, age: u64, in_flight: u64, waits_for: WaitsFor) -> bool {
    hold_or_park(secs(wait), aged(age), in_flight, Limits::default(), waits_for) == Verdict::Hold
}

#[test]
fn a_delivery_is_held_until_the_numbers_say_park() {
    let hold = |wait, age, in_flight| holds(wait, age, in_flight, WaitsFor::Schedule);
    assert!(hold(16_200, 5_500, 30_000));
    assert!(!hold(901, 0, 30_001) && hold(900, 0, 30_001));
    assert!(!hold(91, 0, 60_001) && hold(90, 0, 60_001) && hold(90, 0, 90_000));
    assert!(!hold(11, 0, 90_001) && hold(10, 0, 90_001));
    assert!(hold(100, 11 * 3600 - 100, 0) && !hold(101, 11 * 3600 - 100, 0));
    assert!(hold(90, 11 * 3600, 0) && !hold(90, 11 * 3600 + 50 * 60 - 89, 0));
}

#[test]
fn a_wait_that_is_no_retry_of_the_schedule_is_parked_unless_the_keeper_would_be_late_for_it() {
    assert!(!holds(1, 0, 0, WaitsFor::Breaker));
    for waits_for in [WaitsFor::Rate, WaitsFor::RetryAfter] {
        assert!(holds(90, 0, 0, waits_for) && !holds(91, 0, 0, waits_for), "{waits_for:?}");
    }
}

#[test]
fn a_message_that_was_received_often_is_given_up_for_a_new_one() {
    let often = Alarm { age: secs(0), receives: MOST_RECEIVES };
    assert_eq!(hold_or_park(secs(1), often, 0, Limits::default(), WaitsFor::Schedule), Verdict::Park);
}

#[test]
fn a_raised_limit_of_the_queue_moves_both_thresholds() {
    assert_eq!((Limits::default().many(), Limits::default().too_many()), (30_000, 60_000));
    assert_eq!((Limits::of(1_200).many(), Limits::of(1_200).too_many()), (300, 600));
}

#[test]
fn a_receivers_retry_after_only_delays_and_does_not_change_the_number_of_tries() {
    let busy = |seconds| Reply::Answer { status: 429, retry_after: Some(secs(seconds)), control: None };
    let policy = RetryPolicy::Withings;
    let first = Try::first(1);
    let again = Try { number: 2, ..first };
    let wait = |at, wait, waits_for| Step::Wait { at, wait: secs(wait), waits_for };
    assert_eq!(next_step(&policy, first, &busy(30), &Roll(0)), wait(again, 30, WaitsFor::RetryAfter));
    assert_eq!(next_step(&policy, again, &busy(5), &Roll(0)), wait(Try::first(2), 10, WaitsFor::Schedule));
    assert_eq!(next_step(&policy, again, &busy(60), &Roll(0)), wait(Try::first(2), 60, WaitsFor::RetryAfter));
    assert_eq!(play(&policy, 0, |_| busy(4 * 3600)).0, 10);
}

#[test]
fn gone_ends_it_and_abort_ends_this_one_but_what_was_taken_was_taken() {
    let policy = RetryPolicy::Withings;
    let step = |status, control| {
        next_step(&policy, Try::first(1), &Reply::Answer { status, retry_after: None, control }, &Roll(0))
    };
    assert_eq!(step(410, None), Step::Stopped);
    assert_eq!(step(500, Some(Control::Disable)), Step::Stopped);
    assert_eq!(step(500, Some(Control::AbortMessage)), Step::Aborted);
    assert_eq!(step(200, Some(Control::Disable)), Step::Delivered);
    assert_eq!(next_step(&policy, Try::first(1), &Reply::Taken, &Roll(0)), Step::Delivered);
}

#[test]
fn what_a_delivery_waits_for_reads_back_as_it_was_written() {
    for one in [WaitsFor::Schedule, WaitsFor::Rate, WaitsFor::Breaker, WaitsFor::RetryAfter] {
        assert_eq!(WaitsFor::parse(one.as_str()), Some(one));
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
    assert!(!old(120, &RetryPolicy::StandardWebhooks) && old(121, &RetryPolicy::StandardWebhooks));
}

proptest! {
    #[test]
    fn every_policy_makes_exactly_its_number_of_tries_and_ends(
        waits in prop::collection::vec(1_u32..=86_400, 0..=20), roll: u64,
    ) {
        for policy in [RetryPolicy::Withings, RetryPolicy::StandardWebhooks, RetryPolicy::Custom(Custom::new(waits.clone()).unwrap())] {
            let (made, end, elapsed) = play(&policy, roll, |_| status(500));
            prop_assert_eq!(made, u32::from(policy.cycles()) * u32::from(policy.tries()));
            prop_assert_eq!(end, Step::Exhausted);
            let now = Timestamp::from_secs(0);
            prop_assert!(!delivery(now).is_expired(&policy, now + elapsed), "every try comes before the expiry");
        }
    }

    #[test]
    fn more_in_flight_a_longer_wait_or_an_older_message_never_turns_park_into_hold(
        wait in 0_u64..50_000, age in 0_u64..50_000, in_flight in 0_u64..130_000,
        more in (0_u64..50_000, 0_u64..50_000, 0_u64..130_000),
    ) {
        let less = holds(wait, age, in_flight, WaitsFor::Schedule);
        let more = holds(wait + more.0, age + more.1, in_flight + more.2, WaitsFor::Schedule);
        prop_assert!(less || !more);
    }

    #[test]
    fn what_is_held_always_ends_within_the_twelve_hours_of_a_message(wait in 0_u64..90_000, age in 0_u64..50_000, in_flight: u64) {
        if holds(wait, age, in_flight, WaitsFor::Schedule) {
            prop_assert!(wait + age < 12 * 3600);
        }
    }

    #[test]
    fn every_try_comes_before_the_expiry_even_if_every_answer_asks_for_the_longest_time(
        waits in prop::collection::vec(1_u32..=86_400, 0..=20), roll: u64,
    ) {
        for policy in [RetryPolicy::Withings, RetryPolicy::StandardWebhooks, RetryPolicy::Custom(Custom::new(waits.clone()).unwrap())] {
            let asks = Reply::Answer { status: 503, retry_after: Some(LONGEST_RETRY_AFTER), control: None };
            let (made, _, elapsed) = play(&policy, roll, |_| asks);
            prop_assert_eq!(made, u32::from(policy.cycles()) * u32::from(policy.tries()));
            prop_assert!(elapsed < life(&policy) && life(&policy) <= LONGEST_LIFE);
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
