//! The schema of a kind from the shapes that its records come in.

use afferent_domain::record::{Category, Code};
use afferent_normalise::kinds::{self, Row};
use serde_json::{Map, Value, json};

use crate::common::{shared, shared_at, urn};

/// One shape of a kind's records.
pub struct Form {
    /// Where it comes from, in words.
    pub from: String,
    /// The members that this kind has or narrows, each with its schema.
    pub members: Map<String, Value>,
    /// Those of them that the payload form `full` always has.
    pub always: Vec<&'static str>,
}

impl Form {
    /// A shape with nothing in it but what every record has: at an instant or over a period, of these services.
    pub fn new(from: impl Into<String>, category: Category, when: &str, services: &[&str]) -> Self {
        let mut members = Map::new();
        members.insert("category".to_owned(), json!({"const": category}));
        members.insert("effective".to_owned(), shared(when));
        let service = if let [one] = services { json!({"const": one}) } else { json!({"enum": services}) };
        members.insert("source".to_owned(), json!({"properties": {"service": service}}));
        Self { from: from.into(), members, always: Vec::new() }
    }

    /// The same, with exactly these codes.
    pub fn codes(self, codes: &[Code]) -> Self {
        self.may("codes", json!({"const": codes}))
    }

    /// The same, with a member that it always has.
    pub fn has(mut self, name: &'static str, schema: Value) -> Self {
        self.always.push(name);
        self.may(name, schema)
    }

    /// The same, with a member that it may have.
    pub fn may(mut self, name: &str, schema: Value) -> Self {
        self.members.insert(name.to_owned(), schema);
        self
    }

    /// The same, where the source has this measure type.
    fn meastype(mut self, number: i64) -> Self {
        self.members["source"]["properties"]["type"] = json!({"const": number});
        self
    }
}

/// A measure: a number with its unit, or the class of an atrial fibrillation result.
pub fn measure(row: &Row) -> Form {
    let number: i64 = row.name.parse().expect("measure types are numbers");
    let form = Form::new(format!("type {number} of getmeas"), row.category, "at", &["getmeas"])
        .meastype(number)
        .codes(&row.codes())
        .has("raw", shared("raw"))
        .may("body_site", shared("body_site"));
    let form =
        if row.site.is_some() { Form { always: [form.always, vec!["body_site"]].concat(), ..form } } else { form };
    match row.unit() {
        Some(unit) => form.has("value", json!({"type": "number"})).has("unit", json!({"const": unit})),
        None => form.has("value_code", shared("afib")),
    }
}

/// A series: the samples of a field in one UTC hour.
pub fn series(row: &Row, service: &str) -> Form {
    let unit = row.unit().expect("samples have a unit");
    let form = Form::new(format!("field {} of {service}, by the hour", row.name), row.category, "period", &[service])
        .codes(&row.codes())
        .has("unit", json!({"const": unit}))
        .has("series", json!({"$ref": shared_at("series"), "properties": {"unit": {"const": unit}}}));
    match row.method {
        Some(method) => form.has("method", json!({"const": method})),
        None => form,
    }
}

