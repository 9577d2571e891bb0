//! What the document says of answers: shapes, headers, limits.

use afferent_domain::Timestamp;
use afferent_domain::exact::{Decimal, Json};
use afferent_domain::id::{ConnectionId, PullId, RecordId, UserId};
use afferent_domain::record::{
    Attribution, Category, Change, Component, Effective, Fact, Raw, Record, Series, Signal, Source, Stage, SyncKind,
    revise,
};
use afferent_domain::trace::Trace;
use serde_json::{Value, json};

use crate::{document, operations};

/// A record that has everything that a record may have, all at once.
fn full() -> Value {
    let (user, connection, record) = (UserId::derive(&["a"]), ConnectionId::derive(&["a"]), RecordId::derive(&["a"]));
    let at = Timestamp::from_secs(1_789_625_130);
    let decimal: Decimal = "81.20".parse().unwrap();
    let number = Some(decimal);
    let text = || Some("x".to_owned());
    let source = Source {
        grpid: Some(1),
        id: Some(1),
        meastype: Some(1),
        device_id: text(),
        model: text(),
        model_id: Some(1),
        attribution: Some(Attribution::Ambiguous),
        attrib: Some(1),
        created: Some(1),
        modified: Some(1),
        comment: text(),
        algo: Some(1),
        fm: Some(1),
        position: Some(1),
        category: Some(1),
        other: [("new".to_owned(), Json::parse(b"{\"a\":1.25}").unwrap())].into(),
        ..Source::withings("getmeas")
    };
    let mut fact = Fact::bare(user, connection, record, "body_weight", Category::VitalSigns, at, source);
    fact.value = number;
    (fact.unit, fact.value_code, fact.tz, fact.body_site, fact.method, fact.run) =
        (text(), text(), text(), text(), text(), text());
    fact.local_date = Some("2026-09-17".to_owned());
    fact.raw = Some(Raw { value: 8_120, unit: -2 });
    fact.codes[0].display = text();
    fact.components = vec![Component {
        kind: "systolic".to_owned(),
        codes: fact.codes.clone(),
        value: number,
        unit: text(),
        value_code: text(),
        body_site: text(),
        method: text(),
        raw: fact.raw,
    }];
    let samples = Series {
        unit: "/min".to_owned(),
        origin_ms: 0,
        offsets_s: vec![1],
        values: vec![decimal],
        durations_s: vec![60],
    };
    fact.series = Some(samples);
    fact.stages = vec![Stage { stage: "deep".to_owned(), start_ms: 0, end_ms: 1 }];
    fact.signal = Some(Signal {
        signalid: 1,
        sampling_hz: number,
        unit: text(),
        part: Some(1),
        parts: Some(1),
        digest: text(),
        samples: vec![1],
    });
    let Change::Write(record) = revise(None, fact, at, SyncKind::Live) else { panic!("it is new") };
    let instant = serde_json::to_value(&*record).unwrap();
    let period = Effective::Period {
        start: "2026-09-17T08:05:30+02:00".to_owned(),
        end: "2026-09-17T09:05:30+02:00".to_owned(),
    };
    let record = Record { effective: period, pull: Some(PullId::from("pul_1")), trace: Trace::new(7, 1), ..*record };
    let mut whole = serde_json::to_value(&record).unwrap();
    whole["effective"]["at"] = instant["effective"]["at"].clone();
    whole
}

