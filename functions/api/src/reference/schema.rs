//! Schemas: what a value is, in words, and the members of an object.

use serde_json::Value;

use super::block::Block;
use super::{heading, paragraphs, slug, text, words};

pub(super) fn write(blocks: &mut Vec<Block>, name: &str, schema: &Value) {
    blocks.push(heading(3, &id(name), format!("`{name}`")));
    blocks.extend(paragraphs(&schema["description"]));
    let rows = members(schema);
    if rows.is_empty() {
        blocks.push(Block::Text(format!("Is {}.", kind(schema))));
    } else {
        blocks.push(Block::Table { head: &["member", "is", "means"], rows });
    }
}

fn id(name: &str) -> String {
    format!("schema-{}", slug(name))
}

/// A link to the schema that a reference names.
pub(super) fn link(target: &str) -> String {
    let name = target.rsplit('/').next().unwrap_or_default();
    format!("[`{name}`](#{})", id(name))
}

/// The schema that a reference names, or the schema itself.
pub(super) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|target| target.strip_prefix("#"));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

/// A row for each member of an object: those that must be there first.
pub(super) fn members(schema: &Value) -> Vec<Vec<String>> {
    let mut all: Vec<(&String, &Value, bool)> = Vec::new();
    for part in schema["allOf"].as_array().into_iter().flatten().chain([schema]) {
        let needed = |name: &str| part["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
        let members = part["properties"].as_object().into_iter().flatten();
        all.extend(members.map(|(name, member)| (name, member, needed(name))));
    }
    all.sort_by_key(|(_, _, is_needed)| !is_needed);
    let row = |(name, member, is_needed): (&String, &Value, bool)| {
        let kind = kind(member);
        let kind = if is_needed { kind } else { format!("{kind}, optional") };
        vec![format!("`{name}`"), kind, words(means(member))]
    };
    all.into_iter().map(row).collect()
}

/// What is said of a member. Of one that may be `null` or something else that is said at the something else.
fn means(member: &Value) -> &str {
    let choices = member["oneOf"].as_array().into_iter().flatten();
    std::iter::once(member)
        .chain(choices)
        .map(|said| text(&said["description"]))
        .find(|said| !said.is_empty())
        .unwrap_or_default()
}

/// What a value is, in a few words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        return link(target);
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return parts.iter().map(kind).collect::<Vec<_>>().join(" and ");
    }
    match &schema["type"] {
        Value::Array(names) => names.iter().map(|name| named(text(name), schema)).collect::<Vec<_>>().join(" or "),
        name => named(text(name), schema),
    }
}

fn named(name: &str, schema: &Value) -> String {
    match name {
        "string" => match text(&schema["format"]) {
            "" => "text".to_owned(),
            format => format!("text ({format})"),
        },
        "integer" => "whole number".to_owned(),
        "array" => match &schema["items"] {
            Value::Object(_) => format!("list of {}", kind(&schema["items"])),
            _ => "list".to_owned(),
        },
        "boolean" => "`true` or `false`".to_owned(),
        "null" => "`null`".to_owned(),
        "" => "any JSON".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_value_is_is_said_in_words() {
        for (schema, said) in [
            (json!({"type": "string"}), "text"),
            (json!({"type": "string", "format": "date"}), "text (date)"),
            (json!({"type": ["integer", "null"]}), "whole number or `null`"),
            (json!({"type": "array", "items": {"$ref": "#/components/schemas/One"}}), "list of [`One`](#schema-one)"),
            (json!({"enum": ["a", "b"]}), "`\"a\"`, `\"b\"`"),
            (json!({"oneOf": [{"type": "null"}, {"type": "object"}]}), "`null` or object"),
            (json!({}), "any JSON"),
        ] {
            assert_eq!(kind(&schema), said);
        }
    }

    #[test]
    fn what_is_said_of_a_choice_is_said_of_the_member() {
        let choice =
            json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/One", "description": "Which."}]});
        assert_eq!((means(&choice), means(&json!({}))), ("Which.", ""));
    }

    #[test]
    fn what_must_be_there_comes_first() {
        let schema = json!({"required": ["b"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
        let names: Vec<String> = members(&schema).into_iter().map(|row| row[0].clone()).collect();
        assert_eq!(names, ["`b`", "`a`"]);
    }
}
