//! The parts of FHIR R4 that are used here, as they are written. A list that is empty is left out (FHIR: `ele-1`).

use afferent_domain::record::Status;
use serde::Serialize;

use crate::number::Number;
use crate::units;

/// A code of a system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coding {
    /// The system's URI.
    pub system: String,
    /// The code.
    pub code: String,
    /// Its name in that system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

impl Coding {
    pub(crate) fn new(system: impl Into<String>, code: impl Into<String>) -> Self {
        Self { system: system.into(), code: code.into(), display: None }
    }
}

/// A concept: codes that mean the same, and words for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CodeableConcept {
    /// The codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coding: Vec<Coding>,
    /// The words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl From<Coding> for CodeableConcept {
    fn from(coding: Coding) -> Self {
        Self { coding: vec![coding], text: None }
    }
}

/// A number and its unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quantity {
    /// The number.
    pub value: Number,
    /// The unit for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// UCUM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<&'static str>,
    /// The unit for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Quantity {
    /// A number in a UCUM unit, or a bare number.
    pub(crate) fn new(value: impl Into<Number>, ucum: Option<&str>) -> Self {
        let ucum = ucum.filter(|ucum| !ucum.is_empty());
        Self {
            value: value.into(),
            unit: ucum.map(|ucum| units::for_people(ucum).to_owned()),
            system: ucum.map(|_| units::UCUM),
            code: ucum.map(str::to_owned),
        }
    }
}

/// Equidistant samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SampledData {
    /// Zero, in the unit of the samples.
    pub origin: Quantity,
    /// Milliseconds between two samples.
    pub period: Number,
    /// Always 1.
    pub dimensions: u32,
    /// The samples, a blank between each two; `E` where there is none.
    pub data: String,
}

/// Who or what another resource is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// `Patient/usr-…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// By what else it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    /// Words for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

impl Reference {
    pub(crate) fn to(reference: String) -> Self {
        Self { reference: Some(reference), ..Self::default() }
    }
}

/// A name that something has in a system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identifier {
    /// The system.
    pub system: String,
    /// The name.
    pub value: String,
}

/// From when until when; RFC 3339 with the local offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Period {
    /// Its beginning.
    pub start: String,
    /// Its end.
    pub end: String,
}

/// What is known of a resource's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The record's revision.
    pub version_id: String,
    /// When that revision was stored.
    pub last_updated: String,
    /// The profiles that it is known to follow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<&'static str>,
}

/// A person's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// The words.
    pub text: String,
}

/// `value[x]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Value {
    /// A number and its unit.
    #[serde(rename = "valueQuantity")]
    Quantity(Quantity),
    /// A coded result.
    #[serde(rename = "valueCodeableConcept")]
    Concept(CodeableConcept),
    /// Whether it is so.
    #[serde(rename = "valueBoolean")]
    Boolean(bool),
    /// A whole number that has no unit.
    #[serde(rename = "valueInteger")]
    Integer(u32),
    /// A text.
    #[serde(rename = "valueString")]
    Text(String),
    /// Samples.
    #[serde(rename = "valueSampledData")]
    Samples(SampledData),
    /// From when until when.
    #[serde(rename = "valuePeriod")]
    Period(Period),
}

/// `effective[x]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Effective {
    /// At an instant.
    #[serde(rename = "effectiveDateTime")]
    At(String),
    /// Over a period.
    #[serde(rename = "effectivePeriod")]
    Over(Period),
}

/// A part of an Observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// What it is.
    pub code: CodeableConcept,
    /// Its value.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_absent_reason: Option<CodeableConcept>,
}

/// An Observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    pub(crate) resource_type: &'static str,
    /// Its id ([`crate::id`]).
    pub id: String,
    /// Its version.
    pub meta: Meta,
    /// The record's own id.
    pub identifier: Vec<Identifier>,
    /// How certain it is.
    pub status: Status,
    /// Its category.
    pub category: Vec<CodeableConcept>,
    /// What was observed.
    pub code: CodeableConcept,
    /// The Patient.
    pub subject: Reference,
    /// When it was.
    #[serde(flatten)]
    pub effective: Effective,
    /// When this revision was stored.
    pub issued: String,
    /// The Patient, where the person entered it by hand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub performer: Vec<Reference>,
    /// Its value.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_absent_reason: Option<CodeableConcept>,
    /// The person's comment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub note: Vec<Annotation>,
    /// Where on the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_site: Option<CodeableConcept>,
    /// How a statistic came about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<CodeableConcept>,
    /// What it was measured with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Reference>,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub component: Vec<Component>,
}
