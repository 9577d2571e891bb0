//! getintradayactivity: samples into hourly series. The rows name no time zone; the person's is taken.

use afferent_domain::service::Service;
use afferent_withings::answer::intraday::read;
use afferent_withings::{Body, Problem};

use crate::build::source;
use crate::kinds::INTRADAY;
use crate::series::{Chunks, Device};
use crate::{Context, Outcome};

pub(crate) fn facts(context: &Context, body: &Body) -> Outcome {
    let read = read(body);
    let mut problems = read.problems;
    let mut chunks = Chunks::default();
    for entry in &read.rows {
        let device = Device { id: entry.device_id.clone(), model: entry.model.clone(), model_id: entry.model_id };
        for (field, json) in &entry.data {
            if let Err(why) = chunks.add(&device, field, INTRADAY, entry.at, entry.duration, json) {
                problems.push(Problem::at(&entry.place, why));
            }
        }
    }
    let zone = context.zone(None);
    let open = |start, _| zone.is_today(start, context.now);
    let facts = chunks.facts(context, &zone, &source(Service::Getintradayactivity), open, &mut problems);
    Outcome::settle(facts, problems)
}
