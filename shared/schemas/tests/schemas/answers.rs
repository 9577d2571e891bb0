//! Invented answers of Withings. Nobody's data.

use serde_json::{Value, json};

use crate::examples::AT;

const SCALE: &str = "08b86542627799d8b1f51c895a6ba072b0d96f68";
const WATCH: &str = "9ce51740579a96b0e3dcfb6f85aa6759fa7b1f92";
const MAT: &str = "c49dc1e0e9d0d2e48a5b8c77e2e9d96c2b6622c2";
const STETHOSCOPE: &str = "95312ae08e9c43431ad7d2e45310b901d351fd73";

/// A plausible value of a measure type, as Withings writes it.
pub fn value(meastype: i64) -> (i64, i64) {
    match meastype {
        1 => (71_840, -3),
        4 => (178, -2),
        5 => (56_540, -3),
        6 => (21_297, -3),
        8 => (15_300, -3),
        11 => (62, 0),
        12 => (36_612, -3),
        54 => (97, 0),
        73 => (33_400, -3),
        76 => (53_680, -3),
        77 => (41_200, -3),
        88 => (2_860, -3),
        91 => (7_120, -3),
        119 => (95, 0),
        123 => (42, 0),
        130 | 139 => (0, 0),
        135 => (96, 0),
        136 => (158, 0),
        137 => (392, 0),
        138 => (411, 0),
        147 => (62, -1),
        148 => (1_018, -3),
        151 => (0, 0),
        155 => (41, 0),
        158 => (72, 0),
        168 => (16_900, -3),
        169 => (24_300, -3),
        170 => (52, -1),
        196 => (68, 0),
        204 => (2, -1),
        205 => (4, -1),
        226 => (1_642, 0),
        227 => (39, 0),
        229 => (71, 0),
        248 => (31, -1),
        249 => (98, -1),
        251 => (32, -2),
        _ => panic!("measure type {meastype} is new: it needs a plausible value here"),
    }
}

/// Plausible samples of a kind that only comes as a series.
pub fn samples(kind: &str) -> Vec<Value> {
    match kind {
        "steps" => vec![json!(119), json!(128), json!(95)],
        "distance" => vec![json!(64.575), json!(91.001), json!(60.161)],
        "floors_climbed" => vec![json!(1), json!(0), json!(2)],
        "active_energy" => vec![json!(5.932), json!(3.781), json!(5.608)],
        "swim_strokes" => vec![json!(18), json!(19), json!(17)],
        "pool_laps" => vec![json!(1), json!(1)],
        "hrv_rmssd" => vec![json!(41), json!(44), json!(39)],
        "hrv_sdnn" => vec![json!(52), json!(57), json!(49)],
        "hrv_quality" => vec![json!(90), json!(87)],
        "core_body_temperature" => vec![json!(36.8), json!(36.85)],
        "respiratory_rate" | "chest_movement_rate" => vec![json!(14), json!(15), json!(14)],
        "snoring_duration" => vec![json!(0), json!(40), json!(60)],
        "movement_score" => vec![json!(3), json!(12), json!(0)],
        "apnea_hypopnea_index" => vec![json!(4.5), json!(4.7)],
        "breathing_sounds" => vec![json!(0), json!(20)],
        _ => panic!("the kind {kind} is new: it needs plausible samples here"),
    }
}

/// A weigh-in, or whatever else a group of measures is.
pub fn measures(measures: &[(i64, i64, i64)]) -> Value {
    let measures: Vec<Value> = measures
        .iter()
        .map(|(meastype, value, unit)| json!({"type": meastype, "value": value, "unit": unit, "algo": 0, "fm": 131}))
        .collect();
    json!({
        "updatetime": AT + 30,
        "timezone": "Europe/Lisbon",
        "measuregrps": [{
            "grpid": 7_000_000_101_i64, "attrib": 0, "date": AT, "created": AT + 21, "modified": AT + 21, "category": 1,
            "deviceid": SCALE, "hash_deviceid": SCALE, "model": "Body Scan", "modelid": 16, "comment": null,
            "measures": measures,
        }],
        "more": 0,
        "offset": 0,
    })
}

/// Samples of one field, a minute apart.
pub fn intraday(field: &str, samples: &[Value]) -> Value {
    let series: serde_json::Map<String, Value> = (0_i64..)
        .zip(samples)
        .map(|(index, sample)| {
            let entry = json!({
                field: sample, "duration": 60, "model": "ScanWatch 2", "model_id": 94, "deviceid": WATCH,
            });
            ((AT - 600 + 60 * index).to_string(), entry)
        })
        .collect();
    json!({"series": series})
}

/// Samples of one field of a night that is over.
pub fn sleep(field: &str, samples: &[Value]) -> Value {
    let start = AT - 10_800;
    let samples: serde_json::Map<String, Value> =
        (0_i64..).zip(samples).map(|(index, sample)| ((start + 60 * index).to_string(), sample.clone())).collect();
    json!({"series": [{
        "startdate": start, "enddate": start + 600, "state": 2, "model": "Sleep Analyzer", "model_id": 63,
        "hash_deviceid": MAT, field: samples,
    }]})
}

