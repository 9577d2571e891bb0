//! What a person uses in a day, with the parameters as the template has them: at rest, where nothing comes and everything
//! is swept all the same, and with notifications.
//!
//! The people are connected for two months, so that the days that `SweepMonth` reads are theirs, and have slept on a mat in
//! all of them: the series of a night is a call of its own wherever a sweep meets one.

use std::time::Duration;

use afferent_domain::backfill::Depth;
use afferent_domain::{Dice, Timestamp};
use stack_tests::RECEIVER_HOST;
use stack_tests::world::{Plan, World};
use withings_simulator::{ControlError, Notify, Stage};

use crate::Error;
use crate::logs::Lines;
use crate::units::{Kind, Used};
use crate::workload::{count, rest};

/// How many people. The sweeps of so few come one at a time, and those of a thousand five at a time: what is measured here
/// is the most.
pub const PEOPLE: usize = 8;

/// How many days each part lasts: of the sweeps that are on, all but `SweepEverything` come round in a week.
pub const DAYS: u32 = 7;

/// Notifications of a person in a day.
pub const A_DAY: usize = 20;

/// Of 240 notifications, how many come in each hour of a day: the busiest has three times the mean, as in
/// `docs/scale.md`.
const HOURS: [u64; 24] = [1, 1, 1, 1, 1, 1, 15, 30, 25, 14, 10, 9, 11, 11, 8, 8, 9, 12, 15, 15, 14, 14, 10, 4];

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// For how many days the people have been connected when it counts.
const CONNECTED: u32 = 61;

/// Days of a person, each.
#[derive(Clone, Debug)]
pub struct Days {
    /// Nothing comes.
    pub resting: Used,
    /// A weight comes twenty times.
    pub living: Used,
}

/// Measures both. `idle` is an hour of a stack without people, whose minutes of the keeper are taken away: they are no
/// person's.
///
/// # Errors
/// The stack cannot be had, or not everything was delivered.
pub async fn days(lines: &Lines, idle: &Used) -> Result<Days, Error> {
    let world = settled().await?;
    let resting = count(&world, lines, async || rest(DAY * DAYS).await).await?;
    let living = count(&world, lines, async || live(&world).await).await?;
    let days = PEOPLE * usize::try_from(DAYS)?;
    let expected = (days * A_DAY) as f64;
    // The last ones may still be under way.
    if living.delivered < expected * 0.99 || resting.calls < days as f64 {
        return Err(format!("{} deliveries of {expected}, {} calls at rest", living.delivered, resting.calls).into());
    }
    let of_a_person = |used: Used| without_minutes(used, idle).each(days);
    Ok(Days { resting: of_a_person(resting), living: of_a_person(living) })
}

/// People who have been connected for two months, when all that is overdue by then is done.
async fn settled() -> Result<World, Error> {
    let mut world = World::of(&Plan { endpoints: 0, ..Plan::default() }).await?;
    for _ in 0..PEOPLE {
        world.connect(Depth::default()).await?;
    }
    tokio::time::sleep(2 * HOUR).await;
    let functions: Vec<String> = world.stack.template.functions.iter().map(|function| function.name.clone()).collect();
    functions.iter().for_each(|function| world.stack.pause(function));
    tokio::time::sleep(DAY * CONNECTED).await;
    world.stack.resume_all();
    sleep_every_night(&world)?;
    tokio::time::sleep(DAY).await;
    // Only now: nothing of the past is to be delivered.
    world.seeder().endpoint("receiver-0", &format!("https://{RECEIVER_HOST}/hook/0"), &["*"]).await?;
    Ok(world)
}

/// An hour of sleep in each of the nights since the people connected.
fn sleep_every_night(world: &World) -> Result<(), ControlError> {
    let today = world.stack.clock.now().as_secs().div_euclid(86_400) * 86_400;
    for person in &world.people {
        let night = |days: i64| {
            let startdate = today - days * 86_400;
            person.sleep(vec![Stage { startdate, enddate: startdate + 3_600, state: 1 }])
        };
        world.withings.add(person.userid, (1..i64::from(CONNECTED)).map(night), Notify::Yes)?;
    }
    Ok(())
}

/// Weights come, each at an instant of its own.
async fn live(world: &World) -> Result<(), Error> {
    let (clock, dice) = (world.stack.clock.clone(), world.stack.dice.clone());
    let began = clock.now();
    let mut all: Vec<(Timestamp, usize)> = Vec::new();
    for day in 0..DAYS {
        for person in 0..world.people.len() {
            all.extend((0..A_DAY).map(|_| (began + DAY * day + in_a_day(&*dice), person)));
        }
    }
    all.sort_unstable();
    for ((at, person), grams) in all.into_iter().zip(50_000..) {
        tokio::time::sleep(at.since(clock.now())).await;
        world.weigh(&world.people[person], 1, grams, 60)?;
    }
    tokio::time::sleep((began + DAY * DAYS).since(clock.now())).await;
    Ok(())
}

/// An instant of a day, as notifications are spread.
fn in_a_day(dice: &dyn Dice) -> Duration {
    let mut place = dice.between(1, HOURS.iter().sum());
    for (hour, share) in (0..).zip(HOURS) {
        if place <= share {
            return HOUR * hour + Duration::from_millis(dice.between(0, 3_599_999));
        }
        place -= share;
    }
    DAY
}

/// What was used, without what the keeper's minutes use where there is nothing to do.
fn without_minutes(used: Used, idle: &Used) -> Used {
    let minutes = |used: &Used| used.units.only(|_, what| what == "keeper").all(Kind::Invocations);
    let share = minutes(&used) / minutes(idle);
    used.less(&idle.clone().times(share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Units;

    struct Cycle(std::sync::atomic::AtomicU64);

    impl Dice for Cycle {
        fn roll(&self) -> u64 {
            // Every second throw is of an hour's share, the others of an instant in it.
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) / 2
        }
    }

    #[test]
    fn the_busiest_hour_has_three_times_the_mean() {
        assert_eq!((HOURS.iter().sum::<u64>(), HOURS.iter().max()), (240, Some(&30)));
        let dice = Cycle(0.into());
        let mut hours = [0_u64; 24];
        for _ in 0..240 {
            hours[usize::try_from(in_a_day(&dice).as_secs() / 3_600).unwrap()] += 1;
        }
        assert_eq!(hours, HOURS);
    }

    #[test]
    fn minutes_of_the_keeper_that_have_nothing_to_do_are_no_persons() {
        let used = |minutes: f64, writes: f64| {
            let line = |kind, what: &str, amount| ((kind, what.to_owned()), amount);
            let lines = [line(Kind::Invocations, "keeper", minutes), line(Kind::Writes, "connections", writes)];
            Used { units: Units(lines.into()), ..Used::default() }
        };
        let left = without_minutes(used(30.0, 100.0), &used(60.0, 20.0));
        assert_eq!([Kind::Invocations, Kind::Writes].map(|kind| left.units.all(kind)), [0.0, 90.0]);
    }
}
