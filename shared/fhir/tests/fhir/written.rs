//! Writes what the programs of others are to judge.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use afferent_fhir::{Bundle, Entry, Outcome, capabilities, device, observation, patient};

use crate::fixtures;

fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fhir");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn all_resources_are_written_for_other_validators() {
    let records = fixtures::all();
    let devices: BTreeSet<_> =
        records.iter().filter(|record| record.kind == "device").map(|r| r.record.clone()).collect();
    let mut observations = String::new();
    let mut resources = String::new();
    let mut entries = Vec::new();
    for record in records {
        // Half of them know the devices.
        let known = if record.rev % 2 == 0 { devices.clone() } else { BTreeSet::new() };
        if let Some(observation) = observation(record, &known) {
            let resource = serde_json::to_string(&observation).unwrap();
            let record = serde_json::to_string(record).unwrap();
            writeln!(observations, r#"{{"record":{record},"resource":{resource}}}"#).unwrap();
            if entries.len() < 20 {
                let address = format!("https://api.example.org/v1/fhir/r4/Observation/{}", observation.id);
                entries.push(Entry::new(address, &observation).unwrap());
            }
        }
        if let Some(device) = device(record) {
            writeln!(resources, "{}", serde_json::to_string(&device).unwrap()).unwrap();
        }
    }
    assert!(observations.lines().count() > 600, "{}", observations.lines().count());
    let page = |entries, next: Option<&str>| {
        let url = |text: &str| format!("https://api.example.org/v1/fhir/r4/Observation?{text}");
        serde_json::to_string(&Bundle::page(entries, url("patient=usr-1"), next.map(url))).unwrap()
    };
    let user = &fixtures::context().user;
    for resource in [
        serde_json::to_string(&patient(user, Some("person-1"))).unwrap(),
        serde_json::to_string(&patient(user, None)).unwrap(),
        serde_json::to_string(&Outcome::of(400, "bad-field", "date should be a date")).unwrap(),
        serde_json::to_string(&Outcome::of(503, "unavailable", "a table is out of reach; ask again")).unwrap(),
        capabilities("https://api.example.org/v1/fhir/r4").to_string(),
        page(Vec::new(), None),
        page(entries, Some("patient=usr-1&_cursor=abc")),
    ] {
        writeln!(resources, "{resource}").unwrap();
    }
    std::fs::write(folder().join("observations.ndjson"), observations).unwrap();
    std::fs::write(folder().join("resources.ndjson"), resources).unwrap();
}
