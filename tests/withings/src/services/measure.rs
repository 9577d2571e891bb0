//! `/measure` getmeas.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::Reading;
use super::paging::{Selection, page};
use crate::answer::{Answer, Refusal};
use crate::data::{Measure, MeasureGroup};

pub(super) fn getmeas(reading: &Reading<'_>) -> Answer {
    let Reading { user, arguments, settings, now } = reading;
    let selection = Selection::of_epochs(arguments)?;
    let category = arguments.number("category")?;
    let types = types(reading)?;
    let shown = |measure: &&Measure| {
        !settings.hidden_meastypes.contains(&measure.meastype)
            && types.as_ref().is_none_or(|types| types.contains(&measure.meastype))
    };
    let mut groups: Vec<(&MeasureGroup, Vec<&Measure>)> = user
        .measures
        .iter()
        .filter(|group| selection.holds(group.date, group.modified, settings))
        .filter(|group| category.is_none_or(|category| group.category == category))
        .map(|group| (group, group.measures.iter().filter(shown).collect::<Vec<_>>()))
        .filter(|(_, measures)| !measures.is_empty())
        .collect();
    match selection {
        Selection::Changed(_) => groups.sort_by_key(|(group, _)| (group.modified, group.grpid)),
        Selection::Window(..) => groups.sort_by_key(|(group, _)| Reverse((group.date, group.grpid))),
    }
    let page = page(groups, arguments.offset()?, settings.pages.measures);
    let rows: Vec<Value> = page.rows.into_iter().map(|(group, measures)| row(group, &measures)).collect();
    let mut body = json!({ "updatetime": now, "timezone": user.timezone, "measuregrps": rows });
    // Recorded: a single page, and the last one, carry neither key. `more` is an int here, a boolean elsewhere.
    if page.more {
        body["more"] = json!(1);
        body["offset"] = json!(page.offset);
    }
    Ok(body)
}

fn types(reading: &Reading<'_>) -> Result<Option<Vec<i64>>, Refusal> {
    let list = reading.arguments.list("meastypes").or_else(|| reading.arguments.list("meastype"));
    let parsed = list.map(|list| list.into_iter().map(str::parse).collect::<Result<Vec<i64>, _>>());
    parsed.transpose().map_err(|_| Refusal::invalid("meastypes"))
}

fn row(group: &MeasureGroup, measures: &[&Measure]) -> Value {
    json!({
        "grpid": group.grpid,
        "attrib": group.attrib,
        "date": group.date,
        "created": group.created,
        "modified": group.modified,
        "category": group.category,
        "deviceid": group.deviceid,
        "hash_deviceid": group.deviceid,
        "measures": measures,
        "modelid": group.modelid,
        "model": group.model,
        "comment": group.comment,
    })
}
