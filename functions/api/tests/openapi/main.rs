//! The OpenAPI document: it is what the routes say, whole, and kept in the repository.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod shapes;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use afferent_function::Env;
use afferent_local::{Setup, Simulation};
use api::Api;
use lambda_http::Body;
use lambda_http::http::{Request, Response};
use serde_json::{Value, json};

/// Members of answers whose names say all that there is to say.
const EVIDENT: [&str; 8] = ["connection", "connections", "mac", "reference_id", "unit", "user", "users", "value"];

const NEEDS: [&str; 5] = ["admin", "write", "read", "user", "endpoint"];

fn document() -> Value {
    serde_json::from_str(&api::document()).unwrap()
}

/// Every operation, as `post /v1/endpoints`.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let of_path = |(path, item)| {
        let item: &Value = item;
        let methods = item.as_object().unwrap().iter().filter(|(_, operation)| operation.get("responses").is_some());
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    };
    paths.flat_map(of_path).collect()
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// What is kept in the repository is what the code says. `UPDATE=1` writes it.
fn kept(name: &str, said: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file(name), said).unwrap();
    }
    let kept = std::fs::read_to_string(file(name)).unwrap_or_default();
    assert!(kept == said, "docs/{name} is not what the code says: UPDATE=1 cargo test -p api --test openapi");
}

#[test]
fn the_document_that_is_kept_is_the_one_that_the_routes_say() {
    kept("openapi.json", &format!("{}\n", api::document().trim_end()));
}

#[test]
fn the_reference_that_is_kept_is_the_one_that_the_document_says() {
    kept("api.md", &api::reference());
}

