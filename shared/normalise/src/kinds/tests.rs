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
    for (name, table) in
        [("measures", MEASURES), ("activity", ACTIVITY), ("intraday", INTRADAY), ("sleep", SLEEP), ("summary", SUMMARY)]
    {
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
    assert_eq!(rows(&shared, "measures").len(), MEASURES.len(), "every measure type is in the shared table");
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
