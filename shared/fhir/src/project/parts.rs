//! The parts of an Observation: the parts of the record, its samples, its stages, and what FHIR has no element for.

use afferent_domain::record::{Attribution, Category, Code, Component as Part, OWN, Raw, Record, Status};
use jiff::tz::TimeZone;

use super::{absent, samples, vital, with_own, words};
use crate::SPACE;
use crate::model::{CodeableConcept, Coding, Component, Period, Quantity, Value};
use crate::number::Number;

/// All parts. Of a retracted record they have no values, and those that are nothing but values are left out.
pub(super) fn all(record: &Record) -> Vec<Component> {
    let retracted = record.status == Status::EnteredInError;
    let mut parts: Vec<Component> = record.components.iter().map(|part| of(record, part, retracted)).collect();
    parts.extend(missing_pressures(record));
    if retracted {
        return parts;
    }
    parts.extend(samples::of(record));
    parts.extend(stages(record));
    parts.extend(attribution(record));
    parts
}

fn of(record: &Record, part: &Part, retracted: bool) -> Component {
    let site = part.body_site.as_deref().filter(|site| record.body_site.as_deref() != Some(site));
    // A part has one value: of a number that is also coded (the events of a night) the code says what happened.
    let which = part.value_code.as_deref().filter(|_| part.value.is_some());
    let code = code(&part.codes, &part.kind, &[part.method.as_deref(), site, which]);
    if retracted {
        return absent(code);
    }
    match (&part.value, &part.value_code) {
        (Some(value), _) => {
            let number = Number::as_sent(*value, part.raw);
            plain(code, Value::Quantity(Quantity::new(number, part.unit.as_deref())))
        }
        // Withings' id of another recording, which is no code.
        (None, Some(signal)) if part.kind == "stethoscope_recording" => plain(code, Value::Text(signal.clone())),
        (None, Some(text)) => plain(code, Value::Concept(result(&part.kind, text, part.raw))),
        (None, None) => absent(code),
    }
}

/// Parts have no `method` and no `bodySite`: what distinguishes one from its like is in our own code and in the words.
fn code(codes: &[Code], kind: &str, distinctions: &[Option<&str>]) -> CodeableConcept {
    let mut coding = with_own(codes.iter(), kind);
    let mut text = words(kind);
    let own = coding.iter().rev().find(|coding| coding.system == OWN).map(|coding| coding.code.clone());
    let mut own = own.unwrap_or_else(|| Code::own(kind).code);
    for distinction in distinctions.iter().flatten() {
        text = format!("{text}, {}", words(distinction));
        let distinction = format!("-{}", distinction.replace('_', "-"));
        if !own.ends_with(&distinction) {
            own.push_str(&distinction);
        }
    }
    if !coding.iter().any(|coding| coding.system == OWN && coding.code == own) {
        coding.push(Coding::new(OWN, own));
    }
    CodeableConcept { coding, text: Some(text) }
}

/// A coded result: our word, and Withings' integer behind it.
pub(super) fn result(kind: &str, word: &str, raw: Option<Raw>) -> CodeableConcept {
    let kind = match kind {
        "afib_ecg" | "afib_ppg" | "ecg" => "afib".to_owned(),
        "valvular_heart_disease" => "vhd".to_owned(),
        kind => kind.replace('_', "-"),
    };
    let mut coding = vec![Coding::new(format!("{SPACE}:{kind}"), word)];
    coding.extend(raw.map(|raw| Coding::new(format!("{SPACE}:withings-{kind}"), raw.value.to_string())));
    CodeableConcept { coding, text: Some(words(word)) }
}

/// HL7's profile wants both pressures, and of one that was not measured why it is not there.
fn missing_pressures(record: &Record) -> Vec<Component> {
    if record.category != Category::VitalSigns || !vital::is_pressure(record) {
        return Vec::new();
    }
    [afferent_normalise::kinds::SYSTOLIC, afferent_normalise::kinds::DIASTOLIC]
        .iter()
        .filter(|row| !record.components.iter().any(|part| part.kind == row.kind))
        .map(|row| absent(code(&row.codes(), row.kind, &[])))
        .collect()
}

/// Each stage of a night, from when until when.
fn stages(record: &Record) -> impl Iterator<Item = Component> {
    let zone = record.tz.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    record.stages.iter().filter_map(move |stage| {
        let at = |ms| {
            let at = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(zone.clone());
            Some(at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
        };
        let code = code(&[], &record.kind, &[Some(&stage.stage)]);
        Some(plain(code, Value::Period(Period { start: at(stage.start_ms)?, end: at(stage.end_ms)? })))
    })
}

/// Whose the data are, unless a device knew the person.
fn attribution(record: &Record) -> Option<Component> {
    let attribution = record.source.attribution.filter(|attribution| *attribution != Attribution::Device)?;
    let word = match attribution {
        Attribution::Device => "device",
        Attribution::Ambiguous => "ambiguous",
        Attribution::Manual => "manual",
        Attribution::Chosen => "chosen",
        Attribution::ManualAtCreation => "manual_at_creation",
        Attribution::Automatic => "automatic",
        Attribution::Confirmed => "confirmed",
        Attribution::Guided => "guided",
        Attribution::External => "external",
        Attribution::Unknown => "unknown",
    };
    let attrib = record.source.attrib.map(|value| Raw { value, unit: 0 });
    Some(plain(code(&[], "attribution", &[]), Value::Concept(result("attribution", word, attrib))))
}

/// A part with a value, and a code of ours.
pub(super) fn named(kind: &str, value: Value) -> Component {
    plain(code(&[], kind, &[]), value)
}

/// The samples of a record, under all its codes.
pub(super) fn sampled(record: &Record, value: Value) -> Component {
    plain(code(&record.codes, &record.kind, &[]), value)
}

fn plain(code: CodeableConcept, value: Value) -> Component {
    Component { code, value: Some(value), data_absent_reason: None }
}
