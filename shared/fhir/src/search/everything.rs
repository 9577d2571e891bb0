//! What `Patient/{id}/$everything` asks for (R4, `patient-operation-everything.html`).
//!
//! | parameter | takes |
//! |---|---|
//! | `start`, `end` | a day, month, year or instant: Observations that reach into the time between them |
//! | `_since` | an instant: only what changed since, retractions too |
//! | `_type` | `Patient`, `Device`, `Observation`; commas between them |
//! | `_count`, `_cursor`, `_format` | as in every search |

use afferent_domain::record::Record;

use super::dates::When;
use super::{Common, Refused, Search, both, listed};

/// The types of resources that a person has.
const TYPES: [&str; 3] = ["Patient", "Device", "Observation"];

/// What is asked for of a Patient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Everything {
    /// What Observations are looked for.
    pub search: Search,
    types: Option<Vec<String>>,
}

impl Everything {
    /// Reads the parameters of a query. Unknown ones are refused unless `lenient`.
    ///
    /// # Errors
    /// One of them is not right.
    pub fn read(parameters: &[(String, String)], lenient: bool) -> Result<Self, Refused> {
        const KNOWN: [&str; 4] = ["start", "end", "_since", "_type"];
        let mut search = Search::default();
        let mut types = None;
        let common = Common::read(parameters, lenient, &KNOWN, |name, value| {
            match name {
                "start" => search.dates.push(When::reaching_from(name, value)?),
                "end" => search.dates.push(When::reaching_to(name, value)?),
                "_since" => search.updated.push(When::reaching_from(name, value)?),
                "_type" => {
                    let named: Vec<String> = listed(name, value)?.into_iter().map(str::to_owned).collect();
                    if named.iter().any(|named| !TYPES.contains(&&**named)) {
                        return Err(Refused::new(name, format!("some of {}", TYPES.join(", "))));
                    }
                    types = Some(both(types.take(), named));
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if common.is_count() {
            // It is no search: HL7 gives it no total.
            return Err(Refused::new("_count", "a number from 1 on"));
        }
        Ok(Self { search: Search { common, ..search }, types })
    }

    /// Whether resources of this type are meant.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.iter().any(|named| named == kind))
    }

    /// Whether the record of a device is meant: whenever it was set up, a device belongs to the person.
    #[must_use]
    pub fn holds_device(&self, record: &Record) -> bool {
        self.search.is_updated(record)
    }
}
