//! Measure types of getmeas.

use afferent_domain::record::Category::{Exam, Laboratory, VitalSigns};

use super::Row;

const fn vital(name: &'static str, kind: &'static str, unit: &'static str) -> Row {
    Row::new(name, kind, unit).category(VitalSigns)
}

const fn exam(name: &'static str, kind: &'static str, unit: &'static str) -> Row {
    Row::new(name, kind, unit).category(Exam)
}

const fn laboratory(name: &'static str, kind: &'static str, unit: &'static str) -> Row {
    Row::new(name, kind, unit).category(Laboratory)
}

/// The panel that types 9 and 10 are parts of; one record per group.
pub const PRESSURE: Row =
    vital("", "blood_pressure", "").loinc(&[("85354-9", "Blood pressure panel with all children optional")]);
/// Type 10.
pub const SYSTOLIC: Row =
    vital("10", "systolic", "mm[Hg]").loinc(&[("8480-6", "Systolic blood pressure")]).own("blood-pressure-systolic");
/// Type 9.
pub const DIASTOLIC: Row =
    vital("9", "diastolic", "mm[Hg]").loinc(&[("8462-4", "Diastolic blood pressure")]).own("blood-pressure-diastolic");

const BODY_FAT_MASS: &[(&str, &str)] = &[("73708-0", "Body fat [Mass] Calculated")];
const BODY_TEMPERATURE: &[(&str, &str)] = &[("8310-5", "Body temperature")];

/// Every measure type with a name, by its number.
pub const MEASURES: &[Row] = &[
    vital("1", "body_weight", "kg").loinc(&[("29463-7", "Body weight")]),
    vital("4", "body_height", "cm").loinc(&[("8302-2", "Body height")]).shift(2),
    exam("5", "lean_body_mass", "kg").loinc(&[("91557-9", "Lean body weight")]),
    exam("6", "body_fat_percentage", "%").loinc(&[("41982-0", "Percentage of body fat Measured"), ("77233-5", "")]),
    exam("8", "body_fat_mass", "kg").loinc(BODY_FAT_MASS),
    DIASTOLIC,
    SYSTOLIC,
    vital("11", "heart_rate", "/min").loinc(&[("8867-4", "Heart rate")]),
    vital("12", "body_temperature", "Cel").loinc(BODY_TEMPERATURE),
    vital("54", "oxygen_saturation", "%").loinc(&[
        ("2708-6", "Oxygen saturation in Arterial blood"),
        ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
    ]),
    vital("71", "body_temperature", "Cel").loinc(BODY_TEMPERATURE),
    exam("73", "skin_temperature", "Cel").loinc(&[("61008-9", "Body surface temperature")]),
    exam("76", "muscle_mass", "kg").loinc(&[("73964-9", "Body muscle mass Calculated")]),
    exam("77", "body_water_mass", "kg").loinc(&[("101683-1", "Body water mass")]),
    exam("88", "bone_mass", "kg").loinc(&[("101685-6", "Body bone mass")]),
    exam("91", "pulse_wave_velocity", "m/s"),
    laboratory("119", "blood_glucose", "mg/dL").loinc(&[("2339-0", "Glucose [Mass/volume] in Blood")]),
    exam("123", "vo2_max", "mL/kg/min"),
    exam("130", "afib_ecg", ""),
    exam("135", "ecg_qrs_duration", "ms").loinc(&[("8633-0", "QRS duration")]),
    exam("136", "ecg_pr_interval", "ms").loinc(&[("8625-6", "P-R Interval")]),
    exam("137", "ecg_qt_interval", "ms").loinc(&[("8634-8", "Q-T interval")]),
    exam("138", "ecg_qtc_interval", "ms").loinc(&[("8636-3", "Q-T interval corrected")]),
    exam("139", "afib_ppg", ""),
    laboratory("147", "urine_ph", "[pH]"),
    laboratory("148", "urine_specific_gravity", "1").loinc(&[("5811-5", "Specific gravity of Urine by Test strip")]),
    laboratory("151", "urine_nitrite", "umol/L"),
    exam("155", "vascular_age", "a"),
    exam("158", "nerve_health_score", "{score}").site("left_foot"),
    exam("159", "nerve_health_score", "{score}").site("right_foot"),
    exam("167", "nerve_health_score", "{score}"),
    exam("168", "extracellular_water_mass", "kg"),
    exam("169", "intracellular_water_mass", "kg"),
    exam("170", "visceral_fat_index", "{score}"),
    // Of a segment: the codes of the whole body would say too much.
    exam("173", "lean_body_mass", "kg"),
    exam("174", "body_fat_mass", "kg"),
    exam("175", "muscle_mass", "kg"),
    exam("196", "electrodermal_activity", "uS"),
    exam("197", "electrodermal_activity", "uS").site("left_foot"),
    exam("198", "electrodermal_activity", "uS").site("right_foot"),
    laboratory("204", "urine_ketones", "mmol/L"),
    laboratory("205", "urine_vitamin_c", "mmol/L"),
    exam("226", "basal_metabolic_rate", "kcal/d"),
    exam("227", "metabolic_age", "a"),
    exam("229", "skin_conductance", "uS"),
    laboratory("248", "urine_calcium", "mmol/L"),
    laboratory("249", "urine_creatinine", "mmol/L"),
    laboratory("251", "urine_ca_cr_ratio", "1"),
];

/// The row of a measure type; none for a type that nobody named.
#[must_use]
pub fn measure(meastype: i64) -> Option<&'static Row> {
    let name = meastype.to_string();
    MEASURES.iter().find(|row| row.name == name)
}
