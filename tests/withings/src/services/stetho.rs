//! `/v2/stetho` list and get.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::Reading;
use super::paging::{Selection, page};
use crate::answer::{Answer, Refusal};
use crate::data::Stetho;

pub(super) fn list(reading: &Reading<'_>) -> Answer {
    let Reading { user, arguments, settings, .. } = reading;
    let selection = Selection::Window(arguments.number("startdate")?, arguments.number("enddate")?);
    let mut recordings: Vec<&Stetho> =
        user.stethos.iter().filter(|stetho| selection.holds(stetho.timestamp, 0, settings)).collect();
    recordings.sort_by_key(|stetho| Reverse((stetho.timestamp, stetho.signalid)));
    let page = page(recordings, arguments.offset()?, settings.pages.stetho);
    let rows: Vec<Value> = page
        .rows
        .into_iter()
        .map(|stetho| {
            json!({
                "hash_deviceid": stetho.hash_deviceid,
                "signalid": stetho.signalid,
                "vhd": stetho.vhd,
                "timestamp": stetho.timestamp,
                "timezone": stetho.timezone,
            })
        })
        .collect();
    Ok(json!({ "series": rows, "more": page.more, "offset": page.offset }))
}

pub(super) fn get(reading: &Reading<'_>) -> Answer {
    let signalid = reading.arguments.required_number("signalid")?;
    let stetho = reading.user.stethos.get(&signalid).ok_or_else(|| Refusal::invalid("signalid"))?;
    Ok(json!({
        "signal": stetho.signal,
        "frequency": stetho.frequency,
        "duration": stetho.duration,
        "format": 1,
        "size": stetho.signal.len(),
        "resolution": 8,
        "channel": 1,
        "model": stetho.model,
        "position": stetho.position,
        "vhd": stetho.vhd,
    }))
}
