//! The rows of a day.

use std::cmp::Reverse;

use afferent_domain::exact::Decimal;
use afferent_domain::id::RecordId;
use afferent_domain::record::{Attribution, Effective, Record, Status};
use afferent_normalise::kinds::{ACTIVITY, Row as Kind, SUMMARY, WORKOUT};
use jiff::civil::Date;
use rust_decimal::Decimal as Number;

use super::{Row, State, Summary, Values, day};
use crate::samples::part;

/// What the body is made of, and what is told of it as a whole.
pub(super) const BODY: [&str; 16] = [
    "body_weight",
    "body_height",
    "body_fat_percentage",
    "body_fat_mass",
    "lean_body_mass",
    "muscle_mass",
    "bone_mass",
    "body_water_mass",
    "extracellular_water_mass",
    "intracellular_water_mass",
    "visceral_fat_index",
    "basal_metabolic_rate",
    "metabolic_age",
    "vascular_age",
    "pulse_wave_velocity",
    "nerve_health_score",
];

/// Masses, and what their share of the weight is called.
const SHARES: [(&str, &str); 3] = [
    ("muscle_mass", "muscle_mass_percentage"),
    ("bone_mass", "bone_mass_percentage"),
    ("body_water_mass", "body_water_percentage"),
];

pub(super) fn of(summary: Summary, date: Date, records: &[Record]) -> Vec<Row> {
    let row = match summary {
        Summary::Body => body(date, records),
        Summary::Activity => activity(date, records),
        Summary::Daily => day::row(date, records),
        Summary::Sleep => return each(date, records, "sleep_session", &sleep_columns()),
        Summary::Workouts => return each(date, records, "workout", &workout_columns()),
    };
    row.into_iter().collect()
}

pub(super) fn empty(date: Date) -> Row {
    Row {
        local_date: date.to_string(),
        state: State::Confirmed,
        record: None,
        workout: None,
        start: None,
        end: None,
        tz: None,
        device_id: None,
        model: None,
        values: Values::default(),
        others: Vec::new(),
    }
}

/// The last record of a kind, of the whole body. One that may be another person's only if there is no other.
pub(super) fn last<'a>(records: &'a [Record], kind: &str) -> Option<&'a Record> {
    let of_kind = records.iter().filter(|record| record.kind == kind && record.series.is_none());
    let whole = of_kind.filter(|record| matches!(record.body_site.as_deref(), None | Some("whole_body")));
    let sure = |record: &Record| record.source.attribution != Some(Attribution::Ambiguous);
    whole.max_by_key(|record| (sure(record), record.effective_ms, &record.record))
}

pub(super) fn state(records: &[&Record]) -> State {
    let open = records.iter().any(|record| record.status == Status::Preliminary);
    if open { State::Tentative } else { State::Confirmed }
}

fn body(date: Date, records: &[Record]) -> Option<Row> {
    let mut row = empty(date);
    let found: Vec<&Record> = BODY.iter().filter_map(|kind| last(records, kind)).collect();
    for record in &found {
        row.values.put(&record.kind, record.value, record.unit.as_deref(), record);
    }
    let at = |kind| found.iter().find(|record| record.kind == kind).map(|record| record.effective_ms);
    for (mass, share) in SHARES {
        // Only of one weighing: another weight would be another whole.
        if at(mass) == at("body_weight") {
            row.values.derive(share, "%", (mass, "body_weight"), percentage);
        }
    }
    row.state = state(&found);
    (!row.values.is_empty()).then_some(row)
}

fn percentage(part: Number, whole: Number) -> Option<Number> {
    part.checked_mul(Number::ONE_HUNDRED)?.checked_div(whole)
}

fn activity(date: Date, records: &[Record]) -> Option<Row> {
    let (counting, others) = chosen(records, "activity_day")?;
    let mut row = Row { others, ..about(date, counting) };
    put_activity(&mut row.values, counting);
    row.state = state(&[counting]);
    Some(row)
}

/// The parts of a day's activity, and the energy that is used at rest.
pub(super) fn put_activity(values: &mut Values, record: &Record) {
    values.put_parts(record, |_| true);
    values.derive("basal_energy", "kcal", ("total_energy", "active_energy"), Number::checked_sub);
}

/// Which of several records of one thing and day counts: the greatest.
pub(crate) type Rank = (bool, Option<Decimal>, Reverse<RecordId>);

/// Of activity, what a device of Withings measured goes before what came from elsewhere, then the one with more steps. Of nights
/// and naps it is the one that was slept longest: a night from elsewhere is the night, and a nap on a device of Withings is not.
/// Of anything else nothing competes.
pub(crate) fn rank(record: &Record) -> Option<Rank> {
    let last = Reverse(record.record.clone());
    match &*record.kind {
        "activity_day" => {
            let external = record.source.attribution == Some(Attribution::External);
            let steps = part(&record.components, "steps_total", None).and_then(|part| part.value);
            Some((!external, steps, last))
        }
        "sleep_session" => Some((true, slept(record), last)),
        _ => None,
    }
}

/// Of several records of a kind on a day the one that counts, and the others.
pub(super) fn chosen<'a>(records: &'a [Record], kind: &str) -> Option<(&'a Record, Vec<String>)> {
    let of_kind = || records.iter().filter(|record| record.kind == kind);
    let counting = of_kind().max_by_key(|record| rank(record))?;
    let others = of_kind().filter(|record| record.record != counting.record).map(|record| record.record.to_string());
    Some((counting, others.collect()))
}

/// A row for each record of a kind.
fn each(date: Date, records: &[Record], kind: &str, columns: &[String]) -> Vec<Row> {
    let row = |record: &Record| {
        let (start, end) = match record.effective.clone() {
            Effective::At { at } => (at, None),
            Effective::Period { start, end } => (start, Some(end)),
        };
        let mut row = Row { start: Some(start), end, ..about(date, record) };
        row.record = Some(record.record.to_string());
        row.workout = record.value_code.clone();
        row.values.put_parts(record, |name| columns.iter().any(|known| known == name) || name.starts_with("withings."));
        row.state = state(&[record]);
        row
    };
    records.iter().filter(|record| record.kind == kind).map(row).collect()
}

fn about(date: Date, record: &Record) -> Row {
    Row {
        tz: record.tz.clone(),
        device_id: record.source.device_id.clone(),
        model: record.source.model.clone(),
        ..empty(date)
    }
}

fn names(kinds: &[Kind]) -> impl Iterator<Item = String> {
    kinds.iter().map(|kind| match kind.method {
        None => kind.kind.to_owned(),
        Some(method) => format!("{}_{method}", kind.kind),
    })
}

pub(super) fn body_columns() -> Vec<String> {
    BODY.into_iter().chain(SHARES.map(|(_, share)| share)).map(str::to_owned).collect()
}

pub(super) fn activity_columns() -> Vec<String> {
    names(ACTIVITY).chain(["basal_energy".to_owned()]).collect()
}

pub(super) fn sleep_columns() -> Vec<String> {
    names(SUMMARY).collect()
}

pub(super) fn workout_columns() -> Vec<String> {
    ["exercise_duration".to_owned()].into_iter().chain(names(WORKOUT)).collect()
}

/// How long a night was slept; what came from elsewhere says so by a part of its own.
fn slept(record: &Record) -> Option<Decimal> {
    let duration = |method| part(&record.components, "sleep_duration", method).and_then(|part| part.value);
    duration(None).or_else(|| duration(Some("external")))
}
