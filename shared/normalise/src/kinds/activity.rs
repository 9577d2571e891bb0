//! Fields of getactivity and getintradayactivity.

use afferent_domain::record::Category::{Exam, VitalSigns};

use super::Row;

const HEART_RATE: &[(&str, &str)] = &[("8867-4", "Heart rate")];
pub(super) const DISTANCE: &[(&str, &str)] = &[("103208-5", "Distance traveled")];
pub(super) const FLOORS: &[(&str, &str)] = &[("100304-5", "Flights climbed [#] Reporting Period")];
pub(super) const ACTIVE_ENERGY: &[(&str, &str)] = &[("41981-2", "Calories burned")];
const STEPS: &[(&str, &str)] = &[("55423-8", "Number of steps in unspecified time Pedometer")];
const OXYGEN: &[(&str, &str)] = &[
    ("2708-6", "Oxygen saturation in Arterial blood"),
    ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
];

/// The sums of a day. `calories` is active energy, `totalcalories` active and passive.
pub const ACTIVITY: &[Row] = &[
    Row::new("steps", "steps_total", "{steps}").loinc(&[("41950-7", "Number of steps in 24 hour Measured")]),
    Row::new("distance", "distance", "m").loinc(DISTANCE),
    Row::new("elevation", "floors_climbed", "{floors}").loinc(FLOORS),
    Row::new("calories", "active_energy", "kcal").loinc(ACTIVE_ENERGY).own("active-energy-burned"),
    Row::new("totalcalories", "total_energy", "kcal").loinc(&[("41979-6", "Calories burned in 24 hour Calculated")]),
    Row::new("soft", "activity_duration", "s").method("soft"),
    Row::new("moderate", "activity_duration", "s").method("moderate"),
    Row::new("intense", "activity_duration", "s").method("intense"),
    Row::new("active", "activity_duration", "s").method("active"),
    Row::new("hr_average", "heart_rate", "/min")
        .loinc(&[("8867-4", "Heart rate"), ("55425-3", "")])
        .method("mean")
        .zero_is_none(),
    Row::new("hr_min", "heart_rate", "/min").loinc(HEART_RATE).method("minimum").zero_is_none(),
    Row::new("hr_max", "heart_rate", "/min")
        .loinc(&[("8867-4", "Heart rate"), ("8873-2", "Heart rate 24 hour maximum")])
        .method("maximum")
        .zero_is_none(),
    Row::new("hr_zone_0", "heart_rate_zone_duration", "s").method("zone_0"),
    Row::new("hr_zone_1", "heart_rate_zone_duration", "s").method("zone_1"),
    Row::new("hr_zone_2", "heart_rate_zone_duration", "s").method("zone_2"),
    Row::new("hr_zone_3", "heart_rate_zone_duration", "s").method("zone_3"),
];

/// The samples of a day. `sdnn1` here is `sdnn_1` in sleep get.
pub const INTRADAY: &[Row] = &[
    Row::new("steps", "steps", "{steps}").loinc(STEPS),
    Row::new("distance", "distance", "m").loinc(DISTANCE),
    Row::new("elevation", "floors_climbed", "{floors}").loinc(FLOORS),
    Row::new("calories", "active_energy", "kcal").loinc(ACTIVE_ENERGY).own("active-energy-burned"),
    Row::new("stroke", "swim_strokes", "{strokes}"),
    Row::new("pool_lap", "pool_laps", "{laps}"),
    Row::new("heart_rate", "heart_rate", "/min").loinc(HEART_RATE).category(VitalSigns).zero_is_none(),
    Row::new("spo2_auto", "oxygen_saturation", "%").loinc(OXYGEN).category(VitalSigns).method("auto").zero_is_none(),
    Row::new("rmssd", "hrv_rmssd", "ms").category(Exam).zero_is_none(),
    Row::new("sdnn1", "hrv_sdnn", "ms")
        .loinc(&[("112429-6", "Heart rate variability SDNN [Time]")])
        .category(Exam)
        .zero_is_none(),
    Row::new("hrv_quality", "hrv_quality", "{score}").category(Exam),
    Row::new("core_body_temperature", "core_body_temperature", "Cel").category(Exam).zero_is_none(),
    Row::new("rr", "respiratory_rate", "/min")
        .loinc(&[("9279-1", "Respiratory rate")])
        .category(VitalSigns)
        .zero_is_none(),
    Row::new("chest_movement_rate", "chest_movement_rate", "/min").category(Exam).zero_is_none(),
];
