//! A record as an Observation.

mod parts;
mod samples;

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::id::{RecordId, UserId};
use afferent_domain::record::{Attribution, Category, Code, Effective as Instant, LOINC, Record, Status};
use afferent_domain::service::Service;

use crate::model::{
    Annotation, CodeableConcept, Coding, Component, Effective, Identifier, Meta, Observation, Period, Quantity,
    Reference, Value,
};
use crate::number::Number;
use crate::{SPACE, device, id, vital};

/// HL7's code system of observation categories.
const CATEGORIES: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

/// Records that are no observations: accounts and what we say of them; devices, which have their own resource; goals and
/// answers to questions, whose resources (Goal, QuestionnaireResponse) are not served.
const OTHERS: [&str; 4] = ["device", "device_setup", "goals", "questionnaire_response"];

/// The Observation of a record; `None` if the record is no observation of a person. `devices` are the records of devices
/// that exist: only they are pointed to by their address, others by their hashed id alone.
#[must_use]
pub fn observation(record: &Record, devices: &BTreeSet<RecordId>) -> Option<Observation> {
    if !is_observation(record) {
        return None;
    }
    let retracted = record.status == Status::EnteredInError;
    let component = parts::all(record);
    let value = if retracted { None } else { value(record) };
    let absent = value.is_none() && component.is_empty();
    let patient = || Reference::to(format!("Patient/{}", id::of_user(&record.user)));
    let manual = matches!(record.source.attribution, Some(Attribution::Manual | Attribution::ManualAtCreation));
    let comment = record.source.comment.as_deref().filter(|text| !text.trim().is_empty());
    let own = |system: &str, code: &str| coded(&format!("{SPACE}:{system}"), code);
    Some(Observation {
        resource_type: "Observation",
        id: id::of_record(&record.user, &record.record),
        meta: stored(record, vital::profiles(record)),
        identifier: vec![Identifier { system: format!("{SPACE}:record"), value: record.record.to_string() }],
        status: record.status,
        category: vec![category(record.category)],
        code: CodeableConcept { coding: codings(record), text: Some(words(&record.kind)) },
        subject: patient(),
        effective: effective(&record.effective),
        issued: Timestamp::from_millis(record.changed_ms).to_string(),
        performer: if manual { vec![patient()] } else { Vec::new() },
        value,
        data_absent_reason: absent.then(unknown),
        note: comment.map(|text| Annotation { text: text.to_owned() }).into_iter().collect(),
        body_site: record.body_site.as_deref().map(|site| own("body-site", site)),
        method: record.method.as_deref().map(|method| own("method", method)),
        device: measured_with(record, devices),
        component,
    })
}

/// The record of a device, of which a user's records know only the hashed id. (It is what `afferent-normalise` makes of
/// the device list.)
#[must_use]
pub fn device_record(user: &UserId, device_id: &str) -> RecordId {
    RecordId::derive(&[user.as_str(), Service::Getdevice.name(), device_id])
}

/// The codes that the record's Observation has as its own. Of a record with many samples those that HL7 reserves for one
/// number are left to its part (the module `vital`).
#[must_use]
pub fn codings(record: &Record) -> Vec<Coding> {
    let many = record.series.is_some();
    let kept = |code: &&Code| !(many && code.system == LOINC && vital::is_vital(&code.code));
    with_own(record.codes.iter().filter(kept), &record.kind)
}

pub(crate) fn is_observation(record: &Record) -> bool {
    record.category != Category::Account && record.user != UserId::app() && !OTHERS.contains(&&*record.kind)
}

fn with_own<'a>(codes: impl Iterator<Item = &'a Code>, kind: &str) -> Vec<Coding> {
    let coding = |code: &Code| Coding {
        system: code.system.clone(),
        code: code.code.clone(),
        display: code.display.clone().filter(|display| !display.is_empty()),
    };
    let codings: Vec<Coding> = codes.map(coding).collect();
    if codings.is_empty() { vec![coding(&Code::own(kind))] } else { codings }
}

/// The one value of a record. What has many is in its parts; an event of a device has happened.
fn value(record: &Record) -> Option<Value> {
    match (&record.value, &record.value_code) {
        (Some(value), _) => {
            let number = Number::as_sent(*value, record.raw);
            Some(Value::Quantity(Quantity::new(number, record.unit.as_deref())))
        }
        (None, Some(code)) => Some(Value::Concept(parts::result(&record.kind, code, record.raw))),
        (None, None) if record.category == Category::Device => Some(Value::Boolean(true)),
        (None, None) => None,
    }
}

fn measured_with(record: &Record, devices: &BTreeSet<RecordId>) -> Option<Reference> {
    let hash = record.source.device_id.as_deref().filter(|hash| !hash.is_empty());
    let display = record.source.model.clone().filter(|model| !model.trim().is_empty());
    if hash.is_none() && display.is_none() {
        return None;
    }
    let which = hash.map(|hash| device_record(&record.user, hash)).filter(|which| devices.contains(which));
    Some(Reference {
        reference: which.map(|which| format!("Device/{}", id::of_record(&record.user, &which))),
        identifier: hash.map(|hash| Identifier { system: device::system(), value: hash.to_owned() }),
        display,
    })
}

fn category(category: Category) -> CodeableConcept {
    let (system, code) = match category {
        Category::VitalSigns => (CATEGORIES, "vital-signs"),
        Category::Activity => (CATEGORIES, "activity"),
        Category::Exam => (CATEGORIES, "exam"),
        Category::Laboratory => (CATEGORIES, "laboratory"),
        Category::Survey => (CATEGORIES, "survey"),
        Category::Device => ("urn:afferent:category", "device"),
        Category::Account => ("urn:afferent:category", "account"),
    };
    Coding::new(system, code).into()
}

/// A period that ends before it begins (FHIR: `per-1`) is told by its beginning.
fn effective(effective: &Instant) -> Effective {
    match effective {
        Instant::At { at } => Effective::At(at.clone()),
        Instant::Period { start, end } => match effective.span_secs() {
            Some((from, to)) if from > to => Effective::At(start.clone()),
            _ => Effective::Over(Period { start: start.clone(), end: end.clone() }),
        },
    }
}

pub(crate) fn stored(record: &Record, profile: Vec<&'static str>) -> Meta {
    let last_updated = Timestamp::from_millis(record.changed_ms).to_string();
    Meta { version_id: record.rev.to_string(), last_updated, profile }
}

fn coded(system: &str, code: &str) -> CodeableConcept {
    CodeableConcept { coding: vec![Coding::new(system, code)], text: Some(words(code)) }
}

fn unknown() -> CodeableConcept {
    Coding::new("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown").into()
}

/// A part that has no value (any more).
fn absent(code: CodeableConcept) -> Component {
    Component { code, value: None, data_absent_reason: Some(unknown()) }
}

/// A name of ours for people.
pub(crate) fn words(name: &str) -> String {
    name.replace('_', " ")
}
