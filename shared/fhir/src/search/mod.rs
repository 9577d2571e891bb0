//! What a search for Observations asks for: which kinds of which user to read from when to when, and which of those records
//! to keep. FHIR R4, `search.html`.
//!
//! | parameter | takes |
//! |---|---|
//! | `patient`, `subject` | one Patient |
//! | `code` | codes of the Observation, `system\|code` or `code`, and our kinds |
//! | `combo-code` | the same, of its parts too |
//! | `category`, `status` | codes |
//! | `date` | days, months, years, instants, with `eq ge gt le lt sa eb` |
//! | `_lastUpdated` | the same, of when the revision was stored; without a zone UTC |
//! | `_id` | ids of Observations |
//! | `_sort` | `-date` (the default) or `date` |
//! | `_count` | 1 and more, of more than [`MOST`] that many are given; 0 is how many there are |
//!
//! A comma is *or*, a parameter given again is *and*. A comma, a bar, a dollar sign or a backslash within a value has a
//! backslash before it.

mod codes;
mod dates;
mod escape;
mod everything;
mod tokens;

use std::collections::BTreeSet;

use afferent_domain::id::{RecordId, UserId};
use afferent_domain::record::{Effective, Record, Status};

use crate::project::{codings, is_observation, observation};
use crate::{MEDIA_TYPE, id, patient};
use dates::When;
use escape::{split, split_once, unescape};
pub use everything::Everything;
use tokens::{Token, tokens};

/// The most resources on a page.
pub const MOST: usize = 200;

/// How many there are on a page unless the search says otherwise.
pub const USUAL: usize = 50;

/// The most parameters that a search may have, and the most values of one.
const PARAMETERS: usize = 50;

/// The most kinds that are read one by one; of more, all are read.
const KINDS: usize = 24;

/// A parameter that is not right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter} should be {expected}")]
pub struct Refused {
    /// Its name.
    pub parameter: String,
    /// What would be right.
    pub expected: String,
}

impl Refused {
    pub(crate) fn new(parameter: &str, expected: impl Into<String>) -> Self {
        Self { parameter: parameter.to_owned(), expected: expected.into() }
    }
}

/// What every search has, of whatever resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// Whose resources are meant.
    pub patient: Option<UserId>,
    /// The ids that are meant; none given means any.
    pub ids: Option<Vec<String>>,
    /// What the customer calls the people that are meant (Patients only).
    pub references: Option<Vec<String>>,
    /// How many resources on a page.
    pub count: Option<usize>,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// The parameters that were understood, the cursor excepted: the page's own address.
    pub understood: Vec<(String, String)>,
}