#[test]
fn every_operation_has_a_name_a_summary_a_known_tag_and_one_need() {
    let document = document();
    let tags: Vec<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let (mut names, mut wrong) = (BTreeSet::new(), Vec::new());
    for (operation, said) in operations(&document) {
        let name = said["operationId"].as_str().unwrap_or_default().to_owned();
        let own: Vec<&str> = said["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        // However the key comes, it is needed for the same.
        let known = document["components"]["securitySchemes"].as_object().unwrap();
        let ways = said["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
        let needs: BTreeSet<Option<&str>> = ways
            .map(|way| match way.iter().next() {
                Some((name, needs)) if way.len() == 1 && known.contains_key(name) => needs[0].as_str(),
                _ => None,
            })
            .collect();
        let is_open = said["security"] == json!([{}]);
        let checks = [
            ("has a name of its own", !name.is_empty() && names.insert(name)),
            ("has a summary of one line", said["summary"].as_str().is_some_and(|text| !text.contains('\n'))),
            ("has one tag, which is known", own.len() == 1 && tags.contains(&own[0])),
            (
                "says what kind of key it needs",
                is_open || needs.len() == 1 && needs.iter().flatten().any(|need| NEEDS.contains(need)),
            ),
            (
                "answers something",
                said["responses"].as_object().unwrap().keys().any(|status| status < &"400".to_owned()),
            ),
        ];
        wrong.extend(checks.iter().filter(|(_, holds)| !holds).map(|(what, _)| format!("{operation}: {what}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_key_may_come_in_open_wearables_own_header_under_their_paths_and_no_others() {
    let document = document();
    let theirs = &document["components"]["securitySchemes"]["open_wearables_key"];
    assert_eq!((&theirs["in"], &theirs["name"]), (&json!("header"), &json!("X-Open-Wearables-API-Key")));
    let takes =
        |said: &Value| said["security"].as_array().unwrap().iter().any(|way| way.get("open_wearables_key").is_some());
    let all = operations(&document);
    let found: Vec<&str> = all.iter().filter(|(_, said)| takes(said)).map(|(name, _)| name.as_str()).collect();
    assert_eq!(found.len(), 7, "{found:?}");
    for (operation, said) in &all {
        assert_eq!(takes(said), operation.contains(" /api/v1/"), "{operation}");
        assert!(!takes(said) || said["security"][0]["key"] == said["security"][1]["open_wearables_key"], "{operation}");
    }
}

#[test]
fn every_parameter_and_every_member_of_a_body_is_described() {
    let document = document();
    let mut wrong = Vec::new();
    for (operation, said) in operations(&document) {
        for parameter in said["parameters"].as_array().into_iter().flatten() {
            if parameter["description"].as_str().unwrap_or_default().is_empty() {
                wrong.push(format!("{operation}: parameter {}", parameter["name"]));
            }
        }
        let names = operation.matches('{').count();
        let in_path = |parameter: &&Value| parameter["in"] == "path";
        if said["parameters"].as_array().into_iter().flatten().filter(in_path).count() != names {
            wrong.push(format!("{operation}: a parameter of the path is missing"));
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (member, said) in schema["properties"].as_object().into_iter().flatten() {
            let is_named = ["$ref", "oneOf", "allOf"].iter().any(|kind| said.get(*kind).is_some());
            if !is_named
                && !EVIDENT.contains(&member.as_str())
                && said["description"].as_str().unwrap_or_default().is_empty()
            {
                wrong.push(format!("schema {name}: member {member}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(members) => members.iter().for_each(|member| references(member, found)),
            _ => {}
        }
    }
    let (document, mut found) = (document(), BTreeSet::new());
    references(&document, &mut found);
    assert!(found.len() > 10);
    for target in found {
        assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
    }
}

#[test]
fn problems_that_can_come_anywhere_are_documented_everywhere() {
    let document = document();
    for (operation, said) in operations(&document) {
        let is_behind_the_door = said["security"][0].get("key").is_some();
        let mut statuses = vec!["400", "405", "429", "500", "503"];
        if is_behind_the_door {
            statuses.extend(["401", "403"]);
        }
        if is_behind_the_door && operation.starts_with("post") {
            statuses.push("413");
        }
        // A search by a form changes nothing.
        if is_behind_the_door && operation.starts_with("post") && !operation.ends_with("/_search") {
            statuses.extend(["409", "422"]);
        }
        for status in statuses {
            assert!(said["responses"].get(status).is_some(), "{operation}: {status}");
        }
    }
}

async fn get(path: &str) -> Response<Body> {
    get_unless(path, None).await
}

/// The answer to whoever has what this tag is of.
async fn get_unless(path: &str, tag: Option<&str>) -> Response<Body> {
    let simulation = Simulation::bare(Setup::default()).await.unwrap();
    let environment = simulation.template.function("api").unwrap().environment.clone();
    let api = Api::start(&Env::of(environment), &simulation.rim).await.unwrap();
    let request = Request::get(format!("https://api.example.org{path}"));
    let request = tag.into_iter().fold(request, |request, tag| request.header("if-none-match", tag));
    api.handle(request.body(Body::Empty).unwrap()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_has_the_document_or_the_page_need_not_get_it_again() {
    for path in ["/v1/openapi.json", "/v1/docs"] {
        let first = get(path).await;
        assert_eq!(first.headers()["cache-control"], "public, max-age=300");
        let tag = first.headers()["etag"].to_str().unwrap();
        for known in [tag, &format!("\"other\", W/{tag}"), "*"] {
            let again = get_unless(path, Some(known)).await;
            assert_eq!((again.status().as_u16(), again.body().is_empty()), (304, true), "{path} {known}");
            assert_eq!(again.headers()["etag"], tag);
        }
        let other = get_unless(path, Some("\"other\"")).await;
        assert_eq!((other.status().as_u16(), other.body() == first.body()), (200, true), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_document_is_served_to_everybody() {
    let answer = get("/v1/openapi.json").await;
    let served: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(
        (&served["openapi"], answer.headers()["content-type"].to_str().unwrap()),
        (&"3.1.0".into(), "application/json")
    );
    assert_eq!(served, document());
}

#[tokio::test(start_paused = true)]
async fn the_reference_is_a_page_without_scripts_that_names_every_operation() {
    let answer = get("/v1/docs").await;
    let page = String::from_utf8(answer.body().to_vec()).unwrap();
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("src="));
    for (operation, _) in operations(&document()) {
        let (method, path) = operation.split_once(' ').unwrap();
        assert!(page.contains(&format!("<code>{} {path}</code>", method.to_uppercase())), "{operation}");
    }
}

/// The names of the shapes that a source describes: of the type that follows `derive(… ToSchema …)`, or what `as = ` says.
fn shapes(source: &str) -> Vec<String> {
    let (mut names, mut is_next, mut other) = (Vec::new(), false, None);
    for line in source.lines().map(str::trim) {
        is_next |= line.starts_with("#[derive(") && line.contains("ToSchema");
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric()).collect::<String>();
        other = line.strip_prefix("#[schema(as = ").map(word).or(other);
        let declared =
            ["struct ", "enum "].iter().find_map(|kind| line.split_once(kind)).filter(|_| !line.starts_with("//"));
        if let (true, Some((_, name))) = (is_next, declared) {
            names.push(other.take().unwrap_or_else(|| word(name)));
            is_next = false;
        }
    }
    names
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn no_two_shapes_have_one_name_for_the_document_would_hold_only_one_of_them() {
    let mut seen = BTreeSet::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for name in shapes(&std::fs::read_to_string(&path).unwrap()) {
            assert!(seen.insert(name.clone()), "{name}, the second time in {}", path.display());
        }
    }
    assert!(seen.contains("NewEndpoint") && seen.contains("Problem"));
}

#[test]
fn the_commands_of_the_reference_name_each_path_as_it_is() {
    let (document, reference): (Value, String) = (serde_json::from_str(&api::document()).unwrap(), api::reference());
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 50);
    for path in paths.keys() {
        let command = format!("$API{}", path.replace('$', "\\$").replace('{', "$").replace('}', ""));
        assert!(reference.contains(&command), "{command}");
    }
    assert!(reference.contains("/series?kind=$kind"), "what must be in the query is there");
}