/// A component of a row: always with its value.
pub fn part(row: &Row) -> Value {
    let mut properties = Map::new();
    properties.insert("kind".to_owned(), json!({"const": row.kind}));
    properties.insert("codes".to_owned(), json!({"const": row.codes()}));
    properties.insert("value".to_owned(), json!({"type": "number"}));
    let named =
        [("unit", row.unit()), ("method", row.method.map(str::to_owned)), ("body_site", row.site.map(str::to_owned))];
    for (name, value) in named {
        if let Some(value) = value {
            properties.insert(name.to_owned(), json!({"const": value}));
        }
    }
    let required: Vec<String> = properties.keys().cloned().collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// The components of a table, and those of numbers that nobody named; `more` are others.
pub fn parts(table: &[Row], more: impl IntoIterator<Item = Value>) -> Value {
    let unknown = json!({
        "description": "A number of Withings that nobody named.",
        "type": "object",
        "properties": {"kind": {"type": "string", "pattern": "^withings\\..+$"}, "value": {"type": "number"}},
        "required": ["kind", "value"],
        "additionalProperties": false,
    });
    let all: Vec<Value> = more.into_iter().chain(table.iter().map(part)).chain([unknown]).collect();
    json!({"type": "array", "minItems": 1, "items": {"anyOf": all}})
}

/// The kinds of measures and series with the shapes of each, as the tables have them.
pub fn of_tables() -> Vec<(String, Vec<Form>)> {
    let mut all: Vec<(String, Vec<Form>)> = Vec::new();
    let pressures = [kinds::SYSTOLIC.kind, kinds::DIASTOLIC.kind];
    let measures =
        kinds::MEASURES.iter().filter(|row| !pressures.contains(&row.kind)).map(|row| (row.kind, measure(row)));
    let intraday = kinds::INTRADAY.iter().map(|row| (row.kind, series(row, "getintradayactivity")));
    let sleep = kinds::SLEEP.iter().map(|row| (row.kind, series(row, "sleep_get")));
    for (kind, form) in measures.chain(intraday).chain(sleep) {
        match all.iter_mut().find(|(known, _)| known == kind) {
            Some((_, forms)) => forms.push(form),
            None => all.push((kind.to_owned(), vec![form])),
        }
    }
    all
}

/// The schema of the events about a kind of record.
pub fn of_records(kind: &str, forms: Vec<Form>, example: &Value) -> Value {
    let words: Vec<&str> = forms.iter().map(|form| &*form.from).collect();
    let description =
        format!("A record of kind `{kind}` is new, changed or retracted. It comes from: {}.", words.join("; "));
    let mixed = ["series", "value"].iter().all(|name| forms.iter().any(|form| form.members.contains_key(*name)));
    let whole: Vec<Value> = forms.iter().map(|form| json!({"required": form.always})).collect();
    let whole = match &*whole {
        [one] => json!({"$ref": shared_at("whole"), "required": one["required"]}),
        several => json!({"$ref": shared_at("whole"), "anyOf": several}),
    };
    let mut record = json!({
        "$ref": shared_at("record"),
        "properties": {"kind": named(kind, "")},
        "unevaluatedProperties": false,
    });
    match <[Form; 1]>::try_from(forms) {
        Ok([form]) => record["properties"].as_object_mut().expect("an object").extend(form.members),
        Err(forms) => {
            let shapes = forms.into_iter().map(|mut form| {
                // A record is one or the other; without this, what one shape allows would do for the other.
                if mixed {
                    let other = if form.members.contains_key("series") { "value" } else { "series" };
                    form.members.insert(other.to_owned(), json!(false));
                }
                json!({"description": form.from, "properties": form.members})
            });
            record["anyOf"] = shapes.collect();
        }
    }
    let types = if fixed(kind) {
        let types = ["created", "updated", "deleted"].map(|verb| format!("{kind}.{verb}"));
        json!({"enum": types})
    } else {
        named(kind, "\\.(created|updated|deleted)")
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": urn(kind),
        "title": kind,
        "description": description,
        "$ref": shared_at("event"),
        "properties": {
            "type": types,
            "dataschema": {"const": urn(kind)},
            "data": {"properties": {"record": record}, "required": ["record"], "additionalProperties": false},
        },
        "unevaluatedProperties": false,
        "$defs": {"whole": whole},
        "examples": [example],
    })
}

fn fixed(kind: &str) -> bool {
    ![afferent_schemas::MEASURE, afferent_schemas::SERIES].contains(&kind)
}

/// A text that is the kind's name and this end.
fn named(kind: &str, end: &str) -> Value {
    match kind {
        afferent_schemas::MEASURE => {
            json!({"type": "string", "pattern": format!("^withings\\.meastype\\.-?[0-9]+{end}$")})
        }
        afferent_schemas::SERIES => {
            json!({"type": "string", "pattern": format!("^withings\\.(?!meastype\\.).+{end}$")})
        }
        _ => json!({"const": kind}),
    }
}
