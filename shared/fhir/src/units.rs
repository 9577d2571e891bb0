//! UCUM units as people read them. A quantity has both: `unit` for people, `code` for programs.

/// The code system of UCUM.
pub(crate) const UCUM: &str = "http://unitsofmeasure.org";

/// Every unit of the table of kinds, sorted by its code.
const UNITS: &[(&str, &str)] = &[
    ("%", "%"),
    ("/min", "/min"),
    ("1", "1"),
    ("Cel", "°C"),
    ("Hz", "Hz"),
    ("[pH]", "pH"),
    ("a", "years"),
    ("cm", "cm"),
    ("kcal", "kcal"),
    ("kcal/d", "kcal/day"),
    ("kg", "kg"),
    ("m", "m"),
    ("m/s", "m/s"),
    ("mL/kg/min", "mL/kg/min"),
    ("mg/dL", "mg/dL"),
    ("mm[Hg]", "mmHg"),
    ("mmol/L", "mmol/L"),
    ("ms", "ms"),
    ("s", "s"),
    ("uS", "µS"),
    ("uV", "µV"),
    ("umol/L", "µmol/L"),
    ("{a-law}", "A-law code word"),
    ("{code}", "code"),
    ("{count}", "count"),
    ("{events}/h", "events/h"),
    ("{floors}", "floors"),
    ("{laps}", "laps"),
    ("{score}", "score"),
    ("{steps}", "steps"),
    ("{strokes}", "strokes"),
];

/// A unit for people; one that is not in the table stands for itself.
pub(crate) fn for_people(ucum: &str) -> &str {
    UNITS.binary_search_by_key(&ucum, |(code, _)| *code).map_or(ucum, |index| UNITS[index].1)
}

#[cfg(test)]
mod tests {
    use afferent_normalise::kinds::{ACTIVITY, INTRADAY, MEASURES, PRESSURE, SLEEP, SUMMARY, WORKOUT};

    use super::*;

    #[test]
    fn every_unit_of_the_kinds_has_its_row() {
        let rows = [MEASURES, ACTIVITY, INTRADAY, SLEEP, SUMMARY, WORKOUT, &[PRESSURE]].concat();
        for row in rows.iter().filter(|row| !row.unit.is_empty()) {
            assert!(UNITS.iter().any(|(code, _)| *code == row.unit), "{} of {}", row.unit, row.kind);
        }
    }

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(UNITS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!((for_people("mm[Hg]"), for_people("{odd}")), ("mmHg", "{odd}"));
    }
}
