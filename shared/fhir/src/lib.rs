//! Records as FHIR R4.
