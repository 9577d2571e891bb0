//! The age of pulls, as notifications ask for more and more of what Withings allows: people weigh themselves at random
//! instants. The pipeline is the stack's own from the notification to the record; nothing is fanned out.

use std::time::Duration;

use afferent_metrics::Metric;
use stack_tests::world::{Plan, World};

use super::{Run, gap, percentile, quiet, values};
use crate::curve::Line;
use crate::defaults::numbers;
use crate::needs::per_second;
use crate::{Error, Size};

/// How long they do so.
const MINUTES: u64 = 12;

/// Before it counts, the slots of the first minute come back one by one.
const WARM: Duration = Duration::from_secs(120);

/// How long is waited afterwards, for pulls that are behind.
const REST: Duration = Duration::from_secs(10 * 60);

/// The limit of the small form.
const TINY: u16 = 12;

pub(super) async fn play(size: Size) -> Result<Run, Error> {
    let limit = size.of(numbers()?.get("WithingsLimit").copied().unwrap_or_default() as u16, TINY);
    // All of them are over within the three hours of an access token: a refresh is no part of it.
    let loads: &[f64] = size.of(&[50.0, 75.0, 88.0, 95.0, 100.0, 110.0], &[25.0]);
    let (mut half, mut most) = (Line::new("p50"), Line::new("p99"));
    for (load, ages) in ages(limit, loads, size.of(MINUTES, 3)).await? {
        for (line, percent) in [(&mut half, 50), (&mut most, 99)] {
            if let Some(age) = percentile(&ages, percent) {
                line.add(load, age as f64 / 1_000.0);
            }
        }
    }
    Ok(vec![half, most].into())
}

/// The ages in milliseconds, by load.
async fn ages(limit: u16, loads: &[f64], minutes: u64) -> Result<Vec<(f64, Vec<u64>)>, Error> {
    // As many people as send so much at the peak.
    let users = |load: f64| (load / 100.0 * f64::from(limit) / 60.0 / per_second(1.0)).round() as usize;
    let people = users(loads.iter().copied().fold(0.0, f64::max));
    let world = World::of(&Plan { people, limit, parameters: quiet(), ..Plan::default() }).await?;
    for function in ["fanout", "dispatcher"] {
        world.stack.pause(function);
    }
    let (clock, dice) = (world.stack.clock.clone(), world.stack.dice.clone());
    let (mut all, mut grams) = (Vec::new(), 50_000);
    for load in loads {
        let (began, users) = (clock.now(), users(*load));
        while clock.now() < began + WARM + Duration::from_secs(minutes * 60) {
            tokio::time::sleep(gap(&*dice, per_second(users as f64))).await;
            let person = usize::try_from(dice.between(1, users.max(1) as u64))? - 1;
            let Some(person) = world.people.get(person) else { break };
            grams += 1;
            world.weigh(person, 1, grams, 60)?;
        }
        tokio::time::sleep(REST).await;
        all.push((*load, values(&world.stack.metrics, Metric::PullAge, began + WARM)));
    }
    Ok(all)
}
