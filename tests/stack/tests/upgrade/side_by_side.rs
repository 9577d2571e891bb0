//! While a deployment is shifted, functions of two releases run over the same tables and queues: what those of today write
//! must be readable by those before.

use std::collections::BTreeSet;

use jsonschema::{Retrieve, Uri};
use serde_json::Value;

use crate::files::{self, Release};
use crate::record::today;
use crate::shapes;

/// The release that runs beside today's functions.
fn previous() -> Release {
    files::all().pop().unwrap()
}

/// The places whose form changes on purpose, as the changelog names them above the release: lines that begin with
/// "- Migration" have them between backquotes.
fn migrations(release: &Release) -> BTreeSet<String> {
    let changelog = include_str!("../../../../CHANGELOG.md");
    let since =
        changelog.lines().take_while(|line| !(line.starts_with("## ") && line.contains(&release.about.version)));
    let named = since.filter(|line| line.starts_with("- Migration"));
    named.flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn what_is_written_today_can_be_read_by_the_release_before() {
    let previous = previous();
    let migrations = migrations(&previous);
    let broken = shapes::broken(&previous, today());
    let broken: Vec<_> = broken.into_iter().filter(|(place, _)| !migrations.contains(place)).collect();
    assert!(
        broken.is_empty(),
        "not as {} has it; if it must be, the changelog names the place in a line `- Migration: …`: {broken:#?}",
        previous.about.version
    );
}

#[test]
fn events_of_today_hold_by_the_schemas_of_the_release_before_but_for_what_was_added() {
    let previous = previous();
    let migrations = migrations(&previous);
    let open: Vec<(String, Value)> = previous.schemas.iter().map(|(name, one)| (name.clone(), opened(one))).collect();
    let by_id = |id: &str| open.iter().find(|(_, schema)| schema["$id"] == id).map(|(_, schema)| schema);
    let mut looked_at = 0;
    for event in today().table("events").iter().filter_map(shapes::event_of) {
        let id = event["dataschema"].as_str().unwrap();
        // One of a new kind, or of a new version of a kind, had no schema then: the shapes tell which is which.
        let Some(schema) = by_id(id) else { continue };
        let options = jsonschema::options().with_retriever(Known(open.clone()));
        let validator = options.build(schema).unwrap();
        let wrong =
            validator.iter_errors(&event).find(|error| !migrations.contains(&error.instance_path().to_string()));
        assert!(wrong.is_none(), "{id}{}", wrong.unwrap().instance_path());
        looked_at += 1;
    }
    assert!(looked_at > 50, "{looked_at} events");
}

/// A schema that lets more members be: they may be added within a version.
fn opened(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let closed = ["additionalProperties", "unevaluatedProperties"];
            let stay = members.iter().filter(|(name, one)| !(closed.contains(&name.as_str()) && **one == false));
            Value::Object(stay.map(|(name, one)| (name.clone(), opened(one))).collect())
        }
        Value::Array(all) => Value::Array(all.iter().map(opened).collect()),
        other => other.clone(),
    }
}

/// The schemas of a release, which refer to each other.
struct Known(Vec<(String, Value)>);

impl Retrieve for Known {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.0.iter().find(|(_, schema)| schema["$id"] == uri.as_str());
        found.map(|(_, schema)| schema.clone()).ok_or_else(|| format!("there is no schema {uri}").into())
    }
}
