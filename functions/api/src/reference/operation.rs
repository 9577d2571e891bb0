//! One operation: what it takes, how it is called, what it answers.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::block::Block;
use super::schema::{kind, link, resolved};
use super::{heading, paragraphs, slug, text, words};

pub(super) fn write(blocks: &mut Vec<Block>, document: &Value, path: &str, method: &str, operation: &Value) {
    let title = format!("`{} {path}`", method.to_uppercase());
    let id = match operation["operationId"].as_str() {
        Some(id) => slug(id),
        None => slug(&format!("{method}{path}")),
    };
    blocks.push(heading(3, &id, title));
    blocks.extend(paragraphs(&operation["summary"]));
    blocks.extend(paragraphs(&operation["description"]));
    blocks.push(Block::Text(needs(operation)));
    parameters(blocks, document, operation);
    let body = &operation["requestBody"]["content"]["application/json"];
    members(blocks, document, body);
    blocks.push(Block::Code(curl(document, path, method, operation)));
    answers(blocks, document, operation);
}

/// What kind of key is needed.
fn needs(operation: &Value) -> String {
    let needs = operation["security"].as_array().into_iter().flatten().filter_map(|one| one["key"][0].as_str());
    match needs.collect::<Vec<_>>().first() {
        None => "Needs no key.".to_owned(),
        Some(&"user") => "Needs a key with `read`, or the key of this user.".to_owned(),
        Some(&"endpoint") => "Needs a key with `write`, or the key of this endpoint.".to_owned(),
        Some(need) => format!("Needs a key with `{need}`."),
    }
}

/// A reference within the document, followed.
fn followed<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(&Value::Null),
        None => value,
    }
}

fn parameters(blocks: &mut Vec<Block>, document: &Value, operation: &Value) {
    let row = |parameter: &Value| {
        let parameter = followed(document, parameter);
        let place = match (text(&parameter["in"]), parameter["required"] == true) {
            (place, true) => place.to_owned(),
            (place, false) => format!("{place}, optional"),
        };
        let name = format!("`{}`", text(&parameter["name"]));
        vec![name, place, kind(&parameter["schema"]), words(text(&parameter["description"]))]
    };
    let rows: Vec<_> = operation["parameters"].as_array().into_iter().flatten().map(row).collect();
    if !rows.is_empty() {
        blocks.push(Block::Table { head: &["parameter", "in", "is", "means"], rows });
    }
}

fn members(blocks: &mut Vec<Block>, document: &Value, body: &Value) {
    let schema = resolved(document, &body["schema"]);
    let rows = super::schema::members(schema);
    if !rows.is_empty() {
        blocks.push(Block::Table { head: &["member of the body", "is", "means"], rows });
    }
}

/// The command that makes the request, as an example.
fn curl(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let mut command = "curl".to_owned();
    // Writing to a string does not fail.
    let _ = match method {
        "get" => Ok(()),
        method => write!(command, " -X {}", method.to_uppercase()),
    };
    if operation["security"].as_array().is_some_and(|needs| needs.iter().any(|need| need.get("key").is_some())) {
        command.push_str(" -H \"Authorization: Bearer $KEY\"");
    }
    let body = &operation["requestBody"]["content"]["application/json"];
    if let Some(example) = example(document, body) {
        let _ = write!(command, " \\\n  -d '{}'", example.to_string().replace('\'', "'\\''"));
    }
    if operation["requestBody"]["content"].get("application/x-www-form-urlencoded").is_some() {
        command.push_str(" \\\n  -d \"patient=$patient\"");
    }
    // What must be there stands in the command as a variable of its name.
    let needed = operation["parameters"].as_array().into_iter().flatten().filter_map(|parameter| {
        let needed = parameter["in"] == "query" && parameter["required"] == true;
        parameter["name"].as_str().filter(|_| needed).map(|name| format!("{name}=${name}"))
    });
    let query = needed.collect::<Vec<_>>().join("&");
    // A dollar sign of the path itself is none of the shell's.
    let path = path.replace('$', "\\$");
    let path = if query.is_empty() { path } else { format!("{path}?{query}") };
    let path = match path.contains(['{', '?']) {
        true => format!("\"$API{}\"", path.replace('{', "$").replace('}', "")),
        false => format!("$API{path}"),
    };
    let _ = write!(command, " {path}");
    command
}

/// The body's own example; or one of the members that must be there.
fn example(document: &Value, body: &Value) -> Option<Value> {
    if let Some(example) = body.get("example") {
        return Some(example.clone());
    }
    let schema = resolved(document, body.get("schema")?);
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)) {
        return Some(example.clone());
    }
    let needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let member = |name: &str| {
        let member = &schema["properties"][name];
        let example = member.get("example").or_else(|| member["examples"].get(0))?;
        Some((name.to_owned(), example.clone()))
    };
    let members: Map<String, Value> = needed.filter_map(member).collect();
    (!members.is_empty()).then(|| members.into())
}

fn answers(blocks: &mut Vec<Block>, document: &Value, operation: &Value) {
    let row = |(status, answer): (&String, &Value)| {
        let description = words(text(&followed(document, answer)["description"]));
        let kinds = answer["content"].as_object().into_iter().flatten();
        let kind = |(media, content): (&String, &Value)| match content["schema"]["$ref"].as_str() {
            Some(target) => link(target),
            None => format!("`{media}`"),
        };
        vec![status.clone(), description, kinds.map(kind).collect::<Vec<_>>().join(", ")]
    };
    let rows = operation["responses"].as_object().into_iter().flatten().map(row).collect();
    blocks.push(Block::Table { head: &["status", "means", "holds"], rows });
}
