//! Where failing deliveries wait: on the queue, which lets so many be in flight and no more, or parked in the table.
//!
//! At full numbers the rule is played alone: `next_step` and `hold_or_park`, over a clock and a heap. At a hundredth, with the
//! queue's cap at a hundredth too, the whole of it: dispatcher, keeper, queue and tables. In both one request of
//! fifteen succeeds, so that no breaker opens: what breakers keep back waits in the table anyway.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::Dice;
use afferent_domain::delivery::{
    Alarm, DUE_SHARDS, Delivery, Key, Limits, Step, Try, Verdict, due_shard, hold_or_park, next_step,
};
use afferent_domain::id::{EndpointId, EventId};
use afferent_domain::reply::Reply as Answer;
use afferent_domain::schedule::RetryPolicy;
use afferent_http::HttpError;
use afferent_local::clock::SeededDice;
use afferent_local::network::{Host, Reply};
use afferent_local::{Setup, Ticks};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use stack_tests::fleet::{Fleet, pass};

use super::Run;
use crate::curve::Line;
use crate::{Error, Size};

/// AWS's cap, and the template's default of `InFlightLimit`.
const IN_FLIGHT: u64 = 120_000;

/// The whole stack is played with this part of all numbers.
const PART: u16 = 100;

/// One request of so many succeeds.
const EVERY: u64 = 15;

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) async fn play(size: Size) -> Result<Run, Error> {
    let hours = size.of(6, 1);
    let (mut held, mut parked) = (Line::new("the rule alone: in flight"), Line::new("the rule alone: parked"));
    for per_second in size.of(&[1.0, 3.0, 6.0, 10.0, 30.0, 100.0][..], &[1.0]) {
        let most = alone(*per_second, HOUR * hours);
        held.add(*per_second, most.in_flight as f64);
        parked.add(*per_second, most.parked as f64);
    }
    let mut lines = vec![held, parked];
    let (mut held, mut parked) =
        (Line::new("the stack at 1/100: in flight × 100"), Line::new("the stack at 1/100: parked × 100"));
    for per_second in size.of(&[3.0, 10.0, 30.0][..], &[3.0]) {
        let most = stack(*per_second / f64::from(PART), HOUR * hours).await?;
        held.add(*per_second, (most.in_flight * u64::from(PART)) as f64);
        parked.add(*per_second, (most.parked * u64::from(PART)) as f64);
    }
    lines.extend([held, parked]);
    let mut limit = Line::new("limit of the queue");
    for line in &lines {
        for (x, _) in &line.points {
            if limit.at(*x).is_none() {
                limit.add(*x, IN_FLIGHT as f64);
            }
        }
    }
    limit.points.sort_by(|one, other| one.0.total_cmp(&other.0));
    lines.push(limit);
    Ok(lines.into())
}

/// The most there were at once.
#[derive(Clone, Copy, Debug, Default)]
struct Most {
    in_flight: u64,
    parked: u64,
}

/// A delivery that waits: until when (ms), the cycle that comes, since when its message is received, how often it was, and
/// whether it is held.
type Wait = (u64, u16, u64, u32, bool);

/// So many begin to fail in each second of that time.
fn alone(per_second: f64, time: Duration) -> Most {
    let (dice, policy, limits) = (SeededDice::new(1), RetryPolicy::Withings, Limits::of(IN_FLIGHT));
    let (mut most, mut now) = (Most::default(), Most::default());
    let mut waits: BinaryHeap<Reverse<Wait>> = BinaryHeap::new();
    let arrivals = (per_second * time.as_secs_f64()) as u64;
    let mut arrived = 0;
    while arrived < arrivals {
        let next = (arrived as f64 * 1_000.0 / per_second) as u64;
        let (at, cycle, since, receives) = match waits.peek() {
            Some(Reverse((at, cycle, since, receives, held))) if *at <= next => {
                // A parked one comes in a message of its own.
                let it = if *held { (*at, *cycle, *since, receives + 1) } else { (*at, *cycle, *at, 1) };
                let count = if *held { &mut now.in_flight } else { &mut now.parked };
                *count -= 1;
                waits.pop();
                it
            }
            _ => {
                arrived += 1;
                (next, 1, next, 1)
            }
        };
        if (0..policy.tries()).any(|_| dice.between(1, EVERY) == 1) {
            continue;
        }
        let made = Try { cycle, number: policy.tries() };
        let Step::Wait { at: then, wait, waits_for } = next_step(&policy, made, &Answer::Nothing, &dice) else {
            continue;
        };
        let alarm = Alarm { age: Duration::from_millis(at - since), receives };
        let held = hold_or_park(wait, alarm, now.in_flight, limits, waits_for) == Verdict::Hold;
        waits.push(Reverse((
            at + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            then.cycle,
            since,
            receives,
            held,
        )));
        let count = if held { &mut now.in_flight } else { &mut now.parked };
        *count += 1;
        most = Most { in_flight: most.in_flight.max(now.in_flight), parked: most.parked.max(now.parked) };
    }
    most
}

