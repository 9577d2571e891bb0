//! The kinds that no table of rows makes: written by hand, their parts from the tables.

use afferent_domain::connection::State;
use afferent_domain::record::{Category, Code, SNOMED};
use afferent_normalise::kinds::{self, Row};
use serde_json::{Value, json};

use crate::common::{coded, shared};
use crate::forms::{Form, part, parts};

/// Every kind without a row of its own, with its one shape.
pub fn all() -> Vec<(&'static str, Form)> {
    let events = [
        ("bed_in", "category 50"),
        ("bed_out", "category 51"),
        ("inflate_done", "category 52"),
        ("ecg_failed", "category 55"),
        ("bed_occupied", "category 98"),
        ("bed_empty", "category 99"),
        ("bed_in_out", "category 100"),
        ("device_setup", "category 53, a device without an account"),
    ];
    let events = events.map(|(kind, category)| {
        (kind, Form::new(format!("notifications of {category}"), Category::Device, "at", &["notify"]).codes(&own(kind)))
    });
    let others = [
        ("activity_day", activity_day()),
        ("blood_pressure", blood_pressure()),
        ("workout", workout()),
        ("sleep_session", sleep_session()),
        ("sleep_stage", sleep_stage()),
        ("ecg", ecg()),
        ("ecg_signal", signal("ecg_signal", "heart_get", "uV")),
        ("stethoscope_recording", stethoscope_recording()),
        ("stethoscope_signal", signal("stethoscope_signal", "stetho_get", "{a-law}")),
        ("questionnaire_response", questionnaire_response()),
        ("device", device()),
        ("goals", goals()),
        ("profile", profile()),
        ("connection", connection()),
        ("backfill", backfill()),
        ("retraction", retraction()),
        (afferent_schemas::MEASURE, unknown_measure()),
        (afferent_schemas::SERIES, unknown_series()),
    ];
    others.into_iter().chain(events).collect()
}

fn own(kind: &str) -> [Code; 1] {
    [Code::own(kind)]
}

/// A component without a row: its kind, our own code, and these members, all of them always there.
fn own_part(kind: &str, members: &[(&str, Value)]) -> Value {
    let codes = ("codes", json!({"const": own(kind)}));
    bare_part(&json!({"const": kind}), &[&[codes], members].concat())
}

