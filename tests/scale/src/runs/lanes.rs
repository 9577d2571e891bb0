//! The age of live pulls while many people connect at once, whose whole past is read in the lane `backfill`.

use std::time::Duration;

use afferent_domain::backfill::Depth;
use afferent_metrics::Metric;
use stack_tests::world::{Plan, World};

use super::{Run, gap, percentile, quiet, values};
use crate::curve::Line;
use crate::{Error, Size};

/// People about whom notifications come, and how many of these in a minute: a quarter of what Withings allows.
const LIVING: usize = 200;
const A_MINUTE: f64 = 30.0;

/// How long.
const MINUTES: u64 = 15;

pub(super) async fn play(size: Size) -> Result<Run, Error> {
    let connecting: &[usize] = size.of(&[0, 2, 5, 10, 20, 40], &[1]);
    let (mut half, mut most) = (Line::new("30 live a minute: p50"), Line::new("30 live a minute: p99"));
    let mut busy = 0.0_f64;
    for people in connecting {
        let (ages, calls) = ages(*people, size.of(MINUTES, 2)).await?;
        busy = busy.max(calls);
        for (line, percent) in [(&mut half, 50), (&mut most, 99)] {
            if let Some(age) = percentile(&ages, percent) {
                line.add(*people as f64, age as f64 / 1_000.0);
            }
        }
    }
    Ok(Run { lines: vec![half, most], facts: vec![("calls a minute of both lanes", busy)] })
}

/// The ages in milliseconds, and the calls in a minute.
async fn ages(people: usize, minutes: u64) -> Result<(Vec<u64>, f64), Error> {
    let parameters = quiet().into_iter().filter(|(name, _)| *name != "BackfillDays").collect();
    let mut world = World::of(&Plan { people: LIVING, parameters, ..Plan::default() }).await?;
    for function in ["fanout", "dispatcher"] {
        world.stack.pause(function);
    }
    for _ in 0..people {
        world.connect(Depth::Everything).await?;
    }
    // Until the slices are fed and the slots come back one by one.
    tokio::time::sleep(Duration::from_secs(240)).await;
    world.withings.clear_calls();
    let (clock, dice) = (world.stack.clock.clone(), world.stack.dice.clone());
    let (began, mut grams) = (clock.now(), 50_000);
    while clock.now() < began + Duration::from_secs(minutes * 60) {
        tokio::time::sleep(gap(&*dice, A_MINUTE / 60.0)).await;
        let Some(person) = world.people.get(usize::try_from(dice.between(0, LIVING as u64 - 1))?) else { break };
        grams += 1;
        world.weigh(person, 1, grams, 60)?;
    }
    let calls = world.withings.calls().len() as f64 / minutes as f64;
    tokio::time::sleep(Duration::from_secs(120)).await;
    Ok((values(&world.stack.metrics, Metric::PullAge, began), calls))
}
