//! Write units on the partition keys that many users share, counted key by key while people weigh themselves one after
//! the other, and reckoned up to ten million users.

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_local::dynamodb::Hot;
use stack_tests::world::{Plan, World};

use super::{Run, quiet};
use crate::curve::Line;
use crate::needs::{PARTITION, USERS, per_second};
use crate::{Error, Size};

/// A kind of key that many users share.
struct Shared {
    name: &'static str,
    table: &'static str,
    part: &'static str,
    /// What its keys begin with.
    begins: &'static str,
    /// Over how many keys of an instant it is spread.
    over: f64,
}

const fn shared(
    name: &'static str,
    table: &'static str,
    part: &'static str,
    begins: &'static str,
    over: f64,
) -> Shared {
    Shared { name, table, part, begins, over }
}

/// Those that every notification writes to. The numbers of shards are the code's (`Family::shards`, `DUE_SHARDS`,
/// `change_bucket`).
const SHARED: [Shared; 6] = [
    shared("budget (app#…)", "connections", "item", "app#", 1.0),
    shared("notifications by_state", "notifications", "by_state", "", 1.0),
    shared("deliveries by_endpoint of one endpoint", "deliveries", "by_endpoint", "", 1.0),
    shared("deliveries by_due of 10", "deliveries", "by_due", "0", 10.0),
    shared("marks by_due of 10", "connections", "by_due", "0", 10.0),
    shared("records by_change of 4", "records", "by_change", "", 4.0),
];

/// The same, as facts.
const FACTS: [&str; 6] = [
    "units: budget",
    "units: notifications by_state",
    "units: deliveries by_endpoint",
    "units: deliveries by_due",
    "units: marks by_due",
    "units: records by_change",
];

pub(super) async fn play(size: Size) -> Result<Run, Error> {
    let notifications = size.of(300, 12);
    let world =
        World::of(&Plan { people: notifications / 3, limit: 600, parameters: quiet(), ..Plan::default() }).await?;
    // Once before it counts: what is made at a person's first record is no part of a later one.
    weigh(&world, world.people.len(), 60).await?;
    let calls = world.withings.calls().len();
    world.stack.dynamodb.heat().watch(&world.stack.template.tables);
    world.stack.dynamodb.meter().start();
    weigh(&world, notifications, 3_600).await?;
    let (heat, bill) = (world.stack.dynamodb.heat().take(), world.stack.dynamodb.meter().take());
    let calls = world.withings.calls().len() - calls;
    let (charged, billed) = (heat.values().sum::<f64>(), bill.writes.values().sum::<f64>());
    let each = |units: f64| units / notifications as f64;
    let mut facts = vec![
        ("calls of a notification", each(calls as f64)),
        ("write units of a notification, key by key", each(charged)),
        ("write units of a notification, as billed", each(billed)),
        ("write units of the busiest table", each(bill.writes.values().copied().fold(0.0, f64::max))),
        ("units: journal of a user", each(of_journals(&heat))),
    ];
    let mut lines = Vec::new();
    for (shared, fact) in SHARED.iter().zip(FACTS) {
        let units = each(of(&heat, shared));
        facts.push((fact, units));
        let mut line = Line::new(shared.name);
        for users in USERS {
            line.add(users, units / shared.over * per_second(users));
        }
        lines.push(line);
    }
    let mut limit = Line::new("limit of a partition");
    for users in USERS {
        limit.add(users, PARTITION);
    }
    lines.push(limit);
    Ok(Run { lines, facts })
}

/// So many, one a second, in turn; and until all of it is delivered.
async fn weigh(world: &World, notifications: usize, before: i64) -> Result<(), Error> {
    for (person, number) in world.people.iter().cycle().zip(0..i64::try_from(notifications)?) {
        world.weigh(person, 1, 60_000 + number, before + 2 * number)?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(300)).await;
    Ok(())
}

fn of(heat: &BTreeMap<Hot, f64>, shared: &Shared) -> f64 {
    let of =
        |hot: &Hot| hot.table.ends_with(shared.table) && hot.part == shared.part && hot.key.starts_with(shared.begins);
    heat.iter().filter(|(hot, _)| of(hot)).map(|(_, units)| units).sum()
}

/// The journals of all users, without markers and directories.
fn of_journals(heat: &BTreeMap<Hot, f64>) -> f64 {
    let of = |hot: &Hot| hot.table.ends_with("events") && !hot.key.contains('/') && !hot.key.starts_with('_');
    heat.iter().filter(|(hot, _)| of(hot)).map(|(_, units)| units).sum()
}
