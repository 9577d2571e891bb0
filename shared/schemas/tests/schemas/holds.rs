//! What the schemas hold, and what they refuse.

use std::collections::BTreeSet;

use afferent_domain::exact::Json;
use jsonschema::{Retrieve, Uri, Validator};
use serde_json::{Value, json};

use crate::common::shared_at;
use crate::{examples, files};

struct Common;

impl Retrieve for Common {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        match uri.as_str() {
            "urn:afferent:schema:common:1" => Ok(crate::common::common()),
            other => Err(format!("no schema refers to {other}").into()),
        }
    }
}

/// The validator of a schema.
pub fn validator(schema: &Value) -> Validator {
    jsonschema::options().with_retriever(Common).should_validate_formats(true).build(schema).unwrap()
}

/// What is wrong with an event, or nothing.
fn wrong(schema: &Value, event: &Value) -> Vec<String> {
    validator(schema).iter_errors(event).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The schema of a kind, as the files have it.
fn schema(kind: &str) -> Value {
    serde_json::from_str(afferent_schemas::schema(kind).unwrap_or_else(|| panic!("no schema of {kind}"))).unwrap()
}

/// Whether an event is as the schema of its kind says, whole.
pub fn assert_holds(event: &Value) {
    let event_type = event["type"].as_str().unwrap();
    let schema = schema(afferent_schemas::kind_of(event_type).unwrap());
    assert_eq!(wrong(&schema, event), [""; 0], "{event_type}: {event:#}");
    if let Some(whole) = schema.pointer("/$defs/whole") {
        assert_eq!(wrong(whole, &event["data"]["record"]), [""; 0], "{event_type}: {event:#}");
    }
}

/// Every example of every schema.
fn all_examples() -> Vec<Value> {
    let all = files::schemas().into_values();
    all.flat_map(|schema| schema["examples"].as_array().unwrap().clone()).collect()
}

#[test]
fn every_schema_is_one_and_holds_its_own_examples() {
    let common = crate::common::common();
    assert!(jsonschema::draft202012::meta::is_valid(&common));
    for schema in files::schemas().values() {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{}", schema["$id"]);
    }
    for event in all_examples() {
        assert_holds(&event);
    }
}

#[test]
fn an_event_names_the_schema_of_its_kind() {
    for event in all_examples() {
        let event_type = event["type"].as_str().unwrap();
        let schema = schema(afferent_schemas::kind_of(event_type).unwrap());
        assert_eq!(schema["$id"], event["dataschema"], "{event_type}");
    }
}

#[test]
fn the_data_of_an_example_of_every_type_make_a_test_event() {
    let kinds: BTreeSet<&str> = afferent_schemas::kinds().collect();
    let types: Vec<String> = afferent_schemas::types().collect();
    // Three of each kind with a name of its own, but one of `webhook`.
    assert_eq!(types.len(), 3 * (kinds.len() - 2) - 2);
    let unnamed = ["withings.meastype.77.deleted", "withings.meastype.-3.created", "withings.some_field.updated"];
    for event_type in types.iter().map(String::as_str).chain(unnamed) {
        let data: Value = serde_json::from_str(&afferent_schemas::example(event_type).unwrap()).unwrap();
        assert_holds(&examples::about_no_record(event_type, &data, true));
        if let Some(record) = data.get("record") {
            assert_eq!(record["kind"].as_str(), afferent_schemas::kind_of(event_type));
        }
    }
    for none in
        ["body_weight", "body_weight.warning", "webhook.created", "no_kind.created", "withings..created", ".test", ""]
    {
        assert_eq!(afferent_schemas::example(none), None, "{none}");
    }
}

#[test]
fn an_example_says_the_revision_that_its_type_says() {
    let of = |verb: &str| -> Value {
        let data = afferent_schemas::example(&format!("body_weight.{verb}")).unwrap();
        serde_json::from_str::<Value>(&data).unwrap()["record"].clone()
    };
    assert_eq!((of("created")["rev"].as_u64(), of("created")["status"].as_str()), (Some(1), Some("final")));
    assert_eq!((of("updated")["rev"].as_u64(), of("updated")["status"].as_str()), (Some(2), Some("amended")));
    assert_eq!((of("deleted")["rev"].as_u64(), of("deleted")["status"].as_str()), (Some(2), Some("entered-in-error")));
    assert_eq!(of("deleted")["value"], of("created")["value"]);
}

/// [`afferent_schemas::example`] reads numbers as `f64`; no number of an example may lose a digit by that.
#[test]
fn no_number_of_an_example_loses_a_digit() {
    for kind in afferent_schemas::kinds() {
        let text = afferent_schemas::schema(kind).unwrap();
        let again = serde_json::from_str::<Value>(text).unwrap().to_string();
        assert_eq!(Json::parse(text.as_bytes()).unwrap(), Json::parse(again.as_bytes()).unwrap(), "{kind}");
    }
}

/// What the payload forms leave of a record.
fn cut(event: &Value, keeps: impl Fn(&str) -> bool) -> Value {
    let mut event = event.clone();
    if let Some(record) = event.pointer_mut("/data/record").and_then(Value::as_object_mut) {
        record.retain(|name, _| afferent_domain::payload::ALWAYS.contains(&name.as_str()) || keeps(name));
    }
    event
}

#[test]
fn thin_events_and_events_with_any_one_attribute_hold_too() {
    for event in all_examples() {
        let schema = schema(afferent_schemas::kind_of(event["type"].as_str().unwrap()).unwrap());
        let validator = validator(&schema);
        assert!(validator.is_valid(&cut(&event, |_| false)), "{}", event["type"]);
        for name in event["data"]["record"].as_object().into_iter().flat_map(|record| record.keys()) {
            assert!(validator.is_valid(&cut(&event, |kept| kept == name)), "{}: {name}", event["type"]);
        }
    }
}

/// Every place of an object in an event that is ours to shape.
fn objects(json: &Value, at: &str, found: &mut Vec<String>) {
    match json {
        Value::Object(members) => {
            found.push(at.to_owned());
            for (name, member) in members.iter().filter(|(name, _)| *name != "other") {
                objects(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                objects(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_member_that_nobody_announced_is_refused_wherever_it_is() {
    for event in all_examples() {
        let validator = validator(&schema(afferent_schemas::kind_of(event["type"].as_str().unwrap()).unwrap()));
        let mut places = Vec::new();
        objects(&event, "", &mut places);
        for place in places {
            let mut changed = event.clone();
            changed.pointer_mut(&place).unwrap()["surprise"] = json!(1);
            assert!(!validator.is_valid(&changed), "{} at {place:?}", event["type"]);
        }
    }
}

#[test]
fn a_member_of_the_envelope_that_is_gone_is_missed() {
    for event in all_examples() {
        let validator = validator(&schema(afferent_schemas::kind_of(event["type"].as_str().unwrap()).unwrap()));
        let optional = ["run", "test"];
        for name in event.as_object().unwrap().keys().filter(|name| !optional.contains(&name.as_str())) {
            let mut changed = event.clone();
            changed.as_object_mut().unwrap().remove(name);
            assert!(!validator.is_valid(&changed), "{} without {name}", event["type"]);
        }
    }
}

#[test]
fn another_unit_code_or_service_is_refused() {
    let weight = all_examples().into_iter().find(|event| event["type"] == "body_weight.created").unwrap();
    let validator = validator(&schema("body_weight"));
    assert!(validator.is_valid(&weight));
    for (place, other) in [
        ("/data/record/unit", json!("g")),
        ("/data/record/value", json!("71.84")),
        ("/data/record/kind", json!("body_height")),
        ("/data/record/category", json!("exam")),
        ("/data/record/codes/0/code", json!("73708-0")),
        ("/data/record/source/service", json!("heart_list")),
        ("/data/record/source/type", json!(4)),
        ("/data/record/effective", json!({"start": "2026-09-17T07:05:30+01:00", "end": "2026-09-17T08:05:30+01:00"})),
        ("/data/record/record", json!("rec_1")),
        ("/sequence", json!("42")),
        ("/synckind", json!("past")),
        ("/dataschema", json!("urn:afferent:schema:body_height:1")),
        ("/type", json!("body_weight.removed")),
        ("/time", json!("yesterday")),
    ] {
        let mut changed = weight.clone();
        *changed.pointer_mut(place).unwrap() = other;
        assert!(!validator.is_valid(&changed), "{place}");
    }
}

#[test]
fn a_whole_record_without_its_value_is_no_whole_record() {
    let weight = all_examples().into_iter().find(|event| event["type"] == "body_weight.created").unwrap();
    let whole = validator(&schema("body_weight")["$defs"]["whole"]);
    assert!(whole.is_valid(&weight["data"]["record"]));
    for name in ["value", "unit", "raw", "effective", "source"] {
        let lacking = cut(&weight, |kept| kept != name);
        assert!(!whole.is_valid(&lacking["data"]["record"]), "{name}");
    }
    assert_eq!(shared_at("whole"), schema("body_weight")["$defs"]["whole"]["$ref"]);
}
