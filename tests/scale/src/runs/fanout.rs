//! Events a second of one shard of the stream: batches of changes, each of another user who has a journal and of one
//! endpoint, to as many `fanout` at once as `FanoutParallelization` says. How long each takes is what its calls to AWS
//! take; Lambda polls a shard four times a second, and so many more batches only come where changes wait.

use std::time::Duration;

use afferent_domain::id::UserId;
use afferent_local::dynamodb::Position;
use afferent_local::network::Reply;
use afferent_local::{Setup, Ticks};
use futures_util::future::join_all;
use serde_json::{Value, json};
use stack_tests::fleet::Fleet;
use stack_tests::world::AWS_MS;

use super::Run;
use crate::curve::Line;
use crate::{Error, Size};

/// How many batches are under way at once, and how large they are.
type Played = (usize, &'static [usize]);

pub(super) async fn play(size: Size) -> Result<Run, Error> {
    const WHOLE: &[Played] =
        &[(1, &[1, 3, 10, 30, 100, 300]), (2, &[1, 3, 10, 30, 100, 300]), (10, &[1, 3, 10, 30, 100])];
    let played = size.of(WHOLE, &[(2, &[3])]);
    let users = played.iter().filter_map(|(at_once, sizes)| Some(at_once * sizes.iter().max()?)).max().unwrap_or(1);
    let shard = Shard::of(users).await?;
    let mut lines = Vec::new();
    for (at_once, sizes) in played {
        let mut line = Line::new(format!("FanoutParallelization {at_once}"));
        for size in *sizes {
            let took = shard.fan_out(*at_once, *size).await?;
            line.add(*size as f64, (at_once * size) as f64 / took.as_secs_f64().max(1e-3));
        }
        lines.push(line);
    }
    Ok(lines.into())
}

struct Shard {
    fleet: Fleet,
    table: String,
}

impl Shard {
    /// With so many users, who have journals.
    async fn of(users: usize) -> Result<Self, Error> {
        let fleet = Fleet::start(Setup { ticks: Ticks::Off, aws_latency_ms: AWS_MS, ..Setup::default() }).await;
        for function in ["fanout", "dispatcher"] {
            fleet.stack.pause(function);
        }
        fleet.endpoint("ep_one", Reply::Status(204), |_| {}).await;
        let table = format!("{}-records", fleet.stack.template.place.stack);
        let shard = Self { fleet, table };
        let mut first = 0;
        while first < users {
            let some = (users - first).min(100);
            shard.hand_over(first, 1, some).await?;
            first += some;
        }
        Ok(shard)
    }

    /// How long it takes until so many batches of so many changes have become events.
    async fn fan_out(&self, at_once: usize, size: usize) -> Result<Duration, Error> {
        self.hand_over(0, at_once, size).await
    }

    async fn hand_over(&self, first: usize, at_once: usize, size: usize) -> Result<Duration, Error> {
        let stack = &self.fleet.stack;
        let from = stack.dynamodb.end(&self.table)?;
        for number in first..first + at_once * size {
            let at = stack.clock.now().as_millis();
            self.fleet.record_of(&UserId::from(format!("usr_{number}").as_str()), &format!("rec_{at}_{number}")).await;
        }
        let changes = self.changes(from)?;
        let payloads: Vec<String> = changes.chunks(size).map(|some| json!({"Records": some}).to_string()).collect();
        let began = stack.clock.now();
        for answer in join_all(payloads.iter().map(|payload| stack.invoke("fanout", payload))).await {
            let answer: Value = serde_json::from_slice(&answer?)?;
            if answer["batchItemFailures"].as_array().is_some_and(|failures| !failures.is_empty()) {
                return Err("changes did not become events".into());
            }
        }
        Ok(stack.clock.now().since(began))
    }

    fn changes(&self, from: Position) -> Result<Vec<Value>, Error> {
        let (mut position, mut changes) = (from, Vec::new());
        loop {
            let page = self.fleet.stack.dynamodb.records(&self.table, &position, 1_000)?;
            if page.at_end {
                return Ok(changes);
            }
            changes.extend(page.records);
            position = page.next;
        }
    }
}
