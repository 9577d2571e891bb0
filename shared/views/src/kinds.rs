//! Which kinds there are, and which of their numbers can be added up.

use std::collections::BTreeSet;

use afferent_normalise::kinds::{ACTIVITY, MEASURES, PRESSURE, Row, SUMMARY, WORKOUT};

/// The compounds, and the rows of their parts.
const COMPOUNDS: [(&str, &[Row]); 3] = [("activity_day", ACTIVITY), ("sleep_session", SUMMARY), ("workout", WORKOUT)];

/// What else a compound has.
const FURTHER: [(&str, &str); 3] =
    [("blood_pressure", "systolic"), ("blood_pressure", "diastolic"), ("workout", "exercise_duration")];

/// The kinds of single measurements: those that a person takes now and then, and of which the latest says something.
#[must_use]
pub fn measured() -> Vec<String> {
    let parts = ["systolic", "diastolic"];
    let kinds: BTreeSet<&str> = MEASURES.iter().map(|row| row.kind).filter(|kind| !parts.contains(kind)).collect();
    kinds.into_iter().chain([PRESSURE.kind]).map(str::to_owned).collect()
}

/// Whether a kind is a compound: of its numbers one has to be named.
#[must_use]
pub fn is_compound(kind: &str) -> bool {
    kind == PRESSURE.kind || COMPOUNDS.iter().any(|(name, _)| *name == kind)
}

/// The methods in which a part of a compound comes (an empty one for plain numbers); none if there is no such part.
#[must_use]
pub fn methods(kind: &str, part: &str) -> Vec<&'static str> {
    let rows = COMPOUNDS.iter().filter(|(name, _)| *name == kind).flat_map(|(_, rows)| rows.iter());
    let methods = rows.filter(|row| row.kind == part).map(|row| row.method.unwrap_or_default());
    let further = FURTHER.iter().filter(|pair| **pair == (kind, part)).map(|_| "");
    methods.chain(further).collect()
}

/// The parts of a compound.
#[must_use]
pub fn parts(kind: &str) -> BTreeSet<&'static str> {
    let rows = COMPOUNDS.iter().filter(|(name, _)| *name == kind).flat_map(|(_, rows)| rows.iter());
    let further = FURTHER.iter().filter(|(name, _)| *name == kind).map(|(_, part)| *part);
    rows.map(|row| row.kind).chain(further).collect()
}

/// Whether numbers of this kind and unit (UCUM) are amounts, so that those of neighbouring periods can be added up: counts,
/// energies, distances, durations. A goal, or the length of a pool, is none.
#[must_use]
pub fn is_amount(kind: &str, unit: &str) -> bool {
    let counted = unit.starts_with('{') && !matches!(unit, "{score}" | "{code}" | "{events}/h");
    !kind.ends_with("_goal") && kind != "pool_length" && (counted || matches!(unit, "kcal" | "m" | "s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pressure_is_one_kind_with_two_parts() {
        let measured = measured();
        assert!(measured.contains(&"blood_pressure".to_owned()) && measured.contains(&"body_weight".to_owned()));
        assert!(!measured.contains(&"systolic".to_owned()));
        assert_eq!(parts("blood_pressure"), BTreeSet::from(["diastolic", "systolic"]));
        assert!(is_compound("blood_pressure") && !is_compound("body_weight"));
    }

    #[test]
    fn a_part_may_come_in_several_methods() {
        assert_eq!(methods("activity_day", "heart_rate"), ["mean", "minimum", "maximum"]);
        assert_eq!(methods("activity_day", "steps_total"), [""]);
        assert_eq!(methods("workout", "active_energy"), ["", "manual"]);
        assert_eq!(methods("workout", "exercise_duration"), [""]);
        assert!(methods("activity_day", "colour").is_empty() && methods("body_weight", "systolic").is_empty());
    }

    #[test]
    fn amounts_are_counts_energies_distances_and_durations() {
        for (kind, unit) in [("steps", "{steps}"), ("active_energy", "kcal"), ("distance", "m"), ("sleep_deep", "s")] {
            assert!(is_amount(kind, unit), "{kind}");
        }
        for (kind, unit) in [
            ("heart_rate", "/min"),
            ("body_weight", "kg"),
            ("sleep_score", "{score}"),
            ("apnea_hypopnea_index", "{events}/h"),
            ("basal_metabolic_rate", "kcal/d"),
            ("step_goal", "{steps}"),
            ("pool_length", "m"),
        ] {
            assert!(!is_amount(kind, unit), "{kind}");
        }
    }
}
