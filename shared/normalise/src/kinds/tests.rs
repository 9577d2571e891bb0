use afferent_domain::exact::Json;

use super::*;

/// The rows that other programs check too.
fn shared() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/kinds.json");
    Json::parse(&std::fs::read(path).unwrap()).unwrap()
}

fn text<'a>(row: &'a Json, name: &str) -> Option<&'a str> {
    match row.get(name)? {
        Json::Text(text) => Some(text),
        _ => None,
    }
}

fn rows<'a>(shared: &'a Json, table: &str) -> &'a [Json] {
    match shared.get(table) {
        Some(Json::List(rows)) => rows,
        _ => panic!("no table {table}"),
    }
}

#[test]
fn whole_rows_are_those_of_the_shared_table() {
    let shared = shared();
    for (name, table) in [
        ("measures", MEASURES),
        ("activity", ACTIVITY),
        ("intraday", INTRADAY),
        ("sleep", SLEEP),
        ("summary", SUMMARY),
        ("workouts", WORKOUT),
        ("goals", &[GOALS, &[WEIGHT_GOAL]].concat()),
    ] {
        assert_eq!(rows(&shared, name).len(), table.len(), "{name}");
        for expected in rows(&shared, name) {
            let field = text(expected, "name").unwrap();
            let row = table.iter().find(|row| row.name == field).unwrap_or_else(|| panic!("{name} lacks {field}"));
            assert_eq!(Some(row.kind), text(expected, "kind"), "{name} {field}");
            assert_eq!(Some(row.unit), text(expected, "unit"), "{name} {field}");
            assert_eq!(row.site, text(expected, "site"), "{name} {field}");
            assert_eq!(row.method, text(expected, "method"), "{name} {field}");
            let Some(Json::List(loinc)) = expected.get("loinc") else { panic!("{name} {field}") };
            let codes: Vec<_> = row.loinc.iter().map(|(code, _)| Json::Text((*code).to_owned())).collect();
            assert_eq!(&codes, loinc, "{name} {field}");
        }
    }
}

/// 36 of Withings' list in August 2026, eight of October 2026 for urine, and four that only clients knew (each foot).
#[test]
fn every_measure_type_that_withings_or_a_client_named_has_a_name() {
    let official = [
        1, 4, 5, 6, 8, 9, 10, 11, 12, 54, 71, 73, 76, 77, 88, 91, 119, 123, 130, 135, 136, 137, 138, 139, 155, 167,
        168, 169, 170, 173, 174, 175, 196, 226, 227, 229,
    ];
    assert_eq!(official.len(), 36);
    let later = [147, 148, 151, 204, 205, 248, 249, 251, 158, 159, 197, 198];
    let mut known: Vec<i64> = MEASURES.iter().map(|row| row.name.parse().unwrap()).collect();
    known.sort_unstable();
    let mut all = [&official[..], &later].concat();
    all.sort_unstable();
    assert_eq!(known, all);
}

#[test]
fn coded_results_are_those_of_the_shared_table() {
    let shared = shared();
    let number = |row: &Json, name: &str| match row.get(name) {
        Some(Json::Number(number)) => number.as_integer().unwrap(),
        _ => panic!("{name}"),
    };
    let categories = rows(&shared, "workout_categories");
    assert_eq!(categories.len(), 130);
    for row in categories {
        assert_eq!(Some(&*workout(number(row, "category"))), text(row, "kind"));
    }
    assert_eq!(workout(533), "withings.workout.533");
    assert_eq!(rows(&shared, "afib").len(), 14);
    for row in rows(&shared, "afib") {
        assert_eq!(Some(&*afib(number(row, "class"))), text(row, "code"));
    }
}

#[test]
fn every_field_that_is_asked_for_has_a_name() {
    use afferent_withings::fields;
    for (list, table) in [
        (fields::ACTIVITY, ACTIVITY),
        (fields::INTRADAY, INTRADAY),
        (fields::WORKOUTS, WORKOUT),
        (fields::SLEEP, SLEEP),
        (fields::SLEEP_SUMMARY, SUMMARY),
    ] {
        // How long a sample lasts is no sample, and the events of a night are a list.
        for field in list.split(',').filter(|field| !matches!(*field, "duration" | "night_events")) {
            assert!(table.iter().any(|row| row.name == field), "{field}");
        }
        for row in table.iter().filter(|row| row.name != "asleepduration") {
            assert!(list.split(',').any(|field| field == row.name), "{} is not asked for", row.name);
        }
    }
}

#[test]
fn no_field_has_two_rows_and_no_code_two_names() {
    let mut displays = std::collections::BTreeMap::new();
    for table in [MEASURES, ACTIVITY, INTRADAY, SLEEP, SUMMARY, WORKOUT] {
        let mut names: Vec<_> = table.iter().map(|row| row.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        for (code, display) in table.iter().flat_map(|row| row.loinc) {
            assert_eq!(*displays.entry(code).or_insert(display), display, "{code}");
        }
    }
}

#[test]
fn a_muscle_is_not_a_fat_mass_and_a_bone_is_neither() {
    let code = |meastype| measure(meastype).unwrap().loinc[0].0;
    assert_eq!((code(8), code(76), code(88)), ("73708-0", "73964-9", "101685-6"));
    assert!(measure(170).unwrap().loinc.is_empty());
}

#[test]
fn our_own_code_always_stands_beside() {
    let codes = measure(54).unwrap().codes();
    assert_eq!(codes.iter().map(|code| &*code.code).collect::<Vec<_>>(), ["2708-6", "59408-5", "oxygen-saturation"]);
    assert_eq!(ACTIVITY[3].codes()[1].code, "active-energy-burned");
}

#[test]
fn an_integer_that_nobody_documents_keeps_its_number() {
    assert_eq!((&*afib(0), &*afib(13), &*afib(99)), ("negative", "no_diagnosis", "withings.afib.99"));
    assert_eq!((&*body_site(7), &*body_site(12), &*body_site(-1)), ("whole_body", "torso", "withings.position.-1"));
    assert_eq!((&*stage(15), &*stage(77)), ("out_of_bed", "withings.state.77"));
    assert_eq!(measure(12_345), None);
}