/// A component of a kind with these members, all of them always there.
fn bare_part(kind: &Value, members: &[(&str, Value)]) -> Value {
    let mut required = vec!["kind"];
    let mut properties = json!({"kind": kind});
    for (name, schema) in members {
        required.push(name);
        properties[name] = schema.clone();
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn list(parts: Vec<Value>) -> Value {
    json!({"type": "array", "minItems": 1, "items": {"anyOf": parts}})
}

fn number() -> Value {
    json!({"type": "number"})
}

fn text() -> Value {
    json!({"type": "string"})
}

/// A component with the pair that Withings sent, and where on the body, if it said so.
fn measured(row: &Row) -> Value {
    let mut part = part(row);
    part["properties"]["raw"] = shared("raw");
    part["properties"]["body_site"] = shared("body_site");
    part
}

fn activity_day() -> Form {
    Form::new("getactivity, a local day of one device or source", Category::Activity, "period", &["getactivity"])
        .codes(&own("activity_day"))
        .may("components", parts(kinds::ACTIVITY, []))
}

fn blood_pressure() -> Form {
    let pressures = list([&kinds::SYSTOLIC, &kinds::DIASTOLIC].map(measured).into());
    Form::new("types 9 and 10 of getmeas", kinds::PRESSURE.category, "at", &["getmeas"])
        .codes(&kinds::PRESSURE.codes())
        .has("components", pressures)
        .may("body_site", shared("body_site"))
}

fn workout() -> Form {
    let duration = bare_part(
        &json!({"const": "exercise_duration"}),
        &[
            ("codes", json!({"const": [Code::loinc("55411-3", "Exercise duration"), Code::own("exercise_duration")]})),
            ("value", number()),
            ("unit", json!({"const": "s"})),
        ],
    );
    Form::new("getworkouts", Category::Activity, "period", &["getworkouts"])
        .codes(&[Code::loinc("73985-4", "Exercise activity"), Code::own("workout")])
        .may("value_code", coded((0..1_000).map(kinds::workout), "workout"))
        .may("raw", shared("raw"))
        .has("components", parts(kinds::WORKOUT, [duration]))
}

fn sleep_session() -> Form {
    let event =
        own_part("night_event", &[("value", number()), ("unit", json!({"const": "s"})), ("value_code", night_event())]);
    let sleep =
        Code { system: SNOMED.to_owned(), code: "258158006".to_owned(), display: Some("Sleep, function".to_owned()) };
    Form::new("sleep getsummary, a night or a nap", Category::Activity, "period", &["sleep_getsummary"])
        .codes(&[sleep, Code::own("sleep_session")])
        .may("components", parts(kinds::SUMMARY, [event]))
}

/// The keys of `night_events` are texts, so what nobody documents is not always a number.
fn night_event() -> Value {
    let names: Vec<String> = ["1", "2", "3", "4"].map(kinds::night_event).into();
    json!({"anyOf": [{"enum": names}, {"type": "string", "pattern": "^withings\\.night_event\\."}]})
}

fn sleep_stage() -> Form {
    let stages = json!({"type": "array", "minItems": 1, "items": shared("stage")});
    Form::new("sleep get, the stages of a night", Category::Activity, "period", &["sleep_get"])
        .codes(&own("sleep_stage"))
        .has("stages", stages)
}

/// Of a recording whose samples are read apart.
fn recorded() -> Value {
    json!({
        "type": "object",
        "properties": {"signalid": {"type": "integer"}},
        "required": ["signalid"],
        "additionalProperties": false,
    })
}

fn heart_sound() -> Value {
    let class = json!({"type": "string", "pattern": "^withings\\.vhd\\.-?[0-9]+$"});
    own_part("valvular_heart_disease", &[("value_code", class), ("raw", shared("raw"))])
}

fn ecg() -> Form {
    let rate = kinds::measure(11).expect("type 11 has a row");
    let beside =
        own_part("stethoscope_recording", &[("value_code", json!({"type": "string", "pattern": "^-?[0-9]+$"}))]);
    let parts = vec![part(rate), part(&kinds::SYSTOLIC), part(&kinds::DIASTOLIC), beside, heart_sound()];
    Form::new("heart list", Category::Exam, "at", &["heart_list"])
        .codes(&[Code::loinc("11524-6", "EKG study"), Code::own("ecg")])
        .may("value_code", shared("afib"))
        .may("raw", shared("raw"))
        .has("signal", recorded())
        .may("components", list(parts))
}

fn stethoscope_recording() -> Form {
    Form::new("stetho list", Category::Exam, "at", &["stetho_list"])
        .codes(&own("stethoscope_recording"))
        .has("signal", recorded())
        .may("components", list(vec![heart_sound()]))
}

fn signal(kind: &str, service: &str, unit: &str) -> Form {
    let samples = json!({
        "$ref": crate::common::shared_at("signal"),
        "properties": {"unit": {"const": unit}},
        "required": ["unit", "part", "parts", "digest", "samples"],
    });
    Form::new(format!("{service}, a part of a recording's samples"), Category::Exam, "at", &[service])
        .codes(&own(kind))
        .has("signal", samples)
        .may("body_site", shared("body_site"))
}

fn questionnaire_response() -> Form {
    Form::new("answers get; the answers as they came are in `source.other`", Category::Survey, "at", &["answers_get"])
        .codes(&own("questionnaire_response"))
}

fn device() -> Form {
    let instant = |kind| own_part(kind, &[("value", number()), ("unit", json!({"const": "s"}))]);
    let word = |kind| own_part(kind, &[("value_code", text())]);
    let parts = vec![word("device_type"), word("battery"), instant("first_session"), instant("last_session")];
    Form::new("user getdevice", Category::Device, "at", &["getdevice"])
        .codes(&own("device"))
        .may("components", list(parts))
}

fn goals() -> Form {
    Form::new("user getgoals", Category::Activity, "at", &["getgoals"])
        .codes(&own("goals"))
        .may("components", parts(kinds::GOALS, [goal()]))
}

/// The goal that is a pair.
fn goal() -> Value {
    let mut part = part(&kinds::WEIGHT_GOAL);
    part["properties"]["raw"] = shared("raw");
    part
}

fn profile() -> Form {
    let link = own_part("link", &[("value_code", json!({"enum": ["unverified", "linked", "dead"]}))]);
    Form::new("notifications of category 46", Category::Account, "at", &["notify"])
        .codes(&own("profile"))
        .has(
            "value_code",
            json!({"type": "string", "description": "What Withings said: `delete`, `unlink`, `update`."}),
        )
        .has("components", list(vec![link]))
}

/// Of our own.
fn ours(from: &str, kind: &str) -> Form {
    let mut form = Form::new(from, Category::Account, "at", &["afferent"]).codes(&own(kind));
    if kind != "retraction" {
        form.members["source"]["properties"]["provider"] = json!({"const": "afferent"});
    }
    form
}

fn connection() -> Form {
    let parts = vec![
        bare_part(&json!({"const": "scope"}), &[("value_code", text())]),
        bare_part(&json!({"type": "string", "pattern": "^subscription\\.[0-9]+$"}), &[("value_code", text())]),
        bare_part(&json!({"type": "string", "pattern": "^erased\\.[a-z]+$"}), &[("value", number())]),
    ];
    ours("a person connects, or a connection changes", "connection")
        .has("value_code", json!({"enum": State::ALL.map(State::name)}))
        .may("components", list(parts))
}

fn backfill() -> Form {
    use afferent_domain::backfill::State;
    let words = ["from", "to", "problem"].map(|kind| own_part(kind, &[("value_code", text())]));
    let counts =
        ["slices_total", "slices_done", "calls", "facts", "records"].map(|kind| own_part(kind, &[("value", number())]));
    ours("a backfill run begins, goes on or ends", "backfill")
        .has("value_code", json!({"enum": State::ALL.map(State::name)}))
        .has("components", list(words.into_iter().chain(counts).collect()))
}

fn retraction() -> Form {
    let words = ["retraction", "service"].map(|kind| own_part(kind, &[("value_code", text())]));
    let count = |kind| own_part(kind, &[("value", number()), ("unit", json!({"const": "{count}"}))]);
    ours("a retraction is held, applied, withdrawn or rejected", "retraction")
        .has("value_code", json!({"enum": ["held", "applied", "withdrawn", "rejected"]}))
        .has("components", list(words.into_iter().chain(["missing", "known"].map(count)).collect()))
}

fn unknown_measure() -> Form {
    Form::new("types of getmeas that nobody named, as they came", Category::Exam, "at", &["getmeas"])
        .has("raw", shared("raw"))
        .has("value", number())
        .may("body_site", shared("body_site"))
}

fn unknown_series() -> Form {
    let services = ["getintradayactivity", "sleep_get"];
    Form::new("fields that nobody named, by the hour", Category::Activity, "period", &services)
        .has("series", shared("series"))
}
