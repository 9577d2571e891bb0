//! getmeas: each measure a record, except that the two pressures of a group are one.
//!
//! Identity: group, type, position, and how often that was there before in the group. Body Scan groups hold the
//! same measure twice: equal ones are one, different ones are told apart in the order of `fm`, `algo`, value. What an
//! equal one says besides (another `fm`, another way to write the number) is kept in `source.other` as `twins`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use afferent_domain::exact::{Decimal, Json};
use afferent_domain::record::{Attribution, Category, Code, Component, Fact, Raw, Source};
use afferent_domain::service::Service;
use afferent_withings::answer::measures::{Group, Measure, read};
use afferent_withings::{Body, Problem, Why};

use crate::build::{When, source};
use crate::kinds::{self, DIASTOLIC, PRESSURE, Row, SYSTOLIC};
use crate::{Context, Outcome};

/// Withings' category of a person's goals, which are no measurements.
const GOALS: i64 = 2;

pub(crate) fn facts(context: &Context, body: &Body) -> Outcome {
    let read = read(body);
    let mut problems = read.problems;
    let mut facts = Vec::new();
    for group in read.rows.iter().filter(|group| group.category != GOALS) {
        facts.extend(of_group(context, group, &mut problems));
    }
    Outcome::settle(facts, problems)
}

fn of_group(context: &Context, group: &Group, problems: &mut Vec<Problem>) -> Vec<Fact> {
    let mut measures: Vec<Found<'_>> = Vec::new();
    let mut seen: BTreeMap<(i64, Option<i64>, Decimal), usize> = BTreeMap::new();
    let mut sorted: Vec<&Measure> = group.measures.iter().collect();
    sorted.sort_by_key(|m| (m.meastype, m.position, m.fm, m.algo, m.value, m.unit));
    for measure in sorted {
        let Ok(value) = Decimal::scaled(measure.value, measure.unit) else {
            problems.push(Problem::at(&measure.place, Why::Field("value")));
            continue;
        };
        match seen.entry((measure.meastype, measure.position, value)) {
            Entry::Occupied(first) => measures[*first.get()].twins.push(measure),
            Entry::Vacant(first) => {
                first.insert(measures.len());
                measures.push(Found { measure, value, twins: Vec::new() });
            }
        }
    }
    let (pressures, singles): (Vec<_>, Vec<_>) =
        measures.into_iter().partition(|found| matches!(found.measure.meastype, 9 | 10));
    let mut facts = Vec::new();
    let mut occurrences: BTreeMap<(i64, Option<i64>), usize> = BTreeMap::new();
    for found in &singles {
        let occurrence = occurrences.entry((found.measure.meastype, found.measure.position)).or_default();
        facts.push(single(context, group, found, *occurrence));
        *occurrence += 1;
    }
    let of = |meastype| pressures.iter().filter(move |found| found.measure.meastype == meastype);
    let (systolic, diastolic): (Vec<_>, Vec<_>) = (of(10).collect(), of(9).collect());
    for occurrence in 0..systolic.len().max(diastolic.len()) {
        let parts = [(&SYSTOLIC, systolic.get(occurrence).copied()), (&DIASTOLIC, diastolic.get(occurrence).copied())];
        facts.push(pressure(context, group, parts, occurrence));
    }
    facts
        .into_iter()
        .filter_map(|fact| fact.map_err(|why| problems.push(Problem::at(&group.place, why))).ok())
        .collect()
}

/// A measure, and those that are equal to it.
struct Found<'a> {
    measure: &'a Measure,
    value: Decimal,
    twins: Vec<&'a Measure>,
}

/// What a measure says besides its value.
fn besides(measure: &Measure) -> BTreeMap<String, Json> {
    let numbers = [("algo", measure.algo), ("fm", measure.fm), ("position", measure.position)];
    let numbers =
        numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), Json::Number(number?.into()))));
    numbers.chain(measure.other.clone()).collect()
}

/// What the equals of a measure say that it does not say itself.
fn twins(found: &Found<'_>) -> Vec<Json> {
    let whole = |measure: &Measure| {
        let mut whole = besides(measure);
        for (name, number) in [("value", measure.value), ("unit", measure.unit.into()), ("type", measure.meastype)] {
            whole.insert(name.to_owned(), Json::Number(number.into()));
        }
        Json::Object(whole)
    };
    let itself = whole(found.measure);
    found.twins.iter().map(|twin| whole(twin)).filter(|twin| *twin != itself).collect()
}

