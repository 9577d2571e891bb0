//! A JSON Schema (draft 2020-12) and an example for every event type.
//!
//! A schema belongs to a *kind*: what an event type says before its last full stop. It describes the whole event, and
//! its `$id`, `urn:afferent:schema:<kind>:1`, is what the event's `dataschema` says. Kinds whose names hold a number or a
//! field of Withings that nobody named (`withings.meastype.77`) share a schema: [`MEASURE`] and [`SERIES`].
//!
//! The files in `schema/` and the table of them are made by this crate's tests from the tables of `afferent-normalise`, so
//! that no kind can be forgotten: `UPDATE=1 cargo test -p afferent-schemas` writes them, and without `UPDATE` a
//! difference fails. What all kinds share is in [`common`], to which every schema refers.

mod table;

use serde_json::{Value, json};

/// The schema of measure types that nobody named: kinds `withings.meastype.<n>`.
pub const MEASURE: &str = "withings.meastype";

/// The schema of series that nobody named: kinds `withings.<field>`.
pub const SERIES: &str = "withings.series";

/// What happens to a record, as it ends an event type.
const RECORD_VERBS: [&str; 3] = ["created", "updated", "deleted"];

/// An hour, in milliseconds: how long after its first revision an example is changed.
const LATER_MS: i64 = 3_600_000;

/// What every schema refers to, by its `$id` `urn:afferent:schema:common:1`.
#[must_use]
pub const fn common() -> &'static str {
    table::COMMON
}

/// The names of all schemas, sorted. All but [`MEASURE`] and [`SERIES`] are kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    table::KINDS.iter().map(|(kind, _)| *kind)
}

/// Every event type with a name of its own: `body_weight.created`, `webhook.test`. (Those of [`MEASURE`] and [`SERIES`]
/// have no end.)
pub fn types() -> impl Iterator<Item = String> {
    let named = kinds().filter(|kind| ![MEASURE, SERIES].contains(kind));
    named.flat_map(|kind| verbs(kind).iter().map(move |verb| format!("{kind}.{verb}")))
}

/// The kind of an event type: what stands before its last full stop.
#[must_use]
pub fn kind_of(event_type: &str) -> Option<&str> {
    event_type.rsplit_once('.').map(|(kind, _)| kind)
}

/// The schema of a kind, as JSON.
#[must_use]
pub fn schema(kind: &str) -> Option<&'static str> {
    let name = match kind.strip_prefix("withings.") {
        None => kind,
        Some(rest) if rest.strip_prefix("meastype.").is_some_and(|number| number.parse::<i64>().is_ok()) => MEASURE,
        Some("") => return None,
        Some(_) => SERIES,
    };
    let place = table::KINDS.binary_search_by_key(&name, |(kind, _)| *kind).ok()?;
    Some(table::KINDS[place].1)
}

/// The `data` of an example of an event type, as JSON; `None` for a type that there is not.
#[must_use]
pub fn example(event_type: &str) -> Option<String> {
    let (kind, verb) = event_type.rsplit_once('.')?;
    if !verbs(kind).contains(&verb) {
        return None;
    }
    let schema: Value = serde_json::from_str(schema(kind)?).ok()?;
    let examples = schema.get("examples")?.as_array()?;
    let event = examples.iter().find(|event| event["type"] == event_type).or_else(|| examples.first())?;
    let mut data = event.get("data")?.clone();
    if event["type"] != event_type {
        let record = data.get_mut("record")?;
        if record["kind"] != kind {
            rename(record, kind);
        }
        if verb != RECORD_VERBS[0] {
            change(record, verb);
        }
    }
    Some(data.to_string())
}

/// Makes an example of one kind that nobody named one of another.
fn rename(record: &mut Value, kind: &str) {
    record["kind"] = json!(kind);
    // Our own code of a kind is the kind in kebab-case.
    record["codes"][0]["code"] = json!(kind.replace('_', "-"));
    if let Some(number) = kind.strip_prefix("withings.meastype.").and_then(|number| number.parse::<i64>().ok()) {
        record["source"]["type"] = json!(number);
    }
}

/// Makes the first revision of an example the second.
fn change(record: &mut Value, verb: &str) {
    record["rev"] = json!(2);
    record["status"] = match verb {
        "deleted" => json!("entered-in-error"),
        _ if record["status"] == "preliminary" => json!("final"),
        _ => json!("amended"),
    };
    if let Some(changed) = record["changed_ms"].as_i64() {
        record["changed_ms"] = json!(changed.saturating_add(LATER_MS));
    }
}

/// How the types of a kind end.
fn verbs(kind: &str) -> &'static [&'static str] {
    match kind {
        "endpoint" => &["disabled", "enabled", "warning"],
        "webhook" => &["test"],
        _ => &RECORD_VERBS,
    }
}
