//! Workouts: their numbers and their kinds.

use super::Row;
use super::activity::{ACTIVE_ENERGY, DISTANCE, FLOORS};

const fn heart_rate(name: &'static str, method: &'static str) -> Row {
    Row::new(name, "heart_rate", "/min").loinc(&[("8867-4", "Heart rate")]).method(method).zero_is_none()
}

/// The numbers of a workout.
pub const WORKOUT: &[Row] = &[
    Row::new("calories", "active_energy", "kcal").loinc(ACTIVE_ENERGY).own("active-energy-burned"),
    Row::new("manual_calories", "active_energy", "kcal")
        .loinc(ACTIVE_ENERGY)
        .own("active-energy-burned")
        .method("manual")
        .zero_is_none(),
    Row::new("distance", "distance", "m").loinc(DISTANCE),
    Row::new("manual_distance", "distance", "m").loinc(DISTANCE).method("manual").zero_is_none(),
    Row::new("steps", "steps", "{steps}").loinc(&[("55423-8", "Number of steps in unspecified time Pedometer")]),
    Row::new("elevation", "floors_climbed", "{floors}").loinc(FLOORS),
    heart_rate("hr_average", "mean"),
    heart_rate("hr_min", "minimum"),
    heart_rate("hr_max", "maximum"),
    Row::new("hr_zone_0", "heart_rate_zone_duration", "s").method("zone_0"),
    Row::new("hr_zone_1", "heart_rate_zone_duration", "s").method("zone_1"),
    Row::new("hr_zone_2", "heart_rate_zone_duration", "s").method("zone_2"),
    Row::new("hr_zone_3", "heart_rate_zone_duration", "s").method("zone_3"),
    Row::new("pause_duration", "pause_duration", "s"),
    Row::new("algo_pause_duration", "pause_duration", "s").method("algorithm"),
    Row::new("spo2_average", "oxygen_saturation", "%")
        .loinc(&[
            ("2708-6", "Oxygen saturation in Arterial blood"),
            ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
        ])
        .method("mean")
        .zero_is_none(),
    Row::new("core_body_temperature_avg", "core_body_temperature", "Cel").method("mean").zero_is_none(),
    Row::new("core_body_temperature_min", "core_body_temperature", "Cel").method("minimum").zero_is_none(),
    Row::new("core_body_temperature_max", "core_body_temperature", "Cel").method("maximum").zero_is_none(),
    Row::new("core_body_temperature_status", "core_body_temperature_status", "{code}"),
    Row::new("pool_laps", "pool_laps", "{laps}"),
    Row::new("strokes", "swim_strokes", "{strokes}"),
    Row::new("pool_length", "pool_length", "m"),
    Row::new("intensity", "workout_intensity", "{score}"),
    Row::new("manual_intensity", "workout_intensity", "{score}").method("manual"),
];

/// The kind of a workout, by Withings' `category`; `withings.workout.<n>` if nobody documents it.
#[must_use]
pub fn workout(category: i64) -> String {
    match CATEGORIES.binary_search_by_key(&category, |(number, _)| *number) {
        Ok(index) => CATEGORIES[index].1.to_owned(),
        Err(_) => format!("withings.workout.{category}"),
    }
}