/// The shape that a reference of the document leads to, through `null` beside it.
fn shape<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let choice = schema["oneOf"].as_array().and_then(|choices| choices.iter().find(|one| one.get("$ref").is_some()));
    match choice.unwrap_or(schema)["$ref"].as_str() {
        Some(target) => document.pointer(target.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Members that are there and not described, and those that are described and not there.
fn differences(document: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let schema = shape(document, schema);
    match (value, schema.get("properties"), schema.get("items")) {
        (Value::Object(members), Some(described), _) => {
            let described = described.as_object().unwrap();
            found.extend(
                members.keys().filter(|name| !described.contains_key(*name)).map(|name| format!("+{path}.{name}")),
            );
            for (name, schema) in described {
                match members.get(name) {
                    Some(member) => differences(document, schema, member, &format!("{path}.{name}"), found),
                    None => found.push(format!("-{path}.{name}")),
                }
            }
        }
        (Value::Array(items), _, Some(schema)) => differences(document, schema, &items[0], &format!("{path}[]"), found),
        _ => {}
    }
}

#[test]
fn the_schema_of_a_record_has_every_member_that_a_record_may_have_and_no_other() {
    let (document, record) = (document(), full());
    let mut found = Vec::new();
    differences(&document, &json!({"$ref": "#/components/schemas/Record"}), &record, "record", &mut found);
    assert_eq!(found, Vec::<String>::new());
    let schema = json!({"$ref": "#/components/schemas/Record", "components": document["components"]});
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
    assert_eq!(wrong, Vec::<String>::new());
    let other = json!({"record": "rec_1", "value": "81.2"});
    assert!(!validator.is_valid(&other), "a number is a number");
}

#[test]
fn every_event_is_of_the_shape_that_the_document_gives_it() {
    let document = document();
    let schema = json!({"$ref": "#/components/schemas/Event", "components": document["components"]});
    let validator = jsonschema::validator_for(&schema).unwrap();
    let record = serde_json::to_string(&full()).unwrap();
    let draft = afferent_domain::event::Draft::of_record(&record).unwrap();
    let event: Value = serde_json::from_str(&draft.numbered(7, 0).unwrap().body).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&event).map(|error| error.to_string()).collect();
    assert_eq!(wrong, Vec::<String>::new());
    for name in event.as_object().unwrap().keys() {
        assert!(document["components"]["schemas"]["Event"]["properties"].get(name).is_some(), "{name}");
    }
}

#[test]
fn every_limit_says_from_where_to_where_it_may_be_and_in_words_too() {
    let (document, mut seen) = (document(), 0);
    for (operation, said) in operations(&document) {
        for parameter in said["parameters"].as_array().into_iter().flatten() {
            let schema = &parameter["schema"];
            match parameter["name"].as_str() {
                Some("limit") => {
                    let most = schema["maximum"].as_u64().unwrap_or_else(|| panic!("{operation} has no maximum"));
                    let words = parameter["description"].as_str().unwrap().replace(',', "");
                    assert!(words.contains(&most.to_string()), "{operation}: {words}");
                    assert_eq!(schema["minimum"], 1, "{operation}");
                    seen += 1;
                }
                // More than there may be is capped, and none asks for the number alone, as FHIR has it.
                Some("_count") => {
                    assert_eq!((&schema["minimum"], schema.get("maximum")), (&json!(0), None), "{operation}");
                }
                _ => {}
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn what_is_answered_has_a_shape_and_the_headers_that_are_sent_with_it() {
    let (document, mut wrong) = (document(), Vec::new());
    for (operation, said) in operations(&document) {
        let is_behind_the_door = said["security"][0].get("key").is_some();
        for (status, answer) in said["responses"].as_object().unwrap() {
            let answer = shape(&document, answer);
            let has = |name: &str| answer["headers"].get(name).is_some();
            if is_behind_the_door && status != "401" && !(has("RateLimit") && has("RateLimit-Policy")) {
                wrong.push(format!("{operation} {status}: the rate"));
            }
            if status == "429" && !has("Retry-After") || status == "405" && !has("Allow") {
                wrong.push(format!("{operation} {status}: its header"));
            }
            let once = operation.starts_with("post") && is_behind_the_door && !operation.ends_with("/_search");
            if once && status.starts_with('2') && !has("Idempotency-Replayed") {
                wrong.push(format!("{operation} {status}: whether it is repeated"));
            }
            for (kind, content) in answer["content"].as_object().into_iter().flatten() {
                let lines = ["text/csv", "application/x-ndjson"].contains(&&**kind);
                if lines && !has("Link") {
                    wrong.push(format!("{operation} {status}: where the next page is"));
                }
                let schema = shape(&document, &content["schema"]);
                let is_bare = schema["type"] == "object"
                    && ["properties", "additionalProperties"].iter().all(|name| schema.get(*name).is_none());
                // The document of the API itself is of the shape that OpenAPI gives it.
                if is_bare && operation != "get /v1/openapi.json" {
                    wrong.push(format!("{operation} {status}: no shape"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
