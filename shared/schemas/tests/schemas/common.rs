//! What all schemas share: the envelope, what every record has, and its parts.

use afferent_domain::record::{Attribution, Category, Status, SyncKind};
use afferent_normalise::kinds;
use serde_json::{Value, json};

/// The `$id` of a schema.
pub fn urn(kind: &str) -> String {
    format!("urn:afferent:schema:{kind}:1")
}

/// A reference to a part of the common schema.
pub fn shared(part: &str) -> Value {
    json!({"$ref": shared_at(part)})
}

/// The address of a part of the common schema.
pub fn shared_at(part: &str) -> String {
    format!("{}#/$defs/{part}", urn("common"))
}

/// An id with this prefix: 26 characters of Crockford's base 32.
fn id(prefix: &str) -> String {
    format!("{prefix}_[0-9a-hjkmnp-tv-z]{{26}}")
}

/// A text that matches one of these patterns as a whole.
fn text(patterns: &[String]) -> Value {
    json!({"type": "string", "pattern": format!("^({})$", patterns.join("|"))})
}

fn described(description: &str, schema: Value) -> Value {
    let mut schema = schema;
    schema["description"] = json!(description);
    schema
}

fn integer() -> Value {
    json!({"type": "integer"})
}

fn string() -> Value {
    json!({"type": "string"})
}

/// One of these names, or `withings.<what>.<n>` for an integer that nobody documents.
pub fn coded(names: impl IntoIterator<Item = String>, what: &str) -> Value {
    let mut names: Vec<String> = names.into_iter().filter(|name| !name.starts_with("withings.")).collect();
    names.sort();
    names.dedup();
    json!({"anyOf": [{"enum": names}, {"type": "string", "pattern": format!("^withings\\.{what}\\.-?[0-9]+$")}]})
}

const STATUSES: [Status; 4] = [Status::Preliminary, Status::Final, Status::Amended, Status::EnteredInError];

const CATEGORIES: [Category; 7] = [
    Category::VitalSigns,
    Category::Activity,
    Category::Exam,
    Category::Laboratory,
    Category::Survey,
    Category::Device,
    Category::Account,
];

const ATTRIBUTIONS: [Attribution; 10] = [
    Attribution::Device,
    Attribution::Ambiguous,
    Attribution::Manual,
    Attribution::Chosen,
    Attribution::ManualAtCreation,
    Attribution::Automatic,
    Attribution::Confirmed,
    Attribution::Guided,
    Attribution::External,
    Attribution::Unknown,
];

/// The common schema.
pub fn common() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": urn("common"),
        "title": "What the schemas of all events share",
        "$defs": {
            "event": event(),
            "record": record(),
            "whole": {
                "description": "What a record has in the payload form `full`.",
                "required": [
                    "v", "user", "record", "rev", "status", "kind", "category", "codes", "effective", "effective_ms",
                    "source", "connection", "synckind", "ingested_ms", "changed_ms",
                ],
            },
            "user": described(
                "A person, or `_app` for what belongs to no person.",
                text(&[id("usr"), "_app".to_owned()]),
            ),
            "connection": described(
                "A person's link to a Withings account, or `_app` for what belongs to none.",
                text(&[id("con"), "_app".to_owned()]),
            ),
            "endpoint": text(&[id("ep")]),
            "instant": described("An instant in UTC.", json!({
                "type": "string", "format": "date-time",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?Z$",
            })),
            "local": described("RFC 3339 with the local offset.", json!({"type": "string", "format": "date-time"})),
            "date": described("A local day.", json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})),
            "ms": described("Milliseconds since the Unix epoch.", integer()),
            "synckind": described(
                "`backfill` for what reading the past brought, `live` for everything else.",
                json!({"enum": [SyncKind::Live, SyncKind::Backfill]}),
            ),
            "run": described("The backfill run that brought it.", text(&[id("run")])),
            "code": {
                "type": "object",
                "properties": {"system": string(), "code": string(), "display": string()},
                "required": ["system", "code"],
                "additionalProperties": false,
            },
            "raw": described("What Withings sent: `value * 10^unit`.", json!({
                "type": "object",
                "properties": {"value": integer(), "unit": integer()},
                "required": ["value", "unit"],
                "additionalProperties": false,
            })),
            "at": {
                "type": "object",
                "properties": {"at": shared("local")},
                "required": ["at"],
                "additionalProperties": false,
            },
            "period": {
                "type": "object",
                "properties": {"start": shared("local"), "end": shared("local")},
                "required": ["start", "end"],
                "additionalProperties": false,
            },
            "body_site": coded((0..32).map(kinds::body_site), "position"),
            "afib": coded((0..14).map(kinds::afib), "afib"),
            "source": source(),
            "series": series(),
            "stage": stage(),
            "signal": signal(),
        },
    })
}

