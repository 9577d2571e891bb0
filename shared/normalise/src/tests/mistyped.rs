//! Nothing is lost unsaid: whatever an answer holds that is of another type than it should be, a record keeps it as it
//! came, or a problem names it. Unless it is ignored knowingly anyway (`tests/fixtures/ignored.json`).

use std::collections::BTreeMap;

use super::kept::{at, fixtures, ignored, outcome_of, ways};
use super::*;

/// What stands in the place of something else. Nothing else looks like it.
const ODD: &str = "odd-one-out";

/// What might stand there instead of a node, of other types.
fn others(node: &Json) -> Vec<Json> {
    let text = Json::Text(ODD.to_owned());
    let object = Json::Object(BTreeMap::from([(ODD.to_owned(), text.clone())]));
    let list = Json::List(vec![text.clone()]);
    match node {
        Json::Null | Json::Unreadable => Vec::new(),
        Json::Text(_) => vec![object, list],
        Json::Bool(_) | Json::Number(_) => vec![text, object, list],
        Json::Object(_) => vec![text, list],
        Json::List(_) => vec![text, object],
    }
}

#[test]
fn whatever_is_of_another_type_is_kept_as_it_came_or_a_problem_names_it_and_never_its_value() {
    let ignored = ignored();
    let mut unsaid = Vec::new();
    for (name, group, service, tree) in fixtures() {
        let Some(service) = service else { continue };
        let before = outcome_of(service, &tree);
        if before.facts.is_empty() {
            continue;
        }
        let is_ignored =
            |path: &str| ignored.keys().any(|(of, known)| (of == group || of == "envelope") && known == path);
        for (path, ways) in ways(&tree, 3, |_| true) {
            if !path.contains('.') || is_ignored(&path) {
                continue;
            }
            for way in ways {
                let mut changed = tree.clone();
                let node = at(&mut changed, &way).clone();
                for other in others(&node) {
                    *at(&mut changed, &way) = other.clone();
                    let after = outcome_of(service, &changed);
                    let said = after.problems != before.problems;
                    if !said && !format!("{:?}", after.facts).contains(ODD) {
                        unsaid.push(format!("{name} {path}: {other:?}"));
                    }
                    let words = after.problems.iter().map(ToString::to_string).collect::<String>();
                    assert!(!words.contains(ODD), "{name} {path}: {words}");
                }
            }
        }
    }
    assert!(unsaid.is_empty(), "neither kept nor said: {unsaid:#?}");
}

#[test]
fn a_field_of_another_type_costs_the_field_and_not_the_row() {
    let row = r#"{"grpid":1,"attrib":{"by":"nobody"},"date":1789625130,"modified":"soon","deviceid":[],"measures":[{"value":81250,"unit":-3,"type":1,"fm":[7]}]}"#;
    let body = Json::parse(format!(r#"{{"measuregrps":[{row}]}}"#).as_bytes()).unwrap();
    let outcome = normalise(&later(), Service::Getmeas, &Body::new(body), Of::Nothing);
    let words: Vec<String> = outcome.problems.iter().map(ToString::to_string).collect();
    let expected = [
        "measuregrps[0]: attrib is an object",
        "measuregrps[0]: modified is a text",
        "measuregrps[0].measures[0]: fm is a list",
    ];
    assert_eq!(words, expected);
    assert!(outcome.problems.iter().all(|problem| problem.of_type().is_some()));
    assert_eq!(outcome.facts[0].value.unwrap().to_string(), "81.25");
}

#[test]
fn a_measure_whose_power_of_ten_cannot_be_read_is_no_measure() {
    let measures = r#"[{"value":81250,"unit":"kg","type":1},{"value":60,"type":11}]"#;
    let body =
        Json::parse(format!(r#"{{"measuregrps":[{{"grpid":1,"date":1789625130,"measures":{measures}}}]}}"#).as_bytes());
    let outcome = normalise(&later(), Service::Getmeas, &Body::new(body.unwrap()), Of::Nothing);
    assert_eq!(outcome.facts.len(), 1, "the pulse, which has none");
    assert!(outcome.problems.iter().any(|problem| problem.of_type().is_none()), "{:?}", outcome.problems);
}