/// Withings' workout categories (OpenAPI, `workout_object`), sorted.
const CATEGORIES: &[(i64, &str)] = &[
    (1, "walk"),
    (2, "run"),
    (3, "hiking"),
    (4, "skating"),
    (5, "bmx"),
    (6, "bicycling"),
    (7, "swimming"),
    (8, "surfing"),
    (9, "kitesurfing"),
    (10, "windsurfing"),
    (11, "bodyboard"),
    (12, "tennis"),
    (13, "table_tennis"),
    (14, "squash"),
    (15, "badminton"),
    (16, "lift_weights"),
    (17, "fitness"),
    (18, "elliptical"),
    (19, "pilates"),
    (20, "basket_ball"),
    (21, "soccer"),
    (22, "football"),
    (23, "rugby"),
    (24, "volley_ball"),
    (25, "waterpolo"),
    (26, "horse_riding"),
    (27, "golf"),
    (28, "yoga"),
    (29, "dancing"),
    (30, "boxing"),
    (31, "fencing"),
    (32, "wrestling"),
    (33, "martial_arts"),
    (34, "skiing"),
    (35, "snowboarding"),
    (36, "other"),
    (128, "no_activity"),
    (187, "rowing"),
    (188, "zumba"),
    (191, "baseball"),
    (192, "handball"),
    (193, "hockey"),
    (194, "ice_hockey"),
    (195, "climbing"),
    (196, "ice_skating"),
    (272, "multi_sport"),
    (306, "indoor_walk"),
    (307, "indoor_running"),
    (308, "indoor_cycling"),
    (455, "standup_paddleboarding"),
    (456, "padel"),
    (457, "gaming"),
    (490, "beach_volleyball"),
    (491, "stair_stepper"),
    (492, "skateboarding"),
    (493, "parkour"),
    (494, "kayaking"),
    (495, "canoeing"),
    (496, "sailing"),
    (497, "fishing"),
    (498, "trail_running"),
    (499, "snowshoeing"),
    (500, "paintball"),
    (501, "archery"),
    (502, "scuba_diving"),
    (503, "baseball_training"),
    (504, "biathlon"),
    (505, "bocce"),
    (506, "petanque"),
    (507, "paragliding"),
    (508, "frisbee"),
    (509, "skydiving"),
    (510, "pickleball"),
    (511, "cornhole"),
    (512, "dodgeball"),
    (513, "ultimate"),
    (514, "teqball"),
    (515, "pushing_a_wheelchair_running_pace"),
    (516, "pushing_a_wheelchair_walking_pace"),
    (517, "athletics"),
    (518, "track_cycling"),
    (519, "pentathlon"),
    (520, "sport_shooting"),
    (521, "triathlon"),
    (522, "diving"),
    (523, "mountain_biking"),
    (524, "gravel_biking"),
    (525, "e_biking"),
    (526, "e_mountain_biking"),
    (527, "handcycling"),
    (528, "velomobile"),
    (529, "backcountry_skiing"),
    (530, "nordic_skiing"),
    (531, "roller_skiing"),
    (532, "racquetball"),
    (534, "hip_hop"),
    (535, "muaythai"),
    (536, "taekwondo"),
    (537, "judo"),
    (538, "trampoline"),
    (539, "standing_frame"),
    (540, "seated_strength"),
    (541, "seated_cardio"),
    (542, "walk_with_walker"),
    (543, "walk_with_cane"),
    (544, "breaking"),
    (545, "chores"),
    (546, "crossfit"),
    (547, "spinclass"),
    (548, "cricket"),
    (549, "flamenco_dancing"),
    (550, "hiit"),
    (551, "meditation"),
    (552, "stretching"),
    (553, "yard_work_gardening"),
    (554, "cleaning"),
    (555, "public_speaking"),
    (556, "spikeball"),
    (557, "lacrosse"),
    (558, "baby_wearing"),
    (559, "dog_walking"),
    (560, "breathing_exercises"),
    (561, "balance_drills"),
    (562, "pushing_a_stroller"),
    (563, "toddler_wearing"),
    (564, "bowling"),
    (565, "lasertag"),
    (566, "nordic_walking"),
    (567, "sumo_wrestling"),
    (568, "cooking"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_is_found_and_no_two_are_alike() {
        assert!(CATEGORIES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(CATEGORIES.len(), 130);
        assert_eq!(workout(1), "walk");
        assert_eq!(workout(187), "rowing");
        assert_eq!(workout(568), "cooking");
        assert_eq!(workout(9999), "withings.workout.9999");
    }
}
