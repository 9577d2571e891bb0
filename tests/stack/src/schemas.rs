//! Whether events are as their schemas say (`shared/schemas`). Every event that a test sees is held against them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use afferent_domain::event::Draft;
use jsonschema::{Retrieve, Uri, Validator};
use serde_json::{Map, Value};

/// What is wrong with the text of an event; nothing if it is as its schema says. A whole record (not one that a payload
/// form cut) must also have what every whole record has.
#[must_use]
pub fn violations(body: &[u8]) -> Vec<String> {
    let Ok(event) = serde_json::from_slice::<Value>(body) else { return vec!["an event is no JSON".to_owned()] };
    let event_type = event["type"].as_str().unwrap_or_default();
    let Some(validators) = afferent_schemas::kind_of(event_type).and_then(of_kind) else {
        return vec![format!("{event_type} has no schema")];
    };
    let mut wrong: Vec<String> = validators.event.iter_errors(&event).map(|error| said(event_type, &error)).collect();
    let record = &event["data"]["record"];
    if let (Some(whole), false) = (&validators.whole, record["v"].is_null()) {
        wrong.extend(whole.iter_errors(record).map(|error| said(event_type, &error)));
    }
    wrong
}

/// What is wrong with the event of a record, given as the image of its item in a stream.
#[must_use]
pub fn violations_of_image(image: &Value) -> Vec<String> {
    let record = Value::Object(members(image)).to_string();
    let event = Draft::of_record(&record).map_err(|error| error.to_string());
    match event.and_then(|draft| draft.numbered(1, 0).map_err(|error| error.to_string())) {
        Ok(event) => violations(event.body.as_bytes()),
        Err(error) => vec![error],
    }
}

/// # Panics
/// If one of the events is not as its schema says.
pub fn assert_hold<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) {
    let wrong: Vec<String> = bodies.into_iter().flat_map(violations).collect();
    assert!(wrong.is_empty(), "events are not as their schemas say: {wrong:#?}");
}

/// No value: where it is wrong is enough to find it, and an event may be long.
fn said(event_type: &str, error: &jsonschema::ValidationError<'_>) -> String {
    let text: String = error.to_string().chars().take(400).collect();
    format!("{event_type}{}: {text}", error.instance_path())
}

struct Validators {
    event: Validator,
    whole: Option<Validator>,
}

/// The validators of a kind, made when it is first asked for.
fn of_kind(kind: &str) -> Option<Arc<Validators>> {
    static MADE: LazyLock<Mutex<HashMap<&'static str, Arc<Validators>>>> = LazyLock::new(Mutex::default);
    let text = afferent_schemas::schema(kind)?;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = made.get(text) {
        return Some(known.clone());
    }
    let schema: Value = serde_json::from_str(text).ok()?;
    let whole = schema.pointer("/$defs/whole").map(validator);
    let validators = Arc::new(Validators { event: validator(&schema), whole });
    made.insert(text, validators.clone());
    Some(validators)
}

#[expect(clippy::expect_used, reason = "a schema that is none fails the test")]
fn validator(schema: &Value) -> Validator {
    let options = jsonschema::options().with_retriever(Common).should_validate_formats(true);
    options.build(schema).expect("the schema is one")
}

/// The one schema that the others refer to.
struct Common;

impl Retrieve for Common {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let common: Value = serde_json::from_str(afferent_schemas::common())?;
        if common["$id"] == uri.as_str() { Ok(common) } else { Err(format!("there is no schema {uri}").into()) }
    }
}

/// The members of an item, as JSON.
fn members(item: &Value) -> Map<String, Value> {
    item.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), plain(value))).collect()
}

/// A value of an item (`{"N":"71.84"}`) as JSON.
fn plain(value: &Value) -> Value {
    match value.as_object().and_then(|typed| typed.iter().next()) {
        Some((name, value)) => match name.as_str() {
            "N" => value.as_str().and_then(|number| serde_json::from_str(number).ok()).unwrap_or_default(),
            "L" => value.as_array().into_iter().flatten().map(plain).collect(),
            "M" => Value::Object(members(value)),
            "NULL" => Value::Null,
            _ => value.clone(),
        },
        None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_that_is_not_as_its_schema_says_is_named_with_its_type_and_place() {
        let example = |event_type: &str| {
            let schema = afferent_schemas::schema(afferent_schemas::kind_of(event_type)?)?;
            serde_json::from_str::<Value>(schema).ok()?.pointer("/examples/0").cloned()
        };
        let mut event = example("body_weight.created").unwrap_or_default();
        assert_eq!(violations(event.to_string().as_bytes()), [""; 0]);
        event["data"]["record"]["unit"] = json!("stone");
        let wrong = violations(event.to_string().as_bytes());
        assert!(wrong.iter().any(|line| line.starts_with("body_weight.created/data/record/unit")), "{wrong:?}");
        event["type"] = json!("body_mood.created");
        assert_eq!(violations(event.to_string().as_bytes()), ["body_mood.created has no schema"]);
    }

    #[test]
    fn a_record_that_lost_its_value_on_the_way_is_not_taken_for_a_thin_one() {
        let schema: Value =
            serde_json::from_str(afferent_schemas::schema("ecg_signal").unwrap_or_default()).unwrap_or_default();
        let mut event = schema["examples"][0].clone();
        if let Some(record) = event.pointer_mut("/data/record").and_then(Value::as_object_mut) {
            record.remove("signal");
        }
        assert_eq!(violations(event.to_string().as_bytes()).len(), 1);
        if let Some(record) = event.pointer_mut("/data/record").and_then(Value::as_object_mut) {
            record.retain(|name, _| afferent_domain::payload::ALWAYS.contains(&name.as_str()));
        }
        assert_eq!(violations(event.to_string().as_bytes()), [""; 0]);
    }
}
