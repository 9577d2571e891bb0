//! What forms items, messages and events have: which attributes are always there, of which types, and in which version.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use serde_json::{Map, Value, json};

use crate::files::{Release, text};

/// The form of many values: of an attribute, or of all items of one kind.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    seen: usize,
    types: BTreeSet<String>,
    members: BTreeMap<String, Self>,
    /// The highest `v` among them.
    version: u64,
}

/// The name of a list's members among the members of its shape.
const EACH: &str = "[]";

impl Shape {
    /// Takes in a value as DynamoDB writes it.
    fn take(&mut self, typed: &Value) {
        self.seen += 1;
        let Some((name, value)) = typed.as_object().and_then(|typed| typed.iter().next()) else { return };
        self.types.insert(name.clone());
        match (name.as_str(), value) {
            ("M", Value::Object(members)) => {
                let version = members.get("v").and_then(|version| version["N"].as_str()?.parse().ok());
                self.version = self.version.max(version.unwrap_or(1));
                for (name, value) in members {
                    self.members.entry(name.clone()).or_default().take(value);
                }
            }
            ("L", Value::Array(members)) => {
                let each = self.members.entry(EACH.to_owned()).or_default();
                members.iter().for_each(|member| each.take(member));
            }
            _ => {}
        }
    }

    /// How `new` breaks what readers of this form rely on: the place, and what is wrong there.
    fn broken_by(&self, new: &Self, place: &str) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let mut say = |what: String| wrong.push((place.to_owned(), what));
        if new.version > self.version {
            say(format!("has version {}, and the release before reads up to {}", new.version, self.version));
        }
        if let Some(other) = new.types.difference(&self.types).next() {
            say(format!("is {other}, and was {:?}", self.types));
        }
        for (name, old) in &self.members {
            let inner = if name == EACH { format!("{place}{EACH}") } else { format!("{place}.{name}") };
            let now = new.members.get(name);
            let always = name != EACH && old.seen == self.seen;
            if always && now.is_none_or(|now| now.seen < new.seen) {
                wrong.push((inner, "was always there, and is not".to_owned()));
            } else if let Some(now) = now {
                wrong.extend(old.broken_by(now, &inner));
            }
        }
        wrong
    }
}

/// The forms of everything in a release, by what it is.
pub fn of(release: &Release) -> BTreeMap<String, Shape> {
    let mut shapes = BTreeMap::<String, Shape>::new();
    let mut take = |name: String, members: &Value| shapes.entry(name).or_default().take(&json!({"M": members}));
    for (table, items) in &release.tables {
        for item in items {
            take(name_of(table, item), item);
            if table == "records" {
                // What all records have in common is a promise too.
                take("records".to_owned(), item);
            }
            if let Some(event) = event_of(item) {
                let name = format!("events of {}", event["dataschema"].as_str().unwrap_or_default());
                take(name, &members(&event));
                take("events".to_owned(), &members(&event));
            }
        }
    }
    for (queue, messages) in &release.queues {
        for message in messages {
            let body: Value = serde_json::from_str(&message.body).unwrap();
            take(format!("messages on {queue}/{}", body["type"].as_str().unwrap_or_default()), &members(&body));
        }
    }
    shapes
}

/// How what `new` writes breaks what readers of `old` rely on.
pub fn broken(old: &Release, new: &Release) -> Vec<(String, String)> {
    let (old, new) = (of(old), of(new));
    let mut wrong = Vec::new();
    for (name, shape) in &old {
        match new.get(name) {
            None => wrong.push((name.clone(), "is not written any more".to_owned())),
            Some(now) => wrong.extend(shape.broken_by(now, name)),
        }
    }
    wrong
}

