//! Samples into records: one per UTC hour, kind and device, so that a sync writes only the hours that changed.

use std::collections::BTreeMap;

use afferent_domain::exact::{Decimal, Json};
use afferent_domain::record::{Category, Code, Fact, Series, Source};
use afferent_withings::{Problem, Why, number};

use crate::Context;
use crate::build::When;
use crate::kinds::Row;
use crate::time::Zone;

const HOUR_S: i64 = 3600;

/// The device of a sample, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Device {
    pub(crate) id: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) model_id: Option<i64>,
}

impl Device {
    /// What tells it from another in a record's identity.
    pub(crate) fn key(&self) -> String {
        match &self.id {
            Some(id) => format!("device:{id}"),
            None => format!("source:{}", self.model_id.unwrap_or(-1)),
        }
    }

    /// A source with this device in it.
    pub(crate) fn source(&self, source: Source) -> Source {
        Source { device_id: self.id.clone(), model: self.model.clone(), model_id: self.model_id, ..source }
    }
}

/// One chunk's name: the device's key, the field, the hour.
type Name = (String, String, i64);

/// Samples on their way into chunks.
#[derive(Default)]
pub(crate) struct Chunks(BTreeMap<Name, Chunk>);

struct Chunk {
    device: Device,
    row: Option<&'static Row>,
    samples: BTreeMap<i64, (Decimal, Option<i64>)>,
}

impl Chunks {
    /// Adds one number. Of two at one second the greater counts, so that the order does not matter.
    pub(crate) fn add(
        &mut self,
        device: &Device,
        field: &str,
        table: &'static [Row],
        at: i64,
        duration: Option<i64>,
        json: &Json,
    ) -> Result<(), Why> {
        let row = table.iter().find(|row| row.name == field);
        let Some(value) = number(json) else {
            return Err(row.map_or(Why::Number, |row| Why::Field(row.name)));
        };
        let value = value.shifted(row.map_or(0, |row| row.shift)).map_err(|_| Why::Number)?;
        if row.is_some_and(|row| row.zero_is_none) && value.is_zero() {
            return Ok(());
        }
        let hour = at.div_euclid(HOUR_S);
        let chunk = self.0.entry((device.key(), field.to_owned(), hour)).or_insert_with(|| Chunk {
            device: device.clone(),
            row,
            samples: BTreeMap::new(),
        });
        // Rows of one device may spell its model differently.
        chunk.device = chunk.device.clone().max(device.clone());
        let sample = chunk.samples.entry(at).or_insert((value, duration));
        *sample = (*sample).max((value, duration));
        Ok(())
    }

    /// The chunks as facts. `open` says whether an hour, by its beginning and end, may still grow.
    pub(crate) fn facts(
        self,
        context: &Context,
        zone: &Zone,
        source: &Source,
        open: impl Fn(i64, i64) -> bool,
        problems: &mut Vec<Problem>,
    ) -> Vec<Fact> {
        let mut facts = Vec::new();
        for ((key, field, hour), chunk) in self.0 {
            let start = hour.saturating_mul(HOUR_S);
            let end = start.saturating_add(HOUR_S);
            let kind = chunk.row.map_or_else(|| format!("withings.{field}"), |row| row.kind.to_owned());
            let category = chunk.row.map_or(Category::Activity, |row| row.category);
            let (at, field_id) = (hour.to_string(), field.as_str());
            let source = chunk.device.source(source.clone());
            let fact = context.fact(&[&at, field_id, &key], &kind, category, When::Period(start, end), zone, source);
            match fact {
                Ok(mut fact) => {
                    fact.codes = chunk.row.map_or_else(|| vec![Code::own(&kind)], Row::codes);
                    fact.unit = chunk.row.and_then(Row::unit);
                    fact.method = chunk.row.and_then(|row| row.method).map(str::to_owned);
                    fact.preliminary = open(start, end);
                    fact.series = Some(series(start, chunk));
                    facts.push(fact);
                }
                Err(why) => problems.push(Problem::at("series", why)),
            }
        }
        facts
    }
}

fn series(start: i64, chunk: Chunk) -> Series {
    let durations = chunk.samples.values().any(|(_, duration)| duration.is_some());
    Series {
        unit: chunk.row.and_then(Row::unit).unwrap_or_default(),
        origin_ms: start.saturating_mul(1000),
        offsets_s: chunk.samples.keys().map(|at| at - start).collect(),
        values: chunk.samples.values().map(|(value, _)| *value).collect(),
        durations_s: if durations {
            chunk.samples.values().map(|(_, duration)| duration.unwrap_or(0)).collect()
        } else {
            Vec::new()
        },
    }
}
