//! `/v2/sleep` get and getsummary.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use super::paging::{Selection, page};
use super::{Reading, chosen};
use crate::answer::Answer;
use crate::data::{Night, Stage};

/// The fields of a summary when none are asked for, as recorded.
const DEFAULT_FIELDS: [&str; 15] = [
    "wakeupduration",
    "wakeupcount",
    "durationtosleep",
    "remsleepduration",
    "durationtowakeup",
    "total_timeinbed",
    "total_sleep_time",
    "sleep_efficiency",
    "sleep_latency",
    "wakeup_latency",
    "waso",
    "nb_rem_episodes",
    "out_of_bed_count",
    "lightsleepduration",
    "deepsleepduration",
];

pub(super) fn get(reading: &Reading<'_>) -> Answer {
    let Reading { user, arguments, settings, .. } = reading;
    let (start, end) = (arguments.required_number("startdate")?, arguments.required_number("enddate")?);
    let end = end.min(start.saturating_add(settings.reach_s));
    let wanted = arguments.list("data_fields").unwrap_or_default();
    let wanted: Vec<&str> = wanted.into_iter().filter(|name| !settings.hidden_fields.contains(*name)).collect();
    let mut stages: Vec<(&Night, &Stage)> = user
        .nights
        .iter()
        .filter(|night| !night.hidden)
        .flat_map(|night| night.stages.iter().map(move |stage| (night, stage)))
        .filter(|(_, stage)| stage.enddate > start && stage.startdate <= end)
        .collect();
    // Recorded series are not sorted. This order looks random, but is the same for every call.
    stages.sort_by_key(|(night, stage)| {
        let mixed = (stage.startdate ^ night.id).unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed.rotate_left(29)
    });
    let model = stages.first().map_or(32, |(night, _)| night.model);
    let rows: Vec<Value> = stages.into_iter().map(|(night, stage)| interval(night, stage, &wanted)).collect();
    Ok(json!({ "series": rows, "model": model }))
}

/// An interval, with one value per minute from its start up to but excluding its end.
fn interval(night: &Night, stage: &Stage, wanted: &[&str]) -> Value {
    let mut row = json!({
        "startdate": stage.startdate,
        "state": stage.state,
        "enddate": stage.enddate,
        "model": night.model_name,
        "hash_deviceid": night.hash_deviceid,
        "model_id": night.model_id,
    });
    for name in wanted {
        if let Some(minutes) = night.minutes.get(*name) {
            let within = minutes.range(stage.startdate..stage.enddate.max(stage.startdate));
            let values: Map<String, Value> = within.map(|(at, value)| (at.to_string(), json!(value))).collect();
            row[*name] = Value::Object(values);
        }
    }
    row
}

pub(super) fn getsummary(reading: &Reading<'_>) -> Answer {
    let Reading { user, arguments, settings, .. } = reading;
    let selection = Selection::of_days(arguments)?;
    let mut nights: Vec<&Night> =
        user.nights.iter().filter(|night| selection.holds(&night.date, night.modified, settings)).collect();
    match selection {
        Selection::Changed(_) => nights.sort_by_key(|night| (night.modified, night.id)),
        Selection::Window(..) => nights.sort_by_key(|night| Reverse((night.startdate, night.id))),
    }
    // Measured: rows are filtered after the page was cut, so a page of 300 may carry 298 rows.
    let page = page(nights, arguments.offset()?, settings.pages.sleep);
    let wanted = arguments.list("data_fields").unwrap_or_else(|| DEFAULT_FIELDS.to_vec());
    let rows: Vec<Value> = page
        .rows
        .into_iter()
        .filter(|night| !night.hidden)
        .map(|night| {
            let mut row = json!({
                "id": night.id,
                "timezone": night.timezone,
                "model": night.model,
                "model_id": night.model_id,
                "startdate": night.startdate,
                "enddate": night.enddate,
                "date": night.date,
                "data": chosen(&night.data, Some(&wanted), settings),
                "created": night.created,
                "modified": night.modified,
            });
            if let Some(device) = &night.hash_deviceid {
                row["hash_deviceid"] = json!(device);
            }
            if let Some(completed) = night.completed {
                row["completed"] = json!(completed);
            }
            row
        })
        .collect();
    Ok(json!({ "series": rows, "more": page.more, "offset": page.offset }))
}
