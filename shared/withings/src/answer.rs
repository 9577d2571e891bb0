//! Bodies as typed rows. Reading is lenient: a missing, `null` or extra member never costs the row unless the row
//! means nothing without it, and a row that cannot be read never costs the others.

pub mod activity;
pub mod devices;
pub mod goals;
pub mod heart;
pub mod intraday;
pub mod measures;
pub mod notify;
pub mod signal;
pub mod sleep;
pub mod survey;
pub mod token;
pub mod workouts;

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use crate::envelope::Body;
use crate::row::{Problem, Row};

/// The rows that could be read, and what could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows<T> {
    /// The rows, in Withings' order.
    pub rows: Vec<T>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Reads the list `name` of a body by `read`.
fn list<T>(
    body: &Body,
    name: &'static str,
    read: impl Fn(&Row<'_>, &mut Vec<Problem>) -> Result<T, Problem>,
) -> Rows<T> {
    let mut problems = Vec::new();
    let Ok(body) = Row::of(body.json(), "") else { return Rows { rows: Vec::new(), problems } };
    let rows = body
        .rows(name, &mut problems)
        .iter()
        .filter_map(|row| match read(row, &mut problems) {
            Ok(row) => Some(row),
            Err(problem) => {
                problems.push(problem);
                None
            }
        })
        .collect();
    problems.extend(body.misread());
    Rows { rows, problems }
}

/// The members of the object `name` of a row that are not `null`; empty if it is missing or `[]`.
fn object(row: &Row<'_>, name: &'static str) -> BTreeMap<String, Json> {
    match row.json(name) {
        Some(Json::Object(members)) => members
            .iter()
            .filter(|(_, member)| **member != Json::Null)
            .map(|(name, member)| (name.clone(), member.clone()))
            .collect(),
        Some(other) => {
            row.note(name, other);
            BTreeMap::new()
        }
        None => BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests;
