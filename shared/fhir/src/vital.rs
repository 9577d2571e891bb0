//! HL7's vital signs profiles (R4, `observation-vitalsigns.html`): which Observation follows which.
//!
//! The codes here are more than codes: HL7 wants every Observation with one of them as its own code to follow the profile,
//! and the profile wants one number in a certain unit. So a series of heart rates, which has many, has them not as its own
//! code but as that of its part.

use afferent_domain::record::{Category, LOINC, Record};

/// A profile of one number.
struct Profile {
    loinc: &'static str,
    units: &'static [&'static str],
    url: &'static str,
}

const PROFILES: &[Profile] = &[
    Profile { loinc: "29463-7", units: &["kg"], url: "http://hl7.org/fhir/StructureDefinition/bodyweight" },
    Profile { loinc: "8302-2", units: &["cm"], url: "http://hl7.org/fhir/StructureDefinition/bodyheight" },
    Profile { loinc: "8867-4", units: &["/min"], url: "http://hl7.org/fhir/StructureDefinition/heartrate" },
    Profile { loinc: "8310-5", units: &["Cel"], url: "http://hl7.org/fhir/StructureDefinition/bodytemp" },
    Profile { loinc: "2708-6", units: &["%"], url: "http://hl7.org/fhir/StructureDefinition/oxygensat" },
    Profile { loinc: "9279-1", units: &["/min"], url: "http://hl7.org/fhir/StructureDefinition/resprate" },
];

/// The code of the panel of pressures, and its profile.
const PRESSURE: (&str, &str) = ("85354-9", "http://hl7.org/fhir/StructureDefinition/bp");

/// Codes that a validator takes for a promise to follow a profile, besides those of the profiles above.
const ALIKE: &[&str] = &["59408-5", PRESSURE.0];

/// The unit of a pressure.
pub(crate) const PRESSURE_UNIT: &str = "mm[Hg]";

/// Whether an Observation with this LOINC code as its own has to follow a profile.
pub(crate) fn is_vital(loinc: &str) -> bool {
    ALIKE.contains(&loinc) || PROFILES.iter().any(|profile| profile.loinc == loinc)
}

/// Whether this is a panel of pressures.
pub(crate) fn is_pressure(record: &Record) -> bool {
    has(record, PRESSURE.0)
}

fn has(record: &Record, loinc: &str) -> bool {
    record.codes.iter().any(|code| code.system == LOINC && code.code == loinc)
}

/// The profiles that the record's Observation follows.
pub(crate) fn profiles(record: &Record) -> Vec<&'static str> {
    if record.category != Category::VitalSigns || record.series.is_some() {
        return Vec::new();
    }
    if is_pressure(record) {
        let parts = record.components.iter().all(|part| part.unit.as_deref() == Some(PRESSURE_UNIT));
        return if parts { vec![PRESSURE.1] } else { Vec::new() };
    }
    let unit = record.unit.as_deref().filter(|_| record.value.is_some());
    let Some(unit) = unit else { return Vec::new() };
    let follows = |profile: &&Profile| has(record, profile.loinc) && profile.units.contains(&unit);
    PROFILES.iter().filter(follows).map(|profile| profile.url).collect()
}

/// The profiles that there are.
pub(crate) fn urls() -> Vec<&'static str> {
    PROFILES.iter().map(|profile| profile.url).chain([PRESSURE.1]).collect()
}
