//! Writes what the programs of others are to judge, and from what it was made.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use afferent_domain::erasure::sha256;
use afferent_domain::record::Record;
use afferent_fhir::{Bundle, Entry, Outcome, capabilities, device, observation, patient};

use crate::fixtures;

/// What the resources are made from.
const SOURCES: [&str; 4] =
    ["shared/domain/src/record", "shared/fhir/src", "shared/normalise/src", "tests/fixtures/withings"];

/// The folder, with nothing in it: what an earlier run wrote must not be judged in place of what this one did not.
fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fhir");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A digest of all sources. `tests/fhir/conftest.py` takes the same one of what is there then.
fn stamp() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut lines: Vec<String> = Vec::new();
    for folder in SOURCES {
        files(&root.join(folder), folder, &mut lines);
    }
    lines.sort();
    sha256(&lines.concat())
}

fn files(folder: &Path, name: &str, lines: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{name}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            files(&path, &name, lines);
        } else {
            lines.push(format!("{name} {}\n", sha256(&std::fs::read_to_string(&path).unwrap())));
        }
    }
}

#[test]
fn all_resources_are_written_for_other_validators() {
    // First: what changes while this runs is not in it.
    let (folder, stamp) = (folder(), stamp());
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
        everything(records),
        page(Vec::new(), None),
        page(entries, Some("patient=usr-1&_cursor=abc")),
    ] {
        writeln!(resources, "{resource}").unwrap();
    }
    std::fs::write(folder.join("observations.ndjson"), observations).unwrap();
    std::fs::write(folder.join("resources.ndjson"), resources).unwrap();
    std::fs::write(folder.join("stamp"), stamp).unwrap();
}

/// The first page of all that there is of a person: resources of every type in one Bundle.
fn everything(records: &[Record]) -> String {
    const BASE: &str = "https://api.example.org/v1/fhir/r4";
    let patient = patient(&fixtures::context().user, Some("person-1"));
    let mut entries = vec![Entry::new(format!("{BASE}/Patient/{}", patient.id), &patient).unwrap()];
    for device in records.iter().filter(|record| record.rev == 1).filter_map(device) {
        entries.push(Entry::new(format!("{BASE}/Device/{}", device.id), &device).unwrap());
    }
    let observations = records.iter().filter(|record| record.rev == 1);
    for observation in observations.filter_map(|record| observation(record, &BTreeSet::new())).take(20) {
        entries.push(Entry::new(format!("{BASE}/Observation/{}", observation.id), &observation).unwrap());
    }
    assert!(entries.len() > 21, "{}", entries.len());
    let address = format!("{BASE}/Patient/{}/$everything", patient.id);
    let next = format!("{address}?_cursor=abc");
    serde_json::to_string(&Bundle::page(entries, address, Some(next))).unwrap()
}
