//! How many pulls a minute the fetchers make, however much Withings allows: a crowd of notifications at once, and the calls
//! that come of them. All fetchers are one process here, whose callers queue for the budget: it claims a slot in one write
//! after the other, some 10,000 a minute. On AWS each fetcher is a process.

use std::time::Duration;

use afferent_domain::Timestamp;
use stack_tests::world::{Plan, WITHINGS_MS, World};

use super::{Run, quiet, steady};
use crate::curve::Line;
use crate::defaults::{MOST_ALLOWED, numbers};
use crate::{Error, Size};

/// Notifications for each fetcher: six batches of ten.
const EACH: usize = 60;

/// A slow Withings, in milliseconds each way.
const SLOW_MS: [u64; 2] = [450, 550];

pub(super) async fn play(size: Size) -> Result<Run, Error> {
    let fetchers: &[usize] = size.of(&[2, 4, 8, 16], &[2]);
    let limit = numbers()?.get(MOST_ALLOWED).copied().unwrap_or_default() as u16;
    let mut lines = Vec::new();
    for (name, withings_ms) in [("calls of 200 ms", WITHINGS_MS), ("calls of 1 s", SLOW_MS)] {
        let mut line = Line::new(name);
        for fetchers in fetchers {
            if let Some(per_second) = rate(*fetchers, withings_ms, limit).await? {
                line.add(*fetchers as f64, per_second * 60.0);
            }
        }
        lines.push(line);
    }
    Ok(lines.into())
}

async fn rate(fetchers: usize, withings_ms: [u64; 2], limit: u16) -> Result<Option<f64>, Error> {
    let mut parameters = quiet();
    parameters.push(("PullsConcurrency", fetchers.to_string()));
    let plan = Plan { people: EACH * fetchers, limit, parameters, withings_ms, ..Plan::default() };
    let world = World::of(&plan).await?;
    for function in ["fetcher", "fanout", "dispatcher"] {
        world.stack.pause(function);
    }
    for person in &world.people {
        world.weigh(person, 1, 70_000, 60)?;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.withings.clear_calls();
    world.stack.resume("fetcher");
    tokio::time::sleep(Duration::from_secs(300)).await;
    let calls = world.withings.calls();
    Ok(steady(calls.iter().map(|call| Timestamp::from_millis(call.at_ms)).collect()))
}