/// What an item is: its table, and its kind or state there.
pub fn name_of(table: &str, item: &Value) -> String {
    let (first, is) = (|text: &str| text.split('#').next().unwrap().to_owned(), |name: &str| text(item, name));
    let kind = match table {
        "records" => is("kind").to_owned(),
        "notifications" => is("state").to_owned(),
        "deliveries" if is("item").contains('#') => "attempt".to_owned(),
        "deliveries" => is("state").to_owned(),
        "events" => match (is("journal"), is("sequence")) {
            (journal, _) if journal.starts_with('_') && journal != "_app" => journal.to_owned(),
            (journal, _) if journal.contains('/') => "marker".to_owned(),
            (_, "0") => "head".to_owned(),
            _ => "event".to_owned(),
        },
        "endpoints" => first(is("item")),
        // What has no prefix is named by what it is about: an id.
        _ => {
            let owner = if table == "keys" { is("key") } else { is("owner") };
            let owner = if owner.starts_with("key_") { "key".to_owned() } else { first(owner) };
            let item = is("item");
            let item = match first(item) {
                kind if kind == item && owner.starts_with('_') => "entry".to_owned(),
                // The audit log: a time.
                kind if kind.starts_with(|first: char| first.is_ascii_digit()) => "entry".to_owned(),
                kind => kind,
            };
            format!("{owner}/{item}")
        }
    };
    format!("{table}/{kind}")
}

/// The event in an item of the journal, as it is sent.
pub fn event_of(item: &Value) -> Option<Value> {
    let body = match (&item["packed"]["B"], &item["body"]["S"]) {
        (Value::String(packed), _) => {
            let (packed, mut text) = (STANDARD.decode(packed).unwrap(), String::new());
            DeflateDecoder::new(&*packed).read_to_string(&mut text).unwrap();
            text
        }
        (_, Value::String(body)) => body.clone(),
        _ => return None,
    };
    serde_json::from_str(&body).ok().filter(|event: &Value| event["specversion"].is_string())
}

/// The members of an object, as DynamoDB would write them.
fn members(object: &Value) -> Value {
    let members = object.as_object().into_iter().flatten();
    Value::Object(members.map(|(name, value)| (name.clone(), typed(value))).collect::<Map<_, _>>())
}

fn typed(value: &Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(flag) => json!({"BOOL": flag}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::String(text) => json!({"S": text}),
        Value::Array(all) => json!({"L": all.iter().map(typed).collect::<Vec<_>>()}),
        Value::Object(_) => json!({"M": members(value)}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(items: &[Value]) -> Shape {
        let mut shape = Shape::default();
        items.iter().for_each(|item| shape.take(&json!({"M": item})));
        shape
    }

    /// Where what is written now breaks the form of what was written then.
    fn places(old: &[Value], new: &[Value]) -> Vec<String> {
        shape(old).broken_by(&shape(new), "it").into_iter().map(|(place, _)| place).collect()
    }

    #[test]
    fn more_attributes_break_nothing_and_what_was_not_always_there_may_be_gone() {
        let old = [json!({"a": {"S": "1"}, "b": {"N": "1"}}), json!({"a": {"S": "2"}})];
        assert_eq!(places(&old, &[json!({"a": {"S": "3"}, "c": {"S": "new"}})]), [""; 0]);
    }

    #[test]
    fn what_is_gone_has_another_type_or_a_higher_version_is_named_by_its_place() {
        let inner = |typed: Value| json!({"m": {"M": {"x": typed}}, "l": {"L": [{"M": {"y": {"S": "1"}}}]}});
        let old = [inner(json!({"S": "1"}))];
        assert_eq!(places(&old, &[inner(json!({"N": "1"}))]), ["it.m.x"]);
        assert_eq!(places(&old, &[json!({"m": {"M": {}}, "l": {"L": [{"M": {}}]}})]), ["it.l[].y", "it.m.x"]);
        assert_eq!(places(&old, &[old[0].clone(), json!({"m": {"M": {"x": {"S": "1"}}}})]), ["it.l"]);
        let version = |version: &str| json!({"v": {"N": version}});
        assert_eq!(places(&[version("1")], &[version("2")]), ["it"]);
    }
}
