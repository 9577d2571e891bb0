//! `/v2/heart` list and get.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::Reading;
use super::paging::{Selection, page};
use crate::answer::{Answer, Refusal};
use crate::data::Ecg;

pub(super) fn list(reading: &Reading<'_>) -> Answer {
    let Reading { user, arguments, settings, .. } = reading;
    // The specification has no `lastupdate` here.
    let selection = Selection::Window(arguments.number("startdate")?, arguments.number("enddate")?);
    let mut ecgs: Vec<&Ecg> =
        user.ecgs.iter().filter(|ecg| selection.holds(ecg.timestamp, ecg.modified, settings)).collect();
    ecgs.sort_by_key(|ecg| Reverse((ecg.timestamp, ecg.signalid)));
    let page = page(ecgs, arguments.offset()?, settings.pages.heart);
    let rows: Vec<Value> = page.rows.into_iter().map(row).collect();
    Ok(json!({ "series": rows, "more": page.more, "offset": page.offset }))
}

fn row(ecg: &Ecg) -> Value {
    let mut row = json!({
        "deviceid": ecg.deviceid,
        "model": ecg.model,
        "ecg": { "signalid": ecg.signalid, "afib": ecg.afib },
        "heart_rate": ecg.heart_rate,
        "timestamp": ecg.timestamp,
        "modified": ecg.modified,
    });
    if let Some((diastole, systole)) = ecg.bloodpressure {
        row["bloodpressure"] = json!({ "diastole": diastole, "systole": systole });
    }
    if let Some((signalid, vhd)) = ecg.stetho {
        row["stetho"] = json!({ "signalid": signalid, "vhd": vhd });
    }
    row
}

pub(super) fn get(reading: &Reading<'_>) -> Answer {
    let signalid = reading.arguments.required_number("signalid")?;
    let ecg = reading.user.ecgs.get(&signalid).ok_or_else(|| Refusal::invalid("signalid"))?;
    let heart_rate = if reading.settings.heart_rate_as_object {
        json!({ "grpid": ecg.signalid, "value": ecg.heart_rate, "date": ecg.timestamp, "is_deleted": false })
    } else {
        json!(ecg.heart_rate)
    };
    Ok(json!({
        "signal": ecg.signal,
        "sampling_frequency": ecg.sampling_frequency,
        "wearposition": ecg.wearposition,
        "model": ecg.model,
        "heart_rate": heart_rate,
    }))
}
