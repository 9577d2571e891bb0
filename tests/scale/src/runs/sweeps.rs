//! How late sweeps begin, as they ask for more than is allowed. The two tiers of a day (what was modified, the last
//! three days) are swept every hour here, so that three rounds are short; a lag counts in rounds, and means as many days.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::Depth;
use afferent_metrics::Metric;
use stack_tests::world::{Plan, World};

use super::{Run, percentile, values};
use crate::curve::Line;
use crate::{Error, Size};

const ROUND: Duration = Duration::from_secs(3_600);

/// Rounds until what follows connecting is over, and rounds that count.
const SETTLED: u32 = 2;
const COUNTED: u32 = 3;

/// Calls a minute of the world whose sweeps are late, and of the one where they never are.
const LIMIT: u16 = 20;
const AMPLE: u16 = 600;

pub(super) async fn play(size: Size) -> Result<Run, Error> {
    let one = rounds(AMPLE, size.of(20, 2)).await?;
    let each = one.calls / one.people as f64 / f64::from(COUNTED);
    let asked: &[f64] = size.of(&[25.0, 50.0, 75.0, 90.0, 100.0, 110.0, 125.0, 150.0], &[]);
    let (mut half, mut most) = (Line::new("p50"), Line::new("p99"));
    for asked in asked {
        let allowed = f64::from(LIMIT) * 60.0;
        let world = rounds(LIMIT, (asked / 100.0 * allowed / each).round() as usize).await?;
        for (line, percent) in [(&mut half, 50), (&mut most, 99)] {
            if let Some(lag) = percentile(&world.lags, percent) {
                line.add(*asked, lag as f64 / ROUND.as_secs_f64());
            }
        }
    }
    if size == Size::Tiny {
        let lag = percentile(&one.lags, 99).unwrap_or_default();
        most.add(1.0, lag as f64 / ROUND.as_secs_f64());
    }
    Ok(Run { lines: vec![half, most], facts: vec![("sweep calls of a person in a round", each)] })
}

struct Swept {
    people: usize,
    calls: f64,
    /// Of the last round, in seconds.
    lags: Vec<u64>,
}

async fn rounds(limit: u16, people: usize) -> Result<Swept, Error> {
    let parameters = [
        ("SweepUpdates", "1h"),
        ("SweepRecent", "3d/1h"),
        ("SweepMonth", "off"),
        ("SweepEverything", "off"),
        ("BackfillDays", "0"),
    ];
    let parameters = parameters.map(|(name, value)| (name, value.to_owned())).into();
    let mut world = World::of(&Plan { limit, parameters, ..Plan::default() }).await?;
    for function in ["fanout", "dispatcher"] {
        world.stack.pause(function);
    }
    for _ in 0..people {
        world.connect(Depth::Days(0)).await?;
    }
    tokio::time::sleep(ROUND * SETTLED).await;
    let began = world.stack.clock.now();
    tokio::time::sleep(ROUND * COUNTED).await;
    let calls = world.withings.calls();
    let of_data = calls.iter().filter(|call| Timestamp::from_millis(call.at_ms) >= began && !is_care(&call.service));
    let lags = values(&world.stack.metrics, Metric::SweepLag, began + ROUND * (COUNTED - 1));
    Ok(Swept { people, calls: of_data.count() as f64, lags })
}

/// What is daily whatever the rhythm of the sweeps.
fn is_care(service: &str) -> bool {
    service.contains("oauth2") || service.contains("notify")
}
