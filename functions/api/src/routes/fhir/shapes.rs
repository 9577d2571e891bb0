//! What the resources are, for readers of the document: the elements that are always or mostly there. HL7's definitions say
//! the rest, and `tests/fhir` holds what is sent against them.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

macro_rules! shapes {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field:meta])* $member:ident: $kind:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(ToSchema)]
        #[schema(rename_all = "camelCase")]
        #[expect(dead_code, reason = "it says to readers of the document what a resource is")]
        pub(crate) struct $name { $($(#[$field])* $member: $kind,)* }
    )*};
}

shapes! {
    /// A page of what was found (HL7: Bundle, R4).
    FhirBundle {
        /// `Bundle`.
        #[schema(pattern = "^Bundle$")]
        resource_type: String,
        /// `searchset`.
        #[schema(pattern = "^searchset$")]
        r#type: String,
        /// This page (`self`) and, if there may be more, the following one (`next`).
        link: Vec<FhirLink>,
        /// How many match; only where nothing but that was asked for (`_count=0`).
        total: Option<u64>,
        /// What was found; absent if that is nothing.
        entry: Option<Vec<FhirEntry>>,
    }

    /// A page's address.
    FhirLink {
        /// `self` or `next`.
        #[schema(pattern = "^(self|next)$")]
        relation: String,
        /// The address: as it is, whole.
        url: String,
    }

    /// A resource in a Bundle.
    FhirEntry {
        /// The resource's own address.
        full_url: String,
        /// The resource, by its `resourceType`.
        resource: BTreeMap<String, Value>,
        /// `{"mode":"match"}`.
        search: BTreeMap<String, String>,
    }

    /// What was measured (HL7: Observation, R4).
    FhirObservation {
        /// `Observation`.
        #[schema(pattern = "^Observation$")]
        resource_type: String,
        /// Its id, `usr-….rec-…`.
        id: String,
        /// Its version: `versionId` is the revision, `lastUpdated` when that was stored, `profile` what it follows.
        meta: BTreeMap<String, Value>,
        /// The record's own id.
        identifier: Vec<FhirIdentifier>,
        /// How certain it is.
        #[schema(pattern = "^(preliminary|final|amended|entered-in-error)$")]
        status: String,
        /// HL7's category, or ours.
        category: Vec<FhirConcept>,
        /// What was measured.
        code: FhirConcept,
        /// The Patient.
        subject: FhirReference,
        /// When it was, or
        effective_date_time: Option<String>,
        /// from when until when: `start` and `end`.
        effective_period: Option<BTreeMap<String, String>>,
        /// When this revision was stored.
        issued: String,
        /// The value: `value`, `unit` for people, `code` in UCUM. Others come as `valueCodeableConcept` or `valueBoolean`.
        value_quantity: Option<BTreeMap<String, Value>>,
        /// Why there is no value.
        data_absent_reason: Option<FhirConcept>,
        /// What it was measured with.
        device: Option<FhirReference>,
        /// Its parts.
        component: Option<Vec<BTreeMap<String, Value>>>,
    }

    /// What it was measured with (HL7: Device, R4).
    FhirDevice {
        /// `Device`.
        #[schema(pattern = "^Device$")]
        resource_type: String,
        /// Its id, `usr-….rec-…`.
        id: String,
        /// The hashed id.
        identifier: Option<Vec<FhirIdentifier>>,
        /// The Patient.
        patient: FhirReference,
    }

    /// Who it is (HL7: Patient, R4): an id, and what you call the person.
    FhirPatient {
        /// `Patient`.
        #[schema(pattern = "^Patient$")]
        resource_type: String,
        /// Its id, `usr-…`.
        id: String,
        /// What you call the person.
        identifier: Option<Vec<FhirIdentifier>>,
    }

    /// What this server can do (HL7: CapabilityStatement, R4).
    FhirCapabilityStatement {
        /// `CapabilityStatement`.
        #[schema(pattern = "^CapabilityStatement$")]
        resource_type: String,
        /// `active`.
        status: String,
        /// When it last changed.
        date: String,
        /// `instance`.
        kind: String,
        /// `4.0.1`.
        fhir_version: String,
        /// The media types.
        format: Vec<String>,
        /// The resources, and what they are searched by.
        rest: Vec<BTreeMap<String, Value>>,
    }

    /// What went wrong (HL7: OperationOutcome, R4).
    FhirOperationOutcome {
        /// `OperationOutcome`.
        #[schema(pattern = "^OperationOutcome$")]
        resource_type: String,
        /// One by one.
        issue: Vec<FhirIssue>,
    }

    /// One thing that went wrong.
    FhirIssue {
        /// `error`.
        severity: String,
        /// HL7's code of its kind.
        code: String,
        /// Its kind: the code is the last part of the `type` that the same problem has elsewhere in this API.
        details: FhirConcept,
        /// What is wrong, for people.
        diagnostics: Option<String>,
    }

    /// Codes that mean the same, and words for people.
    FhirConcept {
        /// The codes: `system`, `code`, `display`.
        coding: Option<Vec<BTreeMap<String, String>>>,
        /// The words.
        text: Option<String>,
    }

    /// A name in a system.
    FhirIdentifier {
        /// The system.
        system: String,
        /// The name.
        value: String,
    }

    /// Another resource.
    FhirReference {
        /// `Patient/usr-…`, `Device/usr-….rec-…`.
        reference: Option<String>,
        /// By what else it is known.
        identifier: Option<FhirIdentifier>,
        /// Words for people.
        display: Option<String>,
    }
}
