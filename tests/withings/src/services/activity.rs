//! `/v2/measure` getactivity, getintradayactivity and getworkouts.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use super::paging::{Selection, page};
use super::{Reading, chosen};
use crate::answer::Answer;
use crate::data::{ActivityDay, IntradaySample, Workout};
use crate::settings::EmptySeries;

pub(super) fn getactivity(reading: &Reading<'_>) -> Answer {
    let Reading { user, arguments, settings, .. } = reading;
    let selection = Selection::of_days(arguments)?;
    let mut days: Vec<&ActivityDay> =
        user.activity.iter().filter(|day| selection.holds(&day.date, day.modified, settings)).collect();
    if let Selection::Changed(_) = selection {
        days.sort_by_key(|day| day.modified);
    }
    let offset = arguments.offset()?;
    let page = page(days, offset, settings.pages.activity);
    // A recorded last page says `more: false, offset: 200`: the offset may be above 0 without more to come.
    let next = if page.more || offset == 0 { page.offset } else { offset + page.rows.len() };
    let wanted = arguments.list("data_fields");
    let rows: Vec<Value> = page
        .rows
        .into_iter()
        .map(|day| {
            let mut row = chosen(&day.fields, wanted.as_deref(), settings);
            row.extend(object(json!({
                "deviceid": day.deviceid,
                "hash_deviceid": day.deviceid,
                "timezone": day.timezone,
                "date": day.date,
                "modified": day.modified,
                "brand": day.brand,
                "modelid": day.modelid,
                "model": day.model,
                "is_tracker": day.is_tracker,
            })));
            Value::Object(row)
        })
        .collect();
    Ok(json!({ "activities": rows, "more": page.more, "offset": next }))
}

pub(super) fn getintradayactivity(reading: &Reading<'_>) -> Answer {
    let Reading { user, arguments, settings, .. } = reading;
    let latest = user.intraday.iter().next_back().map_or(0, |sample| sample.at);
    let (start, end) = match (arguments.number("startdate")?, arguments.number("enddate")?) {
        // Without a window: the latest data.
        (None, None) => (latest.saturating_sub(settings.reach_s) + 1, latest),
        (start, end) => (start.unwrap_or(i64::MIN / 2), end.unwrap_or(i64::MAX)),
    };
    let end = end.min(start.saturating_add(settings.reach_s - 1));
    let wanted = arguments.list("data_fields");
    let mut series = Map::new();
    if start <= end {
        for sample in user.intraday.range(start, end) {
            let fields = chosen(&sample.fields, wanted.as_deref(), settings);
            if !fields.is_empty() {
                series.insert(sample.at.to_string(), entry(sample, fields));
            }
        }
    }
    if series.is_empty() && settings.empty_intraday == EmptySeries::Array {
        return Ok(json!({ "series": [] }));
    }
    Ok(json!({ "series": series }))
}

fn entry(sample: &IntradaySample, mut fields: Map<String, Value>) -> Value {
    fields.extend(object(json!({
        "model": sample.model,
        "model_id": sample.model_id,
        "deviceid": sample.deviceid,
    })));
    Value::Object(fields)
}

pub(super) fn getworkouts(reading: &Reading<'_>) -> Answer {
    let Reading { user, arguments, settings, .. } = reading;
    let selection = Selection::of_days(arguments)?;
    let mut workouts: Vec<&Workout> =
        user.workouts.iter().filter(|workout| selection.holds(&workout.date, workout.modified, settings)).collect();
    match selection {
        Selection::Changed(_) => workouts.sort_by_key(|workout| (workout.modified, workout.id)),
        Selection::Window(..) => workouts.sort_by_key(|workout| Reverse((workout.startdate, workout.id))),
    }
    let page = page(workouts, arguments.offset()?, settings.pages.workouts);
    let wanted = arguments.list("data_fields");
    let rows: Vec<Value> = page
        .rows
        .into_iter()
        .map(|workout| {
            json!({
                "id": workout.id,
                "category": workout.category,
                "timezone": workout.timezone,
                "model": workout.model,
                "attrib": workout.attrib,
                "startdate": workout.startdate,
                "enddate": workout.enddate,
                "date": workout.date,
                "deviceid": workout.deviceid,
                "data": chosen(&workout.data, wanted.as_deref(), settings),
                "modified": workout.modified,
            })
        })
        .collect();
    Ok(json!({ "series": rows, "more": page.more, "offset": page.offset }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
