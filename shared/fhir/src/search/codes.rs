//! Which kinds of records have a code, by the one table of kinds (`afferent-normalise`).

use std::collections::BTreeSet;

use afferent_domain::record::{Category, Code, LOINC, OWN, SNOMED};
use afferent_normalise::kinds::{
    ACTIVITY, DIASTOLIC, INTRADAY, MEASURES, PRESSURE, Row, SLEEP, SUMMARY, SYSTOLIC, WORKOUT, measure,
};

use super::tokens::Token;
use crate::model::Coding;
use crate::vital;

/// A kind, as far as a search looks at it.
pub(super) struct Kind {
    name: &'static str,
    category: Category,
    /// The codes of its Observations.
    codes: Vec<Coding>,
    /// The codes of their parts.
    parts: Vec<Coding>,
}

/// A kind, its category, and the system and code that it has besides ours.
type Compound = (&'static str, Category, Option<(&'static str, &'static str)>);

/// Kinds that are in no table of rows.
const COMPOUNDS: &[Compound] = &[
    ("activity_day", Category::Activity, None),
    ("sleep_session", Category::Activity, Some((SNOMED, "258158006"))),
    ("sleep_stage", Category::Activity, None),
    ("workout", Category::Activity, Some((LOINC, "73985-4"))),
    ("ecg", Category::Exam, Some((LOINC, "11524-6"))),
    ("ecg_signal", Category::Exam, None),
    ("stethoscope_recording", Category::Exam, None),
    ("stethoscope_signal", Category::Exam, None),
    ("bed_in", Category::Device, None),
    ("bed_out", Category::Device, None),
    ("bed_occupied", Category::Device, None),
    ("bed_empty", Category::Device, None),
    ("bed_in_out", Category::Device, None),
    ("inflate_done", Category::Device, None),
    ("ecg_failed", Category::Device, None),
];

/// All kinds with a name. One may be there more than once, with other codes.
pub(super) fn table() -> Vec<Kind> {
    let measures = MEASURES.iter().filter(|row| row.kind != SYSTOLIC.kind && row.kind != DIASTOLIC.kind);
    let measures =
        measures.map(|row| Kind { name: row.kind, category: row.category, codes: codings(row), parts: Vec::new() });
    let pressure = Kind {
        name: PRESSURE.kind,
        category: PRESSURE.category,
        codes: codings(&PRESSURE),
        parts: [SYSTOLIC, DIASTOLIC].iter().flat_map(codings).collect(),
    };
    let series = INTRADAY.iter().chain(SLEEP).map(|row| {
        let parts = codings(row);
        let own = parts.iter().filter(|coding| coding.system != LOINC || !vital::is_vital(&coding.code));
        Kind { name: row.kind, category: row.category, codes: own.cloned().collect(), parts }
    });
    let compounds = COMPOUNDS.iter().map(|(name, category, other)| {
        let other = other.map(|(system, code)| Coding::new(system, code));
        let codes = other.into_iter().chain([Coding::new(OWN, Code::own(name).code)]).collect();
        Kind { name, category: *category, codes, parts: parts_of(name) }
    });
    measures.chain([pressure]).chain(series).chain(compounds).collect()
}

fn parts_of(kind: &str) -> Vec<Coding> {
    match kind {
        "activity_day" => ACTIVITY.iter().flat_map(codings).collect(),
        "sleep_session" => SUMMARY.iter().flat_map(codings).collect(),
        "workout" => {
            let duration = [Coding::new(LOINC, "55411-3"), Coding::new(OWN, "exercise-duration")];
            WORKOUT.iter().flat_map(codings).chain(duration).collect()
        }
        "ecg" => {
            let sounds = ["stethoscope-recording", "valvular-heart-disease"].map(|code| Coding::new(OWN, code));
            measure(11).into_iter().chain([&SYSTOLIC, &DIASTOLIC]).flat_map(codings).chain(sounds).collect()
        }
        "stethoscope_recording" => vec![Coding::new(OWN, "valvular-heart-disease")],
        _ => Vec::new(),
    }
}

fn codings(row: &Row) -> Vec<Coding> {
    row.codes().into_iter().map(|code| Coding::new(code.system, code.code)).collect()
}

/// The kinds that may have one of the codes, as their own or (`parts`) as that of a part. `None` if that cannot be told from
/// the table.
pub(super) fn with_code(table: &[Kind], any: &[Token], parts: bool) -> Option<BTreeSet<String>> {
    let mut kinds = BTreeSet::new();
    for token in any {
        // All of our own codes: every kind has one, those without a name too.
        if token.code.is_none() && token.system.as_deref() == Some(OWN) {
            return None;
        }
        let has = |kind: &&Kind| {
            token.is_one_of(&kind.codes) || token.is_kind(kind.name) || (parts && token.is_one_of(&kind.parts))
        };
        let found: BTreeSet<String> = table.iter().filter(has).map(|kind| kind.name.to_owned()).collect();
        // Parts have more codes of ours than the table: with how a statistic came about, and where on the body.
        if parts && found.is_empty() {
            return None;
        }
        kinds.extend(found);
        // What nobody named has our code only, made of its kind: `withings.meastype.77`.
        let unnamed = token.code.as_deref().filter(|code| code.starts_with("withings."));
        kinds.extend(unnamed.into_iter().flat_map(|code| [code.to_owned(), code.replace('-', "_")]));
    }
    Some(kinds)
}

/// The kinds of the categories. `None` if some of them have no name: those are exams or activity.
pub(super) fn of_category(table: &[Kind], any: &[Token]) -> Option<BTreeSet<String>> {
    let open = |category| any.iter().any(|token| token.is_category(category));
    if open(Category::Exam) || open(Category::Activity) {
        return None;
    }
    let asked = |kind: &&Kind| any.iter().any(|token| token.is_category(kind.category));
    Some(table.iter().filter(asked).map(|kind| kind.name.to_owned()).collect())
}
