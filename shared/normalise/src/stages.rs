//! sleep get: the stages of each night as one record, and its samples as hourly series.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use afferent_domain::exact::Json;
use afferent_domain::record::{Category, Fact, Stage};
use afferent_domain::service::Service;
use afferent_withings::answer::sleep::{Interval, read};
use afferent_withings::{Body, Problem, Why};

use crate::build::{When, source};
use crate::kinds::{SLEEP, stage};
use crate::series::{Chunks, Device};
use crate::{Context, Outcome};

/// Without a night's bounds: this long without a record ends it.
const APART_S: i64 = 3600;

/// Out of bed is a state of its own only on a special plan; elsewhere it is a gap between two intervals.
const OUT_OF_BED: i64 = 15;

/// A night as sleep getsummary knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Night {
    /// Withings' id.
    pub id: i64,
    /// Its beginning.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// Whether it is not completed.
    pub open: bool,
    /// The hashed device id: an interval of another device is not part of it.
    pub device_id: Option<String>,
}

impl Night {
    fn holds(&self, interval: &Interval) -> bool {
        interval.start < self.end.as_secs()
            && interval.end > self.start.as_secs()
            && (self.device_id.is_none() || interval.device_id.is_none() || self.device_id == interval.device_id)
    }
}

pub(crate) fn facts(context: &Context, body: &Body, nights: &[Night]) -> Outcome {
    let read = read(body);
    let mut problems = read.problems;
    let zone = context.zone(None);
    let mut chunks = Chunks::default();
    let mut sorted: BTreeMap<String, (Device, Vec<&Interval>)> = BTreeMap::new();
    for interval in &read.rows {
        if interval.end <= interval.start {
            problems.push(Problem::at(&interval.place, Why::Time("enddate")));
            continue;
        }
        let device =
            Device { id: interval.device_id.clone(), model: interval.model.clone(), model_id: interval.model_id };
        for (field, samples) in &interval.samples {
            if let Err(why) = add_samples(&mut chunks, &device, field, samples) {
                problems.push(Problem::at(&interval.place, why));
            }
        }
        // By key, not by spelling: one device's rows may name its model differently.
        let (known, intervals) = sorted.entry(device.key()).or_insert_with(|| (device.clone(), Vec::new()));
        *known = known.clone().max(device);
        intervals.push(interval);
    }
    let now = context.now.as_secs();
    let open = |start, end| {
        end > now || nights.iter().any(|night| night.open && night.start.as_secs() < end && night.end.as_secs() > start)
    };
    let source = source(Service::SleepGet);
    let mut facts = chunks.facts(context, &zone, &source, open, &mut problems);
    for (device, mut intervals) in sorted.into_values() {
        intervals.sort_by_key(|interval| (interval.start, interval.end, interval.state));
        for (id, open, intervals) in split(&device, &intervals, nights) {
            let stages = stages(&intervals);
            let (Some(first), Some(last)) = (stages.first(), stages.last()) else { continue };
            let when = When::Period(first.start_ms / 1000, last.end_ms / 1000);
            let source = device.source(source.clone());
            match context.fact(&["stages", &id], "sleep_stage", Category::Activity, when, &zone, source) {
                Ok(fact) => {
                    let preliminary = open || last.end_ms > context.now.as_millis();
                    facts.push(Fact { preliminary, local_date: zone.date(last.end_ms / 1000), stages, ..fact });
                }
                Err(why) => problems.push(Problem::at("series", why)),
            }
        }
    }
    Outcome::settle(facts, problems)
}

/// The samples of one field of an interval: an object from epoch seconds to a number.
fn add_samples(chunks: &mut Chunks, device: &Device, field: &str, samples: &Json) -> Result<(), Why> {
    let samples = match samples {
        Json::Object(samples) => samples,
        Json::List(items) if items.is_empty() => return Ok(()),
        _ => return Err(Why::NotAnObject),
    };
    let mut first = Ok(());
    for (at, json) in samples {
        let added = match at.parse() {
            Ok(_) if *json == Json::Null => Ok(()),
            Ok(at) => chunks.add(device, field, SLEEP, at, None, json),
            Err(_) => Err(Why::Time("key")),
        };
        first = first.and(added);
    }
    first
}

/// Sorted intervals by night: the identity of each, whether it is open, and its intervals. What belongs to none of the
/// given nights is left to the call that is made for its own.
fn split<'a>(device: &Device, intervals: &[&'a Interval], nights: &[Night]) -> Vec<(String, bool, Vec<&'a Interval>)> {
    if !nights.is_empty() {
        return nights
            .iter()
            .map(|night| {
                let of_night = intervals.iter().copied().filter(|interval| night.holds(interval)).collect();
                (format!("night:{}/{}", night.id, device.key()), night.open, of_night)
            })
            .collect();
    }
    let mut blocks: Vec<(String, bool, Vec<&Interval>)> = Vec::new();
    let mut end = i64::MIN;
    for interval in intervals {
        match blocks.last_mut() {
            Some((_, _, block)) if interval.start.saturating_sub(end) < APART_S => block.push(interval),
            _ => blocks.push((format!("start:{}/{}", interval.start, device.key()), false, vec![interval])),
        }
        end = end.max(interval.end);
    }
    blocks
}

/// Sorted intervals as stages: neighbours of one stage merged, overlaps given to the earlier, gaps out of bed.
fn stages(intervals: &[&Interval]) -> Vec<Stage> {
    let mut stages: Vec<(i64, i64, i64)> = Vec::new();
    let mut add = |state: i64, start: i64, end: i64| match stages.last_mut() {
        Some((last, _, last_end)) if *last == state && *last_end == start => *last_end = end,
        _ => stages.push((state, start, end)),
    };
    let mut until: Option<i64> = None;
    for interval in intervals {
        let start = interval.start.max(until.unwrap_or(i64::MIN));
        if interval.end <= start {
            continue;
        }
        if let Some(until) = until.filter(|until| *until < start) {
            add(OUT_OF_BED, until, start);
        }
        add(interval.state, start, interval.end);
        until = Some(interval.end);
    }
    let ms = |secs: i64| secs.saturating_mul(1000);
    stages
        .into_iter()
        .map(|(state, start, end)| Stage { stage: stage(state), start_ms: ms(start), end_ms: ms(end) })
        .collect()
}
