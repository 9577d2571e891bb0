//! What a request to the API uses.

use std::time::Duration;

use afferent_domain::id::UserId;
use afferent_local::{FRONT_HOST, Ticks};
use bytes::Bytes;
use http::Request;

use crate::Error;
use crate::logs::Lines;
use crate::units::Used;
use crate::workload::{count, rest, world};

/// How many are made.
const REQUESTS: usize = 20;

/// Records that each of them reads, as values of so many measurements.
const RECORDS: usize = 100;
const VALUES: usize = 5;

/// Between two of them, which is seldom enough for every key.
const APART: Duration = Duration::from_secs(30);

/// A request for 100 records of a person, with the work of its key.
///
/// # Errors
/// The stack cannot be had, or a request is refused.
pub async fn request(lines: &Lines) -> Result<Used, Error> {
    let world = world(1, 0, 120, Ticks::WhenDue).await?;
    for (number, before) in (0..RECORDS / VALUES).zip(60..) {
        world.weigh(&world.people[0], VALUES, 10_000 + i64::try_from(number)?, before)?;
    }
    rest(Duration::from_secs(1_800)).await?;
    let (key, user) = (world.seeder().key("cost").await?, UserId::derive(&["person-0"]));
    let ask = async || -> Result<(), Error> {
        let request = Request::get(format!("https://{FRONT_HOST}/v1/users/{user}/records?limit={RECORDS}"))
            .header("host", FRONT_HOST)
            .header("authorization", format!("Bearer {key}"))
            .body(Bytes::new())?;
        let answer = world.stack.request(request).await;
        let whole = String::from_utf8_lossy(answer.body()).matches("\"effective_ms\"").count() >= RECORDS;
        if !answer.status().is_success() || !whole {
            return Err(format!("a request was answered {} with {} bytes", answer.status(), answer.body().len()).into());
        }
        rest(APART).await
    };
    // Once before it counts: what a function learns at its first request it keeps.
    ask().await?;
    let used = count(&world, lines, async || {
        for _ in 0..REQUESTS {
            ask().await?;
        }
        Ok(())
    });
    Ok(used.await?.each(REQUESTS))
}
