//! The rate of an endpoint: near places are waited for, far ones are parked, and no try is lost by it.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{End, LOOK_AHEAD, Place, State, Try, WaitsFor};
use afferent_domain::rate::Rate;
use afferent_local::network::Reply;

use crate::stack::{Stack, ep_1, pass};

async fn limited(requests: u32, per_s: u32) -> Stack {
    let stack = Stack::start().await;
    stack.change("ep_1", |endpoint| endpoint.rate = Some(Rate::new(requests, per_s).unwrap())).await;
    stack
}

fn closest(times: &mut [Timestamp]) -> Duration {
    times.sort_unstable();
    times.windows(2).map(|pair| pair[1].since(pair[0])).min().unwrap()
}

#[tokio::test(start_paused = true)]
async fn several_dispatchers_at_once_keep_to_the_rate_and_park_what_is_far() {
    let stack = limited(1, 5).await;
    let keys = stack.crowd(40, "ep_1").await;
    pass(30).await;
    let began = stack.receiver.seen()[0].at;
    let (mut places, mut held) = (Vec::new(), 0);
    for key in &keys {
        if stack.delivery(key).await.attempts > 0 {
            assert_eq!(stack.end(key).await.0, End::Delivered);
            continue;
        }
        let waiting = stack.waiting(key).await;
        assert_eq!((waiting.waits_for, waiting.at), (WaitsFor::Rate, Try::first(1)));
        if waiting.place == Place::Parked {
            assert!(waiting.next.since(began) > LOOK_AHEAD, "the keeper can wake it to the second");
        } else {
            held += 1;
        }
        places.push(waiting.next);
    }
    assert_eq!((stack.requests() + places.len(), stack.left()), (40, (held, 0)));
    assert!(held >= 10 && places.len() >= held + 10, "{held} of {} are held", places.len());
    assert!(closest(&mut places) >= Duration::from_secs(5), "nobody has to ask twice");
    pass(100).await;
    let mut seen: Vec<Timestamp> = stack.receiver.seen().iter().map(|seen| seen.at).collect();
    assert_eq!((seen.len(), stack.left()), (40 - places.len() + held, (0, 0)));
    assert!(closest(&mut seen) >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn who_comes_at_the_time_of_its_place_takes_no_other() {
    let stack = limited(1, 200).await;
    let keys = stack.crowd(2, "ep_1").await;
    pass(2).await;
    let mut parked = Vec::new();
    for key in &keys {
        if stack.delivery(key).await.attempts == 0 {
            parked.push(key);
        }
    }
    let key = parked[0];
    let place = stack.waiting(key).await.next;
    pass(place.since(stack.now()).as_secs() + 5).await;
    let line = stack.endpoints.whole(&ep_1()).await.unwrap().unwrap().line;
    stack.send(key);
    pass(1).await;
    assert_eq!(stack.end(key).await.0, End::Delivered);
    assert_eq!(stack.endpoints.whole(&ep_1()).await.unwrap().unwrap().line, line);
}

#[tokio::test(start_paused = true)]
async fn who_comes_too_late_for_its_place_takes_another() {
    let stack = limited(1, 200).await;
    let keys = stack.crowd(2, "ep_1").await;
    pass(2).await;
    let line = stack.endpoints.whole(&ep_1()).await.unwrap().unwrap().line;
    pass(line.since(stack.now()).as_secs() + 5).await;
    keys.iter().for_each(|key| stack.send(key));
    pass(1).await;
    for key in &keys {
        assert_eq!(stack.end(key).await.0, End::Delivered);
    }
    assert!(stack.endpoints.whole(&ep_1()).await.unwrap().unwrap().line > line);
}

#[tokio::test(start_paused = true)]
async fn places_that_become_late_together_are_no_burst() {
    let stack = limited(2, 1).await;
    let keys = stack.crowd(60, "ep_1").await;
    pass(8).await;
    stack.simulation.pause("dispatcher");
    let before = stack.requests();
    pass(9).await;
    let mut late = 0;
    for key in &keys {
        let delivery = stack.delivery(key).await;
        late += usize::from(matches!(&delivery.state, State::Waiting(waiting) if waiting.next <= stack.now()));
    }
    assert!(late >= 15, "{late} places passed while it stood still");
    stack.simulation.resume("dispatcher");
    pass(120).await;
    let times: Vec<Timestamp> = stack.receiver.seen()[before..].iter().map(|seen| seen.at).collect();
    let second = Duration::from_secs(1);
    let most = times.iter().map(|from| times.iter().filter(|at| *at >= from && at.since(*from) < second).count()).max();
    assert!(most <= Some(5), "{most:?} in a second, at a rate of 2");
}

#[tokio::test(start_paused = true)]
async fn the_second_try_of_a_cycle_needs_a_place_too_and_is_parked_as_that_try() {
    let stack = limited(1, 60).await;
    stack.receiver.always(Reply::Status(500));
    let key = stack.deliver("rec_1").await;
    pass(2).await;
    let waiting = stack.waiting(&key).await;
    assert_eq!((waiting.at, waiting.waits_for), (Try { cycle: 1, number: 2 }, WaitsFor::Rate));
    assert_eq!((stack.requests(), stack.health().await.failed_tries), (1, 1), "what failed so far is counted");
}

/// A limited stack whose breaker opens at once.
async fn failing(requests: u32, per_s: u32) -> Stack {
    let stack = limited(requests, per_s).await;
    stack.receiver.always(Reply::Status(500));
    stack.endpoints.count_tries(&ep_1(), 30, stack.now() - Duration::from_secs(60)).await.unwrap();
    stack
}

#[tokio::test(start_paused = true)]
async fn a_probe_does_not_stand_behind_places_that_were_taken_before_the_breaker_opened() {
    let stack = failing(1, 10).await;
    let mut line = stack.now();
    stack.deliver("rec_opening").await;
    pass(1).await;
    for _ in 0..20 {
        let rate = Rate::new(1, 10).unwrap();
        line = stack.endpoints.take_place(&ep_1(), rate, line, stack.now()).await.unwrap().line;
    }
    pass(60).await;
    let whole = stack.endpoints.whole(&ep_1()).await.unwrap().unwrap();
    assert!(whole.health.is_open() && whole.line > stack.now() + Duration::from_secs(60), "the line is minutes long");
    stack.receiver.always(Reply::Status(200));
    let before = stack.requests();
    let key = stack.deliver("rec_probe").await;
    pass(6).await;
    assert_eq!((stack.end(&key).await.0, stack.requests()), (End::Delivered, before + 1));
}

#[tokio::test(start_paused = true)]
async fn a_probe_keeps_to_a_rate_that_is_slower_than_the_waits_between_probes() {
    let stack = failing(1, 300).await;
    stack.deliver("rec_1").await;
    pass(100).await;
    let key = stack.deliver("rec_2").await;
    pass(1).await;
    assert_eq!((stack.requests(), stack.waiting(&key).await.waits_for), (1, WaitsFor::Breaker));
    pass(200).await;
    stack.deliver("rec_3").await;
    pass(1).await;
    assert_eq!(stack.requests(), 2);
}
