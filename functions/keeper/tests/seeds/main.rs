//! Fan-out, dispatcher and keeper together under faults, by seed: each event reaches each endpoint that wants it, nothing
//! is sent before it is in the journal, every try of a delivery has the same id and the same text, none is made after
//! its end, and none more often than crashes can double it; no journal has a gap or a repeat; in the end no endpoint needs
//! looking after.
//!
//! A seed lasts three days or more. First a busy while, in which everything fails now and then; then thirty hours in which
//! fan-out stands still, one endpoint is dead for hours, and another is disabled and enabled again; then time to recover.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod found;
mod trouble;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::id::UserId;
use afferent_local::{Functions, Setup, Simulation, Ticks};
use afferent_store::events::{After, Events};

use found::Found;
use world::World;

const HOUR: Duration = Duration::from_secs(3_600);

async fn play(seed: u64) -> Found {
    let world = World::found(seed).await;
    world.begin_trouble();
    world.busy_while().await;
    world.thirty_hours_without_fan_out().await;
    world.end_trouble();
    world.settle().await;
    world.look().await
}

#[tokio::test(start_paused = true)]
async fn every_change_is_delivered_whatever_fails_doubles_or_dies_on_the_way() {
    // Half a minute, and more where other tests run beside it. `make soak` asks for more.
    let seeds: u64 = std::env::var("SEEDS").map_or(10, |seeds| seeds.parse().unwrap());
    let first: u64 = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut all = Found::default();
    for seed in first..first + seeds {
        let found = play(seed).await;
        println!("seed {seed}: {found}");
        found.violations.iter().for_each(|violation| println!("    {violation}"));
        all.add(found);
    }
    println!("{seeds} seeds: {all}");
    assert!(all.violations.is_empty(), "{}", all.violations.join("; "));
}

#[tokio::test(start_paused = true)]
async fn fan_out_that_stands_still_for_thirty_hours_loses_no_change() {
    let simulation = Simulation::bare(Setup { ticks: Ticks::WhenDue, ..Setup::default() }).await.unwrap();
    let functions = Functions::start(&simulation.template, &simulation.rim).await.unwrap();
    for name in ["fanout", "keeper"] {
        let function = simulation.template.function(name).unwrap().name.clone();
        simulation.set(name, functions.handler(&function).unwrap());
    }
    let client = afferent_store::client(&simulation.rim.aws);
    simulation.resume("fanout");
    simulation.resume("keeper");
    world::put_record(&client, &simulation, "usr_0", "rec_before").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    simulation.pause("fanout");
    for hour in 0..30 {
        world::put_record(&client, &simulation, "usr_0", &format!("rec_{hour:02}")).await;
        tokio::time::sleep(HOUR).await;
    }
    simulation.resume("fanout");
    tokio::time::sleep(25 * HOUR).await;
    let events = Events::new(client, "afferent-events".to_owned());
    let After::Events(journal) = events.after(&UserId::from("usr_0"), 0, 1_000).await.unwrap() else {
        panic!("nothing expires in three days");
    };
    let records: BTreeSet<&str> = journal.iter().map(|event| event.record.as_str()).collect();
    assert_eq!((journal.len(), records.len()), (31, 31));
}
