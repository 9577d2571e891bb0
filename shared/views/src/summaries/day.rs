//! The whole day in one row: activity, the main night, and the last measurements.
//!
//! What is sampled all day (pulse, oxygen) is no part of it but as far as Withings sums it up: a series has it.

use afferent_domain::record::Record;
use jiff::civil::Date;

use super::Row;
use super::rows::{activity_columns, chosen, empty, last, put_activity, slept, state};

/// The parts of the main night that are told.
const NIGHT: [&str; 12] = [
    "sleep_duration",
    "sleep_deep",
    "sleep_light",
    "sleep_rem",
    "sleep_awake",
    "time_in_bed",
    "sleep_efficiency",
    "sleep_score",
    "sleep_heart_rate_mean",
    "sleep_heart_rate_minimum",
    "respiratory_rate_mean",
    "apnea_hypopnea_index",
];

/// Measurements that a person takes.
const MEASURED: [&str; 6] =
    ["body_weight", "body_fat_percentage", "body_temperature", "skin_temperature", "blood_glucose", "vo2_max"];

const PRESSURES: [(&str, &str); 2] =
    [("systolic", "blood_pressure_systolic"), ("diastolic", "blood_pressure_diastolic")];

pub(super) fn kinds() -> Vec<&'static str> {
    ["activity_day", "sleep_session", "blood_pressure"].into_iter().chain(MEASURED).collect()
}

pub(super) fn columns() -> Vec<String> {
    let pressures = PRESSURES.map(|(_, name)| name);
    let further = NIGHT.into_iter().chain(MEASURED).chain(pressures).map(str::to_owned);
    activity_columns().into_iter().chain(further).collect()
}

pub(super) fn row(date: Date, records: &[Record]) -> Option<Row> {
    let mut row = empty(date);
    let mut used: Vec<&Record> = Vec::new();
    if let Some((activity, others)) = chosen(records) {
        put_activity(&mut row.values, activity);
        row.tz = activity.tz.clone();
        row.others = others;
        used.push(activity);
    }
    let nights = || records.iter().filter(|record| record.kind == "sleep_session");
    if let Some(night) = nights().max_by_key(|night| (slept(night), std::cmp::Reverse(&night.record))) {
        row.values.put_parts(night, |name| NIGHT.contains(&name));
        row.others.extend(nights().filter(|other| other.record != night.record).map(|other| other.record.to_string()));
        used.push(night);
    }
    for record in MEASURED.iter().filter_map(|kind| last(records, kind)) {
        row.values.put(&record.kind, record.value, record.unit.as_deref(), record);
        used.push(record);
    }
    if let Some(pressure) = last(records, "blood_pressure") {
        for (part, name) in PRESSURES {
            let part = crate::samples::part(&pressure.components, part, None);
            row.values.put(
                name,
                part.and_then(|part| part.value),
                part.and_then(|part| part.unit.as_deref()),
                pressure,
            );
        }
        used.push(pressure);
    }
    row.state = state(&used);
    (!row.values.is_empty()).then_some(row)
}
