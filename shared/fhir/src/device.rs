//! A record of kind `device` as a Device.

use afferent_domain::record::{Component, Record, Status};
use serde::Serialize;

use crate::model::{CodeableConcept, Coding, Identifier, Meta, Reference};
use crate::project::{stored, words};
use crate::{SPACE, id};

/// A Device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    resource_type: &'static str,
    /// Its id ([`crate::id`]).
    pub id: String,
    meta: Meta,
    /// The hash that Withings gives instead of its own id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifier: Vec<Identifier>,
    status: &'static str,
    manufacturer: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    device_name: Vec<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_number: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    device_type: Option<CodeableConcept>,
    /// Whose it is.
    pub patient: Reference,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    property: Vec<Property>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Name {
    name: String,
    #[serde(rename = "type")]
    sort: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    #[serde(rename = "type")]
    sort: CodeableConcept,
    value_code: Vec<CodeableConcept>,
}

/// The system of hashed device ids.
pub(crate) fn system() -> String {
    format!("{SPACE}:device")
}

/// The Device of a record; `None` for a record of another kind.
#[must_use]
pub fn device(record: &Record) -> Option<Device> {
    if record.kind != "device" {
        return None;
    }
    let part = |kind: &str| record.components.iter().find(|part| part.kind == kind);
    let code = |part: &Component| part.value_code.clone();
    let name = |model: &String| Name { name: model.clone(), sort: "model-name" };
    let battery = |level: String| Property {
        sort: Coding::new(format!("{SPACE}:device-property"), "battery").into(),
        value_code: vec![Coding::new(format!("{SPACE}:battery"), level).into()],
    };
    Some(Device {
        resource_type: "Device",
        id: id::of_record(&record.user, &record.record),
        meta: stored(record, Vec::new()),
        identifier: record
            .source
            .device_id
            .iter()
            .map(|hash| Identifier { system: system(), value: hash.clone() })
            .collect(),
        status: if record.status == Status::EnteredInError { "entered-in-error" } else { "active" },
        manufacturer: "Withings",
        device_name: record.source.model.iter().map(name).collect(),
        model_number: record.source.model_id.map(|number| number.to_string()),
        device_type: part("device_type").and_then(code).map(|text| CodeableConcept {
            coding: vec![Coding::new(format!("{SPACE}:device-type"), words(&text).to_lowercase().replace(' ', "-"))],
            text: Some(text),
        }),
        patient: Reference::to(format!("Patient/{}", id::of_user(&record.user))),
        property: part("battery").and_then(code).map(battery).into_iter().collect(),
    })
}
