//! The whole day in one row: activity, the main night, and the last measurements.
//!
//! What is sampled all day (pulse, oxygen) is no part of it but as far as Withings sums it up: a series has it.

use afferent_domain::record::Record;
use jiff::civil::Date;

use super::Row;
use super::rows::{activity_columns, chosen, empty, last, put_activity, state};

/// The parts of the main night that are told.
const NIGHT: [&str; 13] = [
    "sleep_duration",
    "sleep_duration_external",
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
    if let Some((activity, others)) = chosen(records, "activity_day") {
        put_activity(&mut row.values, activity);
        row.device_id.clone_from(&activity.source.device_id);
        row.model.clone_from(&activity.source.model);
        row.others = others;
        used.push(activity);
    }
    if let Some((night, others)) = chosen(records, "sleep_session") {
        row.values.put_parts(night, |name| NIGHT.contains(&name));
        row.others.extend(others);
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
    row.tz = used.iter().find_map(|record| record.tz.clone());
    row.state = state(&used);
    (!row.values.is_empty()).then_some(row)
}
