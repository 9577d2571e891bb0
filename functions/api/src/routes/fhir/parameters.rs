//! What searches take, for readers of the document. `afferent-fhir` reads them.

use utoipa::IntoParams;

/// Which resources by their ids.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it says to readers of the document what a search takes")]
pub(super) struct ById {
    /// Ids, with commas between them.
    #[param(rename = "_id")]
    id: Option<String>,
}

/// Which page, and how much on it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it says to readers of the document what a search takes")]
pub(super) struct Paged {
    /// How many resources on a page at most: 50 unless it is said, and 200 if it is more. Of a search 0 gives the number of all
    /// that match (`total`) and no resource.
    #[param(rename = "_count")]
    count: Option<u32>,
    /// Where the page before ended: part of its link `next`.
    #[param(rename = "_cursor")]
    cursor: Option<String>,
    /// `json` or `application/fhir+json`; there is no other. It goes before the header `Accept`.
    #[param(rename = "_format")]
    format: Option<String>,
}

/// In which form one resource comes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it says to readers of the document what a request takes")]
pub(super) struct Formatted {
    /// `json` or `application/fhir+json`; there is no other. It goes before the header `Accept`.
    #[param(rename = "_format")]
    format: Option<String>,
}

/// How what is not known is taken.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it says to readers of the document what a search takes")]
pub(super) struct Handling {
    /// `handling=lenient`: unknown parameters are ignored.
    #[param(rename = "Prefer")]
    prefer: Option<String>,
}

/// Which Observations.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it says to readers of the document what a search takes")]
pub(super) struct OfObservation {
    /// Whose: `usr-…`. May be left out with the key of one user, and means that one.
    patient: Option<String>,
    /// The same as `patient`, or `Patient/usr-…`.
    subject: Option<String>,
    /// Codes of the Observation, `system|code` or `code` (LOINC's or ours), or our kinds; with commas between them.
    #[param(example = "http://loinc.org|29463-7")]
    code: Option<String>,
    /// The same, of the Observation or of one of its parts.
    #[param(rename = "combo-code")]
    combo_code: Option<String>,
    /// `vital-signs`, `activity`, `exam`, `laboratory`, `device`; with commas between them.
    #[param(example = "vital-signs")]
    category: Option<String>,
    /// `preliminary`, `final`, `amended`, `entered-in-error`; with commas between them.
    status: Option<String>,
    /// A year, a month, a day or a time, after `eq`, `ge`, `gt`, `le`, `lt`, `sa`, `eb` or nothing; may be given more than
    /// once. Without a zone it is the person's local one.
    #[param(example = "ge2026-11-01")]
    date: Option<String>,
    /// The same, of when the revision was stored; without a zone it is UTC.
    #[param(rename = "_lastUpdated")]
    last_updated: Option<String>,
    /// `-date` for the newest first, or `date`. Without it the newest come first, or, if `_lastUpdated` says since when, what
    /// changed first.
    #[param(rename = "_sort")]
    sort: Option<String>,
}

/// Which Devices.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it says to readers of the document what a search takes")]
pub(super) struct OfDevice {
    /// Whose: `usr-…`. May be left out with the key of one user, and means that one.
    patient: Option<String>,
}

/// Which Patients.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it says to readers of the document what a search takes")]
pub(super) struct OfPatient {
    /// What you call the person: `urn:afferent:reference-id|…`, or without the system; with commas between them. A comma, a bar,
    /// a dollar sign or a backslash in it has a backslash before it.
    identifier: Option<String>,
}

/// What of everything.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it says to readers of the document what a search takes")]
pub(super) struct OfEverything {
    /// Observations that reach into the time from this day or instant on.
    #[param(example = "2026-11-01")]
    start: Option<String>,
    /// Observations that reach into the time up to this day or instant.
    end: Option<String>,
    /// Only what changed since this instant, retractions too. What changed first comes first then.
    #[param(rename = "_since", example = "2026-11-21T07:00:00Z")]
    since: Option<String>,
    /// `Patient`, `Device`, `Observation`; with commas between them.
    #[param(rename = "_type")]
    kind: Option<String>,
}
