//! `CapabilityStatement`: what the server can do.

use serde_json::{Value, json};

use crate::{MEDIA_TYPE, VERSION, vital};

/// When the statement last changed; raised with it.
const DATE: &str = "2026-11-22";

/// HL7's definition of all that there is of a Patient.
const EVERYTHING: &str = "http://hl7.org/fhir/OperationDefinition/Patient-everything";

/// What a server at `base` (`https://…/fhir/r4`) can do.
#[must_use]
pub fn capabilities(base: &str) -> Value {
    let parameter = |name: &str, sort: &str| json!({"name": name, "type": sort});
    let resource = |name: &str, parameters: Vec<Value>| {
        let mut resource = json!({
            "type": name,
            "interaction": [{"code": "read"}, {"code": "search-type"}],
            "searchParam": parameters,
        });
        if name == "Observation" {
            resource["supportedProfile"] = vital::urls().into();
        }
        if name == "Patient" {
            resource["operation"] = json!([{"name": "everything", "definition": EVERYTHING}]);
        }
        resource
    };
    let observation = [
        ("patient", "reference"),
        ("subject", "reference"),
        ("code", "token"),
        ("combo-code", "token"),
        ("category", "token"),
        ("status", "token"),
        ("date", "date"),
        ("_lastUpdated", "date"),
    ];
    let id = || parameter("_id", "token");
    let observation = observation.iter().map(|(name, sort)| parameter(name, sort)).chain([id()]).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": {"name": "Afferent"},
        "implementation": {"description": "Records of Withings' data as FHIR resources", "url": base},
        "fhirVersion": VERSION,
        "format": [MEDIA_TYPE],
        "rest": [{
            "mode": "server",
            "security": {"description": "A key: `Authorization: Bearer afk_…`"},
            "resource": [
                resource("Device", vec![parameter("patient", "reference"), id()]),
                resource("Observation", observation),
                resource("Patient", vec![parameter("identifier", "token"), id()]),
            ],
        }],
    })
}
