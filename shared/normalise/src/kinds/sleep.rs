//! Fields of sleep get and sleep getsummary.

use afferent_domain::record::Category::{Exam, VitalSigns};

use super::Row;

const RESPIRATORY_RATE: &[(&str, &str)] = &[("9279-1", "Respiratory rate")];
const SLEEP_DURATION: &[(&str, &str)] = &[("93832-4", "Sleep duration")];

/// The samples of a night.
pub const SLEEP: &[Row] = &[
    Row::new("hr", "heart_rate", "/min").loinc(&[("8867-4", "Heart rate")]).category(VitalSigns).zero_is_none(),
    Row::new("rr", "respiratory_rate", "/min").loinc(RESPIRATORY_RATE).category(VitalSigns).zero_is_none(),
    Row::new("snoring", "snoring_duration", "s"),
    Row::new("sdnn_1", "hrv_sdnn", "ms")
        .loinc(&[("112429-6", "Heart rate variability SDNN [Time]")])
        .category(Exam)
        .zero_is_none(),
    Row::new("rmssd", "hrv_rmssd", "ms").category(Exam).zero_is_none(),
    Row::new("hrv_quality", "hrv_quality", "{score}").category(Exam),
    Row::new("mvt_score", "movement_score", "{score}"),
    Row::new("chest_movement_rate", "chest_movement_rate", "/min").category(Exam).zero_is_none(),
    Row::new("withings_index", "apnea_hypopnea_index", "{events}/h").category(Exam),
    Row::new("breathing_sounds", "breathing_sounds", "s"),
];

const fn heart_rate(name: &'static str, method: &'static str, own: &'static str) -> Row {
    Row::new(name, "sleep_heart_rate", "/min").loinc(&[("8867-4", "Heart rate")]).method(method).own(own).zero_is_none()
}

const fn respiratory(name: &'static str, method: &'static str) -> Row {
    Row::new(name, "respiratory_rate", "/min").loinc(RESPIRATORY_RATE).method(method).zero_is_none()
}

/// The sums of a night.
pub const SUMMARY: &[Row] = &[
    Row::new("total_sleep_time", "sleep_duration", "s").loinc(SLEEP_DURATION),
    // Only from an external source.
    Row::new("asleepduration", "sleep_duration", "s").loinc(SLEEP_DURATION).method("external"),
    Row::new("deepsleepduration", "sleep_deep", "s").loinc(&[("93831-6", "Deep sleep duration")]),
    Row::new("lightsleepduration", "sleep_light", "s").loinc(&[("93830-8", "Light sleep duration")]),
    Row::new("remsleepduration", "sleep_rem", "s").loinc(&[("93829-0", "REM sleep duration")]),
    Row::new("wakeupduration", "sleep_awake", "s").loinc(&[("93828-2", "Nighttime awakening duration")]),
    Row::new("total_timeinbed", "time_in_bed", "s"),
    Row::new("sleep_efficiency", "sleep_efficiency", "%").shift(2),
    Row::new("sleep_latency", "sleep_latency", "s"),
    Row::new("wakeup_latency", "wakeup_latency", "s"),
    Row::new("waso", "wake_after_sleep_onset", "s"),
    Row::new("wakeupcount", "awakenings", "{count}"),
    Row::new("out_of_bed_count", "out_of_bed_count", "{count}"),
    Row::new("nb_rem_episodes", "rem_episodes", "{count}"),
    Row::new("sleep_score", "sleep_score", "{score}"),
    heart_rate("hr_average", "mean", "sleeping-heart-rate-mean"),
    heart_rate("hr_min", "minimum", "sleeping-heart-rate-minimum"),
    heart_rate("hr_max", "maximum", "sleeping-heart-rate-maximum"),
    respiratory("rr_average", "mean").loinc(&[("103217-6", "Mean respiratory rate")]),
    respiratory("rr_min", "minimum"),
    respiratory("rr_max", "maximum"),
    Row::new("apnea_hypopnea_index", "apnea_hypopnea_index", "{events}/h"),
    Row::new("withings_index", "apnea_hypopnea_index", "{events}/h").method("withings_index"),
    Row::new("breathing_disturbances_intensity", "breathing_disturbance_intensity", "{score}"),
    Row::new("breathing_quality_assessment", "breathing_quality_assessment", "{score}"),
    Row::new("snoring", "snoring_duration", "s"),
    Row::new("snoringepisodecount", "snoring_episodes", "{count}"),
    Row::new("breathing_sounds", "breathing_sounds", "s"),
    Row::new("breathing_sounds_episode_count", "breathing_sounds_episodes", "{count}"),
    Row::new("mvt_score_avg", "movement_score", "{score}").method("mean"),
    Row::new("mvt_active_duration", "movement_duration", "s"),
    Row::new("rmssd_start_avg", "hrv_rmssd", "ms").method("mean_at_start").zero_is_none(),
    Row::new("rmssd_end_avg", "hrv_rmssd", "ms").method("mean_at_end").zero_is_none(),
    Row::new("chest_movement_rate_average", "chest_movement_rate", "/min").method("mean").zero_is_none(),
    Row::new("chest_movement_rate_min", "chest_movement_rate", "/min").method("minimum").zero_is_none(),
    Row::new("chest_movement_rate_max", "chest_movement_rate", "/min").method("maximum").zero_is_none(),
    Row::new("chest_movement_rate_wellness_average", "chest_movement_rate", "/min")
        .method("wellness_mean")
        .zero_is_none(),
    Row::new("chest_movement_rate_wellness_min", "chest_movement_rate", "/min")
        .method("wellness_minimum")
        .zero_is_none(),
    Row::new("chest_movement_rate_wellness_max", "chest_movement_rate", "/min")
        .method("wellness_maximum")
        .zero_is_none(),
    Row::new("core_body_temperature_status", "core_body_temperature_status", "{code}"),
    Row::new("core_body_temperature_avg", "core_body_temperature", "Cel").method("mean").zero_is_none(),
    Row::new("core_body_temperature_min", "core_body_temperature", "Cel").method("minimum").zero_is_none(),
    Row::new("core_body_temperature_max", "core_body_temperature", "Cel").method("maximum").zero_is_none(),
];