fn event() -> Value {
    let sources = [format!("/withings/({}|_app)", id("con")), format!("/afferent/{}", id("ep"))];
    json!({
        "description": "At once a CloudEvents 1.0 event in structured form and a Standard Webhooks payload.",
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": described("The same in every delivery and every try: `webhook-id`.", text(&[id("evt")])),
            "source": described("The connection, or for a notice and a test event the endpoint.", text(&sources)),
            "type": string(),
            "subject": described("Whose journal the event is in.", shared("user")),
            "time": described("When it happened.", shared("instant")),
            "timestamp": described("The same as `time`, for Standard Webhooks.", shared("instant")),
            "datacontenttype": {"const": "application/json"},
            "dataschema": string(),
            "sequence": described(
                "The event's number in the journal of its subject: by one more for each event, without gaps.",
                json!({"type": "string", "pattern": "^[0-9]{20}$"}),
            ),
            "epoch": described(
                "Grows when the journal is restored from a backup: numbers may then come again.",
                json!({"type": "integer", "minimum": 0}),
            ),
            "synckind": shared("synckind"),
            "run": shared("run"),
            "test": described("Only in a test event: nothing happened, and the data are an example.", json!({"const": true})),
            "data": {"type": "object"},
        },
        "required": [
            "specversion", "id", "source", "type", "subject", "time", "timestamp", "datacontenttype", "dataschema",
            "sequence", "epoch", "synckind", "data",
        ],
    })
}

fn record() -> Value {
    json!({
        "description": "What a record of any kind has. In the payload forms `thin` and fields, only what is required and what was asked for.",
        "type": "object",
        "properties": {
            "v": described("The version of this shape.", json!({"const": afferent_domain::record::VERSION})),
            "user": shared("user"),
            "record": described("Which record it is, through all its revisions.", text(&[id("rec")])),
            "rev": described("The revision, by one more for each change.", json!({"type": "integer", "minimum": 1})),
            "status": described("FHIR's Observation.status.", json!({"enum": STATUSES})),
            "kind": string(),
            "category": described("FHIR's observation category; `device` and `account` are ours.", json!({"enum": CATEGORIES})),
            "codes": {"type": "array", "minItems": 1, "items": shared("code")},
            "effective": described("When it was.", json!({"type": "object"})),
            "effective_ms": described("When it was; for a period, when it began.", shared("ms")),
            "tz": described("The IANA time zone of `effective`.", string()),
            "local_date": described("The local day that it counts for; for a night the day of waking.", shared("date")),
            "source": shared("source"),
            "connection": shared("connection"),
            "synckind": shared("synckind"),
            "run": shared("run"),
            "ingested_ms": described("When the first revision was stored.", shared("ms")),
            "changed_ms": described("When this revision was stored.", shared("ms")),
        },
        "required": ["record", "rev", "status", "kind"],
    })
}

fn source() -> Value {
    json!({
        "description": "Where a record came from: Withings' own names for it.",
        "type": "object",
        "properties": {
            "provider": {"enum": ["withings", "afferent"]},
            "service": described("The service it was read from; `notify` for a notification, `afferent` for our own.", string()),
            "grpid": described("Withings' measure group.", integer()),
            "id": described("Withings' id of a night, workout, recording or survey.", integer()),
            "type": described("The measure type.", integer()),
            "device_id": described("The hashed device id.", string()),
            "model": string(),
            "model_id": integer(),
            "attribution": described("How sure it is whose the data are, and who entered them.", json!({"enum": ATTRIBUTIONS})),
            "attrib": described("Withings' number behind `attribution`.", integer()),
            "created": described("When Withings stored it, epoch seconds.", integer()),
            "modified": described("When Withings last touched it, epoch seconds.", integer()),
            "comment": string(),
            "algo": integer(),
            "fm": integer(),
            "position": described("Withings' number behind `body_site`.", integer()),
            "category": integer(),
            "other": described("What else Withings said, under its own names.", json!({"type": "object"})),
        },
        "required": ["provider", "service"],
        "additionalProperties": false,
    })
}

fn series() -> Value {
    json!({
        "description": "Samples of one UTC hour, in columns of equal length.",
        "type": "object",
        "properties": {
            "unit": described("The unit of the values (UCUM).", string()),
            "origin_ms": described("The beginning of the hour.", shared("ms")),
            "offsets_s": described(
                "Seconds from the origin to each sample's beginning.",
                json!({"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 3599}}),
            ),
            "values": {"type": "array", "minItems": 1, "items": {"type": "number"}},
            "durations_s": described(
                "How long each sample lasts, in seconds, where Withings says so.",
                json!({"type": "array", "minItems": 1, "items": integer()}),
            ),
        },
        "required": ["unit", "origin_ms", "offsets_s", "values"],
        "additionalProperties": false,
    })
}

fn stage() -> Value {
    json!({
        "type": "object",
        "properties": {
            "stage": coded((0..16).map(kinds::stage), "state"),
            "start_ms": shared("ms"),
            "end_ms": shared("ms"),
        },
        "required": ["stage", "start_ms", "end_ms"],
        "additionalProperties": false,
    })
}

fn signal() -> Value {
    json!({
        "description": "The samples of a recording: which, or a part of them.",
        "type": "object",
        "properties": {
            "signalid": described("Withings' id of the recording.", integer()),
            "sampling_hz": described("Samples per second.", json!({"type": "number"})),
            "unit": described("The unit of a sample (UCUM).", string()),
            "part": described("Which part this is, from 1.", json!({"type": "integer", "minimum": 1})),
            "parts": described("How many parts there are.", json!({"type": "integer", "minimum": 1})),
            "digest": described(
                "SHA-256 (hex) of all samples as a JSON list without blanks, the same in each part.",
                json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
            ),
            "samples": {"type": "array", "minItems": 1, "items": integer()},
        },
        "required": ["signalid"],
        "additionalProperties": false,
    })
}
