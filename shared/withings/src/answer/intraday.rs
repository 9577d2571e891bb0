//! getintradayactivity: an object keyed by epoch seconds.

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use super::Rows;
use crate::envelope::Body;
use crate::row::{Problem, Row, Why};

/// What was known at one second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stood: `series[n]`, in the order of time.
    pub place: String,
    /// When it began, epoch seconds.
    pub at: i64,
    /// How long it lasted, in seconds.
    pub duration: Option<i64>,
    /// The hashed device id.
    pub device_id: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The model's number.
    pub model_id: Option<i64>,
    /// The numbers by their names, exact.
    pub data: BTreeMap<String, Json>,
}

const ENTRY: &[&str] = &["duration", "deviceid", "hash_deviceid", "model", "model_id", "modelid"];

/// Reads the entries of an answer.
#[must_use]
pub fn read(body: &Body) -> Rows<Entry> {
    let mut problems = Vec::new();
    let mut rows = Vec::new();
    match body.json().get("series") {
        None => {}
        Some(Json::List(items)) if items.is_empty() => {}
        Some(Json::Object(members)) => {
            for (index, (at, entry)) in members.iter().enumerate() {
                match read_entry(at, entry, format!("series[{index}]"), &mut problems) {
                    Ok(entry) => rows.push(entry),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        Some(_) => problems.push(Problem { place: "series".to_owned(), why: Why::NotAnObject }),
    }
    Rows { rows, problems }
}

fn read_entry(at: &str, entry: &Json, place: String, problems: &mut Vec<Problem>) -> Result<Entry, Problem> {
    let row = Row::of(entry, place)?;
    let entry = Entry {
        at: at.parse().map_err(|_| Problem::at(&row.place, Why::Time("key")))?,
        duration: row.int("duration"),
        device_id: row.device_id(),
        model: row.model(),
        model_id: row.model_id(),
        data: row.other(ENTRY),
        place: row.place.clone(),
    };
    problems.extend(row.misread());
    Ok(entry)
}
