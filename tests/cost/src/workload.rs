//! A stack with people, and what happens on it.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_local::Ticks;
use afferent_metrics::Metric;
use bytes::Bytes;
use http::Request;
use stack_tests::world::{Plan, World};
use withings_simulator::sample::Person;
use withings_simulator::{ControlError, Notify};

use crate::Error;
use crate::logs::{EVENT, Lines};
use crate::units::{Units, Used};

/// How long a person must have been connected before the workload, so that nothing of connecting is counted.
const SETTLED: Duration = Duration::from_secs(1800);
/// How long after the last notification is counted. All of it, with what comes before, is over within the three hours of an
/// access token: a refresh is not a part of a notification.
const REST: Duration = Duration::from_secs(1000);
/// A day, in seconds.
const DAY_S: i64 = 86_400;
/// Hours of series in a changed day.
const HOURS: i64 = 10;

/// What happens.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// How many people there are.
    pub people: usize,
    /// How many endpoints, each of which gets everything.
    pub endpoints: usize,
    /// How many notifications come, in turn about each of the people.
    pub notifications: usize,
    /// How far apart.
    pub apart: Duration,
    /// What each of them tells.
    pub what: What,
    /// How long nothing happens before it counts: longer than an access token lives, and each notification meets a dead one.
    pub quiet: Duration,
    /// Calls to Withings in a minute.
    pub limit: u16,
}

/// What a notification tells.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// A measurement with so many values.
    Values(usize),
    /// What was told before: Withings tells it again, and the pull brings nothing.
    Again,
    /// A day with ten hours of series.
    Series,
}

impl Play {
    /// What each notification uses: all of it less what the same span uses without it.
    ///
    /// # Errors
    /// The stack cannot be had, or not everything was delivered.
    pub async fn measure(&self, lines: &Lines) -> Result<Used, Error> {
        let world = world(self.people, self.endpoints, self.limit, Ticks::WhenDue).await?;
        tokio::time::sleep(SETTLED).await;
        let span = self.apart * u32::try_from(self.notifications)? + REST;
        // Once before it counts: what is made at a person's first record is no part of a later one.
        self.play(&world, 0).await?;
        tokio::time::sleep(self.quiet).await;
        let before = count(&world, lines, async || rest(span).await).await?;
        let used = count(&world, lines, async || self.play(&world, 1).await).await?.less(&before);
        let expected = match self.what {
            What::Values(values) => self.notifications * values * self.endpoints,
            What::Again => 0,
            What::Series => self.notifications * usize::try_from(HOURS)? * self.endpoints,
        };
        let as_expected = match self.what {
            What::Values(_) | What::Again => (used.delivered - expected as f64).abs() < 0.5,
            // Each of the hours, and the day's sums.
            What::Series => used.delivered > expected as f64,
        };
        if !as_expected {
            return Err(format!("{} deliveries arrived and not {expected}: {self:?}", used.delivered).into());
        }
        Ok(used.each(self.notifications))
    }

    async fn play(&self, world: &World, round: i64) -> Result<(), Error> {
        for number in 0..self.notifications {
            let person = &world.people[number % world.people.len()];
            let value = i64::try_from(number)?;
            match self.what {
                // Each at an instant of its own, so that none is taken for another one.
                What::Values(values) => world.weigh(person, values, 10_000 + value, 60 + 2 * value + round)?,
                What::Again if round == 0 => world.weigh(person, 1, 10_000 + value, 60 + 2 * value)?,
                What::Again => tell_again(world, person),
                What::Series => walk(world, person, round)?,
            }
            tokio::time::sleep(self.apart).await;
        }
        tokio::time::sleep(REST).await;
        Ok(())
    }
}

/// What an hour without people or notifications uses, with the keeper at every minute.
///
/// # Errors
/// The stack cannot be had.
pub async fn idle(lines: &Lines) -> Result<Used, Error> {
    const HOUR: Duration = Duration::from_secs(3600);
    let world = world(0, 1, 120, Ticks::Every).await?;
    tokio::time::sleep(HOUR).await;
    count(&world, lines, async || rest(HOUR).await).await
}

pub(crate) async fn rest(span: Duration) -> Result<(), Error> {
    tokio::time::sleep(span).await;
    Ok(())
}

pub(crate) async fn world(people: usize, endpoints: usize, limit: u16, ticks: Ticks) -> Result<World, Error> {
    // No sweep in the middle of it: what sweeps cost is a number of its own (`month`).
    let off = [("SweepUpdates", "off"), ("SweepRecent", "off"), ("SweepMonth", "off"), ("BackfillDays", "0")];
    let parameters = off.map(|(name, value)| (name, value.to_owned())).into();
    World::of(&Plan { people, endpoints, limit, parameters, ticks, ..Plan::default() }).await
}

/// Withings sends the last notification about a person once more.
fn tell_again(world: &World, person: &Person) {
    let told = world.withings.notifications();
    if let Some(last) = told.iter().rev().find(|told| told.userid == Some(person.userid)) {
        world.withings.notify(last.userid, last.appli, &last.body);
    }
}

/// The day before yesterday, and then yesterday, with ten hours of it.
fn walk(world: &World, person: &Person, round: i64) -> Result<(), ControlError> {
    let midnight = world.stack.clock.now().as_secs().div_euclid(DAY_S) * DAY_S - (2 - round) * DAY_S;
    let from = midnight + 8 * 3600;
    world.withings.add(person.userid, person.intraday(from, from + HOURS * 3600), Notify::No)?;
    let date: String = Timestamp::from_secs(midnight).to_string().chars().take(10).collect();
    world.withings.add(person.userid, [person.activity_day(&date, 9_000)], Notify::Yes).map(drop)
}

/// What AWS would bill for what `act` does.
pub(crate) async fn count(
    world: &World,
    lines: &Lines,
    act: impl AsyncFnOnce() -> Result<(), Error>,
) -> Result<Used, Error> {
    let stack = &world.stack;
    // As CloudWatch takes lines in.
    let metric_bytes = || {
        let (lines, bytes) = stack.metrics.size();
        bytes + lines * EVENT
    };
    let refreshed = || stack.metrics.sum(Metric::TokensRefreshed);
    let (began, logged, measured, renewed) = (stack.clock.now(), lines.bytes(), metric_bytes(), refreshed());
    let (calls, delivered) = (world.withings.stats().calls, world.receiver.sent().len());
    stack.dynamodb.meter().start();
    act().await?;
    let bill = stack.dynamodb.meter().take();
    let sent = world.receiver.sent().split_off(delivered);
    Ok(Used {
        units: Units::of(&bill, lines.bytes() - logged, metric_bytes() - measured),
        uses: bill.uses,
        calls: (world.withings.stats().calls - calls) as f64,
        refreshes: (refreshed() - renewed) as f64,
        delivered: sent.len() as f64,
        out_bytes: sent.iter().map(|sent| size(&sent.request)).sum::<usize>() as f64,
        metrics: Metric::all().into_iter().filter(|metric| stack.metrics.values(*metric) > 0).count(),
        span: stack.clock.now().since(began),
    })
}

/// The bytes of a request, without what TLS adds.
fn size(request: &Request<Bytes>) -> usize {
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.uri().path().len() + headers.sum::<usize>() + request.body().len()
}