pub fn stages() -> Value {
    let start = AT - 25_200;
    let intervals = [(0, 0, 600), (1, 600, 5_400), (2, 5_400, 9_600), (3, 9_600, 11_400), (1, 11_700, 23_400)];
    let series: Vec<Value> = intervals
        .iter()
        .map(|(state, from, to)| {
            json!({
                "startdate": start + from, "enddate": start + to, "state": state,
                "model": "Sleep Analyzer", "model_id": 63, "hash_deviceid": MAT,
            })
        })
        .collect();
    json!({"series": series})
}

pub fn day() -> Value {
    json!({"activities": [{
        "date": "2026-09-16", "timezone": "Europe/Lisbon", "deviceid": WATCH, "hash_deviceid": WATCH, "brand": 1,
        "model": "ScanWatch 2", "modelid": 94, "is_tracker": true, "modified": AT - 21_600,
        "steps": 9214, "distance": 7031.882, "elevation": 11, "soft": 5820, "moderate": 2640, "intense": 780,
        "active": 3420, "calories": 421.337, "totalcalories": 2284.902, "hr_average": 74, "hr_min": 49, "hr_max": 158,
        "hr_zone_0": 61_200, "hr_zone_1": 3300, "hr_zone_2": 900, "hr_zone_3": 120,
    }], "more": false, "offset": 0})
}

pub fn run() -> Value {
    json!({"series": [{
        "id": 810_000_003, "category": 2, "timezone": "Europe/Lisbon", "model": 94, "attrib": 0,
        "startdate": AT - 3_600, "enddate": AT - 1_620, "date": "2026-09-17", "deviceid": WATCH, "modified": AT - 1_500,
        "data": {
            "calories": 301, "distance": 5420, "steps": 5210, "elevation": 6, "hr_average": 141, "hr_min": 92, "hr_max": 171,
            "hr_zone_0": 120, "hr_zone_1": 600, "hr_zone_2": 1020, "hr_zone_3": 240, "pause_duration": 0, "intensity": 50,
        },
    }], "more": false, "offset": 0})
}

pub fn night() -> Value {
    json!({"series": [{
        "id": 5_900_001_001_i64, "timezone": "Europe/Lisbon", "model": 32, "model_id": 63, "hash_deviceid": MAT,
        "startdate": AT - 27_000, "enddate": AT - 900, "date": "2026-09-17", "created": AT - 300, "modified": AT - 300,
        "completed": true,
        "data": {
            "total_timeinbed": 26_100, "total_sleep_time": 23_520, "lightsleepduration": 12_300, "deepsleepduration": 5100,
            "remsleepduration": 6120, "wakeupduration": 2280, "wakeupcount": 1, "sleep_efficiency": 0.91,
            "sleep_latency": 1200, "wakeup_latency": 480, "waso": 600, "nb_rem_episodes": 4, "sleep_score": 82,
            "hr_average": 56, "hr_min": 48, "hr_max": 74, "rr_average": 14, "rr_min": 11, "rr_max": 18, "snoring": 840,
            "snoringepisodecount": 3, "apnea_hypopnea_index": 4.5,
            "night_events": "{\"1\":[0],\"2\":[1200],\"3\":[24720],\"4\":[26100]}",
        },
    }], "more": false, "offset": 0})
}

pub fn ecg() -> Value {
    json!({"series": [{
        "deviceid": STETHOSCOPE, "hash_deviceid": STETHOSCOPE, "model": 71, "ecg": {"signalid": 31_000_001, "afib": 0},
        "stetho": {"signalid": 41_000_001, "vhd": 0}, "bloodpressure": {"diastole": 78, "systole": 121},
        "heart_rate": 63, "timestamp": AT, "modified": AT + 9, "timezone": "Europe/Lisbon",
    }], "more": false, "offset": 0})
}

pub fn ecg_signal() -> Value {
    json!({"signal": [103, 143, 310, -169, 154, 399, 257, 381], "sampling_frequency": 300, "wearposition": 1, "model": 94})
}

pub fn sound() -> Value {
    json!({"series": [{
        "hash_deviceid": STETHOSCOPE, "signalid": 41_000_001, "vhd": 0, "timestamp": AT, "timezone": "Europe/Lisbon",
    }], "more": false, "offset": 0})
}

pub fn sound_signal() -> Value {
    json!({"signal": [53, 153, 197, 91, 200, 112, 134, 81], "frequency": 2000, "duration": 30, "format": 0, "size": 8,
        "resolution": 8, "channel": 1, "model": 71, "stethoPosition": 15})
}

pub fn survey() -> Value {
    json!({"answers": [{
        "surveyid": 9102, "grpid": 7_000_000_170_i64, "timestamp": AT,
        "answers": [{"questionid": 1, "answer": 2}, {"questionid": 2, "answer": 0}],
    }]})
}

pub fn device() -> Value {
    json!({"devices": [{
        "type": "Activity Tracker", "battery": "high", "model": "ScanWatch 2", "model_id": 94, "timezone": "Europe/Lisbon",
        "first_session_date": 1_741_046_400, "last_session_date": AT, "deviceid": WATCH, "hash_deviceid": WATCH,
    }]})
}

pub fn goals() -> Value {
    json!({"goals": {"steps": 9000, "sleep": 27_000, "weight": {"value": 70_000, "unit": -3}}})
}
