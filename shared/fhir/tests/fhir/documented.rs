//! `docs/fhir.md` has a row for every kind of measurement: `UPDATE=1` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use afferent_domain::record::{Category, Record};
use afferent_fhir::observation;

use crate::fixtures;

const MARK: &str = "<!-- Made by `UPDATE=1 cargo test -p afferent-fhir`. -->\n";

/// A row per kind of single measurement, from what really becomes of them.
fn table() -> String {
    let single = |record: &&Record| {
        record.source.service == "getmeas" && record.components.is_empty() && !record.kind.starts_with("withings.")
    };
    let mut rows: BTreeMap<&str, String> = BTreeMap::new();
    for record in fixtures::all().iter().filter(single) {
        let Some(seen) = observation(record, &[].into()) else { continue };
        let loinc = seen.code.coding.iter().filter(|coding| coding.system == "http://loinc.org");
        let loinc: Vec<&str> = loinc.map(|coding| &*coding.code).collect();
        let loinc = if loinc.is_empty() { "ours".to_owned() } else { loinc.join(", ") };
        let unit = record.unit.as_ref().map_or_else(|| "a word".to_owned(), |unit| format!("`{unit}`"));
        let category = match record.category {
            Category::VitalSigns => "vital-signs",
            Category::Laboratory => "laboratory",
            _ => "exam",
        };
        let profile = seen.meta.profile.first().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        let row = format!("| `{}` | {loinc} | {unit} | {category} | {profile} |\n", record.kind);
        // Of the whole body, if it is measured of segments too.
        if rows.get(&*record.kind).is_none_or(|row| row.contains("| ours |")) {
            rows.insert(&record.kind, row.replace("|  |", "| |"));
        }
    }
    let mut table = String::from("\n| kind | LOINC | UCUM | category | profile |\n|---|---|---|---|---|\n");
    rows.values().for_each(|row| write!(table, "{row}").unwrap());
    table
}

#[test]
fn the_table_of_measurements_is_what_becomes_of_them() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fhir.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(MARK).unwrap();
    let end = rest.find("\n### ").unwrap();
    let table = table();
    assert!(table.lines().count() > 40, "{table}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, format!("{before}{MARK}{table}{}", &rest[end..])).unwrap();
        return;
    }
    assert_eq!(rest[..end], table, "`UPDATE=1 cargo test -p afferent-fhir` writes it");
}
