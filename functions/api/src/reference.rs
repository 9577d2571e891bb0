//! The readable reference: the OpenAPI document told for people, as a page of HTML or as Markdown. Nothing is said here
//! that the document does not say.

mod block;
mod html;
mod markdown;
mod operation;
mod schema;

use serde_json::Value;

use crate::problem::EXPLAINED;
use block::Block;

/// The methods of a path, in the order in which a reader wants them.
const METHODS: [&str; 5] = ["post", "get", "patch", "put", "delete"];

/// The page as HTML.
pub(crate) fn html(document: &Value) -> String {
    html::page(&title(document), &blocks(document))
}

/// The page as Markdown.
pub(crate) fn markdown(document: &Value) -> String {
    markdown::page(&blocks(document))
}

fn title(document: &Value) -> String {
    format!("{} API", text(&document["info"]["title"]))
}

fn blocks(document: &Value) -> Vec<Block> {
    let mut blocks = vec![heading(1, "top", title(document))];
    blocks.extend(paragraphs(&document["info"]["description"]));
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        blocks.push(heading(2, &format!("tag-{}", slug(name)), capital(name)));
        blocks.extend(paragraphs(&tag["description"]));
        for (path, method, operation) in operations(document, name) {
            operation::write(&mut blocks, document, path, method, operation);
        }
    }
    blocks.push(heading(2, "problems", "Problems"));
    blocks.push(Block::Text(
        "What is refused is answered as `application/problem+json`, by the FHIR server as an `OperationOutcome`. Its `type` is \
         one of these, after `urn:afferent:problem:`. The names stay; more may come."
            .to_owned(),
    ));
    blocks.push(kinds(&document["components"]["schemas"]["Problem"]["properties"]["type"][EXPLAINED]));
    blocks.push(Block::Text("Above they are named by their status:".to_owned()));
    blocks.push(responses(&document["components"]["responses"]));
    blocks.push(heading(2, "schemas", "Schemas"));
    for (name, described) in document["components"]["schemas"].as_object().into_iter().flatten() {
        schema::write(&mut blocks, name, described);
    }
    blocks
}

/// The operations of a tag, by path.
fn operations<'a>(document: &'a Value, tag: &str) -> Vec<(&'a str, &'static str, &'a Value)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let operation = &methods[method];
            if operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|name| name == tag)) {
                found.push((path.as_str(), method, operation));
            }
        }
    }
    found
}

/// What each type of a problem means.
fn kinds(all: &Value) -> Block {
    let row = |kind: &Value| {
        let (name, status) = (format!("`{}`", text(&kind["type"])), kind["status"].to_string());
        vec![name, status, words(text(&kind["when"])), words(text(&kind["again"]))]
    };
    let rows = all.as_array().into_iter().flatten().map(row).collect();
    Block::Table { head: &["type", "status", "when", "the same again may succeed"], rows }
}

fn responses(all: &Value) -> Block {
    let row = |(name, response): (&String, &Value)| vec![format!("`{name}`"), words(text(&response["description"]))];
    // Those of the FHIR server are the same in another form.
    let own = all.as_object().into_iter().flatten().filter(|(name, _)| !name.starts_with("Fhir"));
    Block::Table { head: &["name", "means"], rows: own.map(row).collect() }
}

fn heading(level: u8, id: &str, text: impl Into<String>) -> Block {
    Block::Heading { level, id: id.to_owned(), text: text.into() }
}

/// The paragraphs and lists of a description.
fn paragraphs(description: &Value) -> Vec<Block> {
    let parts = text(description).split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    let part = |part: &str| {
        let items: Vec<String> = part.split("\n- ").map(|item| words(item.trim_start_matches("- "))).collect();
        if part.starts_with("- ") { Block::List(items) } else { Block::Text(words(part)) }
    };
    parts.map(part).collect()
}

/// A text in one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

fn capital(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "info": {"title": "Afferent", "description": "One.\n\n- a\n- b"},
            "tags": [{"name": "endpoints", "description": "Who gets events."}],
            "paths": {"/v1/endpoints/{endpoint}": {"post": {
                "tags": ["endpoints"],
                "operationId": "change",
                "summary": "Changes one",
                "description": "All of it.",
                "security": [{"key": ["endpoint"]}],
                "parameters": [{"name": "endpoint", "in": "path", "required": true, "schema": {"type": "string"},
                                "description": "Which."}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
                "responses": {
                    "201": {"description": "It is there.",
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
                    "404": {"$ref": "#/components/responses/NotFound"},
                },
            }}},
            "components": {
                "responses": {"NotFound": {"description": "There is none."}},
                "schemas": {"New": {"type": "object", "required": ["url"], "properties": {
                    "url": {"type": "string", "example": "https://example.org/hooks", "description": "Where to."},
                    "types": {"type": ["array", "null"], "items": {"type": "string"}},
                }}},
            },
        })
    }

    #[test]
    fn both_forms_say_all_that_the_document_says_of_an_operation() {
        for page in [html(&document()), markdown(&document())] {
            let said = [
                "Afferent API",
                "Who gets events.",
                "/v1/endpoints/{endpoint}",
                "Changes one",
                "All of it.",
                "Which.",
                "201",
                "It is there.",
                "404",
                "There is none.",
                "Where to.",
                "list of text",
                "curl",
                "https://example.org/hooks",
            ];
            for text in said {
                assert!(page.contains(text), "{text}: {page}");
            }
        }
    }

    #[test]
    fn every_type_of_a_problem_is_told_with_what_it_means() {
        let page = crate::reference();
        for row in ["| `bad-field` | 400 |", "| `erasing` | 409 |", "| `token_expired` | 410 |"] {
            assert!(page.contains(row), "{row}");
        }
    }

    #[test]
    fn every_link_leads_to_a_heading() {
        let page = html(&document());
        for target in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        }
    }

    #[test]
    fn a_description_is_paragraphs_and_lists() {
        let blocks = paragraphs(&json!("One\nline.\n\n- a\n  b\n- c"));
        let list = Block::List(vec!["a b".to_owned(), "c".to_owned()]);
        assert_eq!(blocks, [Block::Text("One line.".to_owned()), list]);
    }
}
