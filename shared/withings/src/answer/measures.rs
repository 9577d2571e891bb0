//! getmeas: groups of measures that were taken at one moment.

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use super::{Rows, list};
use crate::envelope::Body;
use crate::row::{Problem, Row};

/// Measures taken at one moment. One weigh-in may be several groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where it stood.
    pub place: String,
    /// Withings' id; more than 32 bits.
    pub grpid: i64,
    /// Who measured (`attrib`).
    pub attrib: Option<i64>,
    /// When it was taken, epoch seconds.
    pub date: i64,
    /// When Withings stored it, epoch seconds.
    pub created: Option<i64>,
    /// When Withings last touched it, epoch seconds.
    pub modified: Option<i64>,
    /// 1 a real measure, 2 a goal.
    pub category: i64,
    /// The hashed device id.
    pub device_id: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The model's number.
    pub model_id: Option<i64>,
    /// The person's comment.
    pub comment: Option<String>,
    /// The IANA time zone: the group's own, or the answer's.
    pub timezone: Option<String>,
    /// The measures.
    pub measures: Vec<Measure>,
    /// What else it held.
    pub other: BTreeMap<String, Json>,
}

/// One measure, `value * 10^unit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Where it stood.
    pub place: String,
    /// The integer.
    pub value: i64,
    /// The power of ten.
    pub unit: i32,
    /// The measure type.
    pub meastype: i64,
    /// The algorithm's number.
    pub algo: Option<i64>,
    /// Withings' `fm`.
    pub fm: Option<i64>,
    /// Where on the body.
    pub position: Option<i64>,
    /// What else it held.
    pub other: BTreeMap<String, Json>,
}

const GROUP: &[&str] = &[
    "grpid",
    "attrib",
    "date",
    "created",
    "modified",
    "category",
    "deviceid",
    "hash_deviceid",
    "model",
    "model_id",
    "modelid",
    "comment",
    "timezone",
    "measures",
];
const MEASURE: &[&str] = &["value", "unit", "type", "algo", "fm", "position"];

/// Reads the groups of an answer.
#[must_use]
pub fn read(body: &Body) -> Rows<Group> {
    let whole = Row::of(body.json(), "").ok();
    let timezone = whole.as_ref().and_then(|whole| whole.text("timezone"));
    let mut read = list(body, "measuregrps", |row, problems| {
        let measures = row.rows("measures", problems);
        Ok(Group {
            place: row.place.clone(),
            grpid: row.need_int("grpid")?,
            attrib: row.int("attrib"),
            date: row.need_int("date")?,
            created: row.int("created"),
            modified: row.int("modified"),
            category: row.int("category").unwrap_or(1),
            device_id: row.device_id(),
            model: row.model(),
            model_id: row.model_id(),
            comment: row.text("comment"),
            timezone: row.text("timezone").or_else(|| timezone.clone()),
            measures: measures
                .iter()
                .filter_map(|row| measure(row).map_err(|problem| problems.push(problem)).ok())
                .collect(),
            other: row.rest(GROUP),
        })
    });
    read.problems.extend(whole.iter().flat_map(Row::misread));
    read
}

fn measure(row: &Row<'_>) -> Result<Measure, Problem> {
    // Without a unit the value is as it is; with one that cannot be read it could be anything.
    let unit = if row.json("unit").is_some() { row.need_int("unit")? } else { 0 };
    Ok(Measure {
        place: row.place.clone(),
        value: row.need_int("value")?,
        unit: i32::try_from(unit).map_err(|_| row.lacks("unit"))?,
        meastype: row.need_int("type")?,
        algo: row.int("algo"),
        fm: row.int("fm"),
        position: row.int("position"),
        other: row.other(MEASURE),
    })
}