/// A receiver that fails, but for one request of each endpoint in so many.
#[derive(Clone, Default)]
struct Failing(Arc<Mutex<BTreeMap<String, u64>>>);

impl Host for Failing {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = asked.entry(request.uri().to_string()).or_default();
        *count += 1;
        let status = if count.is_multiple_of(EVERY) { 204 } else { 500 };
        let answer = Response::builder().status(status).body(Bytes::new()).map_err(|_| HttpError::Broken);
        Box::pin(std::future::ready(answer))
    }
}

/// The same with everything there is.
async fn stack(per_second: f64, time: Duration) -> Result<Most, Error> {
    const ENDPOINTS: usize = 5;
    let limit = usize::try_from(IN_FLIGHT / u64::from(PART))?;
    let parameters = [("InFlightLimit".to_owned(), limit.to_string())].into();
    let setup = Setup { parameters, in_flight_limit: limit, ticks: Ticks::WhenDue, ..Setup::default() };
    let fleet = Fleet::start(setup).await;
    fleet.endpoint("ep_first", Reply::Status(204), |_| {}).await;
    fleet.record("rec_first").await;
    pass(Duration::from_secs(5)).await;
    let event = fleet.events.get(&Fleet::user(), 1).await?.ok_or("the record has no event")?;
    let failing = Failing::default();
    for number in 0..ENDPOINTS {
        fleet.endpoint(&format!("ep_{number}"), Reply::Status(500), |endpoint| endpoint.types.clear()).await;
        fleet.stack.network.put(&format!("ep-{number}.example"), Arc::new(failing.clone()));
    }
    let (mut most, began, mut number) = (Most::default(), fleet.now(), 0_usize);
    let mut look = fleet.now();
    while fleet.now() < began + time {
        let (event_id, endpoint) = (format!("evt_{number}"), format!("ep_{}", number % ENDPOINTS));
        let key = Key { event: EventId::from(event_id.as_str()), endpoint: EndpointId::from(endpoint.as_str()) };
        fleet.deliver(&Delivery::new(key, Fleet::user(), event.sequence, event.event_type.clone(), fleet.now())).await;
        number += 1;
        pass(Duration::from_secs_f64(1.0 / per_second)).await;
        if fleet.now() >= look {
            look = fleet.now() + Duration::from_secs(120);
            most = Most {
                in_flight: most.in_flight.max(in_flight(&fleet)),
                parked: most.parked.max(parked(&fleet).await?),
            };
        }
    }
    Ok(most)
}

fn in_flight(fleet: &Fleet) -> u64 {
    let queues = fleet.stack.sqs.queues();
    queues.iter().find(|queue| queue.name == fleet.queue()).map_or(0, |queue| queue.in_flight as u64)
}

async fn parked(fleet: &Fleet) -> Result<u64, Error> {
    let (now, day, mut count) = (fleet.now(), HOUR * 24, 0);
    for shard in (0..DUE_SHARDS).map(due_shard) {
        count += fleet.deliveries.parked(&shard, now - day, now + day, 100_000).await?.len() as u64;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::numbers;

    #[test]
    fn the_cap_that_is_played_is_the_templates_default() {
        assert_eq!(numbers().unwrap()["InFlightLimit"], IN_FLIGHT as f64);
    }
}
