//! user getgoals: what the person means to reach.

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use super::{Rows, list};
use crate::envelope::Body;
use crate::row::Row;

/// The goals of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goals {
    /// Where it stood.
    pub place: String,
    /// The weight to reach in kg: the integer and the power of ten.
    pub weight: Option<(i64, i32)>,
    /// The other goals by their names, exact: `steps` a day, `sleep` in seconds.
    pub data: BTreeMap<String, Json>,
}

/// Reads the goals of an answer: one row, or none where the person has set none (`[]`).
#[must_use]
pub fn read(body: &Body) -> Rows<Goals> {
    list(body, "goals", |row, problems| {
        let mut data = row.other(&["weight"]);
        let weight = match row.json("weight") {
            None => None,
            Some(_) => {
                let pair = weight(row);
                if pair.is_none() {
                    problems.push(row.lacks("weight"));
                }
                pair
            }
        };
        data.extend(row.leftover("weight", &["value", "unit"]).map(|left| ("weight".to_owned(), left)));
        Ok(Goals { place: row.place.clone(), weight, data })
    })
}

/// `{"value", "unit"}`; without a unit it is in kg.
fn weight(row: &Row<'_>) -> Option<(i64, i32)> {
    let weight = row.part("weight")?;
    let unit = if weight.json("unit").is_some() { weight.int("unit")? } else { 0 };
    Some((weight.int("value")?, i32::try_from(unit).ok()?))
}
