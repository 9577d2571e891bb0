//! The events that are about no record: notices about endpoints, and the test event.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::endpoint::{Cause, Destination, Endpoint, EndpointUrl};
use afferent_domain::event::TEST;
use afferent_domain::health::{Health, WARNINGS};
use afferent_domain::id::EndpointId;
use afferent_domain::notice::{Notice, Subject};
use serde_json::{Value, json};

use crate::common::{shared, shared_at, urn};
use crate::examples::{about_no_record, body, context};

const HOUR: Duration = Duration::from_secs(3_600);

/// Every kind that is no record's, with its schema.
pub fn all() -> [(String, Value); 2] {
    [("endpoint".to_owned(), endpoint()), ("webhook".to_owned(), webhook())]
}

/// What events of these types, all about no record, have in common.
fn of(kind: &str, description: &str, types: &[&str], data: Value, examples: &[Value]) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": urn(kind),
        "title": kind,
        "description": description,
        "$ref": shared_at("event"),
        "properties": {
            "type": {"enum": types},
            "dataschema": {"const": urn(kind)},
            "data": data,
        },
        "unevaluatedProperties": false,
        "examples": examples,
    })
}

fn webhook() -> Value {
    let data = json!({
        "properties": {"message": {"type": "string"}},
        "required": ["message"],
        "additionalProperties": false,
    });
    let example = about_no_record(TEST, &json!({"message": "This is a test. Nothing happened."}), true);
    of("webhook", "The owner of an endpoint tests it.", &[TEST], data, &[example])
}

const CAUSES: [Cause; 4] = [Cause::Owner, Cause::Gone, Cause::Receiver, Cause::Failing];

fn endpoint() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let told = json!({
        "type": "object",
        "properties": {
            "id": shared("endpoint"),
            "destination": {"type": "string", "description": "The host, and the port if it has one."},
            "description": {"type": "string", "description": "What its owner calls it."},
            "state": {"enum": ["enabled", "disabled"]},
            "cause": {
                "enum": CAUSES,
                "description": "Why it is disabled: its owner did it, it answered 410, it answered `webhook-delivery: disable`, \
                                or it failed for 20 days.",
            },
            "since": with("When it came into this state.", shared("instant")),
            "warning": {"type": "integer", "minimum": 1, "maximum": WARNINGS, "description": "Which warning this is."},
            "failures_in_a_row": with("Deliveries that failed since the last success.", count.clone()),
            "failing_since": with("The first failed try after the last success.", shared("instant")),
            "last_success": with("The last delivery that succeeded, to the minute.", shared("instant")),
            "disabled_at": with("When it is disabled if nothing succeeds.", shared("instant")),
            "waiting": with("How many deliveries wait for it.", count.clone()),
            "missed": with("How many deliveries it missed while it was disabled.", count),
        },
        "required": ["id", "destination", "state", "failures_in_a_row"],
        "additionalProperties": false,
    });
    let data = json!({"properties": {"endpoint": told}, "required": ["endpoint"], "additionalProperties": false});
    let types = ["endpoint.disabled", "endpoint.enabled", "endpoint.warning"];
    let description =
        "An endpoint fails, is disabled or is enabled again. Goes to other endpoints than the one that it tells of.";
    let mut schema = of("endpoint", description, &types, data, &notices());
    schema["allOf"] = json!([
        only("endpoint.warning", &json!({"state": {"const": "enabled"}}), &["warning"]),
        only("endpoint.disabled", &json!({"state": {"const": "disabled"}, "warning": false}), &["cause", "since"]),
        only("endpoint.enabled", &json!({"state": {"const": "enabled"}, "warning": false, "cause": false}), &["since"]),
    ]);
    schema
}

fn with(description: &str, mut schema: Value) -> Value {
    schema["description"] = json!(description);
    schema
}

/// What holds of one type alone.
fn only(event_type: &str, properties: &Value, required: &[&str]) -> Value {
    let told = json!({"properties": properties, "required": required});
    json!({
        "if": {"properties": {"type": {"const": event_type}}},
        "then": {"properties": {"data": {"properties": {"endpoint": told}}}},
    })
}

/// An event for each type, made as real ones are.
fn notices() -> Vec<Value> {
    let now = context().now;
    let url = EndpointUrl::parse("https://receiver.example/webhooks").expect("it is a URL");
    let created = now - HOUR * 24 * 60;
    let mut endpoint = Endpoint::new(EndpointId::derive(&["example"]), Destination::Http { url }, created);
    endpoint.description = Some("Clinic".to_owned());
    let health = |failures_in_a_row, hours: u32| Health {
        last_success: Some(now - HOUR * (hours + 1)),
        failing_since: Some(now - HOUR * hours),
        failures_in_a_row,
        ..Health::default()
    };
    let told = |notice: Notice, health: &Health, waiting, missed| {
        body(notice.event(&Subject { waiting, missed, ..Subject::new(&endpoint, health) }, now))
    };
    let since: Timestamp = now - HOUR;
    vec![
        told(Notice::Warning { number: 2, row: now - HOUR * 12 }, &health(2, 12), Some(17), None),
        told(Notice::Disabled { cause: Cause::Failing, since }, &health(431, 481), None, None),
        told(Notice::Enabled { since }, &health(431, 481), None, Some(58)),
    ]
}
