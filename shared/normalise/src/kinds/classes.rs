//! Coded results: Withings' integers as words. An integer that nobody documents becomes `withings.<what>.<n>`.

/// The class of an atrial fibrillation result (types 130 and 139, heart list).
#[must_use]
pub fn afib(class: i64) -> String {
    match class {
        0 | 9 | 10 => "negative",
        1 | 11 | 12 => "positive",
        2 | 8 => "inconclusive",
        3 => "no_signal",
        4 => "other",
        5 => "noise",
        6 => "low_hr",
        7 => "high_hr",
        13 => "no_diagnosis",
        _ => return format!("withings.afib.{class}"),
    }
    .to_owned()
}

/// A `position`. 7 is not in Withings' table but in most of its answers.
#[must_use]
pub fn body_site(position: i64) -> String {
    const SITES: [&str; 32] = [
        "right_wrist",
        "left_wrist",
        "right_arm",
        "left_arm",
        "right_foot",
        "left_foot",
        "between_legs",
        "whole_body",
        "left_body",
        "right_body",
        "left_leg",
        "right_leg",
        "torso",
        "left_hand",
        "right_hand",
        "aortic_area",
        "pulmonic_area",
        "tricuspid_area",
        "mitral_area",
        "apex",
        "lung_front_1",
        "lung_front_2",
        "lung_front_3",
        "lung_front_4",
        "lung_back_1",
        "lung_back_2",
        "lung_back_3",
        "lung_back_4",
        "wide_mode",
        "between_arms",
        "hold_right",
        "hold_left",
    ];
    match usize::try_from(position).ok().and_then(|index| SITES.get(index)) {
        Some(site) => (*site).to_owned(),
        None => format!("withings.position.{position}"),
    }
}

/// A `state` of sleep get.
#[must_use]
pub fn stage(state: i64) -> String {
    match state {
        0 => "awake",
        1 => "light",
        2 => "deep",
        3 => "rem",
        4 => "manual",
        5 => "unspecified",
        15 => "out_of_bed",
        _ => return format!("withings.state.{state}"),
    }
    .to_owned()
}

/// A key of `night_events`.
#[must_use]
pub fn night_event(key: &str) -> String {
    match key {
        "1" => "in_bed",
        "2" => "asleep",
        "3" => "awake",
        "4" => "out_of_bed",
        _ => return format!("withings.night_event.{key}"),
    }
    .to_owned()
}
