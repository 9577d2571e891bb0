//! heart list and stetho list: each recording a record, by Withings' signal id; the signals are fetched apart.

use afferent_domain::exact::Decimal;
use afferent_domain::record::{Attribution, Category, Code, Component, Fact, Raw, Signal, Source};
use afferent_domain::service::Service;
use afferent_withings::answer::heart::{Ecg, Stetho, read, read_stetho};
use afferent_withings::{Body, Problem, Why};

use crate::build::{When, source};
use crate::kinds::{self, DIASTOLIC, SYSTOLIC};
use crate::{Context, Outcome};

pub(crate) fn ecgs(context: &Context, body: &Body) -> Outcome {
    let read = read(body);
    let mut problems = read.problems;
    let facts = read
        .rows
        .iter()
        .filter_map(|row| ecg(context, row).map_err(|why| problems.push(Problem::at(&row.place, why))).ok())
        .collect();
    Outcome::settle(facts, problems)
}

fn ecg(context: &Context, row: &Ecg) -> Result<Fact, Why> {
    let source = Source {
        id: Some(row.signalid),
        device_id: row.device_id.clone(),
        model: row.model.clone(),
        model_id: row.model_id,
        attribution: Some(Attribution::Device),
        modified: row.modified,
        other: row.other.clone(),
        ..source(Service::HeartList)
    };
    let zone = context.zone(row.timezone.as_deref());
    let id = row.signalid.to_string();
    let mut fact = context.fact(&[&id], "ecg", Category::Exam, When::At(row.timestamp), &zone, source)?;
    fact.codes = vec![Code::loinc("11524-6", "EKG study"), Code::own("ecg")];
    fact.signal = Some(Signal { signalid: row.signalid, ..Signal::default() });
    if let Some(class) = row.afib {
        fact.value_code = Some(kinds::afib(class));
        fact.raw = Some(Raw { value: class, unit: 0 });
    }
    let heart_rate = kinds::measure(11).zip(row.heart_rate.filter(|rate| *rate != 0));
    let pressure = [(&SYSTOLIC, row.systolic), (&DIASTOLIC, row.diastolic)];
    let pressure = pressure.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
    for (kind, value) in heart_rate.into_iter().chain(pressure) {
        fact.components.push(Component { value: Some(Decimal::from(value)), ..kind.component() });
    }
    if let Some((signalid, vhd)) = row.stetho {
        fact.components.push(reference(signalid));
        fact.components.extend(vhd.map(heart_sound));
    }
    Ok(fact)
}

pub(crate) fn stethos(context: &Context, body: &Body) -> Outcome {
    let read = read_stetho(body);
    let mut problems = read.problems;
    let facts = read
        .rows
        .iter()
        .filter_map(|row| stetho(context, row).map_err(|why| problems.push(Problem::at(&row.place, why))).ok())
        .collect();
    Outcome::settle(facts, problems)
}

fn stetho(context: &Context, row: &Stetho) -> Result<Fact, Why> {
    let source = Source {
        id: Some(row.signalid),
        device_id: row.device_id.clone(),
        model: row.model.clone(),
        model_id: row.model_id,
        attribution: Some(Attribution::Device),
        modified: row.modified,
        other: row.other.clone(),
        ..source(Service::StethoList)
    };
    let zone = context.zone(row.timezone.as_deref());
    let id = row.signalid.to_string();
    let when = When::At(row.timestamp);
    let mut fact = context.fact(&[&id], "stethoscope_recording", Category::Exam, when, &zone, source)?;
    fact.signal = Some(Signal { signalid: row.signalid, ..Signal::default() });
    fact.components.extend(row.vhd.map(heart_sound));
    Ok(fact)
}

/// The class of a heart sound (`vhd`), whose meaning Withings does not publish.
fn heart_sound(class: i64) -> Component {
    Component {
        kind: "valvular_heart_disease".to_owned(),
        codes: vec![Code::own("valvular_heart_disease")],
        value_code: Some(format!("withings.vhd.{class}")),
        raw: Some(Raw { value: class, unit: 0 }),
        ..Component::default()
    }
}

/// The stethoscope recording that was made beside an ECG; it is a record of its own.
fn reference(signalid: i64) -> Component {
    Component {
        kind: "stethoscope_recording".to_owned(),
        codes: vec![Code::own("stethoscope_recording")],
        value_code: Some(signalid.to_string()),
        ..Component::default()
    }
}