fn single(context: &Context, group: &Group, found: &Found<'_>, occurrence: usize) -> Result<Fact, Why> {
    let Found { measure, value, .. } = *found;
    let row = kinds::measure(measure.meastype);
    let kind = row.map_or_else(|| format!("withings.meastype.{}", measure.meastype), |row| row.kind.to_owned());
    let position = measure.position.map(|position| position.to_string()).unwrap_or_default();
    let id = [&*group.grpid.to_string(), &*measure.meastype.to_string(), &*position, &*occurrence.to_string()];
    let mut fact = fact(context, group, measure, &id, &kind, row.map_or(Category::Exam, |row| row.category))?;
    keep_twins(&mut fact, twins(found));
    fact.source.meastype = Some(measure.meastype);
    fact.source.position = measure.position;
    let site = row.and_then(|row| row.site).map(str::to_owned);
    fact.body_site = measure.position.map(kinds::body_site).or(site);
    fact.raw = Some(Raw { value: measure.value, unit: measure.unit });
    fact.codes = row.map_or_else(|| vec![Code::own(&kind)], Row::codes);
    fact.unit = row.and_then(Row::unit);
    match (row, measure.meastype) {
        (_, 130 | 139) => fact.value_code = Some(kinds::afib(value.as_integer().ok_or(Why::Field("value"))?)),
        (Some(row), _) => fact.value = Some(value.shifted(row.shift).map_err(|_| Why::Field("value"))?),
        (None, _) => fact.value = Some(value),
    }
    Ok(fact)
}

fn pressure(
    context: &Context,
    group: &Group,
    parts: [(&'static Row, Option<&Found<'_>>); 2],
    occurrence: usize,
) -> Result<Fact, Why> {
    let first = parts.iter().find_map(|(_, part)| *part).ok_or(Why::Field("measures"))?.measure;
    let id = [&*group.grpid.to_string(), PRESSURE.kind, &*occurrence.to_string()];
    let mut fact = fact(context, group, first, &id, PRESSURE.kind, PRESSURE.category)?;
    fact.codes = PRESSURE.codes();
    fact.source.position = first.position;
    fact.body_site = first.position.map(kinds::body_site);
    let (said, mut equals) = (besides(first), Vec::new());
    for (row, part) in parts {
        let Some(found) = part else { continue };
        let Found { measure, value, .. } = *found;
        fact.components.push(Component {
            value: Some(value),
            body_site: measure.position.map(kinds::body_site),
            raw: Some(Raw { value: measure.value, unit: measure.unit }),
            ..row.component()
        });
        // What the second pressure says otherwise than the first.
        let own: BTreeMap<_, _> =
            besides(measure).into_iter().filter(|(name, json)| said.get(name) != Some(json)).collect();
        if !own.is_empty() {
            fact.source.other.insert(row.kind.to_owned(), Json::Object(own));
        }
        equals.extend(twins(found));
    }
    keep_twins(&mut fact, equals);
    Ok(fact)
}

fn keep_twins(fact: &mut Fact, twins: Vec<Json>) {
    if !twins.is_empty() {
        fact.source.other.insert("twins".to_owned(), Json::List(twins));
    }
}

/// What every record of a group has.
fn fact(
    context: &Context,
    group: &Group,
    measure: &Measure,
    id: &[&str],
    kind: &str,
    category: Category,
) -> Result<Fact, Why> {
    let mut other = group.other.clone();
    other.extend(measure.other.clone());
    let source = Source {
        grpid: Some(group.grpid),
        device_id: group.device_id.clone(),
        model: group.model.clone(),
        model_id: group.model_id,
        attribution: group.attrib.map(Attribution::from_attrib),
        attrib: group.attrib,
        created: group.created,
        modified: group.modified,
        comment: group.comment.clone(),
        algo: measure.algo,
        fm: measure.fm,
        category: Some(group.category),
        other,
        ..source(Service::Getmeas)
    };
    context.fact(id, kind, category, When::At(group.date), &context.zone(group.timezone.as_deref()), source)
}
