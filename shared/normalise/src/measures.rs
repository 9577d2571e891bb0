//! getmeas: each measure a record, except that the two pressures of a group are one.
//!
//! Identity: group, type, position, and how often that was there before in the group. Body Scan groups hold the
//! same measure twice: equal ones are one, different ones are told apart in the order of `fm`, `algo`, value.

use std::collections::{BTreeMap, BTreeSet};

use afferent_domain::exact::Decimal;
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
    let mut measures: Vec<(&Measure, Decimal)> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut sorted: Vec<&Measure> = group.measures.iter().collect();
    sorted.sort_by_key(|m| (m.meastype, m.position, m.fm, m.algo, m.value, m.unit));
    for measure in sorted {
        match Decimal::scaled(measure.value, measure.unit) {
            Ok(value) if seen.insert((measure.meastype, measure.position, value)) => measures.push((measure, value)),
            Ok(_) => {}
            Err(_) => problems.push(Problem::at(&measure.place, Why::Field("value"))),
        }
    }
    let (pressures, singles): (Vec<_>, Vec<_>) = measures.into_iter().partition(|(m, _)| matches!(m.meastype, 9 | 10));
    let mut facts = Vec::new();
    let mut occurrences: BTreeMap<(i64, Option<i64>), usize> = BTreeMap::new();
    for (measure, value) in singles {
        let occurrence = occurrences.entry((measure.meastype, measure.position)).or_default();
        facts.push(single(context, group, measure, value, *occurrence));
        *occurrence += 1;
    }
    let of = |meastype| pressures.iter().filter(move |(m, _)| m.meastype == meastype).copied();
    let (systolic, diastolic): (Vec<_>, Vec<_>) = (of(10).collect(), of(9).collect());
    for occurrence in 0..systolic.len().max(diastolic.len()) {
        let parts = [(&SYSTOLIC, systolic.get(occurrence)), (&DIASTOLIC, diastolic.get(occurrence))];
        facts.push(pressure(context, group, parts, occurrence));
    }
    facts
        .into_iter()
        .filter_map(|fact| fact.map_err(|why| problems.push(Problem::at(&group.place, why))).ok())
        .collect()
}

fn single(context: &Context, group: &Group, measure: &Measure, value: Decimal, occurrence: usize) -> Result<Fact, Why> {
    let row = kinds::measure(measure.meastype);
    let kind = row.map_or_else(|| format!("withings.meastype.{}", measure.meastype), |row| row.kind.to_owned());
    let position = measure.position.map(|position| position.to_string()).unwrap_or_default();
    let id = [&*group.grpid.to_string(), &*measure.meastype.to_string(), &*position, &*occurrence.to_string()];
    let mut fact = fact(context, group, measure, &id, &kind, row.map_or(Category::Exam, |row| row.category))?;
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
    parts: [(&'static Row, Option<&(&Measure, Decimal)>); 2],
    occurrence: usize,
) -> Result<Fact, Why> {
    let first = parts.iter().find_map(|(_, part)| *part).ok_or(Why::Field("measures"))?.0;
    let id = [&*group.grpid.to_string(), PRESSURE.kind, &*occurrence.to_string()];
    let mut fact = fact(context, group, first, &id, PRESSURE.kind, PRESSURE.category)?;
    fact.codes = PRESSURE.codes();
    fact.source.position = first.position;
    fact.body_site = first.position.map(kinds::body_site);
    for (row, part) in parts {
        let Some((measure, value)) = part else { continue };
        fact.components.push(Component {
            value: Some(*value),
            body_site: measure.position.map(kinds::body_site),
            raw: Some(Raw { value: measure.value, unit: measure.unit }),
            ..row.component()
        });
        fact.source.other.extend(measure.other.clone());
    }
    Ok(fact)
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