impl Common {
    /// Takes a parameter that every search has (`patient` only if it is `known`); `false` if it is none.
    fn take(&mut self, name: &str, value: &str, known: &[&str]) -> Result<bool, Refused> {
        match name {
            "patient" | "subject" | "subject:Patient" if known.contains(&name.trim_end_matches(":Patient")) => {
                let text = value.rsplit_once("Patient/").map_or(value, |(_, id)| id);
                let user = id::user(text).ok_or_else(|| Refused::new(name, "the id of one Patient, `usr-…`"))?;
                if self.patient.replace(user.clone()).is_some_and(|other| other != user) {
                    return Err(Refused::new(name, "the same Patient wherever one is named"));
                }
            }
            "_id" => {
                let listed: Vec<String> = listed(name, value)?.into_iter().map(str::to_owned).collect();
                self.ids = Some(both(self.ids.take(), listed));
            }
            "_count" => {
                let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                // What is too large for any number is more than the most as well (R4: a server may give fewer).
                let count = is_number.then(|| value.parse().unwrap_or(usize::MAX));
                self.count = Some(count.ok_or_else(|| Refused::new(name, "a number"))?.min(MOST));
            }
            "_cursor" => self.cursor = Some(value.to_owned()),
            "_format" => format(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether the search asks for how many there are, and for none of them.
    #[must_use]
    pub fn is_count(&self) -> bool {
        self.count == Some(0)
    }

    /// Reads the parameters of a search; `more` takes those that it has besides. Unknown ones are refused unless `lenient`; unknown
    /// modifiers are always refused (FHIR: they would change what is meant).
    fn read(
        parameters: &[(String, String)],
        lenient: bool,
        known: &[&str],
        mut more: impl FnMut(&str, &str) -> Result<bool, Refused>,
    ) -> Result<Self, Refused> {
        if parameters.len() > PARAMETERS {
            return Err(Refused::new("the query", format!("of {PARAMETERS} parameters at most")));
        }
        let mut common = Self::default();
        for (name, value) in parameters {
            if common.take(name, value, known)? || more(name, value)? {
                match (&**name, common.count) {
                    ("_cursor", _) => {}
                    ("_count", Some(count)) => common.understood.push((name.clone(), count.to_string())),
                    _ => common.understood.push((name.clone(), value.clone())),
                }
                continue;
            }
            let modified = name.split_once([':', '.']).is_some_and(|(name, _)| known.contains(&name));
            if modified || !lenient {
                let known = ["_count", "_cursor", "_format"].iter().chain(known).copied().collect::<Vec<_>>();
                return Err(Refused::new(name, format!("absent: known here are {}", known.join(", "))));
            }
        }
        Ok(common)
    }

    /// Reads a search for Patients: by what the customer calls them, too.
    ///
    /// # Errors
    /// A parameter is not right.
    pub fn patients(parameters: &[(String, String)], lenient: bool) -> Result<Self, Refused> {
        let mut references: Option<Vec<String>> = None;
        let common = Self::read(parameters, lenient, &["_id", "identifier"], |name, value| {
            if name != "identifier" {
                return Ok(false);
            }
            let ours = |text: &&str| match split_once(text, '|') {
                None => Some(unescape(text)),
                Some((system, reference)) => (unescape(system) == patient::system()).then(|| unescape(reference)),
            };
            let named = values(name, value)?.iter().filter_map(ours).collect();
            references = Some(both(references.take(), named));
            Ok(true)
        })?;
        Ok(Self { references, ..common })
    }

    /// The user's records that are meant, if the search names ids.
    #[must_use]
    pub fn records(&self, user: &UserId) -> Option<Vec<RecordId>> {
        let ids = self.ids.as_ref()?;
        let own: BTreeSet<RecordId> = ids
            .iter()
            .filter_map(|text| id::record(text))
            .filter(|(whose, _)| whose == user)
            .map(|(_, id)| id)
            .collect();
        Some(own.into_iter().collect())
    }

    /// Reads a search for Devices.
    ///
    /// # Errors
    /// A parameter is not right.
    pub fn devices(parameters: &[(String, String)], lenient: bool) -> Result<Self, Refused> {
        Self::read(parameters, lenient, &["patient", "_id"], |_, _| Ok(false))
    }
}

/// A search for Observations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// What every search has.
    pub common: Common,
    /// Whether the oldest come first.
    pub oldest_first: bool,
    /// Whether the search says which come first.
    pub sorted: bool,
    codes: Vec<Vec<Token>>,
    combos: Vec<Vec<Token>>,
    categories: Vec<Vec<Token>>,
    statuses: Vec<Vec<Token>>,
    dates: Vec<When>,
    updated: Vec<When>,
}

impl Search {
    /// Reads the parameters of a query.
    ///
    /// # Errors
    /// One of them is not right.
    pub fn read(parameters: &[(String, String)], lenient: bool) -> Result<Self, Refused> {
        const KNOWN: [&str; 10] =
            ["patient", "subject", "code", "combo-code", "category", "status", "date", "_lastUpdated", "_id", "_sort"];
        let mut search = Self::default();
        let common = Common::read(parameters, lenient, &KNOWN, |name, value| {
            match name {
                "code" => search.codes.push(tokens(name, value)?),
                "combo-code" => search.combos.push(tokens(name, value)?),
                "category" => search.categories.push(tokens(name, value)?),
                "status" => search.statuses.push(tokens(name, value)?),
                "date" => search.dates.push(When::read(name, value)?),
                "_lastUpdated" => search.updated.push(When::read(name, value)?),
                "_sort" => {
                    search.sorted = true;
                    search.oldest_first = match value {
                        "date" => true,
                        "-date" => false,
                        _ => return Err(Refused::new(name, "date or -date")),
                    }
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self { common, ..search })
    }

    /// The kinds that can hold what is asked for; `None` for all. Reading more is no mistake, [`Search::holds`] sorts out.
    #[must_use]
    pub fn kinds(&self) -> Option<Vec<String>> {
        let table = codes::table();
        let by_code = self.codes.iter().map(|any| codes::with_code(&table, any, false));
        let by_combo = self.combos.iter().map(|any| codes::with_code(&table, any, true));
        let by_category = self.categories.iter().map(|any| codes::of_category(&table, any));
        let all: Option<BTreeSet<String>> = by_code.chain(by_combo).chain(by_category).flatten().reduce(|a, b| &a & &b);
        all.filter(|kinds| kinds.len() <= KINDS).map(|kinds| kinds.into_iter().collect())
    }

    /// From when to when records may begin that are asked for, in milliseconds since the epoch, both included.
    #[must_use]
    pub fn bounds_ms(&self) -> (i64, i64) {
        self.dates.iter().map(When::bounds_ms).fold((i64::MIN, i64::MAX), |a, b| (a.0.max(b.0), a.1.min(b.1)))
    }

    /// Since when, in milliseconds since the epoch, what is meant changed, if the search says so and leaves the order open: then
    /// it can be found by its changes, in the order in which they were noted. Earlier changes may be found, never all of them.
    #[must_use]
    pub fn changed_since_ms(&self) -> Option<i64> {
        let since = self.updated.iter().map(When::since_ms).max().filter(|since| *since > i64::MIN);
        since.filter(|_| !self.sorted && self.common.ids.is_none())
    }

    /// Whether a record changed when it is asked to have.
    fn is_updated(&self, record: &Record) -> bool {
        self.updated.iter().all(|when| when.holds_instant(record.changed_ms))
            && (self.retracted() || record.status != Status::EnteredInError)
    }

    /// Whether retracted records are meant too: only if they are asked for by their status or id, or by when something
    /// changed, since a retraction is a change.
    #[must_use]
    pub fn retracted(&self) -> bool {
        !self.statuses.is_empty() || !self.updated.is_empty() || self.common.ids.is_some()
    }

    /// Whether a record is what is asked for.
    #[must_use]
    pub fn holds(&self, record: &Record) -> bool {
        let every =
            |all: &[Vec<Token>], matches: &dyn Fn(&Token) -> bool| all.iter().all(|any| any.iter().any(matches));
        is_observation(record)
            && self.is_updated(record)
            && self.dates.iter().all(|when| when.holds(record))
            && every(&self.statuses, &|token| token.is_status(record.status))
            && every(&self.categories, &|token| token.is_category(record.category))
            && (self.codes.is_empty() || {
                let codings = codings(record);
                every(&self.codes, &|token| token.is_one_of(&codings) || token.is_kind(&record.kind))
            })
            && (self.combos.is_empty() || self.holds_combos(record))
    }

    fn holds_combos(&self, record: &Record) -> bool {
        let Some(observation) = observation(record, &BTreeSet::new()) else { return false };
        let parts = observation.component.iter().flat_map(|part| &part.code.coding);
        let codings: Vec<_> = observation.code.coding.iter().chain(parts).cloned().collect();
        self.combos.iter().all(|any| any.iter().any(|token| token.is_one_of(&codings) || token.is_kind(&record.kind)))
    }
}

/// Reads the parameters of a request for one resource: the form is all that it may say.
///
/// # Errors
/// A parameter is not right, or another one.
pub fn of_one(parameters: &[(String, String)]) -> Result<(), Refused> {
    parameters.iter().try_for_each(|(name, value)| match &**name {
        "_format" => format(name, value),
        _ => Err(Refused::new(name, "absent: known here is _format")),
    })
}

fn format(name: &str, value: &str) -> Result<(), Refused> {
    // A plus that nobody wrote as %2B is a blank.
    let is_ours = ["json", "application/json", "text/json", MEDIA_TYPE].contains(&&*value.replace(' ', "+"));
    if is_ours { Ok(()) } else { Err(Refused::new(name, format!("json or {MEDIA_TYPE}"))) }
}

/// What is among the values of a parameter each time that it is given.
fn both(before: Option<Vec<String>>, mut now: Vec<String>) -> Vec<String> {
    if let Some(before) = before {
        now.retain(|value| before.contains(value));
    }
    now
}

/// The values between commas, with no blanks around them.
fn listed<'a>(name: &str, value: &'a str) -> Result<Vec<&'a str>, Refused> {
    Ok(values(name, value)?.into_iter().map(str::trim).collect())
}

/// The values between commas, with their escapes.
fn values<'a>(name: &str, value: &'a str) -> Result<Vec<&'a str>, Refused> {
    let values: Vec<&str> = split(value, ',').into_iter().filter(|value| !value.trim().is_empty()).collect();
    if values.is_empty() || values.len() > PARAMETERS {
        return Err(Refused::new(name, format!("1 to {PARAMETERS} values")));
    }
    Ok(values)
}

/// When a record was: the instants, and what the person's clock showed, both as milliseconds.
fn spans(record: &Record) -> ((i64, i64), Option<(i64, i64)>) {
    let (start, end) = match &record.effective {
        Effective::At { at } => (at, at),
        Effective::Period { start, end } => (start, end),
    };
    let last = match record.effective {
        Effective::At { .. } => record.effective_ms,
        Effective::Period { .. } => {
            record.effective.span_secs().map_or(record.effective_ms, |(_, end)| end.saturating_mul(1000))
        }
    };
    ((record.effective_ms, last.max(record.effective_ms)), dates::wall(start).zip(dates::wall(end)))
}
