//! Deliveries a second, by the number of dispatchers: a backlog, to endpoints that take 100 ms or 1 s, and to
//! those of 100 ms while as many deliveries wait for one that never answers.

use std::time::Duration;

use afferent_domain::delivery::{Delivery, Key};
use afferent_domain::id::{EndpointId, EventId};
use afferent_local::network::{Receiver, Reply};
use afferent_local::{Setup, Ticks};
use stack_tests::fleet::{Fleet, pass};
use stack_tests::world::AWS_MS;

use super::{Run, steady};
use crate::curve::Line;
use crate::{Error, Size};

/// The endpoints that share the backlog.
const ENDPOINTS: usize = 20;

/// Deliveries for each dispatcher: six batches of ten.
const EACH: usize = 60;

/// How long the backlog may take.
const LONGEST: Duration = Duration::from_secs(600);

pub(super) async fn play(size: Size) -> Result<Run, Error> {
    let dispatchers: &[usize] = size.of(&[2, 5, 10, 20, 50], &[2]);
    let cases = [
        ("endpoints of 100 ms", 100, false),
        ("endpoints of 1 s", 1_000, false),
        ("of 100 ms beside a dead one", 100, true),
    ];
    let mut lines = Vec::new();
    for (name, takes_ms, dead) in cases {
        let mut line = Line::new(name);
        for dispatchers in dispatchers {
            if let Some(rate) = rate(*dispatchers, takes_ms, dead).await? {
                line.add(*dispatchers as f64, rate);
            }
        }
        lines.push(line);
    }
    Ok(lines.into())
}

async fn rate(dispatchers: usize, takes_ms: u64, dead: bool) -> Result<Option<f64>, Error> {
    let parameters = [("DispatcherConcurrency".to_owned(), dispatchers.to_string())].into();
    let fleet =
        Fleet::start(Setup { parameters, ticks: Ticks::WhenDue, aws_latency_ms: AWS_MS, ..Setup::default() }).await;
    // One event, of which everybody gets deliveries that differ in nothing but their names.
    fleet.endpoint("ep_first", Reply::Status(204), |_| {}).await;
    fleet.record("rec_first").await;
    pass(Duration::from_secs(5)).await;
    let event = fleet.events.get(&Fleet::user(), 1).await?.ok_or("the record has no event")?;
    let reply = Reply::After(Duration::from_millis(takes_ms), Box::new(Reply::Status(204)));
    let mut receivers = Vec::new();
    for number in 0..ENDPOINTS {
        receivers.push(fleet.endpoint(&format!("ep_{number}"), reply.clone(), |endpoint| endpoint.types.clear()).await);
    }
    fleet.endpoint("ep_dead", Reply::Hang, |endpoint| endpoint.types.clear()).await;
    fleet.stack.pause("dispatcher");
    let many = EACH * dispatchers;
    for number in 0..many {
        let of_dead = dead.then(|| "ep_dead".to_owned());
        for endpoint in [Some(format!("ep_{}", number % ENDPOINTS)), of_dead].into_iter().flatten() {
            let key = Key {
                event: EventId::from(format!("evt_{number}").as_str()),
                endpoint: EndpointId::from(endpoint.as_str()),
            };
            let delivery = Delivery::new(key, Fleet::user(), event.sequence, event.event_type.clone(), fleet.now());
            fleet.deliver(&delivery).await;
        }
    }
    fleet.stack.resume("dispatcher");
    let end = fleet.now() + LONGEST;
    while fleet.now() < end && taken(&receivers) < many {
        pass(Duration::from_secs(1)).await;
    }
    Ok(steady(receivers.iter().flat_map(|receiver| receiver.seen()).map(|seen| seen.at).collect()))
}

fn taken(receivers: &[Receiver]) -> usize {
    receivers.iter().map(|receiver| receiver.seen().len()).sum()
}
